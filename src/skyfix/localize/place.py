"""From the ground point at a photo's centre to the camera above and the ground around."""

from skyfix.geo.camera import Pose, centre_on_ground, footprint
from skyfix.geo.ground import offset

_Outline = tuple[tuple[float, float], ...]


def camera_and_footprint(
    lon: float, lat: float, pose: Pose, size_px: tuple[int, int]
) -> tuple[tuple[float | None, float | None], _Outline]:
    """Where a camera was, and the ground it saw, given the ground point at the image centre.

    Args:
        lon, lat: the ground point, degrees.
        pose: camera; unless it is complete nothing can be said.
        size_px: (width, height) of the photo; (0, 0) if unknown, which gives no footprint.

    Returns:
        (lon, lat) of the point below the camera, (None, None) if unknown, and the (lon, lat)
        corners of the footprint in image order, empty if unknown.
    """
    if not pose.is_complete:
        return (None, None), ()
    east_m, north_m = -centre_on_ground(pose)
    camera_lon, camera_lat = offset(lon, lat, east_m, north_m)
    camera = float(camera_lon), float(camera_lat)
    if 0 in size_px:
        return camera, ()
    corners = offset(*camera, *footprint(pose, *size_px).T)
    return camera, tuple(zip(*(values.tolist() for values in corners), strict=True))

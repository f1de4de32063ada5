"""Windows on a map, in pixels."""

from skyfix.bucket_path import AnyPath
from skyfix.geo.crs import GeoReference
from skyfix.geo.geotiff import RasterError

_EDGE_PX = 1e-6


def check_window(
    path: AnyPath, geo: GeoReference, column: float, row: float, width: float, height: float
) -> None:
    """Refuse a window that is not inside the map; arguments in px.

    Raises:
        RasterError: it leaves the map, or has no extent.
    """
    inside = (
        column >= -_EDGE_PX
        and row >= -_EDGE_PX
        and width > 0
        and height > 0
        and column + width <= geo.width_px + _EDGE_PX
        and row + height <= geo.height_px + _EDGE_PX
    )
    if not inside:
        raise RasterError(
            f"Window {width:g} x {height:g} px at ({column:g}, {row:g}) leaves {path}, "
            f"which has {geo.width_px} x {geo.height_px} px. Clip the window first."
        )

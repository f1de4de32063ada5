"""The region of interest of a gallery, kept in its folder so that imagery can be added later."""

from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.gallery.storage import Storage, read_json, write_json
from skyfix.geo.region import Region

REGION_FILE = "region.geojson"


def keep_region(region: Region, storage: Storage) -> None:
    """Write the region's polygons into a gallery."""
    write_json(storage, REGION_FILE, region.geojson)


def kept_region(fingerprint: str | None, storage: Storage) -> Region | None:
    """The region of a gallery.

    Args:
        fingerprint: of the region; None for all imagery.
        storage: the gallery.

    Raises:
        SkyfixError: its copy is missing, damaged, or of another region.
    """
    if fingerprint is None:
        return None
    content = read_json(storage, REGION_FILE, "region")
    region = Region.of(content, Path(storage.uri) / REGION_FILE)
    if region.fingerprint != fingerprint:
        raise SkyfixError(
            f"{storage.uri}/{REGION_FILE} is not the region that the gallery was built within. "
            "Put the region's file back in its place, or build the gallery anew."
        )
    return region

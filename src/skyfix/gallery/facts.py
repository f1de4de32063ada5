"""Facts of a gallery."""

from dataclasses import dataclass

from skyfix.gallery.manifest import Counts
from skyfix.gallery.reduction import Kept
from skyfix.gallery.scales import Scale
from skyfix.gallery.sources import Source


@dataclass(frozen=True)
class GalleryInfo:
    """Facts of a gallery.

    Attributes:
        tiles: number of tiles.
        scales: tile sizes and strides, ground metres, small tiles first.
        dimensions: length D of the system's descriptors.
        stored_dimensions: length d of the stored ones; less than D in a reduced gallery.
        kept: what the reduction keeps; None for a gallery that is not reduced.
        system: name of the system.
        identity: digest of its weights, arguments and preprocessing.
        bounds: west, south, east, north, degrees; west > east across the antimeridian.
        size_bytes: size on disk.
        counts: planned, kept and skipped tiles.
        sources: the rasters.
        source_counts: the counts of each.
    """

    tiles: int
    scales: tuple[Scale, ...]
    dimensions: int
    stored_dimensions: int
    kept: Kept | None
    system: str
    identity: str
    bounds: tuple[float, float, float, float]
    size_bytes: int
    counts: Counts
    sources: tuple[Source, ...]
    source_counts: tuple[Counts, ...]

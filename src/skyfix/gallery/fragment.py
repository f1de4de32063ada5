"""Embedded tiles on their way to the store."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from skyfix.errors import SkyfixError
from skyfix.gallery.cutting import Piece
from skyfix.gallery.halves import LENGTH_TOLERANCE, half_precision
from skyfix.gallery.reduction import Reduction
from skyfix.gallery.sources import Source
from skyfix.geo.tiling import TilePlan


class Fragment:
    """Tiles that will be stored in one commit.

    Args:
        sources: the rasters.
        numbers: what stored tiles call each of them.
        dimensions: length D of the system's descriptors.
        reduction: what makes stored ones of them; None to store them whole.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        numbers: Sequence[int],
        dimensions: int,
        reduction: Reduction | None = None,
    ) -> None:
        self._sources, self._numbers, self._dimensions = sources, numbers, dimensions
        self._reduction = reduction
        self._parts: list[dict[str, pa.Array]] = []
        self._tiles = 0

    def __len__(self) -> int:
        return self._tiles

    def add(self, source: int, plan: TilePlan, piece: Piece, descriptors: np.ndarray) -> None:
        """Append the kept tiles of a piece.

        Args:
            source: index of the raster.
            plan: its tiles.
            piece: K cut tiles.
            descriptors: theirs, (K, D) float32.

        Raises:
            SkyfixError: descriptors of another shape, or not of unit length.
        """
        expected = (len(piece.kept), self._dimensions)
        lengths = np.linalg.norm(descriptors, axis=-1)
        if descriptors.shape != expected or not (np.abs(lengths - 1) < LENGTH_TOLERANCE).all():
            raise SkyfixError(
                f"The embedder gave descriptors of shape {descriptors.shape}, or not of unit "
                f"length; expected {expected}, each of length 1. Check the system's weights."
            )
        stored = descriptors if self._reduction is None else self._reduction.apply(descriptors)
        prefix = self._sources[source].fingerprint[:12]
        self._parts.append(
            _places(self._numbers[source], prefix, plan, piece.kept)
            | {
                "descriptor": half_precision(stored),
                "thumbnail": pa.array(piece.thumbnails, pa.binary()),
            }
        )
        self._tiles += len(piece.kept)

    def columns(self) -> dict[str, pa.Array]:
        """All tiles as columns of ``store.schema``."""
        return {
            name: pa.concat_arrays([part[name] for part in self._parts]) for name in self._parts[0]
        }


def _places(number: int, prefix: str, plan: TilePlan, kept: np.ndarray) -> dict[str, pa.Array]:
    columns, rows = plan.columns[kept], plan.rows[kept]
    widths, heights = plan.widths[kept], plan.heights[kept]
    lon, lat = plan.centres(kept)
    scale = plan.scale(kept)
    # Content and window name the tile; neighbours are at least half a pixel apart.
    ids = [
        f"{prefix}-{column:.1f}-{row:.1f}-{width:.1f}"
        for column, row, width in zip(columns, rows, widths, strict=True)
    ]
    return {
        "id": pa.array(ids, pa.string()),
        "source": pa.array(np.full(len(kept), number), pa.int32()),
        "lon": pa.array(lon),
        "lat": pa.array(lat),
        "size_m": pa.array(np.full(len(kept), plan.tile_m)),
        "gsd_m": pa.array(np.sqrt(scale.x_m * scale.y_m)),
        "heading_deg": pa.array(scale.heading_deg),
        "column_px": pa.array(columns),
        "row_px": pa.array(rows),
        "width_px": pa.array(widths),
        "height_px": pa.array(heights),
    }

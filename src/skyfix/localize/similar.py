"""The tiles most like a photo, and nothing more: neither pose nor position."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from skyfix.gallery import Gallery
from skyfix.gallery.nearby import Near
from skyfix.gallery.search import Matches, ShardedMatches


class TileSearch(Protocol):
    """What finds tiles: a ``Gallery``, or a ``ShardedSearch`` of one."""

    def search(self, descriptors: np.ndarray, k: int, near: Near | None = None) -> Matches:
        """See ``Gallery.search``."""


@dataclass(frozen=True)
class SimilarTile:
    """A tile and how much it is like a photo.

    Attributes:
        tile: its id in the gallery.
        lon, lat: its centre, degrees.
        size_m: its side, ground metres.
        cosine: of the angle between both descriptors.
    """

    tile: str
    lon: float
    lat: float
    size_m: float
    cosine: float


@dataclass(frozen=True)
class Similar:
    """What was found for a photo.

    Attributes:
        photo: path or name.
        tiles: the most similar ones, best first.
        partial: whether better ones may be missing, as a shard did not answer.
    """

    photo: str
    tiles: tuple[SimilarTile, ...]
    partial: bool

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def similar_tiles(
    photos: list[str],
    descriptors: np.ndarray,
    gallery: Gallery,
    search: TileSearch,
    k: int,
    near: Near | None = None,
) -> list[Similar]:
    """The k tiles most like each photo.

    Args:
        photos: their names.
        descriptors: (N, D) of the photos, by the gallery's system.
        gallery: that the tiles are in.
        search: it, or shards of it.
        k: tiles a photo; fewer where there are not so many.
        near: (lon, lat, radius_m) that the tiles' centres lie in.

    Raises:
        SkyfixError: see ``Gallery.search``.
    """
    found = search.search(descriptors, k, near)
    partial = isinstance(found, ShardedMatches) and found.partial
    return [
        Similar(photo, _named(gallery, rows, scores), partial)
        for photo, rows, scores in zip(photos, found.rows, found.scores, strict=True)
    ]


def _named(gallery: Gallery, rows: np.ndarray, scores: np.ndarray) -> tuple[SimilarTile, ...]:
    tiles = gallery.tiles
    return tuple(
        SimilarTile(
            str(tiles.id[row]),
            float(tiles.lon[row]),
            float(tiles.lat[row]),
            float(tiles.size_m[row]),
            float(score),
        )
        for row, score in zip(rows, scores, strict=True)
        if row >= 0
    )

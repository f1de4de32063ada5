"""The gallery: one folder of geo-referenced tiles, their descriptors and the system behind them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.files import read_json
from skyfix.gallery.build import (
    SYSTEM_FOLDER,
    THUMBNAIL_PX,
    BuildReport,
    TileEmbedder,
    build_gallery,
)
from skyfix.gallery.manifest import Counts, Manifest
from skyfix.gallery.nearby import Near, rows_near
from skyfix.gallery.search import Matches, nearest
from skyfix.gallery.sources import Source
from skyfix.gallery.store import TileReader
from skyfix.gallery.tiles import Tiles

if TYPE_CHECKING:
    from skyfix.inference import Embedder

HELD_BYTES = 2 * 2**30
"""Descriptors (float32) up to this size are held in memory after the first search; larger
galleries are read from disk at every search, where ``near`` pays off."""

_BLOCK_SCORES = 2**22


@dataclass(frozen=True)
class GalleryInfo:
    """Facts of a gallery.

    Attributes:
        tiles: number of tiles.
        tile_m, stride_m: ground metres.
        dimensions: length D of a descriptor.
        system: name of the system.
        identity: digest of its weights, arguments and preprocessing.
        bounds: west, south, east, north, degrees; west > east across the antimeridian.
        size_bytes: size on disk.
        counts: planned, kept and skipped tiles.
        sources: the rasters.
    """

    tiles: int
    tile_m: float
    stride_m: float
    dimensions: int
    system: str
    identity: str
    bounds: tuple[float, float, float, float]
    size_bytes: int
    counts: Counts
    sources: tuple[Source, ...]


class Gallery:
    """A complete gallery on disk. Get one with ``Gallery.open`` or ``Gallery.build``.

    Attributes:
        path: its folder.
        report: what the build did; None for a gallery that was opened.
    """

    def __init__(self, path: Path | str, report: BuildReport | None = None) -> None:
        self.path, self.report = Path(path), report
        self._manifest = Manifest.read(self.path)
        if self._manifest.state != "complete" or self._manifest.counts is None:
            raise SkyfixError(
                f"The gallery {self.path} is incomplete: its build was interrupted or still runs. "
                "Run the same build command again to finish it."
            )
        self._counts = self._manifest.counts
        self._reader = TileReader(self.path, self._counts.kept, self._manifest.dimensions)

    @classmethod
    def open(cls, path: Path | str) -> "Gallery":
        """Open a gallery; reads its description only.

        Raises:
            SkyfixError: not a gallery, incomplete, or damaged.
        """
        return cls(path)

    @classmethod
    def build(
        cls,
        sources: Path | str | Sequence[Path | str],
        out: Path | str,
        embedder: TileEmbedder,
        tile_m: float,
        stride_m: float,
        thumbnail_px: int = THUMBNAIL_PX,
        region: Path | str | None = None,
        bands: Sequence[int] = (),
    ) -> "Gallery":
        """Build a gallery, or finish one, and open it; see ``build_gallery``.

        ``report`` of the result says what was done.
        """
        report = build_gallery(
            sources, out, embedder, tile_m, stride_m, thumbnail_px, region, bands
        )
        return cls(out, report)

    def __len__(self) -> int:
        return self._counts.kept

    @property
    def tile_m(self) -> float:
        """Side of a tile, ground metres."""
        return self._manifest.tile_m

    @property
    def stride_m(self) -> float:
        """Distance between neighbouring tiles, ground metres."""
        return self._manifest.stride_m

    @property
    def dimensions(self) -> int:
        """Length D of a descriptor."""
        return self._manifest.dimensions

    @property
    def identity(self) -> str:
        """Digest of the system that made the descriptors."""
        return self._manifest.identity

    @property
    def has_thumbnails(self) -> bool:
        """Whether pictures of its tiles are kept."""
        return self._manifest.thumbnail_px > 0

    @property
    def sources(self) -> tuple[Source, ...]:
        """The rasters; ``tiles.source`` points into them."""
        return self._manifest.sources

    @cached_property
    def tiles(self) -> Tiles:
        """Where the tiles lie."""
        return Tiles.from_table(self._reader.columns(Tiles.names()))

    @cached_property
    def descriptors(self) -> np.ndarray:
        """All descriptors, (T, D) float32, stored in half precision."""
        matrix = np.empty((len(self), self.dimensions), np.float32)
        start = 0
        for block in self._reader.descriptor_blocks(_BLOCK_SCORES // self.dimensions + 1):
            matrix[start : start + len(block)] = block
            start += len(block)
        return matrix

    def search(self, descriptors: np.ndarray, k: int, near: Near | None = None) -> Matches:
        """The k tiles most like each query: exact dot products, equal scores rank by row.

        Args:
            descriptors: (N, D), made by the gallery's system.
            k: how many; where the gallery (or the circle) has fewer, rows are -1 and scores -inf.
            near: (lon, lat, radius_m): only tiles whose centre lies in this circle.

        Raises:
            SkyfixError: wrong shape, not numbers, k below 1, or a position off the Earth.
        """
        queries = self._checked(descriptors)
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 tile.")
        rows = None if near is None else rows_near(self._lon_lat[0], self._lon_lat[1], near)
        return nearest(queries, self._blocks(rows, len(queries)), k)

    def require(self, identity: str) -> None:
        """Refuse descriptors of another system.

        Raises:
            SkyfixError: ``identity`` is not the gallery's.
        """
        if identity != self.identity:
            raise SkyfixError(
                f"The gallery {self.path} was made by system {self.identity}, not by {identity}: "
                "their descriptors do not compare. Use the gallery's own system, or build anew."
            )

    def embedder(self, device: str = "auto", batch_size: int = 32) -> "Embedder":
        """The embedder that made the gallery, from the checkpoint kept in its folder.

        Raises:
            SkyfixError: the checkpoint is missing, damaged, or not the one of the build.
        """
        # Imported late: searching with descriptors at hand needs no torch.
        from skyfix.inference import Embedder

        embedder = Embedder(self.path / SYSTEM_FOLDER, device=device, batch_size=batch_size)
        self.require(embedder.identity)
        return embedder

    def thumbnail(self, row: int) -> Image.Image:
        """A small RGB picture of a tile.

        Raises:
            SkyfixError: no such row, or the gallery was built without thumbnails.
        """
        return self.thumbnails([row])[0]

    def thumbnails(self, rows: Sequence[int]) -> list[Image.Image]:
        """Small RGB pictures of several tiles, in one read.

        Raises:
            SkyfixError: no such row, or the gallery was built without thumbnails.
        """
        for row in rows:
            if not 0 <= row < len(self):
                raise SkyfixError(f"No tile {row} in {self.path}, which has {len(self)} tiles.")
        if not self.has_thumbnails:
            raise SkyfixError(f"{self.path} was built without thumbnails. Build it anew with them.")
        stored = self._reader.take(np.asarray(rows, np.int64), ["thumbnail"])["thumbnail"]
        return [
            Image.open(io.BytesIO(picture.as_py()), formats=("JPEG",)).convert("RGB")
            for picture in stored
        ]

    def info(self) -> GalleryInfo:
        """Facts of the gallery."""
        described = read_json(self.path / SYSTEM_FOLDER / "system.json", "checkpoint description")
        files = (entry for entry in self.path.rglob("*") if entry.is_file())
        return GalleryInfo(
            tiles=len(self),
            tile_m=self.tile_m,
            stride_m=self.stride_m,
            dimensions=self.dimensions,
            system=str(described.get("system", "unknown")),
            identity=self.identity,
            bounds=self.tiles.bounds(),
            size_bytes=sum(entry.stat().st_size for entry in files),
            counts=self._counts,
            sources=self.sources,
        )

    @cached_property
    def _lon_lat(self) -> tuple[np.ndarray, np.ndarray]:
        table = self._reader.columns(["lon", "lat"])
        return table["lon"].to_numpy(), table["lat"].to_numpy()

    def _blocks(
        self, rows: np.ndarray | None, queries: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and descriptors to compare with, block by block, from memory or from disk."""
        size = int(np.clip(_BLOCK_SCORES // max(queries, 1), 1024, 65536))
        held = 4 * len(self) * self.dimensions <= HELD_BYTES
        if rows is not None:
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                yield part, self.descriptors[part] if held else self._reader.descriptors(part)
            return
        start = 0
        for block in self._held_blocks(size) if held else self._reader.descriptor_blocks(size):
            yield np.arange(start, start + len(block)), block
            start += len(block)

    def _held_blocks(self, size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(self), size):
            yield self.descriptors[start : start + size]

    def _checked(self, descriptors: np.ndarray) -> np.ndarray:
        queries = np.asarray(descriptors, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dimensions:
            raise SkyfixError(
                f"Descriptors have shape {queries.shape}, {self.path} needs "
                f"(N, {self.dimensions}). Embed the queries with the gallery's own system."
            )
        if not np.isfinite(queries).all():
            raise SkyfixError("A query descriptor is not a number. Check the photo and the system.")
        return queries

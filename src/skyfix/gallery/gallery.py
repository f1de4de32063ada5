"""The gallery: one folder of geo-referenced tiles, their descriptors and the system behind them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.gallery.build import THUMBNAIL_PX, BuildReport, build_gallery
from skyfix.gallery.change import add_sources, remove_sources
from skyfix.gallery.layer import Layer
from skyfix.gallery.manifest import Counts, Manifest
from skyfix.gallery.nearby import Near, rows_near
from skyfix.gallery.place import place_of, read_json
from skyfix.gallery.scales import Scale
from skyfix.gallery.search import Matches, nearest
from skyfix.gallery.sources import Source
from skyfix.gallery.store import TileReader
from skyfix.gallery.system import DESCRIPTION_FILE, SYSTEM_FOLDER, TileEmbedder
from skyfix.gallery.tiles import Tiles
from skyfix.gallery.within import kept_region
from skyfix.geo.region import Region

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
        scales: tile sizes and strides, ground metres, small tiles first.
        dimensions: length D of a descriptor.
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
    system: str
    identity: str
    bounds: tuple[float, float, float, float]
    size_bytes: int
    counts: Counts
    sources: tuple[Source, ...]
    source_counts: tuple[Counts, ...]


class Gallery:
    """A complete gallery on disk. Get one with ``Gallery.open`` or ``Gallery.build``.

    Attributes:
        path: its folder.
        report: what the build did; None for a gallery that was opened.
    """

    def __init__(self, path: Path | str, report: BuildReport | None = None) -> None:
        self.path, self.report = Path(path), report
        self._place = place_of(path)
        self._manifest = Manifest.read(self._place)
        self._contents = contents = self._manifest.require_complete(self._place)
        self._counts = Counts.total(contents.counts)
        self._reader = TileReader(
            self._place, contents.version, self._counts.kept, self._manifest.dimensions
        )

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
        tile_m: float | Sequence[float],
        stride_m: float | Sequence[float] | None = None,
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

    def add(
        self,
        sources: Path | str | Sequence[Path | str],
        embedder: TileEmbedder | None = None,
        bands: Sequence[int] = (),
    ) -> "Gallery":
        """Add maps and open the gallery anew; see ``add_sources``.

        Args:
            sources: maps, or folders of them.
            embedder: the gallery's, if there already is one.
            bands: of GeoTIFFs, as for ``build``.
        """
        report = add_sources(self.path, sources, embedder or self.embedder(), bands)
        return Gallery(self.path, report)

    def remove(self, names: Sequence[Path | str]) -> "Gallery":
        """Remove rasters, by path or file name, and open the gallery anew."""
        remove_sources(self.path, names)
        return Gallery(self.path)

    def __len__(self) -> int:
        return self._counts.kept

    @property
    def scales(self) -> tuple[Scale, ...]:
        """Tile sizes, small ones first; ``tiles.size_m`` tells those of a size."""
        return self._manifest.scales

    @property
    def tile_m(self) -> float:
        """Side of a tile, ground metres; a SkyfixError where there are several sizes."""
        return self._only_scale.tile_m

    @property
    def stride_m(self) -> float:
        """Distance between neighbouring tiles, ground metres; a SkyfixError as ``tile_m``."""
        return self._only_scale.stride_m

    @cached_property
    def layers(self) -> "tuple[Gallery | Layer, ...]":
        """The tiles of each of ``scales``; the gallery itself where there is but one."""
        if len(self.scales) == 1:
            return (self,)
        return tuple(Layer(self, scale) for scale in self.scales)

    @property
    def rows(self) -> np.ndarray:
        """(T,) of all tiles; what ``Layer.rows`` is of a layer."""
        return np.arange(len(self))

    @property
    def region(self) -> Region | None:
        """The region of interest that the tiles' centres lie in; None for all imagery.

        Raises:
            SkyfixError: the gallery's copy of it is missing or damaged.
        """
        return kept_region(self._manifest.region, self._place)

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
        stored = Tiles.from_table(self._reader.columns(Tiles.names()))
        # Numbers of sources increase; gaps are where one was removed.
        return replace(stored, source=np.searchsorted(self._contents.numbers, stored.source))

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
        rows = None if near is None else rows_near(self._lon_lat[0], self._lon_lat[1], near)
        return self.search_among(descriptors, k, rows)

    def search_among(self, descriptors: np.ndarray, k: int, rows: np.ndarray | None) -> Matches:
        """``search`` among some rows, in increasing order; None for all."""
        queries = self._checked(descriptors)
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 tile.")
        return nearest(queries, self._blocks(rows, len(queries)), k)

    def descriptors_of(self, rows: np.ndarray) -> np.ndarray:
        """Stored descriptors of some rows, (n, D) float32."""
        return self.descriptors[rows] if self._held else self._reader.descriptors(rows)

    def require(self, identity: str) -> None:
        """Refuse descriptors of another system.

        Raises:
            SkyfixError: ``identity`` is not the gallery's.
        """
        self._manifest.require_system(identity, self._place)

    def embedder(self, device: str = "auto", batch_size: int = 32) -> "Embedder":
        """The embedder that made the gallery, from the checkpoint kept in its folder.

        Raises:
            SkyfixError: the checkpoint is missing, damaged, or not the one of the build.
        """
        # Imported late: searching with descriptors at hand needs no torch.
        from skyfix.inference import Embedder

        with self._place.local_folder(SYSTEM_FOLDER) as folder:
            embedder = Embedder(folder, device=device, batch_size=batch_size)
        self.require(embedder.identity)
        return embedder

    @property
    def thumbnail_px(self) -> int:
        """Side of the thumbnails; 0 if there are none."""
        return self._manifest.thumbnail_px

    def thumbnail(self, row: int) -> Image.Image:
        """A small RGB picture of a tile.

        Raises:
            SkyfixError: no such row, or the gallery was built without thumbnails.
        """
        return self.thumbnails([row])[0]

    def thumbnails(self, rows: Sequence[int] | np.ndarray) -> list[Image.Image]:
        """Small RGB pictures of several tiles, in one read.

        Raises:
            SkyfixError: no such row, or the gallery was built without thumbnails.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        for row in wanted[(wanted < 0) | (wanted >= len(self))]:
            raise SkyfixError(f"No tile {row} in {self.path}, which has {len(self)} tiles.")
        if not self.has_thumbnails:
            raise SkyfixError(f"{self.path} was built without thumbnails. Build it anew with them.")
        stored = self._reader.take(wanted, ["thumbnail"])["thumbnail"].to_pylist()
        return [Image.open(io.BytesIO(one), formats=("JPEG",)).convert("RGB") for one in stored]

    def info(self) -> GalleryInfo:
        """Facts of the gallery."""
        described = read_json(
            self._place, f"{SYSTEM_FOLDER}/{DESCRIPTION_FILE}", "checkpoint description"
        )
        return GalleryInfo(
            tiles=len(self),
            scales=self.scales,
            dimensions=self.dimensions,
            system=str(described.get("system", "unknown")),
            identity=self.identity,
            bounds=self.tiles.bounds(),
            size_bytes=sum(self._place.sizes().values()),
            counts=self._counts,
            sources=self.sources,
            source_counts=self._contents.counts,
        )

    @property
    def _only_scale(self) -> Scale:
        if len(self.scales) > 1:
            sizes = ", ".join(f"{scale.tile_m:g}" for scale in self.scales)
            raise SkyfixError(
                f"{self.path} has tiles of {sizes} m: no single size. Use Gallery.layers."
            )
        return self.scales[0]

    @property
    def _held(self) -> bool:
        """Whether the descriptors are held in memory."""
        return 4 * len(self) * self.dimensions <= HELD_BYTES

    @cached_property
    def _lon_lat(self) -> tuple[np.ndarray, np.ndarray]:
        table = self._reader.columns(["lon", "lat"])
        return table["lon"].to_numpy(), table["lat"].to_numpy()

    def _blocks(
        self, rows: np.ndarray | None, queries: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and descriptors to compare with, block by block, from memory or from disk."""
        size = int(np.clip(_BLOCK_SCORES // max(queries, 1), 1024, 65536))
        if rows is not None:
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                yield part, self.descriptors_of(part)
            return
        start = 0
        for block in (
            self._held_blocks(size) if self._held else self._reader.descriptor_blocks(size)
        ):
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

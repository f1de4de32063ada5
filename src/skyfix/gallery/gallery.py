"""The gallery: one folder of geo-referenced tiles, their descriptors and the system behind them.

Longer than other files for the documentation of its public class; the work is done by the modules
beside it.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.gallery.build import THUMBNAIL_PX, BuildReport, build_gallery
from skyfix.gallery.change import add_sources, compact_gallery, remove_sources
from skyfix.gallery.descriptors import Descriptors
from skyfix.gallery.facts import GalleryInfo
from skyfix.gallery.kept_positions import positions_of
from skyfix.gallery.layer import Layer
from skyfix.gallery.manifest import Counts, Manifest
from skyfix.gallery.nearby import Near, PositionIndex
from skyfix.gallery.reader import TileReader
from skyfix.gallery.reduction import Reduction
from skyfix.gallery.scales import Scale
from skyfix.gallery.search import Matches
from skyfix.gallery.sources import Source
from skyfix.gallery.storage import Folder, read_json, storage_of
from skyfix.gallery.system import DESCRIPTION_FILE, SYSTEM_FOLDER, TileEmbedder
from skyfix.gallery.tiles import Tiles
from skyfix.gallery.within import kept_region
from skyfix.geo.region import Region

if TYPE_CHECKING:
    from skyfix.inference import Embedder


class Gallery:
    """A complete gallery. Get one with ``Gallery.open`` or ``Gallery.build``.

    Attributes:
        path: its folder, a path on disk or the text s3://bucket/folder.
        report: what the build did; None for a gallery that was opened.
    """

    def __init__(self, path: Path | str, report: BuildReport | None = None) -> None:
        self._storage, self.report = storage_of(path), report
        self.path = Path(path) if isinstance(self._storage, Folder) else self._storage.uri
        self._manifest = Manifest.read(self._storage)
        self._contents = contents = self._manifest.require_complete(self._storage)
        self._counts = Counts.total(contents.counts)
        self._reader = TileReader.of(self._storage, self._manifest)
        self._descriptors = Descriptors(self._storage, self._manifest, self._reader)

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
        dims: int | None = None,
    ) -> "Gallery":
        """Build a gallery, or finish one, and open it; see ``build_gallery``.

        ``report`` of the result says what was done.
        """
        report = build_gallery(
            sources, out, embedder, tile_m, stride_m, thumbnail_px, region, bands, dims
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

    def compact(self) -> "Gallery":
        """Rewrite the tiles into few files and open the gallery anew; see ``compact_gallery``."""
        compact_gallery(self.path)
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
        return kept_region(self._manifest.region, self._storage)

    @property
    def dimensions(self) -> int:
        """Length D of the system's descriptors, which ``search`` takes."""
        return self._manifest.dimensions

    @property
    def stored_dimensions(self) -> int:
        """Length d of a stored descriptor: D, or less in a reduced gallery."""
        return self._manifest.stored_dimensions

    @property
    def digest(self) -> str:
        """Names the tiles and descriptors as they are now: another one after every change."""
        return self._reader.digest

    @property
    def reduction(self) -> Reduction | None:
        """What reduced the stored descriptors; None where they are whole.

        Raises:
            SkyfixError: its file is missing or not the gallery's.
        """
        return self._descriptors.reduction

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

    @property
    def descriptors(self) -> np.ndarray:
        """All stored descriptors, (T, d) float32; d is D, or less in a reduced gallery."""
        return self._descriptors.matrix

    def search(self, descriptors: np.ndarray, k: int, near: Near | None = None) -> Matches:
        """The k tiles most like each query: exact dot products, equal scores rank by row.

        Args:
            descriptors: (N, D), made by the gallery's system.
            k: how many; where the gallery (or the circle) has fewer, rows are -1 and scores -inf.
            near: (lon, lat, radius_m): only tiles whose centre lies in this circle.

        Raises:
            SkyfixError: wrong shape, not numbers, k below 1, or a position off the Earth.
        """
        return self.search_among(descriptors, k, None if near is None else self.rows_near(near))

    def rows_near(self, near: Near) -> np.ndarray:
        """Tiles whose centre lies in a circle, in increasing order.

        Raises:
            SkyfixError: a position off the Earth or a radius that is not positive.
        """
        return self._positions.rows(near)

    def search_among(self, descriptors: np.ndarray, k: int, rows: np.ndarray | None) -> Matches:
        """``search`` among some rows, in increasing order; None for all."""
        return self._descriptors.search(descriptors, k, rows)

    def scores(self, descriptors: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """How much queries are like each of some tiles: dot products, unranked.

        Args:
            descriptors: (N, D), made by the gallery's system.
            rows: (n,) of the tiles, in increasing order; None for all.

        Returns:
            (N, n) float32.

        Raises:
            SkyfixError: wrong shape, or not numbers.
        """
        return self._descriptors.scores(descriptors, rows)

    def descriptors_of(self, rows: np.ndarray) -> np.ndarray:
        """Stored descriptors of some rows, in any order, (n, d) float32."""
        wanted, place = np.unique(rows, return_inverse=True)
        return self._descriptors.of(wanted)[place]

    def comparable(self, descriptors: np.ndarray) -> np.ndarray:
        """Descriptors (N, D) made by the gallery's system as stored ones are: (N, d) float32.

        Raises:
            SkyfixError: wrong shape, or not numbers.
        """
        return self._descriptors.comparable(descriptors)

    def require(self, identity: str) -> None:
        """Refuse descriptors of another system.

        Raises:
            SkyfixError: ``identity`` is not the gallery's.
        """
        self._manifest.require_system(identity, self._storage)

    def embedder(
        self, device: str = "auto", batch_size: int = 32, system: Path | str | None = None
    ) -> "Embedder":
        """The embedder that made the gallery, from the checkpoint kept in its folder.

        Args:
            device, batch_size: as for ``Embedder``.
            system: the same system in another folder or form, such as an exported one.

        Raises:
            SkyfixError: the checkpoint is missing, damaged, or not the one of the build.
        """
        # Imported late: searching with descriptors at hand needs no torch.
        from skyfix.inference import Embedder

        if system is not None:
            embedder = Embedder(system, device=device, batch_size=batch_size)
        else:
            with self._storage.local_folder(SYSTEM_FOLDER) as folder:
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
            self._storage, f"{SYSTEM_FOLDER}/{DESCRIPTION_FILE}", "checkpoint description"
        )
        return GalleryInfo(
            tiles=len(self),
            scales=self.scales,
            dimensions=self.dimensions,
            stored_dimensions=self._manifest.stored_dimensions,
            kept=None if self.reduction is None else self.reduction.kept,
            system=str(described.get("system", "unknown")),
            identity=self.identity,
            bounds=self.tiles.bounds(),
            size_bytes=sum(self._storage.sizes().values()),
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

    @cached_property
    def _positions(self) -> PositionIndex:
        return positions_of(self._storage, self._reader)

"""The galleries that are served, and their replacement by newer ones while the service runs."""

import logging
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.manifest import MANIFEST_FILE
from skyfix.gallery.sources import is_there
from skyfix.gallery.storage import storage_of
from skyfix.geo.ground import offset
from skyfix.inference import Embedder
from skyfix.localize import Locator
from skyfix.localize.similar import TileSearch
from skyfix.serve.map_tiles import TileMaker
from skyfix.serve.problems import ProblemError

MOST_CANDIDATES = 50
"""Every fix is found with so many candidates; an answer names as many as were asked for."""

_LOOK_S = 1.0
_log = logging.getLogger("skyfix.serve")


class Served:
    """One state of a gallery: what requests that began with it go on with.

    Attributes:
        id, name: what clients call it, and what people do.
        gallery: it.
        locator: finds photos in it; only the model's thread may use it.
        search: finds tiles in it: the gallery, or shards of it on a cluster.
        map: makes map tiles of its imagery.
        facts: what clients are told of it.
    """

    def __init__(
        self, id_: str, gallery: Gallery, embedder: Embedder, ray: str | None = None
    ) -> None:
        self.id, self.gallery = id_, gallery
        self.search: TileSearch = gallery if ray is None else _sharded(gallery, ray)
        self.name = str(gallery.path).rstrip("/").rpartition("/")[2]
        self.locator = Locator(gallery, embedder, k=MOST_CANDIDATES)
        self.map = TileMaker(gallery)
        self.facts: dict[str, Any] = {
            "id": id_,
            "name": self.name,
            "system": embedder.system.name,
            "tiles": len(gallery),
            "tile_m": [scale.tile_m for scale in gallery.scales],
            "bounds": list(gallery.tiles.bounds()),
            "min_zoom": self.map.min_zoom,
            "max_zoom": self.map.max_zoom,
            "imagery": any(map(is_there, gallery.sources)),
        }

    def row_of(self, tile: str) -> int | None:
        """Gallery row of a tile; None where there is no such tile."""
        ids, order = self.gallery.tiles.id, self._order
        place = int(np.searchsorted(ids, tile, sorter=order))
        if place == len(ids) or ids[order[place]] != tile:
            return None
        return int(order[place])

    def corners(self, row: int) -> list[list[float]]:
        """(lon, lat) of a tile's corners, its upper left first, clockwise."""
        tiles = self.gallery.tiles
        half_m, turn = tiles.size_m[row] / 2, math.radians(tiles.heading_deg[row])
        right, up = np.array([-1, 1, 1, -1]) * half_m, np.array([1, 1, -1, -1]) * half_m
        east_m = right * math.cos(turn) + up * math.sin(turn)
        north_m = up * math.cos(turn) - right * math.sin(turn)
        lon, lat = offset(tiles.lon[row], tiles.lat[row], east_m, north_m)
        return [[float(x), float(y)] for x, y in zip(lon, lat, strict=True)]

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.gallery.tiles.id, kind="stable")


@dataclass
class _Kept:
    """A gallery's place with its newest state, and the description that this was read from."""

    path: str
    description: bytes
    served: Served


class Galleries:
    """All galleries by id; a thread looks every second whether one was changed or replaced.

    What cannot be opened meanwhile, such as a gallery that is being built anew, is passed over:
    the old state answers until there is a new one.

    Args:
        paths: folders, or s3://bucket/folder.
        device: of their networks.
        ray: address of a Ray cluster that holds their descriptors; None for none.

    Raises:
        SkyfixError: one cannot be opened.
    """

    def __init__(self, paths: Sequence[str], device: str, ray: str | None = None) -> None:
        self._device, self._ray = device, ray
        self._embedders: dict[str, Embedder] = {}
        self._kept: dict[str, _Kept] = {}
        for path in paths:
            id_ = _free_id(path, self._kept)
            self._kept[id_] = _Kept(path, _description(path), self._open(id_, path))
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="galleries", daemon=True)
        self._watcher.start()

    def all(self) -> list[Served]:
        """Newest states, in the order given."""
        return [kept.served for kept in self._kept.values()]

    def get(self, id_: str | None) -> Served:
        """The newest state of a gallery; of the first one without an id.

        Raises:
            ProblemError: 404, no such gallery.
        """
        if not id_:
            return self.all()[0]
        if id_ not in self._kept:
            raise ProblemError(404, "No such gallery. GET /v1/galleries lists them.")
        return self._kept[id_].served

    def close(self) -> None:
        """Stop looking for changes."""
        self._closing.set()
        self._watcher.join()

    def _open(self, id_: str, path: str) -> Served:
        gallery = Gallery.open(path)
        if gallery.identity not in self._embedders:
            self._embedders[gallery.identity] = gallery.embedder(self._device)
        return Served(id_, gallery, self._embedders[gallery.identity], self._ray)

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_S):
            for id_, kept in self._kept.items():
                try:
                    self._renew(id_, kept)
                except SkyfixError as error:
                    _log.debug("gallery %s stays as it was: %s", id_, error)
                except Exception:
                    _log.exception("gallery %s cannot be read anew", id_)
            used = {kept.served.gallery.identity for kept in self._kept.values()}
            for identity in self._embedders.keys() - used:
                del self._embedders[identity]

    def _renew(self, id_: str, kept: _Kept) -> None:
        description = _description(kept.path)
        if description != kept.description:
            served = self._open(id_, kept.path)
            kept.served, kept.description = served, description
            _log.info("gallery %s was replaced: %d tiles", id_, len(served.gallery))


def _sharded(gallery: Gallery, ray: str) -> TileSearch:
    from skyfix.gallery.sharded import ShardedSearch

    # Nobody closes it: a cluster ends actors that no process knows any more, so those of an older
    # state live as long as requests that began with it.
    return ShardedSearch(gallery, ray)


def _description(path: str) -> bytes:
    return storage_of(path).read(MANIFEST_FILE)


def _free_id(path: str, taken: dict[str, _Kept]) -> str:
    """A name for addresses, after the folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", path.rstrip("/").rpartition("/")[2].lower()).strip("-")
    name = name[:60] or "gallery"
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next(one for one in (name, *numbered) if one not in taken)

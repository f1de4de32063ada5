"""Searching a gallery whose descriptors are spread over the memory of a Ray cluster."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.cluster import answer, join
from skyfix.gallery.exact import best_of
from skyfix.gallery.gallery import Gallery
from skyfix.gallery.nearby import Cap, Near
from skyfix.gallery.search import Matches, ShardedMatches
from skyfix.gallery.shard import Shard
from skyfix.gallery.space_filling import compact_groups
from skyfix.progress import counting

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

_OVERHEAD_BYTES = 512 * 2**20
"""Of a shard's process, beside its descriptors and positions."""


class ShardedSearch:
    """A gallery's search by actors of a cluster, each with compact ground of its own.

    An actor whose process dies is started again by Ray and reads its tiles anew; a search that is
    under way waits for it as long as its time allows.

    Args:
        gallery: at a path that all machines of the cluster read, or in a bucket.
        address: of the cluster, ``auto`` or host:port.
        shards: how many parts; by default the cluster's CPUs.

    Attributes:
        gallery: what is searched, for its tiles and thumbnails.

    Raises:
        SkyfixError: there is no such cluster, it lacks memory, or a machine cannot read the
            gallery.
    """

    def __init__(
        self, gallery: Gallery | Path | str, address: str = "auto", shards: int | None = None
    ) -> None:
        import ray

        self.gallery = gallery if isinstance(gallery, Gallery) else Gallery.open(gallery)
        join(address)
        there = ray.cluster_resources()
        number = int(there.get("CPU", 1)) if shards is None else shards
        if number < 1:
            raise SkyfixError(f"{number} shards. Give at least 1.")
        tiles = self.gallery.tiles
        self._rows = compact_groups(tiles.lon, tiles.lat, min(number, len(tiles)))
        self._caps = [Cap(tiles.lon[rows], tiles.lat[rows]) for rows in self._rows]
        self._actors = self._start(int(there.get("memory", 0)))
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Number of shards."""
        return len(self._rows)

    def search(
        self,
        descriptors: np.ndarray,
        k: int,
        near: Near | None = None,
        timeout_s: float = 60.0,
    ) -> ShardedMatches:
        """``Gallery.search``, with the same rows and scores where no shard is missing.

        Args:
            descriptors: (N, D), made by the gallery's system.
            k: how many; where there are fewer, rows are -1 and scores -inf.
            near: (lon, lat, radius_m): only tiles whose centre lies in this circle; shards that
                lie outside are not asked.
            timeout_s: how long to wait for shards, those that start again too.

        Raises:
            SkyfixError: as ``Gallery.search``, or the gallery changed since it was opened.
        """
        import ray

        end = time.monotonic() + timeout_s
        queries = self.gallery.comparable(descriptors)
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 tile.")
        asked = tuple(
            shard for shard, cap in enumerate(self._caps) if near is None or cap.meets(near)
        )
        sent = ray.put(queries)
        calls: list[ObjectRef] = [
            self._actors[shard].search.remote(sent, k, near) for shard in asked
        ]
        parts, missing = [_nothing(len(queries))], []
        for shard, found in zip(asked, _answers(calls, end), strict=True):
            if found is None:
                missing.append(shard)
            else:
                parts.append(found)
        best = best_of(parts, k)
        return ShardedMatches(best.rows, best.scores, asked, tuple(missing))

    def close(self) -> None:
        """End the actors."""
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _load(self) -> None:
        calls: list[ObjectRef] = [actor.ready.remote() for actor in self._actors]
        with counting("Loading", len(calls), "shards") as counter:
            for call in calls:
                answer(call)
                counter.advance()

    def _start(self, memory: int) -> "list[ActorHandle]":
        import ray

        path = self.gallery.path
        uri = str(path.resolve()) if isinstance(path, Path) else path
        # Half-precision numbers, two bytes each; positions, their order and rows.
        tile_bytes = 2 * self.gallery.stored_dimensions + 48
        needed = [len(rows) * tile_bytes + _OVERHEAD_BYTES for rows in self._rows]
        if sum(needed) > memory:
            raise SkyfixError(
                f"{len(needed)} shards of {uri} need {sum(needed) / 2**30:.1f} GiB of memory, the "
                f"cluster has {memory / 2**30:.1f}. Use fewer shards, or add machines."
            )
        options: dict[str, Any] = {
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": -1,
            "scheduling_strategy": "SPREAD",
        }
        digest = self.gallery.digest
        actors: list[Any] = [
            ray.remote(**options, memory=most)(Shard).remote(uri, digest, rows)
            for most, rows in zip(needed, self._rows, strict=True)
        ]
        return actors


def _answers(calls: "Sequence[ObjectRef]", end: float) -> list[Matches | None]:
    """What calls gave until a moment of the monotonic clock; None for those that did not."""
    import ray

    if not calls:
        return []
    left_s = max(end - time.monotonic(), 0.0)
    done, late = map(set, ray.wait(list(calls), num_returns=len(calls), timeout=left_s))
    for call in late:
        ray.cancel(call)
    return [_found(call) if call in done else None for call in calls]


def _found(call: "ObjectRef") -> Matches | None:
    import ray

    try:
        found: Matches = answer(call)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError:
        return None
    return found


def _nothing(queries: int) -> Matches:
    return Matches(np.zeros((queries, 0), np.int64), np.zeros((queries, 0), np.float32))

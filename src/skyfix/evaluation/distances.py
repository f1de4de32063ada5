"""How far from the truth the first gallery images lie: SDM@K, MA@m, Dis@K, recall within metres.

SDM@K has two definitions that do not compare; each figure's name says which one it is.
"""

from typing import Any

import numpy as np
import torch

from skyfix.datasets.contract import Positions
from skyfix.errors import SkyfixError

SDM_AT = (1, 3, 5, 10)
WITHIN_M = (5, 10, 20, 50, 100)

_EARTH_M = 6_378_137.0
_PER_DEGREE, _PER_METRE = 5000.0, 0.001


@torch.inference_mode()
def first_columns(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """The K gallery rows with the highest dot product, best first.

    Args:
        queries: ``(Q, D)``.
        gallery: ``(G, D)``.
        k: how many; no more than G are given.

    Returns:
        ``(Q, K)`` int64.
    """
    searched = torch.from_numpy(np.ascontiguousarray(gallery, dtype=np.float32)).T
    k = min(k, searched.shape[1])
    rows = max(1, 2**24 // searched.shape[1])
    found = [
        (torch.from_numpy(np.ascontiguousarray(queries[start : start + rows])) @ searched).topk(k)
        for start in range(0, len(queries), rows)
    ]
    return torch.cat([part.indices for part in found]).numpy()


def haversine_m(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Great-circle distance (m) of (lon, lat) pairs ``(..., 2)`` on a sphere of 6378.137 km."""
    (lon, lat), (other_lon, other_lat) = (
        np.moveaxis(np.radians(np.asarray(side, dtype=np.float64)), -1, 0)
        for side in (first, second)
    )
    chord = (
        np.sin((other_lat - lat) / 2) ** 2
        + np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    )
    return 2 * _EARTH_M * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))


def distances_m(query: Positions, gallery: Positions, columns: np.ndarray) -> np.ndarray:
    """Metres ``(Q, K)`` from each query to the gallery images in ``columns`` ``(Q, K)``.

    Raises:
        SkyfixError: positions of different kinds.
    """
    if query.unit != gallery.unit:
        raise SkyfixError(
            f"Positions of queries are in {query.unit}, of the gallery in {gallery.unit}. "
            "Distances need one kind."
        )
    first, second = query.values[:, None], gallery.values[columns]
    if query.unit == "deg":
        return haversine_m(np.broadcast_to(first, second.shape), second)
    return np.linalg.norm(first - second, axis=-1)


def sdm(similarity: np.ndarray) -> np.ndarray:
    """SDM@K ``(Q,)`` of similarities ``(Q, K)``: their mean with weights K, K - 1, ... 1."""
    weights = np.arange(similarity.shape[1], 0, -1, dtype=np.float64)
    return similarity @ weights / weights.sum()


def similarity_degrees(query: np.ndarray, gallery: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """DenseUAV's similarity ``(Q, K)``: exp(-5000 d), d in degrees of (lon, lat).

    Positions are rounded to float32 first, as the authors' code does: steps of 7.6e-6 degrees at
    longitude 120.

    Args:
        query: ``(Q, 2)`` degrees.
        gallery: ``(G, 2)`` degrees.
        columns: ``(Q, K)`` gallery rows, best first.
    """
    first = np.asarray(query, np.float32)[:, None]
    second = np.asarray(gallery, np.float32)[columns]
    degrees = np.sqrt(np.square((first - second).astype(np.float64)).sum(axis=-1))
    return np.exp(-_PER_DEGREE * degrees)


def distance_figures(query: Positions, gallery: Positions, columns: np.ndarray) -> dict[str, Any]:
    """All distance figures of a ranking, by name.

    ``SDM@K/degrees`` (DenseUAV; only for degrees) and ``SDM@K/metres`` (Game4Loc: exp(-0.001 d))
    in percent, ``MA@m`` (first image strictly nearer than m metres, percent), ``Dis@K`` (mean
    distance of the first K, metres) and ``median error m`` of the first.

    Args:
        columns: ``(Q, K)`` gallery rows, best first.

    Raises:
        SkyfixError: positions of different kinds, or unknown ones.
    """
    metres = distances_m(query, gallery, columns)
    if not np.isfinite(metres).all():
        raise SkyfixError("Some positions are unknown, so distances cannot be scored.")
    figures: dict[str, Any] = {}
    for k in (k for k in SDM_AT if k <= columns.shape[1]):
        if query.unit == "deg":
            alike = similarity_degrees(query.values, gallery.values, columns[:, :k])
            figures[f"SDM@{k}/degrees"] = 100 * float(sdm(alike).mean())
        figures[f"SDM@{k}/metres"] = 100 * float(sdm(np.exp(-_PER_METRE * metres[:, :k])).mean())
        figures[f"Dis@{k}"] = float(metres[:, :k].mean())
    for limit in WITHIN_M:
        figures[f"MA@{limit}"] = 100 * float((metres[:, 0] < limit).mean())
    figures["median error m"] = float(np.median(metres[:, 0]))
    return figures

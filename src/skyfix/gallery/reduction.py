"""Shorter descriptors: PCA whitening, fitted to a gallery's own tiles.

Whitening after PCA, unit length again: Jegou and Chum, Negative evidences and co-occurences in
image retrieval: the benefit of PCA and whitening, ECCV 2012.
"""

from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from scipy.linalg import eigh

from skyfix.gallery.search import nearest

SHRINKAGE = 10.0
"""Part of the mean variance that is added to every axis before its scale is taken: axes that
hardly vary would otherwise be blown up to the weight of the main ones, noise and all."""

NEIGHBOURS = 10
"""How many nearest tiles the loss is measured on."""

_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Kept:
    """What a reduction keeps, measured on tiles that it was not fitted to.

    Attributes:
        first: share of these tiles whose nearest other tile stays the nearest.
        ten: mean share of their ten nearest tiles that stay among the ten nearest.
        tiles: how many they are.
        among: how many tiles their neighbours were looked for in.
    """

    first: float
    ten: float
    tiles: int
    among: int


@dataclass(frozen=True)
class Reduction:
    """From descriptors of length D to shorter ones of length d.

    Attributes:
        mean: (D,) of the tiles it was fitted to.
        axes: (d, D) orthonormal rows, directions of largest variance first.
        scales: (d,) what coordinates are multiplied with.
        kept: what it keeps; None before it was measured.
    """

    mean: np.ndarray
    axes: np.ndarray
    scales: np.ndarray
    kept: Kept | None = None

    @classmethod
    def fit(cls, descriptors: np.ndarray, dims: int) -> "Reduction":
        """The reduction that fits descriptors (n, D) float32; n must be above ``dims``."""
        mean = descriptors.mean(axis=0, dtype=np.float64).astype(np.float32)
        length = descriptors.shape[1]
        scatter = np.zeros((length, length))
        for start in range(0, len(descriptors), _BLOCK_ROWS):
            centred = descriptors[start : start + _BLOCK_ROWS] - mean
            scatter += centred.T @ centred
        covariance = scatter / (len(descriptors) - 1)
        spread = np.trace(covariance) / length
        variances, vectors = eigh(covariance, subset_by_index=[length - dims, length - 1])
        scales = 1 / np.sqrt(np.maximum(variances[::-1], 0) + max(SHRINKAGE * spread, 1e-12))
        return cls(
            mean, np.ascontiguousarray(vectors[:, ::-1].T, np.float32), scales.astype(np.float32)
        )

    @property
    def dims(self) -> int:
        """Length d of a reduced descriptor."""
        return len(self.axes)

    def apply(self, descriptors: np.ndarray) -> np.ndarray:
        """Reduced descriptors (N, d) float32 of unit length, of descriptors (N, D)."""
        reduced = ((descriptors - self.mean) @ self.axes.T) * self.scales
        lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
        # The mean itself has no direction; the first axis stands in for it.
        reduced[:, :1][lengths == 0] = 1
        return reduced / np.where(lengths == 0, 1, lengths)

    def measure(self, fitted: np.ndarray, held_out: np.ndarray) -> Kept:
        """What it keeps of the neighbours of ``held_out`` (n, D) among ``fitted`` (m, D)."""
        k = min(NEIGHBOURS, len(fitted))
        rows = np.arange(len(fitted))
        full, reduced = (
            nearest(held_out, [(rows, fitted)], k).rows,
            nearest(self.apply(held_out), [(rows, self.apply(fitted))], k).rows,
        )
        common = [np.isin(one, other).mean() for one, other in zip(full, reduced, strict=True)]
        first = (full[:, 0] == reduced[:, 0]).mean()
        return Kept(float(first), float(np.mean(common)), len(held_out), len(fitted))

    @classmethod
    def from_bytes(cls, content: bytes) -> "Reduction":
        """What ``to_bytes`` made."""
        stored = safetensors.numpy.load(content)
        first, ten = (float(share) for share in stored["kept"])
        tiles, among = (int(number) for number in stored["kept_of"])
        kept = Kept(first, ten, tiles, among)
        return cls(stored["mean"], stored["axes"], stored["scales"], kept)

    def to_bytes(self) -> bytes:
        """The content of a safetensors file."""
        kept = self.kept or Kept(np.nan, np.nan, 0, 0)
        return safetensors.numpy.save(
            {
                "mean": self.mean,
                "axes": self.axes,
                "scales": self.scales,
                "kept": np.array([kept.first, kept.ten]),
                "kept_of": np.array([kept.tiles, kept.among]),
            }
        )

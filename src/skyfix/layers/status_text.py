"""The sentence that states a platform's altitude, as a vector.

The vectors of all sentences form a table that is part of the network: one for each whole metre, one
for a drone of unknown altitude and one for satellites. It travels with the weights, which only
understand the vectors they were trained with, and no text is encoded while images are.
"""

import re
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError

TextEncoder = Callable[[Sequence[str]], Tensor]
"""Sentences (S) to vectors ``(S, C)``."""

MAX_ALTITUDE_M = 1000
"""Higher altitudes get the sentence of this one."""

_UNKNOWN, _SATELLITE = MAX_ALTITUDE_M + 1, MAX_ALTITUDE_M + 2
_CAMERA_ALTITUDES_M = (150, 200, 250, 300)
_CAMERA_ANGLES_DEG = (45, 50, 60, 70)
_LONGEST_PERIOD = 10_000.0


def drone_sentence(altitude_m: int, camera_angle: bool = False) -> str:
    """What MBF tells its text encoder about a drone photo.

    Args:
        camera_angle: add the camera's angle, which SUES-200 ties to its four altitudes;
            interpolated between them.
    """
    sentence = f"The altitude of the drone is {altitude_m} meters"
    if not camera_angle:
        return sentence
    angle_deg = np.interp(altitude_m, _CAMERA_ALTITUDES_M, _CAMERA_ANGLES_DEG)
    return f"{sentence}, the angle of camera is {int(angle_deg)} degree"


def status_sentences(camera_angle: bool = False) -> list[str]:
    """The sentences of the table's rows, in order."""
    return [
        *(drone_sentence(altitude_m, camera_angle) for altitude_m in range(MAX_ALTITUDE_M + 1)),
        "The altitude of the drone is unknown",
        "The altitude of the satellite is 1000 kilometers",
    ]


class WordMean:
    """A small text encoder that needs no weights: the mean of fixed word vectors.

    A word's vector is drawn from a normal distribution seeded by the word itself. A number's
    consists of sines and cosines of it at periods from 6 to 60,000, so that close numbers have
    close vectors.

    Args:
        width: length of the vectors, even.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def __call__(self, sentences: Sequence[str]) -> Tensor:
        """Sentences (S) to vectors ``(S, width)``."""
        split = [re.findall(r"[a-z]+|\d+", sentence.lower()) for sentence in sentences]
        vectors = {word: self._vector(word) for words in split for word in words}
        means = [np.mean([vectors[word] for word in words], axis=0) for words in split]
        return torch.from_numpy(np.stack(means).astype(np.float32))

    def _vector(self, word: str) -> np.ndarray:
        if word.isdigit():
            periods = np.geomspace(1.0, _LONGEST_PERIOD, self._width // 2)
            angles = int(word) / periods
            return np.sqrt(2) * np.concatenate([np.sin(angles), np.cos(angles)])
        # numpy keeps this generator's stream the same for ever.
        return np.random.RandomState(zlib.crc32(word.encode())).standard_normal(self._width)


class StatusText(nn.Module):
    """Table of the sentences' vectors.

    Args:
        width: length C of a vector.
        camera_angle: see ``drone_sentence``.
    """

    def __init__(self, width: int, camera_angle: bool = False) -> None:
        super().__init__()
        self._camera_angle = camera_angle
        self.register_buffer("vectors", torch.empty(_SATELLITE + 1, width))
        self.vectors: Tensor
        self.encode(WordMean(width))

    def encode(self, encoder: TextEncoder) -> None:
        """Fill the table with another encoder's vectors, such as BERT's, before training.

        Raises:
            SkyfixError: vectors of the wrong shape.
        """
        vectors = encoder(status_sentences(self._camera_angle))
        if vectors.shape != self.vectors.shape:
            raise SkyfixError(
                f"The text encoder gave vectors of shape {tuple(vectors.shape)}, the network "
                f"needs {tuple(self.vectors.shape)}."
            )
        self.vectors.copy_(vectors)

    def satellite(self, count: int) -> Tensor:
        """The satellites' vector, ``(count, C)``."""
        return self.vectors[_SATELLITE].expand(count, -1)

    def drone(self, altitude_m: Tensor) -> Tensor:
        """Vectors ``(N, C)`` of drones at ``(N,)`` metres above ground; NaN means unknown."""
        known = altitude_m.isfinite()
        whole = altitude_m.nan_to_num(0).clamp(0, MAX_ALTITUDE_M).long()
        return self.vectors[torch.where(known, whole, _UNKNOWN)]

"""One belief about how the camera, or its ground point, moves: a Kalman filter and its record."""

import math
from dataclasses import dataclass

import numpy as np

from skyfix.localize.kalman import State, predicted, started, surprise, updated
from skyfix.localize.moving import Motion

GATE = 9.21
"""Fixes more surprising than this do not fit: 99 % of chi-square with 2 degrees of freedom."""

CONFIDENCE_S = 10.0
"""Confidence is a mean over about so many seconds, and fades within them when nothing fits."""


@dataclass(frozen=True)
class Step:
    """One frame of a hypothesis: its number, its time, the state before and after its fix."""

    frame: int
    time_s: float
    before: State
    after: State
    confidence: float


class Hypothesis:
    """Starts at a fix and follows those that fit.

    Args:
        place_m: (2,) east, north of the first fix.
        deviation_m: its standard deviation in each direction.
        confidence: of that fix.
        time_s: when.
        motion: how drones move.
    """

    def __init__(
        self,
        place_m: np.ndarray,
        deviation_m: float,
        confidence: float,
        time_s: float,
        motion: Motion,
    ) -> None:
        self.state = started(place_m, deviation_m**2, motion.speed_m_s)
        self.confidence = confidence
        self.fixes, self.first_s, self.last_fix_s = 1, time_s, time_s
        self.path: list[Step] = []
        self._before, self._time_s, self._motion = self.state, time_s, motion

    def advance(self, time_s: float) -> None:
        """Move on to a frame's time; confidence fades until a fix renews it."""
        step_s = max(0.0, time_s - self._time_s)
        self.state = self._before = predicted(self.state, step_s, self._motion.acceleration)
        self._time_s = max(time_s, self._time_s)
        self.confidence *= faded(step_s)

    def at(self, time_s: float) -> State:
        """The state predicted for a coming time."""
        return predicted(self.state, max(0.0, time_s - self._time_s), self._motion.acceleration)

    def accepts(self, place_m: np.ndarray, deviation_m: float, confidence: float) -> bool:
        """Take a fix of the present time in, if it fits."""
        since_s = self._time_s - self.last_fix_s
        # Fixes that err alike tell less than their number: each gets its share of one.
        variance = deviation_m**2 * max(1.0, self._motion.memory_s / max(since_s, 1e-3))
        if surprise(self.state, place_m, variance) > GATE:
            return False
        self.state = updated(self.state, place_m, variance)
        self.confidence += (1 - faded(since_s)) * confidence
        self.fixes, self.last_fix_s = self.fixes + 1, self._time_s
        return True

    def record(self, frame: int) -> None:
        """Keep the present frame for the smoother."""
        self.path.append(Step(frame, self._time_s, self._before, self.state, self.confidence))


def faded(step_s: float) -> float:
    """What is left of a confidence after so many seconds."""
    return math.exp(-step_s / CONFIDENCE_S)

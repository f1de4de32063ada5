"""Fixes of a sequence joined by a Kalman filter: outliers left out, gaps bridged, losses told."""

import numpy as np

from skyfix.localize.fix import Fix, Method
from skyfix.localize.hypothesis import GATE, Hypothesis, Step, faded
from skyfix.localize.kalman import State, smoothed
from skyfix.localize.moving import RADIUS_68, RADIUS_95, Motion, Plane, ahead_m, lost, moved
from skyfix.localize.prepare import Prepared

RESTART_FIXES = 4
"""So many fixes that the filter left out, one after the other, but that agree among themselves,
start it anew where they are."""

RESTART_S = 3.0
"""They have to span this time: frames of one moment agree in their errors too."""


MIN_CONFIDENCE = 0.5
"""Below this a frame counts as not located, as for single photos."""

_LOST = "No fix of this frame or of those shortly before it holds."


class FixFilter:
    """Filters fixes in the order of time.

    Where poses are complete the camera is followed, otherwise the ground point at the photo's
    centre; a change from one to the other starts anew.

    Args:
        lost_m: once the accuracy (68 %) has grown beyond this the filter is lost.
        motion: how the drone moves.
        keep: remember every frame, so that ``smooth`` can be asked for.
    """

    def __init__(self, lost_m: float, motion: Motion | None = None, keep: bool = False) -> None:
        self._lost_m, self._motion, self._keep = lost_m, motion or Motion(), keep
        self._plane: Plane | None = None
        self._main: Hypothesis | None = None
        self._rival: Hypothesis | None = None
        self._follows_camera = False
        self._seen: list[tuple[Fix, Prepared]] = []
        self._paths: list[list[Step]] = []

    def step(self, fix: Fix, photo: Prepared) -> Fix:
        """The filtered fix of the next frame.

        Args:
            fix: measured, with ``time_s``; times must not decrease.
            photo: its pose is used, and its size for the footprint.

        Returns:
            Method "filter"; not located, with the reason, before the first fix and when lost.
        """
        ahead, time_s = ahead_m(photo.pose), float(fix.time_s or 0.0)
        if self._follows_camera != (ahead is not None):
            self._follows_camera = ahead is not None
            self._end_main()
            self._rival = None
        for hypothesis in filter(None, (self._main, self._rival)):
            hypothesis.advance(time_s)
        if self._rival is not None and self._is_lost(self._rival):
            self._rival = None
        if self._main is not None and self._is_lost(self._main):
            self._end_main()
            self._main, self._rival = self._rival, None
        self._take(fix, ahead, time_s)
        if self._keep:
            for hypothesis in filter(None, (self._main, self._rival)):
                hypothesis.record(len(self._seen))
            self._seen.append((fix, photo))
        if self._main is None:
            return lost(fix, _LOST, "filter")
        return self._answer(fix, photo, self._main.state, self._main.confidence, "filter")

    def prior(self, photo: Prepared, time_s: float) -> tuple[float, float, float] | None:
        """Where a coming frame's ground point lies, 99 %: lon, lat, radius in m; None if lost."""
        ahead = ahead_m(photo.pose)
        if self._main is None or self._plane is None:
            return None
        if self._follows_camera != (ahead is not None):
            return None
        state = self._main.at(time_s)
        lon, lat = self._plane.degrees(state.mean[:2] + (0.0 if ahead is None else ahead))
        return float(lon), float(lat), float(np.sqrt(GATE)) * state.deviation_m

    def smooth(self) -> list[Fix]:
        """Fixes of all frames so far, each given all others; method "smoother".

        Needs ``keep``. Where the filter started anew, frames since the first of the fixes that
        made it do so belong to the new start.
        """
        found: dict[int, tuple[State, float]] = {}
        for path in [*self._paths, *([self._main.path] if self._main else [])]:
            states = smoothed(
                [step.after for step in path],
                [step.before for step in path],
                np.diff([step.time_s for step in path]).tolist(),
            )
            for step, state, sure in zip(path, states, _both_ways(path), strict=True):
                found[step.frame] = state, sure
        return [
            self._answer(fix, photo, *found[frame], "smoother")
            if frame in found
            else lost(fix, _LOST, "smoother")
            for frame, (fix, photo) in enumerate(self._seen)
        ]

    def _is_lost(self, hypothesis: Hypothesis) -> bool:
        return _radii_m(hypothesis.state)[0] > self._lost_m

    def _take(self, fix: Fix, ahead: np.ndarray | None, time_s: float) -> None:
        if fix.lon is None or fix.lat is None or fix.accuracy_m is None:
            return
        if self._plane is None:
            self._plane = Plane(fix.lon, fix.lat)
        place = self._plane.metres(fix.lon, fix.lat) - (0.0 if ahead is None else ahead)
        sighting = place, fix.accuracy_m / RADIUS_68, fix.confidence
        if self._main is None:
            self._main = Hypothesis(*sighting, time_s, self._motion)
        elif self._main.accepts(*sighting):
            self._rival = None
        elif self._rival is None or not self._rival.accepts(*sighting):
            self._rival = Hypothesis(*sighting, time_s, self._motion)
        elif self._rival.fixes >= RESTART_FIXES and time_s - self._rival.first_s >= RESTART_S:
            self._end_main(since_s=self._rival.first_s)
            self._main, self._rival = self._rival, None

    def _end_main(self, since_s: float = np.inf) -> None:
        """Drop the main hypothesis; what it said until ``since_s`` stays for the smoother."""
        path = [step for step in self._main.path if step.time_s < since_s] if self._main else []
        if path:
            self._paths.append(path)
        self._main = None

    def _answer(
        self, fix: Fix, photo: Prepared, state: State, confidence: float, method: Method
    ) -> Fix:
        if confidence < MIN_CONFIDENCE or self._plane is None:
            return lost(fix, _LOST, method, confidence)
        ahead = ahead_m(photo.pose)
        lon, lat = self._plane.degrees(state.mean[:2] + (0.0 if ahead is None else ahead))
        return moved(
            fix, photo, (float(lon), float(lat)), _radii_m(state), min(1.0, confidence), method
        )


def _radii_m(state: State) -> tuple[float, float]:
    """Radii that hold 68 and 95 %, of a round Gaussian as wide as the state is at its widest."""
    return RADIUS_68 * state.deviation_m, RADIUS_95 * state.deviation_m


def _both_ways(path: list[Step]) -> list[float]:
    """Confidence of each frame, fading from the fixes after it as it does from those before."""
    later, following_s = 0.0, path[-1].time_s
    sure = []
    for step in reversed(path):
        later = max(step.confidence, later * faded(following_s - step.time_s))
        following_s = step.time_s
        sure.append(later)
    return sure[::-1]

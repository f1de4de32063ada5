"""A Kalman filter of a point that moves over the ground at nearly constant velocity.

State: metres east and north, metres a second east and north. The velocity changes by white
acceleration of spectral density ``acceleration`` (m^2 / s^3), so steps may have any length.
Source: Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation
(2001), sections 5.2 (filter; 5.2.3-18 is the Joseph form), 6.2.2 (motion), 8.6 (smoother).
"""

from dataclasses import dataclass

import numpy as np

_PLACE = np.eye(2, 4)


@dataclass(frozen=True)
class State:
    """A Gaussian over position and velocity.

    Attributes:
        mean: (4,) east, north in m, velocities in m/s.
        covariance: (4, 4).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def deviation_m(self) -> float:
        """Standard deviation of the position along its least certain direction."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance[:2, :2])[-1]))


def started(place_m: np.ndarray, variance_m2: float, speed_m_s: float) -> State:
    """A point seen once, at (2,) metres, that moves up to about ``speed_m_s`` any way."""
    variances = [variance_m2, variance_m2, speed_m_s**2, speed_m_s**2]
    return State(np.concatenate([place_m, np.zeros(2)]), np.diag(variances).astype(np.float64))


def predicted(state: State, step_s: float, acceleration: float) -> State:
    """The state ``step_s`` seconds later."""
    move = _moved_by(step_s)
    cube, square = step_s**3 / 3, step_s**2 / 2
    noise = acceleration * np.kron([[cube, square], [square, step_s]], np.eye(2))
    return State(move @ state.mean, move @ state.covariance @ move.T + noise)


def updated(state: State, place_m: np.ndarray, variance_m2: float) -> State:
    """The state after the point was seen at ``place_m`` (2,)."""
    gain = state.covariance[:, :2] @ np.linalg.inv(_spread(state, variance_m2))
    kept = np.eye(4) - gain @ _PLACE
    # Joseph's form: symmetric and positive definite whatever the rounding.
    covariance = kept @ state.covariance @ kept.T + variance_m2 * gain @ gain.T
    return State(state.mean + gain @ (place_m - state.mean[:2]), covariance)


def surprise(state: State, place_m: np.ndarray, variance_m2: float) -> float:
    """Squared Mahalanobis distance of a sighting; chi-square with 2 degrees if all is right."""
    away = place_m - state.mean[:2]
    return float(away @ np.linalg.solve(_spread(state, variance_m2), away))


def smoothed(filtered: list[State], before: list[State], steps_s: list[float]) -> list[State]:
    """States (N) given the sightings of all times (Rauch, Tung, Striebel 1965).

    Args:
        filtered: N states after the sightings up to their time.
        before: N states predicted for the same times, ahead of the sighting; the first is unused.
        steps_s: N - 1 seconds between them.
    """
    result = [filtered[-1]]
    for index in range(len(filtered) - 2, -1, -1):
        state, ahead, later = filtered[index], before[index + 1], result[-1]
        gain = state.covariance @ _moved_by(steps_s[index]).T @ np.linalg.inv(ahead.covariance)
        change = gain @ (later.covariance - ahead.covariance) @ gain.T
        covariance = state.covariance + change
        result.append(
            State(state.mean + gain @ (later.mean - ahead.mean), (covariance + covariance.T) / 2)
        )
    return result[::-1]


def _moved_by(step_s: float) -> np.ndarray:
    return np.eye(4) + step_s * np.eye(4, k=2)


def _spread(state: State, variance_m2: float) -> np.ndarray:
    """Covariance (2, 2) of a sighting."""
    return state.covariance[:2, :2] + variance_m2 * np.eye(2)

"""The filters of sequences on simulated flights, and what must hold of any input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scene import STRIDE_M, TILE_M

from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m, offset
from skyfix.localize.filter import FixFilter
from skyfix.localize.fix import Fix
from skyfix.localize.kalman import State, predicted, smoothed, started, surprise, updated
from skyfix.localize.moving import Motion
from skyfix.localize.particles import ParticleFilter
from skyfix.localize.prepare import Prepared

HOME = 35.2, 32.1
PHOTO = Prepared("x", Pose())
LOST_M = 200.0
FRESH = Motion(memory_s=0.0)
"""For simulated fixes, whose errors have no memory."""


def fix(east_m: float, north_m: float, time_s: float, accuracy_m: float = 30.0) -> Fix:
    lon, lat = offset(*HOME, east_m, north_m)
    return Fix("x", True, float(lon), float(lat), accuracy_m, 2 * accuracy_m, 0.9, time_s=time_s)


def nothing(time_s: float) -> Fix:
    return Fix("x", False, reason="dark", time_s=time_s)


def error_m(answer: Fix, east_m: float, north_m: float) -> float:
    return float(distance_m(answer.lon, answer.lat, *offset(*HOME, east_m, north_m)))


positive = st.floats(1e-3, 1e4)
sighting = st.tuples(st.floats(0, 100), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), positive)


@given(start=positive, speed=positive, acceleration=positive, seen=st.lists(sighting, max_size=20))
def test_covariances_stay_positive_definite(
    start: float, speed: float, acceleration: float, seen: list
):
    states = [started(np.zeros(2), start, speed)]
    before, steps_s = [states[0]], []
    for step_s, east_m, north_m, variance in seen:
        before.append(predicted(states[-1], step_s, acceleration))
        states.append(updated(before[-1], np.array([east_m, north_m]), variance))
        steps_s.append(step_s)
    for state in [*states, *before]:
        assert np.allclose(state.covariance, state.covariance.T, rtol=1e-6)
        assert np.linalg.eigvalsh(state.covariance).min() > 0
        assert np.isfinite(state.mean).all()


def test_a_sighting_pulls_by_its_weight_and_surprise_is_mahalanobis():
    state = State(np.zeros(4), np.diag([9.0, 9.0, 1.0, 1.0]))
    assert surprise(state, np.array([3.0, 4.0]), 16.0) == pytest.approx(1.0)
    after = updated(state, np.array([25.0, 0.0]), 16.0)
    assert after.mean == pytest.approx([9, 0, 0, 0])
    assert after.covariance[0, 0] == pytest.approx(9 * 16 / 25)


def test_steps_may_be_split():
    state = started(np.array([1.0, 2.0]), 9.0, 5.0)
    once = predicted(state, 3.0, 2.0)
    twice = predicted(predicted(state, 1.0, 2.0), 2.0, 2.0)
    np.testing.assert_allclose(once.covariance, twice.covariance)


def flight(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """True places and noisy ones (count, 2) of a drone that turns now and then."""
    rng = np.random.default_rng(seed)
    velocity = np.array([8.0, 0.0]) + np.cumsum(rng.normal(size=(count, 2)), axis=0)
    truth = np.cumsum(velocity, axis=0)
    return truth, truth + rng.normal(size=(count, 2)) * 20


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_the_smoother_is_no_worse_than_the_filter_which_beats_single_fixes(seed: int):
    truth, seen = flight(seed)
    running = FixFilter(LOST_M, replace(FRESH, acceleration=1.0), keep=True)
    filtered = [running.step(fix(*place, float(t)), PHOTO) for t, place in enumerate(seen)]
    smooth = running.smooth()
    single_m = np.linalg.norm(seen - truth, axis=1)[5:]
    filtered_m = np.array([error_m(f, *p) for f, p in zip(filtered, truth, strict=True)])[5:]
    smooth_m = np.array([error_m(f, *p) for f, p in zip(smooth, truth, strict=True)])[5:]
    assert filtered_m.mean() < single_m.mean()
    assert smooth_m.mean() <= filtered_m.mean() + 0.5
    radii_m = [f.accuracy_m for f in filtered]
    assert all(s.accuracy_m <= r + 1e-6 for s, r in zip(smooth, radii_m, strict=True))
    assert {f.method for f in filtered} == {"filter"}
    assert {f.method for f in smooth} == {"smoother"}


def test_radii_hold_what_they_say():
    away, radii = [], []
    for seed in range(30):
        truth, seen = flight(seed)
        running = FixFilter(LOST_M, replace(FRESH, acceleration=1.0))
        # 20 m in each direction is a 68 % radius of 30.2 m.
        for t, place in enumerate(seen):
            answer = running.step(fix(*place, float(t), accuracy_m=30.2), PHOTO)
            away.append(error_m(answer, *truth[t]))
            radii.append((answer.accuracy_m, answer.accuracy_95_m))
    held = (np.array(away)[:, None] <= np.array(radii)).mean(axis=0)
    assert held == pytest.approx([0.68, 0.95], abs=0.07)


@given(east=st.floats(700, 5000), north=st.floats(-5000, 5000), at=st.integers(6, 18))
def test_an_outlier_is_left_out(east: float, north: float, at: int):
    running, plain = FixFilter(LOST_M, FRESH), FixFilter(LOST_M, FRESH)
    for t in range(20):
        place = (east, north) if t == at else (10.0 * t, 0.0)
        answer = running.step(fix(*place, float(t)), PHOTO)
        expected = plain.step(nothing(t) if t == at else fix(*place, float(t)), PHOTO)
        assert answer.located
        assert (answer.lon, answer.lat) == (expected.lon, expected.lat)


def test_fixes_that_agree_elsewhere_start_it_anew_and_the_smoother_knows_since_when():
    running = FixFilter(LOST_M, keep=True)
    answers = []
    for t in range(24):
        place = (10.0 * t, 0.0) if t < 12 else (10.0 * t, 3000.0)
        answers.append(running.step(fix(*place, float(t)), PHOTO))
    assert error_m(answers[14], 140, 0) < 60
    assert error_m(answers[20], 200, 3000) < 60
    smooth = running.smooth()
    assert error_m(smooth[11], 110, 0) < 60
    assert error_m(smooth[12], 120, 3000) < 60


def test_gaps_are_bridged_with_growing_radii_until_lost_and_found_again():
    running = FixFilter(LOST_M)
    for t in range(15):
        last = running.step(fix(10.0 * t, 0.0, float(t)), PHOTO)
    gap = [running.step(nothing(t), PHOTO) for t in range(15, 60)]
    assert error_m(gap[2], 170, 0) < 60
    bridged = [answer for answer in gap if answer.located]
    radii_m = [last.accuracy_m, *(answer.accuracy_m for answer in bridged)]
    assert 2 < len(bridged) < 20
    assert (np.diff(radii_m) > 0).all()
    assert gap[-1].reason == "dark"
    assert gap[-1].lon is None
    again = running.step(fix(5000, 5000, 60.0), PHOTO)
    assert error_m(again, 5000, 5000) < 1


def test_many_frames_of_one_moment_are_no_more_than_one():
    slow, fast = FixFilter(LOST_M), FixFilter(LOST_M)
    for t in range(10):
        rare = slow.step(fix(0, 0, 3.0 * t), PHOTO)
    for t in range(10 * 30):
        often = fast.step(fix(0, 0, 0.1 * t), PHOTO)
    assert often.accuracy_m > 0.5 * rare.accuracy_m


def test_with_a_pose_the_camera_is_followed_through_a_turn_on_the_spot():
    """The ground point swings by 240 m while the camera hangs still."""
    running = FixFilter(LOST_M)
    for t in range(20):
        heading_deg = 0.0 if t < 10 else 180.0
        pose = Pose(heading_deg, -45.0, 120.0, 70.0)
        north_m = 120.0 if t < 10 else -120.0
        photo = Prepared("x", pose, (960, 540))
        answer = running.step(fix(0, north_m, float(t)), photo)
        assert error_m(answer, 0, north_m) < 1
        assert error_m(replace(answer, lon=answer.camera_lon, lat=answer.camera_lat), 0, 0) < 1
        assert len(answer.footprint) == 4


@example(  # The rival that takes over from a lost hypothesis may be lost itself.
    [
        (0.0, True, 0.0, 167.0),
        (2.0, True, 0.0, 189.0),
        (1.6875, True, -281.0, 74.0),
        (4.0, True, 216.0, 183.0),
        (5.0, False, 0.0, 1.0),
    ]
)
@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.booleans(), st.floats(-500, 500), st.floats(1, 190)),
        max_size=30,
    )
)
def test_any_sequence_gives_sound_answers(steps: list):
    running, time_s = FixFilter(LOST_M, keep=True), 0.0
    for step_s, located, east_m, accuracy_m in steps:
        time_s += step_s
        given_fix = fix(east_m, 0, time_s, accuracy_m) if located else nothing(time_s)
        answer = running.step(given_fix, PHOTO)
        assert answer.located == (answer.lon is not None)
        if answer.located:
            assert 0 < answer.accuracy_m <= min(answer.accuracy_95_m, LOST_M)
            assert 0.5 <= answer.confidence <= 1
        else:
            assert answer.reason
    assert len(running.smooth()) == len(steps)


def tile_scores(gallery, places: list[tuple[float, float]], scene) -> np.ndarray:
    """Scores that rise to 4 at each of some places (metres from the scene's middle)."""
    tiles = gallery.tiles
    scores = np.zeros(len(gallery))
    for place in places:
        away_m = distance_m(tiles.lon, tiles.lat, *scene.ground(*place))
        scores = np.maximum(scores, 4 * np.exp(-((away_m / STRIDE_M) ** 2) / 2))
    return scores


def test_particles_wait_while_several_places_look_right_and_follow_the_one_that_moves(
    gallery, scene
):
    running = ParticleFilter(gallery)
    answers = []
    for t in range(16):
        # The first place moves as drones do, the others jump about.
        decoys = [(-100.0 + 90 * (t % 2), -100.0 + 60 * (t % 3)), (110.0 - 70 * (t % 3), -60.0)]
        scores = tile_scores(gallery, [(-90 + 8.0 * t, 80.0), *decoys], scene)
        answers.append(running.step(nothing(float(t)), PHOTO, scores))
    assert not answers[0].located
    assert answers[0].reason
    assert answers[-1].located
    truth = scene.ground(-90 + 8.0 * 15, 80)
    assert float(distance_m(answers[-1].lon, answers[-1].lat, *truth)) < TILE_M / 2
    assert answers[-1].method == "filter"


def test_particles_find_a_drone_that_was_carried_away(gallery, scene):
    running = ParticleFilter(gallery)
    for t in range(25):
        place = (-100.0, -100.0) if t < 8 else (100.0, 90.0)
        answer = running.step(nothing(3.0 * t), PHOTO, tile_scores(gallery, [place], scene))
        if t == 7:
            assert float(distance_m(answer.lon, answer.lat, *scene.ground(-100, -100))) < 40
    assert float(distance_m(answer.lon, answer.lat, *scene.ground(100, 90))) < 40


def test_smoothing_one_state_returns_it():
    state = started(np.zeros(2), 4.0, 3.0)
    assert smoothed([state], [state], []) == [state]

"""The reliability picture."""

import numpy as np
import pytest

from skyfix.outputs.reliability import held_by_radius, reliability


def line(figure) -> tuple[np.ndarray, np.ndarray]:
    (container,) = figure.axes[0].containers
    return container.lines[0].get_data()


def test_honest_confidence_lies_on_the_diagonal():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 5000)
    said, share = line(reliability(confidence, rng.uniform(0, 1, 5000) < confidence))
    assert len(said) == 5
    assert share == pytest.approx(said, abs=0.05)


def test_boasting_lies_below_it_and_few_photos_do():
    rng = np.random.default_rng(0)
    said, share = line(reliability(rng.uniform(0.8, 1, 500), rng.uniform(0, 1, 500) < 0.3))
    assert (share < said - 0.3).all()
    said, share = line(reliability(np.array([0.9, 0.4]), np.array([True, False])))
    assert share.tolist() == [0.0, 1.0]


def test_radii_that_hold_lie_on_their_lines_and_others_below():
    rng = np.random.default_rng(0)
    sigma_m = rng.uniform(2, 30, 6000)
    errors_m = np.hypot(*rng.normal(size=(2, 6000))) * sigma_m
    true_m = sigma_m[:, None] * np.sqrt(-2 * np.log(1 - np.array([0.68, 0.95])))
    figure = held_by_radius({"honest": (errors_m, true_m), "boastful": (errors_m, true_m / 2)})
    honest, boastful = (
        [container.lines[0].get_data() for container in axes.containers] for axes in figure.axes
    )
    for level, (stated_m, share), (_, short) in zip((0.68, 0.95), honest, boastful, strict=True):
        assert len(stated_m) == 3
        assert share == pytest.approx(level, abs=0.04)
        assert (short < level - 0.1).all()
    assert honest[0][0].mean() == pytest.approx(true_m[:, 0].mean(), rel=1e-6)

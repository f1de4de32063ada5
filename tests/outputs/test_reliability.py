"""The reliability picture."""

import numpy as np
import pytest

from skyfix.outputs.reliability import reliability


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

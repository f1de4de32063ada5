"""The demo of training, whole but tiny."""

from pathlib import Path

import pytest

from skyfix.demo_train import run_training_demo
from skyfix.world.sample import SampleSize

TINY = SampleSize(
    training_places=9,
    test_places=4,
    views=1,
    photos=4,
    map_m=600.0,
    view_px=96,
    photo_px=(160, 120),
    gsd_m=1.0,
)


@pytest.mark.full
def test_training_runs_from_nothing_to_a_report(tmp_path: Path) -> None:
    result = run_training_demo(tmp_path, steps=2, size=TINY)
    assert [row.name for row in result.rows] == ["chance", "ImageNet features", "SDPL"]
    chance, features, _ = result.rows
    assert chance.median_m > 50
    assert 0 <= features.recall_1 <= 100
    report = result.report.read_text()
    assert report.count("<img") >= 3
    assert "SDPL" in report
    again = run_training_demo(tmp_path, steps=2, size=TINY)
    assert again.rows == result.rows

"""Confidence and radii fitted to labelled photos."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import save

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.localize import calibrate, locate, read_labelled
from skyfix.localize.calibration import (
    CALIBRATION_FILE,
    Calibration,
    Evidence,
    log_odds,
    read_calibration,
)

POSE = Pose(15, -90, 75, 75)
HEADER = "file,lon,lat,heading_deg,pitch_deg,altitude_m,hfov_deg\n"


def evidence_of(count: int, seed: int = 0) -> tuple[list[Evidence], np.ndarray, np.ndarray]:
    """Tiles that are right in 60 % of cases whatever they say, with errors of 2 raw radii."""
    rng = np.random.default_rng(seed)
    evidence = [Evidence("tiles", (6.0, 7.0), (10.0, 20.0)) for _ in range(count)]
    right = rng.permutation(count) < 0.6 * count
    errors_m = np.where(right, np.abs(rng.normal(0, 20, count)), 500.0)
    return evidence, errors_m, np.full(count, 100.0)


def test_overconfident_evidence_is_brought_down():
    evidence, errors_m, reach_m = evidence_of(400)
    before = Calibration().judge(evidence[0])[0]
    fitted = Calibration().fitted(evidence, errors_m, reach_m, "system", 400)
    confidence, near_m, far_m = fitted.judge(evidence[0])
    assert before > 0.9
    assert confidence == pytest.approx(0.6, abs=0.05)
    right = errors_m <= 100
    assert (errors_m[right] <= near_m).mean() == pytest.approx(0.68, abs=0.03)
    assert (errors_m[right] <= far_m).mean() == pytest.approx(0.95, abs=0.02)
    assert fitted.curves["registration"] == Calibration().curves["registration"]


def test_radii_hold_for_the_next_photos():
    evidence, errors_m, reach_m = evidence_of(60, seed=3)
    fitted = Calibration().fitted(evidence, errors_m, reach_m, "system", 60)
    _, fresh_m, _ = evidence_of(5000, seed=4)
    fresh_m = fresh_m[fresh_m <= 100]
    _, near_m, far_m = fitted.judge(evidence[0])
    assert 0.5 < (fresh_m <= near_m).mean() < 0.85
    assert 0.88 < (fresh_m <= far_m).mean() <= 1.0


def test_few_photos_move_confidence_little():
    evidence, errors_m, reach_m = evidence_of(5)
    fitted = Calibration().fitted(evidence, np.zeros_like(errors_m), reach_m, "system", 5)
    assert abs(fitted.curves["tiles"].bias - Calibration().curves["tiles"].bias) < 0.5
    # Five photos cannot tell a 95 % radius.
    assert fitted.curves["tiles"].factors[1] == Calibration().curves["tiles"].factors[1]


@settings(max_examples=30)
@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3), st.floats(0.1, 100))
def test_judgements_are_probabilities_and_ordered_radii(values, radius_m):
    found = Calibration().judge(Evidence("registration", tuple(values), (radius_m, radius_m)))
    assert 0 <= found[0] <= 1
    assert 0 < found[1] <= found[2]


@given(st.floats(0, 1))
def test_log_odds_are_finite(probability):
    assert -8 <= log_odds(probability) <= 8
    assert log_odds(probability) == pytest.approx(-log_odds(1 - probability), abs=1e-6)


def test_written_and_read_back(tmp_path: Path):
    fitted = Calibration().fitted(*evidence_of(100), "system", 100)
    fitted.write(tmp_path)
    assert read_calibration(tmp_path, "system") == fitted
    assert read_calibration(tmp_path / "other", "system") == Calibration()
    stored = json.loads((tmp_path / CALIBRATION_FILE).read_text())
    assert (stored["identity"], stored["photos"]) == ("system", 100)


def test_damaged_or_foreign_calibrations_are_refused(tmp_path: Path):
    path = tmp_path / CALIBRATION_FILE
    Calibration(identity="one").write(tmp_path)
    with pytest.raises(SkyfixError, match="fitted with system one") as caught:
        read_calibration(tmp_path, "two")
    assert "\n" not in str(caught.value)
    stored = json.loads(path.read_text())
    for change in ({"format": 9}, {"curves": {}}, {"curves": {"tiles": 3, "registration": 3}}):
        path.write_text(json.dumps(stored | change))
        with pytest.raises(SkyfixError, match="Damaged calibration"):
            read_calibration(tmp_path, "one")
    path.write_text("{")
    with pytest.raises(SkyfixError, match=r"calibration\.json"):
        read_calibration(tmp_path, "one")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,lon\na.jpg,3\n", "column lat missing"),
        (HEADER + "a.jpg,x,3,,,,\n", "row 2: lon is not a number"),
        (HEADER + "a.jpg,200,3,,,,\n", "no place on Earth"),
        (HEADER + "a.jpg,nan,3,,,,\n", "no place on Earth"),
        (HEADER + "b.jpg,2,3,,,,\n", "no such photo"),
        (HEADER + ",2,3,,,,\n", "file column is empty"),
        (HEADER + "a.jpg,2,3,0,-200,,\n", "pitch_deg"),
    ],
)
def test_bad_tables_are_told_in_one_line(tmp_path: Path, text, says):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "photos.csv").write_text(text)
    with pytest.raises(SkyfixError, match=says) as caught:
        read_labelled(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_gallery_is_calibrated(scene, gallery, embedder, tmp_path: Path):
    own = Gallery(shutil.copytree(gallery.path, tmp_path / "gallery"))
    rng = np.random.default_rng(1)
    with (tmp_path / "photos.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(HEADER.strip().split(","))
        for number in range(20):
            place = scene.ground(*rng.uniform(-80, 80, 2))
            name = save(scene.photo(POSE, place, (240, 136)), tmp_path / f"{number}.jpg").name
            table.writerow([name, *place, 15, -90, 75, 75])
        table.writerow(["0.jpg", "", "", 15, -90, 75, 75])
    photos = read_labelled(tmp_path)
    assert len(photos) == 20
    with pytest.raises(SkyfixError, match="needs at least 20"):
        calibrate(own, photos[:19], embedder)
    done = calibrate(own, photos, embedder)
    assert np.median(done.errors_m) < 2
    assert (done.confidence > 0.5).mean() > 0.9
    assert (done.errors_m <= done.radii_95_m).mean() >= 0.9
    assert read_calibration(own.path, own.identity) == done.calibration
    assert done.calibration.photos == 20
    fixes = [
        locate(photos[0].path, one, pose=photos[0].pose, embedder=embedder)
        for one in (own, gallery)
    ]
    assert fixes[0].accuracy_m != fixes[1].accuracy_m

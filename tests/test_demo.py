"""The demo as a user runs it, on the whole sample."""

import csv
import json
from pathlib import Path

import pytest

from skyfix.cli import main
from skyfix.geo.ground import distance_m
from skyfix.world import sample_folder

TILE_M = 120.0


def truth() -> dict[str, tuple[float, float]]:
    """(lon, lat) of the ground at the centre of every photo, by its name."""
    with (sample_folder() / "truth.csv").open(newline="") as stream:
        return {
            Path(row["file"]).name: (float(row["ground_lon"]), float(row["ground_lat"]))
            for row in csv.DictReader(stream)
            if row["file"]
        }


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_sample_is_located_within_a_tile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    for name in ("chance", "photo alone", "photo + pose", "video + pose", "report.html"):
        assert name in shown.replace("\n", ""), name

    places = truth()
    alone = json.loads((tmp_path / "photos_alone.json").read_text())
    posed = json.loads((tmp_path / "photos_with_pose.json").read_text())
    assert len(alone) == len(posed) == len(places) == 60
    tiles_m = [
        distance_m(fix["candidates"][0]["lon"], fix["candidates"][0]["lat"],
                   *places[Path(fix["photo"]).name])
        for fix in alone
    ]  # fmt: skip
    assert sum(away <= TILE_M for away in tiles_m) > 54
    fixes_m = [
        distance_m(fix["lon"], fix["lat"], *places[Path(fix["photo"]).name])
        for fix in posed
        if fix["located"]
    ]
    assert sum(away <= TILE_M for away in fixes_m) > 54
    assert sorted(fixes_m)[len(fixes_m) // 2] < 2.0

    flight = json.loads((tmp_path / "flight.json").read_text())
    assert len(flight) == 30
    assert sum(fix["located"] for fix in flight) > 27
    for page in ("photos_alone", "photos_with_pose", "flight"):
        assert "data:image" in (tmp_path / f"{page}.html").read_text()
    assert (tmp_path / "report.html").read_text().count("<img") == 8


def test_steps_without_training_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", "--out", str(tmp_path), "--steps", "3"])
    assert exit_info.value.code == 2
    assert "--train" in capsys.readouterr().err

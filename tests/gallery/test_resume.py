"""Builds that die, starve or meet another build: nothing is lost, doubled or done twice."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import lance
import numpy as np
import pytest
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery

HERE = Path(__file__).parent


def start(map_path: Path, out: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "building.py"), str(map_path), str(out)]
    return subprocess.Popen(
        [*command, str(TILE_M), str(STRIDE_M), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def stored_rows(folder: Path) -> int:
    path = folder / "tiles.lance"
    return lance.dataset(str(path)).count_rows() if any(path.glob("_versions/*.manifest")) else 0


def assert_same(first: Gallery, second: Gallery) -> None:
    tables = [lance.dataset(str(g.path / "tiles.lance")).to_table() for g in (first, second)]
    assert tables[0].equals(tables[1])
    assert tables[0]["id"].to_pylist() == tables[1]["id"].to_pylist()
    raw = [table["descriptor"].combine_chunks().flatten().to_numpy() for table in tables]
    np.testing.assert_array_equal(raw[0].view(np.uint16), raw[1].view(np.uint16))
    assert first.info().counts == second.info().counts


@pytest.mark.parametrize("mode", ["kill:1", "kill:6", "kill-commit:1", "kill-commit:3", "kill:11"])
def test_a_killed_build_goes_on_where_it_was(
    mode: str, gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gallery"
    code, _, _ = finish(start(map_path, out, mode))
    assert code == -signal.SIGKILL
    with pytest.raises(SkyfixError, match="incomplete"):
        Gallery.open(out)
    kept_before = stored_rows(out)
    assert 0 < kept_before < len(gallery) or mode in ("kill:1", "kill-commit:1")
    embedder = MeanColours()
    resumed = Gallery.build(map_path, out, embedder, TILE_M, STRIDE_M)
    assert embedder.embedded == len(gallery) - kept_before
    assert_same(resumed, gallery)
    fragments = lance.dataset(str(out / "tiles.lance")).get_fragments()
    left = list((out / "tiles.lance" / "data").iterdir())
    assert len(left) == len(fragments), "files of the killed commit were not removed"


def test_a_build_killed_again_and_again_from_outside_still_completes(
    gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    """SIGKILL as soon as one more commit is on disk, wherever the process is by then."""
    out, kills = tmp_path / "gallery", 0
    while True:
        process, before = start(map_path, out, "plain"), stored_rows(out)
        while process.poll() is None and stored_rows(out) == before:
            time.sleep(0.001)
        if process.poll() is not None:
            break
        process.kill()
        finish(process)
        kills += 1
        assert stored_rows(out) > before
    code, _, complaint = finish(process)
    assert code == 0, complaint
    assert kills >= 3
    assert_same(Gallery.open(out), gallery)


def test_a_full_disk_is_one_line_and_loses_nothing(
    gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    """A limit on file sizes stops the first commit as a full disk does."""
    out = tmp_path / "gallery"
    code, said, complaint = finish(start(map_path, out, "starve:60000"))
    assert code == 2 and not complaint
    assert re.fullmatch(
        r"refused: Cannot write the gallery [^\n]+ finished tiles are kept\.\n", said
    )
    embedder = MeanColours()
    assert_same(Gallery.build(map_path, out, embedder, TILE_M, STRIDE_M), gallery)


def test_a_second_writer_is_refused_while_the_first_one_lives(
    gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gallery"
    first = start(map_path, out, "hold")
    try:
        assert first.stdout is not None and first.stdout.readline() == "holding\n"
        with pytest.raises(SkyfixError, match="Another process is building"):
            Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M)
    finally:
        first.kill()
        finish(first)
    assert_same(Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M), gallery)


def test_a_begun_build_refuses_other_arguments(map_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "gallery"
    finish(start(map_path, out, "kill:6"))
    for identity, tile_m, because in (("c01005", 30, "tile_m"), ("ffff", TILE_M, "system")):
        with pytest.raises(SkyfixError, match=because):
            Gallery.build(map_path, out, MeanColours(identity), tile_m, STRIDE_M)

"""Adding and removing rasters: whole, twice, killed at any moment, and while another writes."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import lance
import numpy as np
import pytest
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery

SIZES = (20.0, 5.0)
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three neighbouring maps of 150 x 150 m: some 700 tiles each, so two commits."""
    folder = tmp_path_factory.mktemp("maps")
    return [
        write_map(
            folder / f"{name}.tif", texture(300, 300, seed=seed), origin=(5e5 + 150 * seed, 5e6)
        )
        for seed, name in enumerate("abc")
    ]


@pytest.fixture(scope="module")
def two(maps: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of the first two maps. Not to be changed."""
    out = tmp_path_factory.mktemp("galleries") / "two"
    Gallery.build(maps[:2], out, MeanColours(), *SIZES)
    return out


@pytest.fixture
def copied(two: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two, tmp_path / "gallery"))


def same(one: Gallery, other: Gallery) -> bool:
    """Whether both hold the same tiles with the same descriptors, in the same order."""
    return (
        [source.fingerprint for source in one.sources]
        == [source.fingerprint for source in other.sources]
        and np.array_equal(one.tiles.id, other.tiles.id)
        and np.array_equal(one.tiles.source, other.tiles.source)
        and np.array_equal(one.descriptors, other.descriptors)
        and one.info().source_counts == other.info().source_counts
    )


@pytest.fixture(scope="module")
def states(two: Path, maps: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Galleries as they have to be: of two maps, of three, of the second alone."""
    folder = tmp_path_factory.mktemp("states")
    return {
        "two": Gallery.open(two),
        "three": Gallery.build(maps, folder / "three", MeanColours(), *SIZES),
        "second": Gallery.build(maps[1], folder / "second", MeanColours(), *SIZES),
    }


def test_adding_gives_what_building_all_gives(copied: Path, maps: list[Path], states: dict) -> None:
    embedder = MeanColours()
    added = Gallery.open(copied).add(maps[2], embedder)
    assert same(added, states["three"])
    assert embedder.embedded == added.report.embedded == len(added) - len(states["two"])
    assert added.report.counts == states["three"].info().counts
    assert len(lance.dataset(str(copied / "tiles.lance")).versions()) == 1
    row = len(added) - 1
    assert added.thumbnail(row).size == (128, 128)
    best = added.search(states["three"].descriptors[[3, row]], 1)
    np.testing.assert_array_equal(best.rows[:, 0], [3, row])


def test_what_is_there_is_not_added_again(copied: Path, maps: list[Path], states: dict) -> None:
    renamed = copied.parent / "renamed.tif"
    renamed.write_bytes(maps[0].read_bytes())
    embedder = MeanColours()
    again = Gallery.open(copied).add([renamed, maps[1]], embedder)
    assert embedder.embedded == 0 and again.report.already_complete
    assert [Path(one.path).name for one in again.report.already] == ["renamed.tif", "b.tif"]
    assert same(again, states["two"])
    mixed = again.add(maps, embedder)
    assert len(mixed.report.already) == 2 and same(mixed, states["three"])


def test_removing_leaves_what_the_others_give(copied: Path, maps: list[Path], states: dict) -> None:
    gallery = Gallery.open(copied)
    kept = len(gallery.descriptors)
    left = gallery.remove(["a.tif"])
    assert same(left, states["second"]) and len(left) < kept
    rows = np.arange(0, len(left), 9)
    found = left.search(left.descriptors[rows], 1)
    np.testing.assert_array_equal(found.rows[:, 0], rows)
    thumbnails = [np.asarray(one.thumbnail(40)) for one in (left, states["second"])]
    np.testing.assert_array_equal(*thumbnails)
    files = (copied / "tiles.lance" / "data").iterdir()
    used = lance.dataset(str(copied / "tiles.lance")).get_fragments()
    assert len(list(files)) == len(used), "files of the removed tiles are still there"
    back = left.add(maps[0], MeanColours()).remove([maps[1]])
    assert [source.path for source in back.sources] == [str(maps[0])]
    assert (back.tiles.source == 0).all() and len(back) + len(left) == kept


def files_of(gallery: Path) -> list[Path]:
    return list((gallery / "tiles.lance" / "data").iterdir())


def test_compacting_leaves_the_tiles_in_few_files(
    copied: Path, maps: list[Path], states: dict
) -> None:
    grown = Gallery.open(copied).add(maps[2], MeanColours())
    before, bytes_before = len(files_of(copied)), grown.info().size_bytes
    compact = grown.compact()
    assert before > 1 and len(files_of(copied)) == 1
    assert same(compact, states["three"])
    best = compact.search(compact.descriptors[[3, len(compact) - 1]], 1)
    np.testing.assert_array_equal(best.rows[:, 0], [3, len(compact) - 1])
    compact.remove(["a.tif", "c.tif"])
    assert same(Gallery.open(copied).compact(), states["second"])
    assert Gallery.open(copied).info().size_bytes < 0.6 * bytes_before
    # What can be done with a gallery can be done with a compact one.
    assert len(Gallery.open(copied).add(maps[0], MeanColours())) == len(states["two"])


@pytest.mark.parametrize("mode", ["before-manifest", "after-manifest"])
def test_killed_while_compacting(mode: str, copied: Path, maps: list[Path], states: dict) -> None:
    assert finish(start(copied, "compact", maps[0], mode))[0] == -signal.SIGKILL
    assert same(Gallery.open(copied), states["two"])
    assert same(Gallery.open(copied).add(maps[2], MeanColours()), states["three"])
    assert same(Gallery.open(copied).compact(), states["three"])
    assert len(files_of(copied)) == 1


def test_changes_that_make_no_sense_are_refused(
    copied: Path, maps: list[Path], states: dict, tmp_path: Path
) -> None:
    gallery = Gallery.open(copied)
    twin = write_map(tmp_path / "a.tif", texture(100, 100, seed=7), origin=(7e5, 5e6))
    blank = write_map(tmp_path / "blank.tif", np.full((3, 100, 100), 7, np.uint8))
    changed = tmp_path / "changed.tif"
    changed.write_bytes(maps[2].read_bytes())
    for because, call in (
        ("made by system c01005, not by ffff", lambda: gallery.add(maps[2], MeanColours("ffff"))),
        ("No such raster", lambda: gallery.add(tmp_path / "none.tif", MeanColours())),
        ("No raster given", lambda: gallery.add([], MeanColours())),
        ("same content", lambda: gallery.add([maps[2], changed], MeanColours())),
        ("Nothing to see in blank.tif", lambda: gallery.add(blank, MeanColours())),
        ("no source c.tif. Give one of: .*a.tif, .*b.tif", lambda: gallery.remove(["c.tif"])),
        ("no tiles left", lambda: gallery.remove(maps[:2])),
        ("Not a gallery", lambda: Gallery.open(tmp_path)),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert same(Gallery.open(copied), states["two"])
    both = gallery.add([twin, changed], MeanColours())
    with pytest.raises(SkyfixError, match=r"2 sources named a.tif"):
        both.remove(["a.tif"])
    write_map(changed, texture(300, 300, seed=11))
    with pytest.raises(SkyfixError, match="other content: the file changed"):
        both.add(changed, MeanColours())
    assert same(both.remove([twin, "changed.tif"]), states["two"])


def start(gallery: Path, does: str, source: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "changing.py"), str(gallery), does, str(source), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    assert not err, err
    return process.returncode, out


@pytest.mark.parametrize(
    ("does", "mode", "leaves"),
    [
        ("add", "kill:1", "two"),
        ("add", "kill:3", "two"),
        ("add", "before-manifest", "two"),
        ("add", "after-manifest", "three"),
        ("remove", "before-manifest", "two"),
        ("remove", "after-manifest", "second"),
    ],
)
def test_a_killed_change_leaves_the_old_or_the_new_gallery(
    does: str, mode: str, leaves: str, copied: Path, maps: list[Path], states: dict
) -> None:
    source, target = (maps[2], "three") if does == "add" else (maps[0], "second")
    code, _ = finish(start(copied, does, source, mode))
    assert code == -signal.SIGKILL
    assert same(Gallery.open(copied), states[leaves])
    # Another change drops what was left over; the same one goes on.
    other = Path(shutil.copytree(copied, copied.parent / "other"))
    if leaves == "two":
        assert same(Gallery.open(other).remove(["a.tif"]), states["second"])
    embedder = MeanColours()
    gallery = Gallery.open(copied)
    if leaves == target and does == "remove":
        return
    done = gallery.add(source, embedder) if does == "add" else gallery.remove([source])
    assert same(done, states[target])
    spared = {"kill:1": 0, "kill:3": 512, "before-manifest": len(done) - len(states["two"])}
    if does == "add" and leaves == "two":
        assert embedder.embedded == len(done) - len(states["two"]) - spared[mode]


@pytest.mark.slow
def test_killed_from_outside_at_any_time(copied: Path, maps: list[Path], states: dict) -> None:
    """SIGKILL after random waits; whatever the moment, one of both states is there."""
    chance, kills = random.Random(4), 0
    first = time.monotonic()
    assert finish(start(copied, "add", maps[2], "plain"))[0] == 0
    whole_s = time.monotonic() - first
    Gallery.open(copied).remove(["c.tif"])
    for _ in range(4):
        process = start(copied, "add", maps[2], "plain")
        time.sleep(whole_s * chance.uniform(0.5, 1.0))
        process.kill()
        kills += finish(process)[0] != 0
        found = Gallery.open(copied)
        assert same(found, states["two"]) or same(found, states["three"])
        if len(found.sources) == 3:
            found.remove(["c.tif"])
    assert kills >= 2
    assert same(Gallery.open(copied).add(maps[2], MeanColours()), states["three"])


def test_only_one_may_change_it(copied: Path, maps: list[Path], states: dict) -> None:
    holding = start(copied, "add", maps[2], "hold")
    try:
        assert holding.stdout is not None and holding.stdout.readline() == "holding\n"
        gallery = Gallery.open(copied)
        for call in (
            lambda: gallery.add(maps[2], MeanColours()),
            lambda: gallery.remove(["a.tif"]),
        ):
            with pytest.raises(SkyfixError, match=r"Another process is"):
                call()
        assert same(gallery, states["two"])
        code, said = finish(start(copied, "remove", maps[0], "plain"))
        assert code == 2 and re.fullmatch(r"refused: [^\n]+\n", said)
    finally:
        holding.kill()
        finish(holding)

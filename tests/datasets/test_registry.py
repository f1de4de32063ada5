"""Every data set by name: its generator writes what its reader reads."""

import subprocess
import sys

import pytest

from skyfix.datasets.contract import is_linked
from skyfix.datasets.registry import generate, names, open_dataset, open_reader, reader_class
from skyfix.errors import SkyfixError


def specs(name: str, root: object) -> list[str]:
    choices = [f"@{choice}" for choice in reader_class(name).CHOICES] or [""]
    return [f"{name}{choice}:{root}" for choice in choices]


def test_all_published_sets_are_there():
    assert names() == (
        "cvact",
        "cvusa",
        "denseuav",
        "folder",
        "gta_uav",
        "pairs",
        "sues200",
        "university1652",
        "university1652_wx",
        "vigor",
    )


@pytest.mark.parametrize("name", names())
def test_generated_trees_are_read(name, tmp_path):
    generate(name, tmp_path, places=4, seed=3)
    for spec in specs(name, tmp_path):
        reader, dataset = open_reader(spec), open_dataset(spec)
        for part in reader.parts():
            images = part.read() if not part.optional else None
            if images is None:
                continue
            assert len(images) > 0
            assert len(images.labels) == len(images.paths)
            assert all(path.is_file() for path in images.paths)
            numbers = images.numbers
            own = [int(place) for place in images.places] if numbers is None else numbers
            assert list(own) == sorted(own)
            assert set(images.labels.tolist()) <= {int(number) for number in own}
            # In order of place, then of file name.
            keys = list(zip(images.labels.tolist(), images.paths, strict=True))
            assert keys == sorted(keys)
        if not is_linked(dataset) and name != "sues200":
            assert len(dataset.places) == 4


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_files(name, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(name, tmp_path / folder, places=2, seed=seed)
    first, second, other = (
        {
            path.relative_to(tmp_path / folder): path.read_bytes()
            for path in (tmp_path / folder).rglob("*")
            if path.is_file() and path.suffix != ".mat"
        }
        for folder in "abc"
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize("name", names())
def test_places_are_counted_and_folders_checked(name, tmp_path):
    with pytest.raises(SkyfixError, match="0 places are too few"):
        generate(name, tmp_path, places=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SkyfixError, match=r"Cannot write .*file"):
        generate(name, tmp_path / "file")
    with pytest.raises(SkyfixError, match=r"docs/datasets\.md"):
        open_dataset(specs(name, tmp_path)[0])


def test_names_that_are_none():
    with pytest.raises(SkyfixError, match=r"Unknown data set 'x'. Names: cvact, cvusa"):
        generate("x", "anywhere")
    for spec in ("x:root", "x@150:root"):
        with pytest.raises(SkyfixError, match="Unknown data set 'x'"):
            open_dataset(spec)


def test_opening_a_set_loads_only_its_own_reader():
    code = (
        "import sys\nfrom skyfix.datasets import registry\nregistry.reader_class('sues200')\n"
        "print(*(name for name in sys.modules if name.split('.')[0] in ('scipy', 'torch')"
        " or name.startswith('skyfix.datasets.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "skyfix.datasets.sues200" in loaded
    assert not {"scipy", "torch", "skyfix.datasets.cvact", "skyfix.datasets.vigor"} & set(loaded)

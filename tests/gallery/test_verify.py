"""A check that finds what is wrong, and nothing where nothing is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.verify import verify_gallery


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("maps")
    return [
        write_map(
            folder / f"{name}.tif", texture(200, 200, seed=seed), origin=(5e5, 5e6 + 100 * seed)
        )
        for seed, name in enumerate("ab")
    ]


@pytest.fixture(scope="module")
def whole(maps: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Two sources, two sizes. Not to be changed."""
    out = tmp_path_factory.mktemp("galleries") / "g"
    return Gallery.build(maps, out, MeanColours(), (20, 40))


@pytest.fixture
def copied(whole: Gallery, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.path, tmp_path / "g"))


def test_a_sound_gallery_has_no_findings(whole: Gallery, copied: Path, maps: list[Path]) -> None:
    found = verify_gallery(whole.path)
    assert (found.tiles, found.damage, found.warnings) == (len(whole), [], [])
    left = Gallery.open(copied).remove([maps[0]])
    found = verify_gallery(copied)
    assert (found.tiles, found.damage, found.warnings) == (len(left), [], [])


def test_sources_that_moved_or_changed_are_named(copied: Path, tmp_path: Path) -> None:
    paths = [write_map(tmp_path / f"{n}.tif", texture(100, 100, seed=n), origin=(6e5, 5e6 + n * 50))
             for n in (3, 4)]  # fmt: skip
    Gallery.open(copied).add(paths, MeanColours())
    assert verify_gallery(copied).warnings == []
    paths[0].unlink()
    content = bytearray(paths[1].read_bytes())
    content[-1] ^= 1
    paths[1].write_bytes(bytes(content))
    found = verify_gallery(copied)
    assert found.damage == []
    assert found.warnings == [
        f"source moved or deleted: {paths[0]}",
        f"source changed since it was added: {paths[1]}",
    ]


def change(copied: Path, column: str, make: Callable[[pa.Table], pa.Array]) -> None:
    """Write the tiles anew with another column, as if they had always been so."""
    path = str(copied / "tiles.lance")
    table = lance.dataset(path).to_table()
    index = table.schema.get_field_index(column)
    table = table.set_column(index, table.schema.field(column), make(table))
    dataset = lance.write_dataset(table, path, mode="overwrite")
    manifest = copied / "gallery.json"
    content = json.loads(manifest.read_text())
    content["contents"]["version"] = dataset.version
    manifest.write_text(json.dumps(content))


def longer(table: pa.Table) -> pa.Array:
    values = table["descriptor"].combine_chunks().flatten().to_numpy().copy()
    values[48 * 3 : 48 * 4] *= np.float16(1.5)
    return pa.FixedSizeListArray.from_arrays(pa.array(values), 48)


def first(column: str, value: object) -> Callable[[pa.Table], pa.Array]:
    def make(table: pa.Table) -> pa.Array:
        field = table.schema.field(column)
        return pa.array([value, *table[column].to_pylist()[1:]], field.type)

    return make


@pytest.mark.parametrize(
    ("column", "make", "says"),
    [
        ("descriptor", longer, "1 descriptors that are not of unit length"),
        ("lat", first("lat", 91.0), "1 tiles that are not on Earth"),
        ("lon", first("lon", float("nan")), "1 tiles that are not on Earth"),
        ("size_m", first("size_m", 30.0), "1 tiles of a size"),
        ("id", first("id", "elsewhere"), "1 tiles whose id is not of their source"),
        ("source", first("source", 1), "tiles by source are"),
        ("source", first("source", 7), "tiles by source are"),
        ("thumbnail", first("thumbnail", b"\xff\xd8 no"), "1 thumbnails that are no pictures"),
    ],
)
def test_wrong_tiles_are_damage(copied: Path, column: str, make: Callable, says: str) -> None:
    change(copied, column, make)
    found = verify_gallery(copied)
    assert any(says in line for line in found.damage), found.damage
    assert all("\n" not in line for line in found.damage)


def test_doubled_tiles_are_damage(copied: Path) -> None:
    change(
        copied, "id", lambda table: pa.array([table["id"][1].as_py(), *table["id"].to_pylist()[1:]])
    )
    assert "1 tiles have the id of another" in verify_gallery(copied).damage


def test_damaged_files_are_damage(copied: Path) -> None:
    data = sorted((copied / "tiles.lance" / "data").iterdir())[0]
    content = bytearray(data.read_bytes())
    middle = len(content) // 3
    data.write_bytes(bytes(content[:middle] + b"\x55" * 4000 + content[middle + 4000 :]))
    assert verify_gallery(copied).damage
    data.write_bytes(bytes(content[: len(content) // 2]))
    assert any("truncated" in line for line in verify_gallery(copied).damage)
    data.unlink()
    assert any("missing" in line for line in verify_gallery(copied).damage)


def test_what_a_killed_change_left_is_a_warning(copied: Path) -> None:
    (copied / "tiles.lance" / "data" / "stray.lance").write_bytes(b"x" * 100_000)
    found = verify_gallery(copied)
    assert found.damage == [] and "1 files (0.1 MB) are left" in found.warnings[0]


def test_only_galleries_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="Not a gallery"):
        verify_gallery(tmp_path)

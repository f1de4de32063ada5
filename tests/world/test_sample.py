import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from plain import plain_town
from pyproj import Transformer

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.geo.ground import distance_m, east_north
from skyfix.world.appearance import Ground
from skyfix.world.flights import look_at
from skyfix.world.geotiff import write_map
from skyfix.world.sample import SampleSize, write_sample
from skyfix.world.scenery import MARGIN_M

SIZE = SampleSize(
    training_places=3, test_places=2, views=2, photos=4, map_m=400.0, view_px=48,
    photo_px=(64, 48), gsd_m=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "a", seed=2, size=SIZE)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_layout_is_that_of_university_1652(sample: Path) -> None:
    names = set(contents(sample))
    assert {f"train/drone/{place:04d}/image-{view:02d}.jpeg" for place in (1, 2, 3)
            for view in (1, 2)} <= names  # fmt: skip
    assert {f"train/satellite/{place:04d}/{place:04d}.jpg" for place in (1, 2, 3)} <= names
    for folder in ("query_drone", "gallery_drone"):
        assert {f"test/{folder}/0004/image-01.jpeg", f"test/{folder}/0005/image-02.jpeg"} <= names
        assert len(list((sample / "test" / folder).iterdir())) == 2
    assert len(list((sample / "test/query_satellite").iterdir())) == 2
    # The map has four squares: two are distractors.
    assert len(list((sample / "test/gallery_satellite").iterdir())) == 4
    assert not [name for name in names if ".part" in name or ".tmp" in name]


def test_images_have_the_asked_sizes(sample: Path) -> None:
    assert Image.open(sample / "train/drone/0001/image-01.jpeg").size == (48, 48)
    assert Image.open(sample / "test/gallery_satellite/0004/0004.jpg").size == (48, 48)
    assert Image.open(sample / "photos/photo_001.jpg").size == (64, 48)


def test_poses_and_truth_name_every_photo(sample: Path) -> None:
    photos = sorted(path.name for path in (sample / "photos").glob("*.jpg"))
    poses, truth = rows(sample / "photos/poses.csv"), rows(sample / "photos/truth.csv")
    assert list(poses[0]) == ["file", "heading_deg", "pitch_deg", "altitude_m", "hfov_deg"]
    assert list(truth[0]) == ["file", "lon", "lat", "ground_lon", "ground_lat"]
    assert photos == [row["file"] for row in poses] == [row["file"] for row in truth]
    assert len(photos) == 4


def test_the_ground_point_is_where_the_pose_looks(sample: Path) -> None:
    for pose, truth in zip(
        rows(sample / "photos/poses.csv"), rows(sample / "photos/truth.csv"), strict=True
    ):
        values = {name: float(value) for name, value in pose.items() if name != "file"}
        place = [float(truth[name]) for name in ("lon", "lat", "ground_lon", "ground_lat")]
        np.testing.assert_allclose(
            east_north(*place), centre_on_ground(Pose(**values)), atol=0.01
        )  # fmt: skip


def test_photos_look_at_the_map(sample: Path) -> None:
    with rasterio.open(sample / "map.tif") as raster:
        left, bottom, right, top = raster.bounds
        to_map = Transformer.from_crs(4326, raster.crs, always_xy=True)
        for truth in rows(sample / "photos/truth.csv"):
            x, y = to_map.transform(float(truth["ground_lon"]), float(truth["ground_lat"]))
            assert left < x < right and bottom < y < top


def test_the_map_is_a_georeferenced_tiff_with_overviews(sample: Path) -> None:
    with rasterio.open(sample / "map.tif") as raster:
        assert raster.driver == "GTiff" and raster.crs.to_epsg() == 32631
        assert raster.count == 3 and raster.overviews(1)
        assert raster.transform.a == pytest.approx(0.5) and raster.transform.e == pytest.approx(
            -0.5
        )
        assert raster.bounds.right - raster.bounds.left == pytest.approx(400)


def test_a_satellite_tile_is_cut_from_the_map(sample: Path) -> None:
    with rasterio.open(sample / "map.tif") as raster:
        image = np.moveaxis(raster.read(), 0, -1)
    tile = Image.open(sample / "test/gallery_satellite/0004/0004.jpg").resize((50, 50))
    squares = []
    for row in range(2):
        for column in range(2):
            top, left = (round((MARGIN_M + 125 * n) / 0.5) for n in (row, column))
            crop = Image.fromarray(image[top : top + 250, left : left + 250]).resize((50, 50))
            squares.append(
                np.corrcoef(np.asarray(crop, float).ravel(), np.asarray(tile, float).ravel())[0, 1]
            )
    assert sorted(squares)[-1] > 0.9 and sorted(squares)[-2] < 0.5


def test_same_seed_same_bytes_however_many_workers(sample: Path, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "b", seed=2, size=SIZE, workers=1)
    assert contents(again) == contents(sample)


def test_a_second_run_makes_only_what_is_missing(sample: Path, tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "c", seed=2, size=SIZE)
    photo, kept = folder / "photos/photo_001.jpg", folder / "train/drone/0001/image-01.jpeg"
    photo.unlink()
    photo.parent.rename(folder / ".photos.part")
    before = kept.stat().st_mtime_ns
    write_sample(folder, seed=2, size=SIZE)
    assert contents(folder) == contents(sample)
    assert kept.stat().st_mtime_ns == before


def test_another_seed_is_refused_in_a_used_folder(sample: Path) -> None:
    with pytest.raises(SkyfixError, match="another seed or size"):
        write_sample(sample, seed=3, size=SIZE)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SkyfixError, match="holds something else"):
        write_sample(tmp_path, size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(("seed", "workers"), [(-1, 2), (0, 0)])
def test_a_negative_seed_and_no_workers_are_refused(
    seed: int, workers: int, tmp_path: Path
) -> None:
    with pytest.raises(SkyfixError, match="seed from 0 and workers from 1"):
        write_sample(tmp_path / "d", seed=seed, size=SIZE, workers=workers)


def test_too_small_a_map_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="has room for 4 test places, not 9"):
        write_sample(tmp_path / "e", size=SampleSize(test_places=9, map_m=400.0, gsd_m=1.0))
    assert not (tmp_path / "e").exists()


def test_a_marker_keeps_its_coordinates_in_the_tiff(tmp_path: Path) -> None:
    town = plain_town()
    town.rgb[:] = 0
    town.rgb[96:104, 296:304] = 255
    write_map(tmp_path / "map.tif", town, Ground(town.rgb, town.height_m), gsd_m=1.0)
    with rasterio.open(tmp_path / "map.tif") as raster:
        image = raster.read(1).astype(float)
        row, column = (
            np.average(np.arange(200) + 0.5, weights=image.sum(1 - axis)) for axis in (0, 1)
        )
        east, north = raster.xy(row - 0.5, column - 0.5)
        lon, lat = Transformer.from_crs(raster.crs, 4326, always_xy=True).transform(east, north)
    assert distance_m(lon, lat, *town.lonlat(150, 50)) < 0.3


@pytest.mark.parametrize("heading", [0.0, 77.0, 200.0])
def test_look_at_centres_the_ground_point(heading: float) -> None:
    town = plain_town()
    shot = look_at(town, 90, 110, Pose(heading, -50, 80, 60))
    walked = east_north(*town.lonlat(shot.x_m, shot.y_m), *town.lonlat(90, 110))
    # The grid's scale differs from 1 by a few parts in 10,000.
    np.testing.assert_allclose(walked, centre_on_ground(shot.pose), atol=0.05)

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skyfix.datasets.check import check
from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.sues200 import Sues200
from skyfix.datasets.university1652 import University1652
from skyfix.errors import SkyfixError
from skyfix.geo.ground import distance_m
from skyfix.world.layouts import Layout, LayoutSize, render_layout
from skyfix.world.scene import Scene
from skyfix.world.waypoints import Place, ring, spiral

SIZE = LayoutSize(places=3, test_share=0.34, place_m=60.0, side_px=16, hfov_deg=20.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_town(6, 300.0, 1.0)


@pytest.fixture(scope="module")
def rendered(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Layout], Path]:
    done: dict[Layout, Path] = {}

    def render(layout: Layout) -> Path:
        if layout not in done:
            done[layout] = tmp_path_factory.mktemp(layout) / "set"
            render_layout(scene, layout, done[layout], SIZE)
        return done[layout]

    return render


def test_university_1652_loads(rendered: Callable[[Layout], Path]) -> None:
    data = University1652(rendered("university1652"))
    assert [len(data.train(view)) for view in ("drone", "satellite")] == [108, 2]
    assert len(data.query("drone")) == len(data.gallery("drone")) == 54
    assert data.query("satellite").places == data.gallery("satellite").places == ("0003",)
    altitudes = data.query("drone").altitude_m
    assert altitudes is not None
    assert altitudes[0] == 256.0 and altitudes[-1] == 121.5
    assert check(data).state == "differs"


@pytest.mark.slow
def test_sues_200_loads(rendered: Callable[[Layout], Path]) -> None:
    for altitude_m in (150, 200, 250, 300):
        data = Sues200(rendered("sues200"), altitude_m)
        assert [len(data.train(view)) for view in ("drone", "satellite")] == [100, 2]
        assert [len(data.query(view)) for view in ("drone", "satellite")] == [50, 1]
        assert len(data.gallery("satellite")) == 3
        assert [path.name for path in data.query("drone").paths[:2]] == ["0.jpg", "1.jpg"]


def test_denseuav_loads_with_positions(rendered: Callable[[Layout], Path], scene: Scene) -> None:
    data = DenseUAV(rendered("denseuav"))
    assert [len(data.train(view)) for view in ("drone", "satellite")] == [6, 12]
    assert [len(data.query(view)) for view in ("drone", "satellite")] == [3, 6]
    gallery = data.gallery("satellite")
    assert len(gallery) == 18
    assert gallery.positions is not None
    column, row = scene.surface.geo.pixel(*gallery.positions.values.T)
    assert ((column > 35) & (column < 265) & (row > 35) & (row < 265)).all()
    drone = data.query("drone")
    assert drone.altitude_m is not None
    assert sorted(drone.altitude_m) == [80, 90, 100]


def test_both_seasons_of_denseuav_differ(rendered: Callable[[Layout], Path]) -> None:
    folder = next((rendered("denseuav") / "train" / "satellite").iterdir())
    new, old = (np.asarray(Image.open(folder / name)).astype(int) for name in
                ("H80.tif", "H80_old.tif"))  # fmt: skip
    assert np.abs(new - old).mean() > 5


def test_a_photo_of_denseuav_shows_what_its_tile_shows(scene: Scene, tmp_path: Path) -> None:
    size = LayoutSize(places=2, test_share=0.5, side_px=64, hfov_deg=30)
    render_layout(scene, "denseuav", tmp_path / "set", size)
    root = tmp_path / "set"
    photos, tiles = (
        [grey(next(root.glob(f"{half}{view}/*/H100.*"))) for half in ("train/", "test/query_")]
        for view in ("drone", "satellite")
    )
    likeness = np.corrcoef([*photos, *tiles])[:2, 2:]
    assert likeness.diagonal().min() > np.fliplr(likeness).diagonal().max() + 0.2


def grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L")).astype(float).ravel()


def test_the_same_seed_gives_the_same_bytes(scene: Scene, tmp_path: Path) -> None:
    size = LayoutSize(places=2, test_share=0.5, side_px=16, seed=3)
    contents = []
    for name in ("a", "b"):
        render_layout(scene, "denseuav", tmp_path / name, size)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({str(f.relative_to(tmp_path / name)): f.read_bytes() for f in files})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2 * 2 * 9 + 3


def test_the_spiral_sinks_and_goes_round_three_times() -> None:
    place = Place(8.0, 47.0, 400.0)
    flight = spiral(place, 30.0)
    assert len(flight) == 54
    above = [at.above_sea_m - 400.0 for at in flight]
    assert (above[0], above[-1]) == (256.0, 121.5)
    assert (np.diff(above) < 0).all()
    headings = np.unwrap(np.radians([at.pose.heading_deg or 0 for at in flight]))
    assert np.degrees(headings[-1] - headings[0]) == pytest.approx(1080 - 20)
    away = [float(distance_m(at.lon, at.lat, 8.0, 47.0)) for at in flight]
    np.testing.assert_allclose(away, above, rtol=1e-3)


def test_a_ring_keeps_its_height_and_distance() -> None:
    flight = ring(Place(8.0, -47.0), 200.0, -50.0, 40.0, start_deg=77)
    away = [float(distance_m(at.lon, at.lat, 8.0, -47.0)) for at in flight]
    np.testing.assert_allclose(away, 200 / np.tan(np.radians(50)), rtol=1e-3)
    assert len({round(at.pose.heading_deg or 0, 3) for at in flight}) == 50


def test_a_map_without_room_is_refused(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="room for 0 places"):
        render_layout(scene, "sues200", tmp_path / "set", LayoutSize(place_m=400))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(SkyfixError, match="holds something already"):
        render_layout(scene, "university1652", tmp_path, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("wrong", [{"places": 1}, {"test_share": 1.0}, {"side_px": 2}])
def test_sizes_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SkyfixError, match="cannot be used"):
        LayoutSize(**wrong)  # type: ignore[arg-type]

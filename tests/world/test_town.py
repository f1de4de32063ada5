import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import plain_town
from pyproj import Geod, Transformer

from skyfix.errors import SkyfixError
from skyfix.world.canvas import Cover
from skyfix.world.town import Town, build_town

SIDE_M, GSD_M = 420.0, 1.0


@pytest.fixture(scope="module")
def town() -> Town:
    return build_town(3, SIDE_M, GSD_M)


def test_layers_share_one_shape(town: Town) -> None:
    assert town.rgb.shape == (420, 420, 3) and town.rgb.dtype == np.uint8
    for layer in (town.height_m, town.cover, town.building):
        assert layer.shape == (420, 420)
    assert town.height_m.dtype == np.float32
    assert town.size_m == (SIDE_M, SIDE_M)
    assert len(town.wall_rgb) == len(town.wall_angle_rad) > town.building.max()


def test_same_seed_same_town(town: Town) -> None:
    again = build_town(3, SIDE_M, GSD_M)
    for name in ("rgb", "height_m", "cover", "building", "wall_rgb", "car_slots"):
        np.testing.assert_array_equal(getattr(again, name), getattr(town, name))


def test_other_seed_other_town(town: Town) -> None:
    other = build_town(4, SIDE_M, GSD_M)
    assert (other.cover != town.cover).mean() > 0.2


def test_a_town_has_houses_trees_streets_and_cars(town: Town) -> None:
    share = np.bincount(town.cover.ravel(), minlength=len(Cover)) / town.cover.size
    for cover in (Cover.ROOF, Cover.TREE, Cover.ROAD, Cover.GRASS):
        assert share[cover] > 0.03, cover
    assert 8 < town.height_m.max() < 60
    assert town.height_m.min() == 0
    assert len(town.car_slots) > 50


def test_roofs_stand_up_and_roads_lie_flat(town: Town) -> None:
    assert (town.height_m[town.building > 0] > 1.5).mean() > 0.95
    assert (town.height_m[town.cover == Cover.ROAD] < 1.0).mean() > 0.98


def test_no_two_places_look_alike(town: Town) -> None:
    """Grey thumbnails of neighbouring squares are far from being copies of each other."""
    side = 60
    squares = [
        town.rgb[row : row + side, column : column + side].mean(axis=2).ravel()
        for row in range(0, 420, side)
        for column in range(0, 420, side)
    ]
    likeness = np.corrcoef(np.stack(squares))
    np.fill_diagonal(likeness, 0)
    assert likeness.max() < 0.7


@given(
    x_m=st.floats(0, 1000), y_m=st.floats(0, 1000),
    epsg=st.sampled_from([32631, 32733, 25832, 2154]),
)  # fmt: skip
def test_degrees_lead_back_to_the_map(x_m: float, y_m: float, epsg: int) -> None:
    """x runs east and y south of the upper left corner, in every coordinate system."""
    town = plain_town(epsg=epsg, left_m=560_000.0, top_m=6_300_000.0)
    back = Transformer.from_crs(4326, epsg, always_xy=True).transform(*town.lonlat(x_m, y_m))
    np.testing.assert_allclose(back, (560_000.0 + x_m, 6_300_000.0 - y_m), atol=1e-4)


@pytest.mark.parametrize("left_m", [250_000.0, 500_000.0, 740_000.0])
@pytest.mark.parametrize("epsg", [32631, 32733])
def test_convergence_is_the_azimuth_of_map_up(left_m: float, epsg: int) -> None:
    town = plain_town(left_m=left_m, top_m=5_500_000.0, epsg=epsg)
    azimuth, _, _ = Geod(ellps="WGS84").inv(*town.lonlat(100, 150), *town.lonlat(100, 50))
    assert town.convergence_deg(100, 100) == pytest.approx(azimuth, abs=1e-3)


@pytest.mark.parametrize(("size_m", "gsd_m"), [(50, 0.5), (1000, 0), (1e6, 0.5), (1000, -1)])
def test_impossible_sizes_are_refused(size_m: float, gsd_m: float) -> None:
    with pytest.raises(SkyfixError, match="Cannot build a town"):
        build_town(0, size_m, gsd_m)

"""Heights out of elevation models and lines of sight over them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasters import write_map

from skyfix.errors import SkyfixError
from skyfix.geo.crs import wrap_deg
from skyfix.geo.ground import offset
from skyfix.geo.terrain import Terrain

SIDE, CELL_M = 60, 10.0
UTM_33 = (500_000.0 - SIDE * CELL_M / 2, 5_000_000.0 + SIDE * CELL_M / 2)
MIDDLE = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(5e5, 5e6)


def slope(east_m: float = 0.1, north_m: float = -0.2) -> np.ndarray:
    """A plane that is 300 m high in the middle: (1, SIDE, SIDE)."""
    steps = (np.arange(SIDE) + 0.5 - SIDE / 2) * CELL_M
    return (300 + east_m * steps[None, :] - north_m * steps[:, None])[None].astype(np.float32)


def model(folder: Path, heights: np.ndarray, **profile: object) -> Path:
    settings = {"origin": UTM_33, "pixel": CELL_M, "dtype": heights.dtype, **profile}
    return write_map(folder / "dem.tif", heights, **settings)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Terrain:
    return Terrain(model(tmp_path_factory.mktemp("terrain"), slope()))


@given(st.floats(-290, 290), st.floats(-290, 290))
def test_a_plane_is_interpolated_exactly(plane: Terrain, east_m: float, north_m: float):
    lon, lat = offset(*MIDDLE, east_m, north_m)
    assert plane.height_m(lon, lat) == pytest.approx(300 + 0.1 * east_m - 0.2 * north_m, abs=0.1)


def test_shapes_and_the_world_outside(plane: Terrain):
    lon, lat = offset(*MIDDLE, np.array([[0.0, 299.0, 301.0]]), np.array([[0.0, 0.0, 0.0]]))
    heights = plane.height_m(lon, lat)
    assert heights.shape == (1, 3)
    # The outer half cell is as high as the outermost centres.
    assert heights[0, :2] == pytest.approx([300, 329.5], abs=0.1)
    assert np.isnan(heights[0, 2])
    assert np.isnan(plane.height_m(-120.0, 10.0))
    assert np.isnan(plane.height_m(np.nan, np.nan))


def test_degrees_integers_and_scaled_samples(tmp_path: Path):
    heights = slope().round().astype(np.int16)
    step = 0.0001
    origin = (MIDDLE[0] - SIDE / 2 * step, MIDDLE[1] + SIDE / 2 * step)
    path = model(tmp_path, heights, crs="EPSG:4326", origin=origin, pixel=step)
    with Terrain(path) as terrain:
        assert terrain.height_m(*MIDDLE) == pytest.approx(300, abs=0.6)
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5,), (100.0,)
    with Terrain(path) as terrain:
        assert terrain.height_m(*MIDDLE) == pytest.approx(250, abs=0.4)


def test_cells_without_height_spread_no_further_than_their_neighbours(tmp_path: Path):
    heights = slope(0, 0)
    heights[0, 30, 30] = -9999
    heights[0, 40, 40] = np.nan
    with Terrain(model(tmp_path, heights, nodata=-9999)) as terrain:
        lon, lat = offset(*MIDDLE, np.array([5.0, 12.0, 25.0, 105.0]), np.array([-5, -5, -5, -105]))
        heights_m = terrain.height_m(lon, lat)
        assert np.isnan(heights_m).tolist() == [True, True, False, True]
        assert heights_m[2] == pytest.approx(300)


@given(st.floats(0, 360), st.floats(-85, -10))
def test_lines_meet_a_plane_where_geometry_says(plane: Terrain, heading_deg, pitch_deg):
    heading, pitch = np.radians([heading_deg, pitch_deg])
    direction = np.array(
        [np.sin(heading) * np.cos(pitch), np.cos(heading) * np.cos(pitch), np.sin(pitch)]
    )
    # The plane falls away from (0, 0, 300) as 0.1 east - 0.2 north; the camera is 40 m above.
    expected_m = 40 / (0.1 * direction[0] - 0.2 * direction[1] - direction[2])
    (part,) = plane.seen_at(*MIDDLE, 340.0, 250.0 * direction[None])
    if 0 < expected_m < 250:
        assert part * 250 == pytest.approx(expected_m, abs=0.2)
    else:
        assert np.isnan(part)


def test_a_ridge_hides_what_is_behind(tmp_path: Path):
    heights = slope(0, 0)
    heights[0, :, 40:43] = 340
    with Terrain(model(tmp_path, heights)) as terrain:
        to_m = np.array([[250.0, 0.0, -50.0], [-250.0, 0.0, -50.0], [0.0, 0.0, 20.0]])
        parts = terrain.seen_at(*MIDDLE, 350.0, to_m)
    assert 90 < parts[0] * 250 < 110
    assert parts[1] == pytest.approx(1.0)
    assert np.isnan(parts[2])


def test_below_the_ground_it_is_met_at_once(plane: Terrain):
    assert plane.seen_at(*MIDDLE, 250.0, np.array([[10.0, 0.0, -5.0]])) == [0.0]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({"crs": None}, "No coordinate reference system"),
        ({"bands": 3}, "3 bands of float32"),
        ({"dtype": "complex64"}, "1 bands of complex64"),
    ],
)
def test_what_is_no_elevation_model(tmp_path: Path, profile: dict, says: str):
    heights = np.repeat(slope(), profile.pop("bands", 1), axis=0)
    path = model(tmp_path, heights.astype(profile.get("dtype", "float32")), **profile)
    with pytest.raises(SkyfixError, match=says) as caught:
        Terrain(path)
    assert "dem.tif" in str(caught.value)


def test_a_virtual_raster_is_refused(tmp_path: Path):
    path = tmp_path / "dem.tif"
    path.write_text('<VRTDataset rasterXSize="9" rasterYSize="9"/>')
    with pytest.raises(SkyfixError, match="Not a GeoTIFF"):
        Terrain(path)


def test_the_real_height_model_has_a_hole_outside_its_outline(shared: Path):
    with Terrain(shared / "data" / "village" / "dsm.tif") as terrain:
        lon, lat = np.meshgrid(
            -8.3585 + np.linspace(-2e-3, 2e-3, 41), 40.7024 + np.linspace(-2e-3, 2e-3, 41)
        )
        heights = terrain.height_m(wrap_deg(lon), lat)
    known = np.isfinite(heights)
    assert 0.3 < known.mean() < 0.9
    assert -18.8 < heights[known].min() < heights[known].max() < 49.2

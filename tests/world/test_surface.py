from pathlib import Path

import numpy as np
import pytest
import rasterio
from boards import Grid, checkerboard
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import Resampling, calculate_default_transform, reproject

from skyfix.world.surface import fill, read_surface


def slope(side_px: int, step_m: float) -> np.ndarray:
    """Heights that rise by 0.1 to the east and fall by 0.05 to the south, (1, H, W)."""
    along = (np.arange(side_px) + 0.5) * step_m
    return (100 + 0.1 * along[None, :] - 0.05 * along[:, None]).astype(np.float32)[None]


def test_heights_of_another_resolution_fall_on_the_maps_grid(tmp_path: Path) -> None:
    ortho = Grid(checkerboard(400), 0.25).write(tmp_path / "o.tif")
    dsm = Grid(slope(140, 0.8), 0.8).write(tmp_path / "d.tif")
    surface = read_surface(ortho, dsm)
    assert surface.height_gsd_m == pytest.approx(3 * surface.gsd_m)
    assert surface.valid.all()
    expected = slope(134, 0.75)[0]
    np.testing.assert_allclose(surface.height_m, expected, atol=0.03)


def test_heights_in_another_coordinate_system_are_brought_over(tmp_path: Path) -> None:
    ortho = Grid(checkerboard(400), 0.5).write(tmp_path / "o.tif")
    with rasterio.open(Grid(slope(500, 0.5), 0.5, origin=(500_375.0, 5_200_025.0)).write(
        tmp_path / "utm.tif"
    )) as source:  # fmt: skip
        transform, width, height = calculate_default_transform(
            source.crs, "EPSG:4326", source.width, source.height, *source.bounds
        )
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:4326",
                   "transform": transform, "width": width, "height": height,
                   "nodata": -9999.0}  # fmt: skip
        with rasterio.open(tmp_path / "deg.tif", "w", **profile) as target:
            reproject(rasterio.band(source, 1), rasterio.band(target, 1),
                      resampling=Resampling.bilinear)  # fmt: skip
    surface = read_surface(ortho, tmp_path / "deg.tif")
    inner = slope(500, 0.5)[0, 50:450, 50:450]
    np.testing.assert_allclose(surface.height_m[5:-5, 5:-5], inner[5:-5, 5:-5], atol=0.1)


def test_large_maps_are_read_at_a_lower_resolution(tmp_path: Path) -> None:
    surface = read_surface(Grid(checkerboard(400), 0.5).write(tmp_path / "o.tif"), None, 10_000)
    assert surface.rgb.shape == (100, 100, 3)
    assert surface.gsd_m == pytest.approx(2.0, rel=1e-3)
    assert surface.geo.transform.a == pytest.approx(2.0)


def test_pixels_that_are_not_square_become_square(tmp_path: Path) -> None:
    board = Grid(checkerboard(200), 1.0).write(tmp_path / "o.tif")
    with rasterio.open(board, "r+") as raster:
        raster.transform = rasterio.Affine(1.0, 0.0, 500_400.0, 0.0, -0.5, 5_200_000.0)
    surface = read_surface(board)
    assert surface.rgb.shape[1] == pytest.approx(2 * surface.rgb.shape[0], abs=1)
    scale = surface.geo.scale(100, 50)
    assert float(scale.x_m) == pytest.approx(float(scale.y_m), rel=0.01)


@given(seed=st.integers(0, 100), share=st.floats(0.05, 0.9))
def test_filling_keeps_what_is_known_and_stays_within_it(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(5, 9, (23, 31)).astype(np.float32)
    known = rng.random((23, 31)) < share
    filled = fill(np.where(known, values, -1000).astype(np.float32), known)
    np.testing.assert_array_equal(filled[known], values[known])
    if known.any():
        assert values[known].min() - 1e-3 <= filled.min()
        assert filled.max() <= values[known].max() + 1e-3

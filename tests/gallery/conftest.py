"""A map with holes and flat ground, and the gallery made of it in one go."""

from pathlib import Path

import numpy as np
import pytest
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.gallery import Gallery


@pytest.fixture(scope="session")
def map_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 x 280 m of texture in UTM 33 north; a sixth is nodata, a corner is flat water."""
    pixels = np.maximum(texture(600, 560), 1)
    pixels[:, :, :100] = 0
    pixels[:, 380:, 400:] = np.array([30, 60, 90], np.uint8)[:, None, None]
    return write_map(tmp_path_factory.mktemp("maps") / "map.tif", pixels, nodata=0)


@pytest.fixture(scope="session")
def gallery(map_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The gallery of the map, built without interruption. Not to be changed."""
    out = tmp_path_factory.mktemp("galleries") / "whole"
    return Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M)

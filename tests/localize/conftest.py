"""One scene and one gallery of it, made without a network."""

from pathlib import Path

import pytest
from scene import STRIDE_M, TILE_M, Scene, make_scene
from thumbnails import Thumbnails

from skyfix.gallery import Gallery


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="session")
def embedder() -> Thumbnails:
    return Thumbnails()


@pytest.fixture(scope="session")
def gallery(
    scene: Scene, embedder: Thumbnails, tmp_path_factory: pytest.TempPathFactory
) -> Gallery:
    """289 tiles. Not to be changed."""
    out: Path = tmp_path_factory.mktemp("galleries") / "scene"
    return Gallery.build(scene.path, out, embedder, TILE_M, STRIDE_M)

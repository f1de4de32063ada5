"""One scene, its gallery made by a real network, and one service of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from scene import TILE_M, Scene, make_scene
from service_process import Running, serving
from tagged import tag

from skyfix import systems
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.inference import Embedder

POSE = Pose(heading_deg=30.0, pitch_deg=-60.0, altitude_m=70.0, hfov_deg=65.0, roll_deg=0.0)
FIELDS = {
    "heading_deg": "30",
    "pitch_deg": "-60",
    "altitude_m": "70",
    "field_of_view_deg": "65",
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="session")
def gallery(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """81 tiles. Not to be changed."""
    out = tmp_path_factory.mktemp("galleries") / "Our Scene"
    embedder = Embedder(systems.create("imagenet", input_px=64))
    return Gallery.build(scene.path, out, embedder, TILE_M, TILE_M / 2)


@pytest.fixture(scope="session")
def photo(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of the scene's middle, looking ahead; its tags tell a wrong position."""
    pixels = scene.photo(POSE, scene.middle)
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    gps = {1: "N", 2: (46.0, 57.0, 3.6), 3: "E", 4: (7.0, 26.0, 24.0)}
    return tag(path, Image.fromarray(pixels), gps=gps)


@pytest.fixture(scope="session")
def service(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving([Path(gallery.path)], tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(service: Running) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


@pytest.fixture(scope="session")
def gallery_path(gallery: Gallery) -> Path:
    return Path(gallery.path)

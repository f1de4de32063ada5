"""`skyfix search --ray` and `skyfix serve --ray`, processes of their own, on a cluster."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from clusters import cluster, wait_for_processes
from PIL import Image
from rasters import texture, write_map
from service_process import Running, free_port, wait_ready

from skyfix import systems
from skyfix.gallery import Gallery
from skyfix.inference import Embedder

pytest.importorskip("ray", reason="ray is not installed: pip install 'skyfix[ray]'")

pytestmark = [pytest.mark.full, pytest.mark.slow]

SHARDS = 2
"""The cluster's CPUs."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster(SHARDS) as made:
        yield made


@pytest.fixture(scope="module")
def looked_for(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gallery, Path]:
    """A gallery, and a photo of its ground."""
    folder = tmp_path_factory.mktemp("shards")
    pixels = texture(500, 500, seed=4)
    source = write_map(folder / "map.tif", pixels)
    embedder = Embedder(systems.create("imagenet", input_px=64), device="cpu")
    gallery = Gallery.build(source, folder / "gallery", embedder, 80.0, 40.0)
    photo = folder / "photo.png"
    Image.fromarray(np.moveaxis(pixels[:, 130:300, 150:320], 0, 2)).save(photo)
    return gallery, photo


def expected(gallery: Gallery, photo: Path, k: int) -> list[str]:
    rows = gallery.search(gallery.embedder(device="cpu").embed([photo], "drone"), k).rows[0]
    return [str(one) for one in gallery.tiles.id[rows]]


def test_the_command_finds_what_one_machine_finds(
    looked_for: tuple[Gallery, Path], address: str, tmp_path: Path
) -> None:
    gallery, photo = looked_for
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "skyfix", "search", photo, "--gallery", gallery.path]
    more = ["--ray", address, "--shards", "3", "--k", "9", "--device", "cpu", "--out", out]
    subprocess.run([*map(str, command), *map(str, more)], check=True, capture_output=True)
    [found] = json.loads(out.read_text())
    assert [one["tile"] for one in found["tiles"]] == expected(gallery, photo, 9)
    assert found["partial"] is False


@pytest.fixture
def service(
    looked_for: tuple[Gallery, Path], address: str, tmp_path: Path
) -> Iterator[httpx2.Client]:
    port, log = free_port(), tmp_path / "service.log"
    command = [sys.executable, "-m", "skyfix", "serve", "--gallery", str(looked_for[0].path)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--ray", address, "--port", str(port)], stdout=stream, stderr=stream
        )
    running = Running(process, f"http://127.0.0.1:{port}", tmp_path)
    try:
        wait_ready(running, log)
        with running.client() as client:
            yield client
    finally:
        running.stop()


def tiles(client: httpx2.Client, photo: Path, k: int) -> dict:
    files = {"photo": (photo.name, photo.read_bytes())}
    answer = client.post("/v1/search", files=files, data={"k": str(k)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_service_asks_shards_that_outlive_their_death(
    looked_for: tuple[Gallery, Path], service: httpx2.Client
) -> None:
    gallery, photo = looked_for
    before = tiles(service, photo, 9)
    assert [one["tile"] for one in before["tiles"]] == expected(gallery, photo, 9)
    assert before["partial"] is False
    for pid in wait_for_processes("Shard", SHARDS):
        os.kill(pid, signal.SIGKILL)
    # It waits for them to start again.
    assert tiles(service, photo, 9) == before
    assert len(wait_for_processes("Shard", SHARDS)) == SHARDS

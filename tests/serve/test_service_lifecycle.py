"""Killed, stopped, several processes, and galleries that change meanwhile."""

import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx2
import pytest
from conftest import FIELDS
from rasters import texture, write_map
from service_process import Running, serving

from skyfix.gallery import Gallery

_ADD = """
import os, signal, sys
from skyfix.gallery import Gallery
from skyfix.gallery.manifest import Manifest
Manifest.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Gallery.open(sys.argv[1]).add(sys.argv[2])
"""


def fix(client: httpx2.Client, photo: Path) -> dict:
    files = {"photo": ("photo.jpg", photo.read_bytes())}
    answer = client.post("/v1/fixes", files=files, data=FIELDS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tiles(client: httpx2.Client) -> int:
    return client.get("/v1/galleries").json()["galleries"][0]["tiles"]


def until_tiles(client: httpx2.Client, count: int) -> None:
    deadline = time.monotonic() + 20
    while tiles(client) != count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def copy(gallery_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(gallery_path, tmp_path / "gallery"))


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another map, beside the scene."""
    path = tmp_path_factory.mktemp("more") / "more.tif"
    return write_map(path, texture(300, 300, seed=9), origin=(501_000.0, 5_000_100.0))


@pytest.mark.full
def test_killed_amid_a_change_and_started_again_it_answers_as_before(
    copy: Path, more: Path, tmp_path: Path, photo: Path, gallery: Gallery
) -> None:
    import os
    import sys

    with serving([copy], tmp_path) as running, running.client() as client:
        before = fix(client, photo)
        command = [sys.executable, "-c", _ADD, str(copy), str(more)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        killed = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert tiles(client) == len(gallery)
        assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    left = list(tmp_path.glob("skyfix-serve-*"))
    assert len(left) == 1
    with serving([copy], tmp_path) as running, running.client() as client:
        assert fix(client, photo) == before
        # What the killed service left behind is gone.
        assert not left[0].exists()
        added = Gallery.open(copy).add(more)
        assert len(added) > len(gallery)
        until_tiles(client, len(added))
        assert fix(client, photo)["lon"] == pytest.approx(before["lon"], abs=1e-6)
        _replaced_on_disk(copy, gallery, client)
        assert fix(client, photo) == before
        _drains(running, client, photo, before)
    assert list(tmp_path.glob("skyfix-serve-*")) == []


def _replaced_on_disk(copy: Path, gallery: Gallery, client: httpx2.Client) -> None:
    """While the folder is away and half there, the old state answers."""
    known = tiles(client)
    copy.rename(copy.with_name("away"))
    copy.mkdir()
    time.sleep(1.5)
    assert tiles(client) == known
    copy.rmdir()
    fresh = shutil.copytree(gallery.path, copy.with_name("fresh"))
    Path(fresh).rename(copy)
    until_tiles(client, len(gallery))


def _drains(running: Running, client: httpx2.Client, photo: Path, before: dict) -> None:
    """Fixes that were asked for come, then the process ends, and nobody new is let in."""
    answers: list[dict] = []
    askers = [threading.Thread(target=lambda: answers.append(_own(running, photo)))
              for _ in range(4)]  # fmt: skip
    for asker in askers:
        asker.start()
    deadline = time.monotonic() + 20
    while "skyfix_requests_in_flight 5" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
    running.process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join()
    assert [one["lon"] for one in answers] == [before["lon"]] * 4
    assert running.process.wait(timeout=30) in (0, -signal.SIGTERM)
    with pytest.raises(httpx2.TransportError):
        client.get("/healthz")


def _own(running: Running, photo: Path) -> dict:
    with running.client() as client:
        return fix(client, photo)


@pytest.mark.full
def test_workers_share_galleries_tracks_and_counts(
    gallery_path: Path, tmp_path: Path, photo: Path
) -> None:
    with serving([gallery_path], tmp_path, workers=2) as running:
        with running.client() as client:
            files = [("frames", (f"{n}.jpg", photo.read_bytes())) for n in range(3)]
            id_ = client.post("/v1/tracks", files=files, data=FIELDS).json()["id"]
        seen = set()
        for _ in range(20):
            with running.client() as client:
                seen.add(client.get(f"/v1/tracks/{id_}").status_code)
                fix(client, photo)
        assert seen == {200}
        with running.client() as client:
            text = client.get("/metrics").text
        line = 'skyfix_requests_total{method="POST",path="/v1/fixes",status="200"} 20.0'
        assert line in text
        assert running.stop() in (0, -signal.SIGTERM)
    assert list(tmp_path.glob("skyfix-serve-*")) == []

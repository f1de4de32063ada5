"""Galleries built by a cluster of two nodes, whose workers and whose driver are killed."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest
from clusters import Clerk, cluster, processes
from rasters import texture, write_map

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.cluster import Crew, join
from skyfix.gallery.cluster_embedder import ClusterEmbedder
from skyfix.gallery.sources import describe
from skyfix.gallery.windows import Cutting, Job
from skyfix.geo.maps import open_map
from skyfix.geo.tiling import plan_tiles
from skyfix.inference import Embedder

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'skyfix[ray]'")

# Workers load torch, which takes long on a busy machine.
pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(900)]

TILE_M, STRIDE_M = 20.0, 5.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as made:
        join(made)
        yield made


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("system")
    systems.save(systems.create("imagenet", input_px=64), folder)
    return folder


@pytest.fixture(scope="module")
def alone(map_path: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The gallery that one process makes of the map."""
    out = tmp_path_factory.mktemp("alone") / "gallery"
    return Gallery.build(map_path, out, Embedder(checkpoint, "cpu"), TILE_M, STRIDE_M)


def stored_rows(folder: Path) -> int:
    path = folder / "tiles.lance"
    return lance.dataset(str(path)).count_rows() if any(path.glob("_versions/*.manifest")) else 0


def assert_same(first: Gallery, second: Gallery) -> None:
    """Same tiles in the same order, and descriptors that differ by roundings to half precision."""
    tables = [lance.dataset(str(Path(g.path) / "tiles.lance")).to_table() for g in (first, second)]
    for name in set(tables[0].column_names) - {"descriptor"}:
        assert tables[0][name].equals(tables[1][name]), name
    np.testing.assert_allclose(first.descriptors, second.descriptors, atol=2**-10)
    assert first.info().counts == second.info().counts


def command(map_path: Path, out: Path, checkpoint: Path, address: str) -> list[str]:
    sizes = ["--tile-m", f"{TILE_M}", "--stride-m", f"{STRIDE_M}"]
    where = ["--out", f"{out}", "--system", f"{checkpoint}", "--ray", address]
    return ["gallery", "build", f"{map_path}", *where, *sizes]


def test_killed_workers_lose_nothing_and_double_nothing(
    address: str, map_path: Path, checkpoint: Path, alone: Gallery, tmp_path: Path
) -> None:
    """One while the workers load the system, one after each of the first two commits."""
    out, embedder = tmp_path / "gallery", ClusterEmbedder(Embedder(checkpoint, "cpu"), address)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(Gallery.build, map_path, out, embedder, TILE_M, STRIDE_M)
        killed, seen = 0, -1
        while not building.done():
            rows = stored_rows(out)
            if killed < 3 and rows > seen and (found := processes("TileWorker")):
                os.kill(found[0], signal.SIGKILL)
                killed, seen = killed + 1, rows
            time.sleep(0.02)
        built = building.result()
    assert killed == 3
    assert built.report is not None and built.report.embedded == len(alone) == len(built)
    assert_same(built, alone)


def test_a_killed_driver_goes_on_where_it_was(
    address: str, map_path: Path, checkpoint: Path, alone: Gallery, tmp_path: Path
) -> None:
    out = tmp_path / "gallery"
    words = command(map_path, out, checkpoint, address)
    driver = subprocess.Popen([sys.executable, "-m", "skyfix", *words], stderr=subprocess.PIPE)
    while driver.poll() is None and stored_rows(out) == 0:
        time.sleep(0.01)
    driver.kill()
    _, complaint = driver.communicate()
    assert driver.returncode == -signal.SIGKILL, complaint.decode()
    kept = stored_rows(out)
    assert 0 < kept < len(alone)
    end = time.monotonic() + 60
    while processes("TileWorker"):
        assert time.monotonic() < end, "workers outlive their driver"
        time.sleep(0.1)
    done = subprocess.run(
        [sys.executable, "-m", "skyfix", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert f"{len(alone) - kept} embedded in" in " ".join(done.stdout.split())
    assert_same(Gallery.open(out), alone)


def test_a_map_that_a_machine_lacks_is_one_line(
    address: str, checkpoint: Path, tmp_path: Path
) -> None:
    path = write_map(tmp_path / "m.tif", texture(200, 200))
    with open_map(path) as raster:
        plan, source = plan_tiles(raster.geo, 20, 10, "m"), describe(raster)
    other = replace(source, fingerprint="0" * 24)
    cutting = Cutting((Job(0, plan),), (other,), (64, 64), 0)
    embedder = ClusterEmbedder(Embedder(checkpoint, "cpu"), address)
    with pytest.raises(SkyfixError, match=r"m\.tif is missing on a machine") as caught:
        list(embedder.embed_windows(cutting, cutting.windows(0)))
    assert "\n" not in str(caught.value)


def crew(folder: Path, size: int = 2) -> Crew[int, int]:
    return Crew(lambda: ray.remote(num_cpus=0)(Clerk).remote(folder), size)


def test_tasks_come_back_in_order_whoever_dies(address: str, tmp_path: Path) -> None:
    assert list(crew(tmp_path).results(iter(range(30)))) == [n * n for n in range(30)]
    assert len(list(tmp_path.glob("3-*"))) == 2


def test_few_tasks_are_begun_ahead(address: str, tmp_path: Path) -> None:
    taken = []
    tasks = (taken.append(number) or number for number in range(0, 700, 7))
    results = crew(tmp_path).results(tasks)
    assert next(results) == 0
    time.sleep(1)
    assert len(taken) <= 8
    assert len(list(results)) == 99


def test_work_that_kills_every_worker_is_given_up(address: str, tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="4 workers of the cluster died") as caught:
        list(crew(tmp_path).results(iter([1, 1000, 2])))
    assert "\n" not in str(caught.value)


def test_what_a_task_complains_of_is_passed_on(address: str, tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match=r"^2000 is too much\.$"):
        list(crew(tmp_path).results(iter([1, 2, 2000])))


def test_workers_that_cannot_start_are_one_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without skyfix: only this process can import what they are to run."""
    (tmp_path / "only_here.py").write_text("class Worker:\n    def ready(self): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    worker = importlib.import_module("only_here").Worker
    with pytest.raises(SkyfixError, match=r"cannot start: .*No module named 'only_here'") as caught:
        list(Crew(lambda: ray.remote(num_cpus=0)(worker).remote(), 1).results(iter([1])))
    assert "\n" not in str(caught.value)

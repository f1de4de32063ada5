"""Altitudes of drone photos on their way from a data set to the system that is told them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from skyfix import systems
from skyfix.datasets.university1652 import University1652, generate
from skyfix.evaluation.protocol import Direction, evaluate
from skyfix.images import ImageError, read_image
from skyfix.inference import Embedder
from skyfix.systems.mbf import MBF
from skyfix.systems.preprocess import Preprocess, normalized, prepared
from skyfix.systems.recipe import Augment, Sampler
from skyfix.systems.system import Batch
from skyfix.training.batches import StepDataset, ViewImages
from skyfix.training.config import make_config
from skyfix.training.loop import train
from skyfix.views import View

TINY = {"backbone": "vit_small_r26_s32_224", "input_px": 64}
ALTITUDES_M = [256.0, 256 - 134.5 / 53, 256 - 2 * 134.5 / 53]
"""Of the first three of University-1652's 54 drone photos, as MBF's authors count them."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> University1652:
    root = tmp_path_factory.mktemp("university1652")
    return University1652(generate(root, places=3, test_places=2, drone_views=3))


@pytest.mark.parametrize("pairing", ["views", "places"])
def test_batches_tell_the_altitude_of_each_image(data: University1652, pairing: str) -> None:
    drone, satellite = data.train("drone"), data.train("satellite")
    np.testing.assert_allclose(drone.altitude_m, 3 * ALTITUDES_M)
    plain = Preprocess((32, 32), (0.0,) * 3, (1.0,) * 3)
    unreadable = drone.paths[4].with_name("none.jpeg")
    paths = [unreadable if row == 4 else path for row, path in enumerate(drone.paths)]
    steps = StepDataset(
        {
            "satellite": ViewImages(satellite.paths, satellite.labels - 1),
            "drone": ViewImages(paths, drone.labels - 1, drone.altitude_m),
        },
        Sampler(pairing=pairing, batch_size=3, images_per_place=3),
        Augment(pad_px=0, satellite_rotation_deg=0.0, flip=0.0),
        {"satellite": plain, "drone": plain},
        seed=0,
    )
    pixels = torch.stack([prepared(read_image(path), plain) for path in drone.paths])
    lost = 0
    for step in range(3):
        batch = steps[step]
        lost += len(batch.unreadable)
        assert batch.altitude_m["satellite"].isnan().all()
        assert len(batch.altitude_m["drone"]) == len(batch.images["drone"])
        for image, altitude_m in zip(batch.images["drone"], batch.altitude_m["drone"], strict=True):
            (row,) = (pixels == image).flatten(1).all(dim=1).nonzero()[0]
            assert altitude_m.item() == pytest.approx(ALTITUDES_M[row % 3])
    assert lost > 0


def test_training_tells_the_system(
    data: University1652, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    objective = MBF.objective

    def listening(system: MBF, batch: Batch) -> dict[str, torch.Tensor]:
        told.append(batch.altitude_m["drone"])
        return objective(system, batch)

    monkeypatch.setattr(MBF, "objective", listening)
    settings = {
        "system": {"name": "mbf", **TINY},
        "schedule": {"steps": 1},
        "sampler": {"batch_size": 3},
        "validation": {"select": "last"},
    }
    train(make_config(settings, "test"), data, tmp_path, "none", device="cpu", workers=0)
    (altitudes_m,) = told
    assert altitudes_m.shape == (3,)
    assert all(any(abs(a - b) < 1e-3 for b in ALTITUDES_M) for a in altitudes_m.tolist())


def test_the_embedder_tells_the_system(data: University1652) -> None:
    torch.manual_seed(0)
    system = systems.create("mbf", **TINY, places=3)
    assert isinstance(system, MBF)
    paths = [*data.query("drone").paths[:4]]
    paths.insert(1, Path("none.jpeg"))
    altitude_m = np.array([150.0, 160.0, np.nan, 170.0, 180.0])
    embedder = Embedder(system, device="cpu", batch_size=2)
    found, kept, _ = embedder.embed_files(paths, "drone", altitude_m=altitude_m)
    assert kept.tolist() == [0, 2, 3, 4]
    preprocess = system.preprocess["drone"]
    images = torch.stack([prepared(read_image(paths[row]), preprocess) for row in kept])
    known_m = torch.from_numpy(altitude_m[kept])
    with torch.inference_mode():
        expected = system.embed(normalized(images, preprocess), "drone", known_m)
        unknown = system.embed(normalized(images, preprocess), "drone")
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert (expected - unknown).norm(dim=1)[[0, 2, 3]].min() > 1e-3


class Listener:
    """Remembers the altitudes that evaluation knows of each view."""

    def __init__(self) -> None:
        self.heard: dict[str, np.ndarray | None] = {}

    def embed_files(
        self,
        images: Sequence[Path],
        view: View,
        progress: str | None = None,
        altitude_m: np.ndarray | None = None,
        **others: object,
    ) -> tuple[np.ndarray, np.ndarray, list[ImageError]]:
        self.heard[view] = altitude_m
        return np.eye(len(images), 16, dtype=np.float32), np.arange(len(images)), []


@pytest.mark.parametrize("direction", ["drone2satellite", "satellite2drone"])
def test_evaluation_tells_the_embedder(data: University1652, direction: Direction) -> None:
    listener = Listener()
    evaluate(listener, data, direction)
    assert listener.heard["satellite"] is None
    places = 2 if direction == "drone2satellite" else 4
    np.testing.assert_allclose(listener.heard["drone"], places * ALTITUDES_M)

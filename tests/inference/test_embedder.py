"""The embedder: order, any input, and the same descriptor however an image comes in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.images import ImageError
from skyfix.inference import Embedder


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    system = systems.create("imagenet", input_px=64)
    system.load_backbone("imagenet")
    return Embedder(system, device="cpu", batch_size=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    paths = []
    for index in range(7):
        colours = generator.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        path = folder / f"{index}.png"
        Image.fromarray(colours).resize((90 + index, 80), Image.Resampling.NEAREST).save(path)
        paths.append(path)
    return paths


def test_rows_are_unit_and_in_order(embedder: Embedder, photos: list[Path]) -> None:
    together = embedder.embed(photos, "drone")
    assert together.shape == (7, embedder.dimensions) == (7, 1280)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for index in (0, 4, 6):
        alone = embedder.embed([photos[index]], "drone")[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_paths_arrays_and_images_agree(embedder: Embedder, photos: list[Path]) -> None:
    image = Image.open(photos[0])
    by_path, by_image, by_array = (
        embedder.embed([given], "satellite") for given in (photos[0], image, np.asarray(image))
    )
    np.testing.assert_array_equal(by_path, by_image)
    np.testing.assert_array_equal(by_path, by_array)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("gain", [1.0, 1e7])
def test_a_gpu_gives_the_descriptors_of_the_cpu(photos: list[Path], gain: float) -> None:
    """Also where activations are too large for half precision."""
    system = systems.create("imagenet", input_px=64)
    system.load_backbone("imagenet")
    first = next(one for one in system.modules() if isinstance(one, torch.nn.BatchNorm2d))
    with torch.no_grad():
        first.weight.mul_(gain)
    first.act = torch.nn.ReLU()
    on_cpu = Embedder(system, device="cpu").embed(photos, "drone")
    on_gpu = Embedder(system, device="cuda", batch_size=3).embed(photos, "drone")
    assert (on_cpu * on_gpu).sum(axis=1).min() > 0.999


def test_memory_that_does_not_suffice_is_told(
    embedder: Embedder, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(embedder.system), "embed_at", too_large)
    with pytest.raises(SkyfixError, match="cpu does not hold 3 images"):
        embedder.embed(photos, "drone")


def test_unreadable_images_are_left_out_or_raised(
    embedder: Embedder, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    given = [photos[0], tmp_path / "text.jpg", photos[1], tmp_path / "none.jpg"]
    descriptors, kept, unreadable = embedder.embed_files(given, "drone")
    assert kept.tolist() == [0, 2]
    np.testing.assert_allclose(descriptors, embedder.embed(photos[:2], "drone"), atol=1e-6)
    assert [str(error).split(":")[0] for error in unreadable] == [
        "Not an image (JPEG, PNG, TIFF, WebP or BMP)",
        "No such image",
    ]
    with pytest.raises(ImageError, match=r"text\.jpg"):
        embedder.embed(given, "drone")


def test_nothing_to_embed_gives_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([], "drone").shape == (0, 1280)


def test_identity_follows_weights_and_preprocessing(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path)
    assert Embedder(tmp_path, device="cpu").identity == embedder.identity
    other = systems.load(tmp_path)
    other.with_input_px(96, 96)
    assert Embedder(other, device="cpu").identity != embedder.identity
    changed = systems.load(tmp_path)
    with torch.no_grad():
        next(changed.parameters()).add_(1)
    assert Embedder(changed, device="cpu").identity != embedder.identity


def test_damaged_weights_are_noticed(photos: list[Path]) -> None:
    system = systems.create("imagenet", input_px=64)
    with torch.no_grad():
        next(system.parameters()).fill_(float("nan"))
    with pytest.raises(SkyfixError, match="descriptors that are not numbers"):
        Embedder(system, device="cpu").embed(photos[:1], "drone")


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), "u1")]
)
def test_arrays_must_be_rgb_bytes(embedder: Embedder, image: np.ndarray) -> None:
    with pytest.raises(ImageError, match="must be uint8"):
        embedder.embed([image], "drone")


def test_unknown_devices_are_named(embedder: Embedder) -> None:
    with pytest.raises(SkyfixError, match="No device 'abacus' here"):
        Embedder(embedder.system, device="abacus")

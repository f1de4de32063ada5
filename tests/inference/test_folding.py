"""Folded networks: the same descriptors, and no batch norm left where it can be left out."""

import pytest
import torch
from tiny_systems import LITE0, TINY
from torch import Tensor, nn

from skyfix import systems
from skyfix.inference.folding import folded, has_batch_norms
from skyfix.systems.preprocess import imagenet_preprocess
from skyfix.systems.system import Batch, System


class Reused(System):
    """Takes a convolution's output a second time, past the batch norm."""

    name = "reused"

    def __init__(self) -> None:
        super().__init__(imagenet_preprocess(8), 4)
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        nn.init.uniform_(self.norm.weight, 0.5, 2.0)
        nn.init.uniform_(self.norm.bias, -1.0, 1.0)

    def embed(self, images: Tensor, view: str) -> Tensor:
        raw = self.first(images)
        return (raw + self.norm(raw)).mean(dim=(2, 3))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError


def with_statistics(system: System) -> System:
    """Batch norms as training leaves them, so that folding changes something."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in system.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0, 0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
    return system.eval()


@pytest.mark.parametrize("name", ["imagenet", "instance", "sdpl", "skyfix_s", "mbf", "sues200"])
def test_descriptors_stay_the_same(name: str) -> None:
    options = TINY.get(name, {"backbone": LITE0, "input_px": 64})
    system = with_statistics(systems.create(name, **options))
    size_px = system.preprocess["drone"].input_px
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 3, *size_px, generator=generator)
    with torch.inference_mode():
        expected = system.embed(images, "drone")
        network = folded(system, lambda one: one.embed(images[:1], "drone"))
        torch.testing.assert_close(network.embed(images, "drone"), expected, rtol=0, atol=2e-5)
        again = system.embed(images, "drone")
    assert network is not system
    assert torch.equal(again, expected)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert left <= sum(isinstance(module, nn.BatchNorm2d) for module in system.modules()) / 2


def test_what_would_change_the_descriptors_is_left_out() -> None:
    system = with_statistics(Reused())
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert has_batch_norms(system)
    with torch.inference_mode():
        assert folded(system, lambda one: one.embed(images, "drone")) is system

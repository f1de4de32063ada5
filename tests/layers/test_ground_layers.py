"""Layers of the ground-to-satellite systems against plain loops and known values."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from skyfix.errors import SkyfixError
from skyfix.layers.netvlad import NetVLAD
from skyfix.layers.polar import unrolled
from skyfix.layers.spatial import PositionEmbedding
from skyfix.layers.tensorflow import SameConv2d, legacy_bilinear
from skyfix.layers.transport import FeatureTransport, sinkhorn
from skyfix.layers.vgg import BGR_MEAN, VGG16, load_vgg_weights

SIDES = st.integers(1, 9)


@pytest.fixture(scope="module")
def torchvision_style(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    torch.manual_seed(0)
    network = torch.nn.ModuleDict({"features": make_layers(cfgs["D"])})
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save(network.state_dict(), path)
    return network.eval(), path


def test_vgg_takes_weights_made_for_normalized_rgb(
    torchvision_style: tuple[torch.nn.Module, Path],
) -> None:
    network, path = torchvision_style
    vgg = VGG16(dropout=0.2, last_pool=True, frozen_blocks=0).eval()
    load_vgg_weights(vgg, path)
    rgb = torch.randint(0, 256, (1, 3, 128, 128)).float()
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.inference_mode():
        theirs = network["features"]((rgb / 255 - mean) / std)
        ours = vgg(rgb.flip(1) - torch.tensor(BGR_MEAN).view(3, 1, 1))
    # The zeros around the image stand for another colour by 0.0016 of the range.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3 * float(theirs.abs().max()))
    assert theirs.std() > 0.1 * theirs.max()


def test_vgg_refuses_other_weights(tmp_path: Path) -> None:
    vgg = VGG16(dropout=0.0, last_pool=False, frozen_blocks=0)
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(SkyfixError, match="does not fit VGG16"):
        load_vgg_weights(vgg, tmp_path / "part.pth")
    with pytest.raises(SkyfixError, match="frozen_blocks must be 0 to 5"):
        VGG16(dropout=0.0, last_pool=False, frozen_blocks=6)


@given(height=st.integers(16, 70), width=st.integers(16, 70), last_pool=st.booleans())
@settings(deadline=None, max_examples=10)
def test_vgg_rounds_odd_sizes_up(height: int, width: int, last_pool: bool) -> None:
    vgg = VGG16(dropout=0.0, last_pool=last_pool, frozen_blocks=0)
    stride = 32 if last_pool else 16
    expected = math.ceil(height / stride), math.ceil(width / stride)
    assert vgg.map_size(height, width) == expected
    with torch.inference_mode():
        assert vgg(torch.zeros(1, 3, height, width)).shape[2:] == expected


def test_frozen_blocks_are_not_trained() -> None:
    vgg = VGG16(dropout=0.0, last_pool=False, frozen_blocks=3)
    vgg(torch.randn(1, 3, 16, 16)).sum().backward()
    trained = {name for name, p in vgg.named_parameters() if p.grad is not None}
    assert {name[:5] for name in trained} == {"conv4", "conv5"}
    assert len(trained) == 12


def test_netvlad_equals_its_definition() -> None:
    torch.manual_seed(0)
    vlad = NetVLAD(channels=6, clusters=3).double()
    feature_map = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    rows = vlad(feature_map)
    centres = vlad.centres[0]
    for image, row in zip(feature_map, rows, strict=True):
        sums = torch.zeros(3, 6, dtype=torch.float64)
        for cell in F.normalize(image.flatten(1).T):
            shares = torch.softmax(vlad.assignment.weight @ cell + vlad.assignment.bias, dim=0)
            for cluster in range(3):
                sums[cluster] += shares[cluster] * (cell - centres[:, cluster])
        literal = F.normalize(F.normalize(sums).T.flatten(), dim=0)
        torch.testing.assert_close(row, literal)
    assert vlad(torch.zeros(1, 6, 2, 2, dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize("squeeze", ["max", "mean"])
def test_position_embedding_equals_its_definition(squeeze: str) -> None:
    torch.manual_seed(0)
    embedding = PositionEmbedding(positions=7, heads=2, squeeze=squeeze).double()  # type: ignore[arg-type]
    torch.nn.init.normal_(embedding.weight1)
    torch.nn.init.normal_(embedding.weight2)
    features = torch.randn(3, 5, 7, dtype=torch.float64)
    found = embedding(features)
    for image, row in zip(features, found, strict=True):
        seen = image.max(dim=0).values if squeeze == "max" else image.mean(dim=0)
        heads = []
        for head in range(2):
            hidden = seen @ embedding.weight1[..., head] + embedding.bias1[0, :, head]
            weights = hidden @ embedding.weight2[..., head] + embedding.bias2[0, :, head]
            heads.append((image * weights).sum(dim=1))
        torch.testing.assert_close(row, torch.cat(heads))


@given(old=st.tuples(SIDES, SIDES), new=st.tuples(SIDES, SIDES))
@settings(deadline=None, max_examples=30)
def test_legacy_bilinear_looks_where_tensorflow_looked(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    image = torch.rand(1, 1, *old, dtype=torch.float64)
    found = legacy_bilinear(image, *new)[0, 0]
    for row in range(new[0]):
        for column in range(new[1]):
            y, x = row * old[0] / new[0], column * old[1] / new[1]
            top, left = int(y), int(x)
            below, right = min(top + 1, old[0] - 1), min(left + 1, old[1] - 1)
            upper = (1 - x + left) * image[0, 0, top, left] + (x - left) * image[0, 0, top, right]
            lower = (1 - x + left) * image[0, 0, below, left] + (x - left) * image[
                0, 0, below, right
            ]
            expected = (1 - y + top) * upper + (y - top) * lower
            assert abs(float(found[row, column] - expected)) < 1e-12


@pytest.mark.parametrize(("size", "first_seen"), [(16, 0), (7, -1), (1, -1)])
def test_same_convolution_pads_the_end_first(size: int, first_seen: int) -> None:
    convolution = SameConv2d(1, 1, 3, stride=2, bias=False)
    # The kernel's upper left weight alone shows where its window begins.
    torch.nn.init.zeros_(convolution.weight)
    with torch.no_grad():
        convolution.weight[..., 0, 0] = 1
    ramp = torch.arange(1.0, size + 1).expand(1, 1, size, size)
    found = convolution(ramp)[0, 0, -1]
    assert found.shape == ((size + 1) // 2,)
    assert found[0] == (1 if first_seen == 0 else 0)


def test_sinkhorn_makes_plans() -> None:
    kernel = torch.randn(2, 6, 6, dtype=torch.float64)
    plan = sinkhorn(kernel, iterations=200)
    torch.testing.assert_close(plan.sum(dim=1), torch.ones(2, 6, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(dim=2), torch.ones(2, 6, dtype=torch.float64))
    # Scaling rows and columns leaves the cross ratios of the kernel.
    ratio = (plan[:, 0, 0] * plan[:, 1, 1]) / (plan[:, 0, 1] * plan[:, 1, 0])
    logs = kernel[:, 0, 0] + kernel[:, 1, 1] - kernel[:, 0, 1] - kernel[:, 1, 0]
    torch.testing.assert_close(ratio.log(), logs)
    assert sinkhorn(-1e4 * torch.rand(1, 5, 5)).isfinite().all()


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_gradient_of_sinkhorn_is_that_of_its_steps(iterations: int) -> None:
    torch.manual_seed(0)
    kernel = torch.randn(2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: sinkhorn(values, iterations), kernel)


def test_transport_moves_cells_by_its_plan() -> None:
    torch.manual_seed(0)
    transport = FeatureTransport(channels=3, cells=6)
    feature_map = torch.randn(2, 3, 2, 3)
    plan = transport.plan(feature_map)
    # The first plans avoid the diagonal: its cost alone is 1.
    assert plan.diagonal(dim1=1, dim2=2).max() < 0.1
    literal = torch.zeros(2, 3, 6)
    for source in range(6):
        for target in range(6):
            share = plan[:, source, target, None]
            literal[..., target] += share * feature_map.flatten(2)[..., source]
    torch.testing.assert_close(transport(feature_map).flatten(2), literal)


def test_polar_image_has_the_centre_below_and_north_in_the_middle() -> None:
    image = np.zeros((101, 101, 3))
    image[:40, :, 0], image[:, :40, 1], image[50, 50] = 200, 100, 255
    found = unrolled(image, 20, 80)
    far = found[0]
    south, west, north, east = (far[column] for column in (0, 20, 40, 60))
    assert (south[:2].tolist(), north[0]) == ([0, 0], 200)
    assert (west[1], east[1]) == (100, 0)
    # S/2 is 50.5: half a pixel from the middle one, which a quarter of its light reaches.
    np.testing.assert_allclose(found[-1], 255 / 4)


@given(side=st.integers(2, 40), value=st.integers(0, 255))
@settings(deadline=None, max_examples=20)
def test_polar_image_of_one_colour_keeps_it_inside(side: int, value: int) -> None:
    found = unrolled(np.full((side, side, 1), value), 8, 24)
    inner = found[8 - 8 * (side - 2) // side :] if side > 2 else found[-1:]
    np.testing.assert_allclose(inner, value)

"""VGG16 without its classifier, as CVM-Net, SAFA and CVFT use it (Simonyan and Zisserman 2015)."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import imagenet_state
from skyfix.layers.weight_files import read_state

BGR_MEAN = (103.939, 116.779, 123.6)
"""Subtracted from blue, green and red samples of 0..255; the authors write 123.6, not 123.68."""

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_WITH_DROPOUT = 4
_RGB_MEAN, _RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(nn.Sequential):
    """Thirteen 3 x 3 convolutions, each followed by a ReLU, in five blocks.

    ``(N, 3, H, W)`` to ``(N, 512, h, w)``. Pools of 2 x 2 round an odd size up, as TensorFlow's
    do. Images come as blue, green, red samples of 0..255 minus ``BGR_MEAN``.

    Args:
        dropout: probability after each convolution of blocks 4 and 5.
        last_pool: pool after block 5 too, which makes the stride 32 instead of 16.
        frozen_blocks: this many leading blocks are not trained.

    Raises:
        SkyfixError: more frozen blocks than there are.
    """

    channels = _BLOCKS[-1][-1]

    def __init__(self, dropout: float, last_pool: bool, frozen_blocks: int) -> None:
        if not 0 <= frozen_blocks <= len(_BLOCKS):
            raise SkyfixError(f"frozen_blocks must be 0 to {len(_BLOCKS)}, not {frozen_blocks}.")
        pools = len(_BLOCKS) if last_pool else len(_BLOCKS) - 1
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        incoming = 3
        for block, widths in enumerate(_BLOCKS, start=1):
            for number, width in enumerate(widths, start=1):
                name = f"{block}_{number}"
                layers[f"conv{name}"] = _convolution(incoming, width, block > frozen_blocks)
                layers[f"relu{name}"] = nn.ReLU(inplace=True)
                if block >= _WITH_DROPOUT:
                    layers[f"dropout{name}"] = nn.Dropout(dropout)
                incoming = width
            if block <= pools:
                layers[f"pool{block}"] = nn.MaxPool2d(2, ceil_mode=True)
        super().__init__(layers)
        self.pools = pools

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the map of an image of ``height`` x ``width`` px."""
        stride = 2**self.pools
        return -(-height // stride), -(-width // stride)


def load_vgg_weights(vgg: nn.Module, weights: str | Path) -> None:
    """Fill a ``VGG16`` with ImageNet weights.

    The weights of torchvision and timm expect RGB scaled to mean 0 and deviation 1; that scaling
    is folded into the first convolution. Only the zeros around the image then differ, by less
    than a hundredth of a deviation.

    Args:
        weights: ``imagenet`` (from timm's hub, which needs a network), or a ``.safetensors`` or
            ``.pth`` file in torchvision's naming.

    Raises:
        SkyfixError: not to be had offline, not readable, or of another network.
    """
    if str(weights) == "imagenet":
        state, source = imagenet_state("vgg16"), "ImageNet weights"
    else:
        state, source = read_state(Path(weights)), str(weights)
    ours = vgg.state_dict()
    theirs = {key: tensor for key, tensor in state.items() if key.startswith("features.")}
    if [t.shape for t in theirs.values()] != [t.shape for t in ours.values()]:
        raise SkyfixError(
            f"{source} does not fit VGG16: expected the {len(ours)} tensors features.* of a VGG16 "
            "without batch normalization, in torchvision's naming and order."
        )
    filled = dict(zip(ours, theirs.values(), strict=True))
    folded = _folded(filled["conv1_1.weight"], filled["conv1_1.bias"])
    filled["conv1_1.weight"], filled["conv1_1.bias"] = folded
    vgg.load_state_dict(filled)


def _folded(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """First convolution on normalized RGB to one on BGR minus ``BGR_MEAN``."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (_RGB_MEAN, _RGB_STD))
    centre = torch.tensor(BGR_MEAN[::-1]).view(3, 1, 1) / 255
    offset = (weight * ((centre - mean) / std)).sum(dim=(1, 2, 3))
    return (weight / (255 * std)).flip(1), bias + offset


def _convolution(incoming: int, width: int, trained: bool) -> nn.Conv2d:
    convolution = nn.Conv2d(incoming, width, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution.requires_grad_(trained)

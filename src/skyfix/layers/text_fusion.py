"""A hybrid ViT (convolutions first) that takes a text vector as one more token."""

from typing import Any, NamedTuple

import torch
from timm.layers import LayerNorm
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone


class FusedFeatures(NamedTuple):
    """Features of three depths.

    Attributes:
        convolutional: map of the convolutional stages, ``(N, C', h, w)``.
        middle: tokens before the last block, after a block of their own, ``(N, h w + 1, C)``.
        last: tokens after the last block and norm, ``(N, h w + 1, C)``.
    """

    convolutional: Tensor
    middle: Tensor
    last: Tensor


class TextFusion(nn.Module):
    """Patch tokens, then the text token; there is no class token (MBF).

    The position table stays that of the ImageNet weights, so that the first patch gets what was
    the class token's position and the text token that of the last patch.

    Args:
        name: a timm hybrid ViT whose patches are the cells of its convolutional map.
        input_px: (height, width) of the images.

    Attributes:
        width: length C of the tokens, which is also that of the text vectors.
        map_channels: length C' of the convolutional map's vectors.

    Raises:
        SkyfixError: a network of another kind.
    """

    def __init__(self, name: str, input_px: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = Backbone(name, input_px)
        net = self.backbone.net
        embedding: Any = getattr(net, "patch_embed", None)
        if not hasattr(embedding, "backbone") or embedding.proj.kernel_size != (1, 1):
            raise SkyfixError(
                f"{name} is no hybrid ViT with one patch per cell. Choose vit_base_r50_s16_384 or "
                "vit_small_r26_s32_224."
            )
        net.cls_token = None
        self.width = self.backbone.channels
        self.map_channels = int(embedding.proj.in_channels)
        self.middle_block = Block(
            self.width, net.blocks[0].attn.num_heads, qkv_bias=True, norm_layer=LayerNorm
        )

    def forward(self, images: Tensor, text: Tensor) -> FusedFeatures:
        """Images ``(N, 3, H, W)`` and text vectors ``(N, C)`` to features."""
        net = self.backbone.net
        convolutional = net.patch_embed.backbone(images)
        patches = net.patch_embed.proj(convolutional).flatten(2).transpose(1, 2)
        tokens = torch.cat([patches, text.unsqueeze(1)], dim=1) + net.pos_embed
        tokens = net.blocks[:-1](tokens)
        last = net.norm(net.blocks[-1](tokens))
        return FusedFeatures(convolutional, self.middle_block(tokens), last)

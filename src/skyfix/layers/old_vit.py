"""The ViT-S that timm had before 2021: 8 wide blocks. FSRA was built on it.

It shares no more than its name with today's ViT-S (12 blocks of width 384). Registered with timm as
``vit_small_patch16_768x8_224``.
"""

from functools import partial
from typing import Any

from timm.layers import Attention
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

__all__ = ["vit_small_patch16_768x8_224"]

OLD_VIT_SMALL = "vit_small_patch16_768x8_224"
_WEIGHTS = (
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
    "vit_small_p16_224-15ec54c9.pth"
)
_COLOURS = (0.5, 0.5, 0.5)

default_cfgs = generate_default_cfgs(
    {
        f"{OLD_VIT_SMALL}.in1k": {
            "url": _WEIGHTS,
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "mean": _COLOURS,
            "std": _COLOURS,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        }
    }
)


class _Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, queries: Tensor) -> Tensor:
        return queries * self.factor


class FullWidthAttention(Attention):
    """Attention whose logits are divided by the root of the whole width, not of a head's."""

    def __init__(self, dim: int, num_heads: int = 8, **options: Any) -> None:
        super().__init__(dim, num_heads=num_heads, **options)
        self.q_norm = _Scaled(num_heads**-0.5)


@register_model
def vit_small_patch16_768x8_224(pretrained: bool = False, **options: Any) -> VisionTransformer:
    """8 blocks of width 768 with 8 heads, MLPs of 3 x 768, no bias on queries, keys and values.

    The values of Dai et al. 2022 (FSRA), their stochastic depth of 0 to 0.1 included.
    """
    values = {
        "patch_size": 16,
        "embed_dim": 768,
        "depth": 8,
        "num_heads": 8,
        "mlp_ratio": 3.0,
        "qkv_bias": False,
        "attn_layer": FullWidthAttention,
        "norm_layer": partial(nn.LayerNorm, eps=1e-6),
        "drop_path_rate": 0.1,
    }
    return build_model_with_cfg(
        VisionTransformer, OLD_VIT_SMALL, pretrained, **{**values, **options}
    )

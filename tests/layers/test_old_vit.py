"""The old ViT-S: attention against its formula, resized position tables."""

import timm
import torch
from torch.nn import functional as F

from skyfix.layers.backbone import Backbone, load_weights
from skyfix.layers.old_vit import OLD_VIT_SMALL, FullWidthAttention


def test_logits_are_divided_by_the_root_of_the_whole_width() -> None:
    torch.manual_seed(0)
    attention = FullWidthAttention(24, num_heads=3)
    tokens = torch.randn(2, 5, 24)
    queries, keys, values = F.linear(tokens, attention.qkv.weight).chunk(3, dim=2)
    heads = []
    for head in range(3):
        part = slice(8 * head, 8 * head + 8)
        logits = queries[..., part] @ keys[..., part].mT / 24**0.5
        heads.append(logits.softmax(dim=2) @ values[..., part])
    expected = attention.proj(torch.cat(heads, dim=2))
    torch.testing.assert_close(attention(tokens), expected)


def test_weights_of_another_input_size_fit(tmp_path: object) -> None:
    small = timm.create_model(OLD_VIT_SMALL, img_size=64)
    path = f"{tmp_path}/vit.pth"
    torch.save(small.state_dict(), path)
    backbone = Backbone(OLD_VIT_SMALL, (96, 96))
    load_weights(backbone, path)
    assert torch.equal(backbone.net.blocks[7].mlp.fc1.weight, small.blocks[7].mlp.fc1.weight)
    assert backbone.net.pos_embed.shape == (1, 37, 768)
    assert torch.equal(backbone.net.pos_embed[:, 0], small.pos_embed[:, 0])
    assert backbone(torch.randn(1, 3, 96, 96)).shape == (1, 768, 6, 6)

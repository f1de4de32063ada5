"""Names in the checkpoints of MCCG and the systems that took its code over, and ours."""

import re

BRANCHES = {"classifier_mcb1": 0, "classifier_mcb2": 1, "classifier1": 2}
"""Their classifiers, and the index of each among our parts."""

_RULES = (
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv(\d)\.", r".mlp.fc\1."),
    (r"^norm\.", "head.norm."),
)


def timm_name(key: str) -> str | None:
    """timm's name of a tensor of Facebook's ConvNeXt, None for its classifier's."""
    if key.startswith("head."):
        return None
    for pattern, replacement in _RULES:
        key = re.sub(pattern, replacement, key)
    return key


def attention_key(entry: str) -> str:
    """Our tensor for an entry of their triplet attention, such as ``cw.conv.bn.bias``."""
    gate, _, tensor = entry.partition(".conv.")
    gates = {"cw": "channel_width", "hc": "height_channel"}
    return f"attention.{gates[gate]}.{tensor.replace('bn.', 'norm.')}"

"""The smallest form of each recipe, for tests that train."""

PANORAMA = {"ground_height_px": 56, "ground_width_px": 152}
CONVNEXT = {"backbone": "test_convnext", "input_px": 64}
VIT = {"backbone": "test_vit", "input_px": 64}
LITE0 = "tf_efficientnet_lite0"
TINY: dict[str, dict[str, object]] = {
    "camp": CONVNEXT,
    "cvft": {"satellite_px": 64, **PANORAMA},
    "cvm_net": {"satellite_px": 64, "clusters": 4, "width": 32, **PANORAMA},
    "dac": CONVNEXT,
    "denseuav": VIT,
    "fsra": VIT,
    "game4loc": VIT,
    "lpn_ground": {"backbone": LITE0, "input_px": 128},
    "mbf": {"backbone": "vit_small_r26_s32_224", "input_px": 64},
    "mccg": CONVNEXT,
    "mean": CONVNEXT,
    "safa": {"polar_px": 64, **PANORAMA},
    "sample4geo": CONVNEXT,
    "sdpl": {"backbone": LITE0, "input_px": 128},
    "sdpl_released": {"backbone": LITE0, "input_px": 256},
    "skyfix_s": {"backbone": LITE0, "input_px": 128},
    "swin": {"backbone": "swin_tiny_patch4_window7_224", "input_px": 64},
    "swin_dwdr": {"backbone": "swin_tiny_patch4_window7_224", "input_px": 64},
    "swin_v2": {"backbone": "swinv2_tiny_window8_256", "input_px": 64},
}
"""The smallest form of each recipe, where it is not a 64-px EfficientNet-Lite0."""


def smallest(recipe: str) -> list[str]:
    """Settings for the smallest form, with two images or places a batch."""
    options = TINY.get(recipe, {"backbone": LITE0, "input_px": 64})
    return [
        *(f"system.{option}={value}" for option, value in options.items()),
        "sampler.batch_size=2",
    ]

"""8-bit graphs by static quantization after training."""

from pathlib import Path

import numpy as np

_BATCH = 8


class _Photos:
    """Calibration images, batch by batch; a ``CalibrationDataReader``."""

    def __init__(self, images: np.ndarray, name: str) -> None:
        self._batches = iter(np.array_split(images, -(-len(images) // _BATCH)))
        self._name = name

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantize(path: Path, images: np.ndarray) -> None:
    """Replace an ONNX graph by its 8-bit form.

    Convolutions and what stands between them compute in 8 bits, weights with one scale a channel,
    activations with one scale a tensor, fitted to the images. Heads stay in single precision:
    they cost next to nothing, and descriptors are compared in fine steps.

    Args:
        path: the graph.
        images: (N, 3, H, W) uint8.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from skyfix.inference.artefact import INPUT

    folded = path.with_suffix(".folded.onnx")
    # Batch norms go into the convolutions before them, which get their scales after that.
    quant_pre_process(path, folded, skip_symbolic_shape=True)
    quantize_static(
        folded,
        path,
        _Photos(images, INPUT),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Add", "Clip", "Relu"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    folded.unlink()

"""Writing a system's graphs in the formats of other runtimes."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from skyfix.inference.artefact import INPUT, OUTPUT
from skyfix.inference.choices import Format
from skyfix.systems.system import System
from skyfix.views import View

_SUFFIX: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}


class Described(nn.Module):
    """What is exported: photos as bytes in, descriptors out, altitudes unknown."""

    def __init__(self, system: System, view: View) -> None:
        super().__init__()
        self.system, self.view = system, view

    def forward(self, images: Tensor) -> Tensor:
        """Descriptors ``(N, D)`` of uint8 RGB images ``(N, 3, H, W)``."""
        unknown_m = torch.full((images.shape[0],), torch.nan, device=images.device)
        return self.system.embed_photos(images, self.view, unknown_m)


def write_graph(
    system: System,
    view: View,
    stem: Path,
    kind: Format,
    calibration: Tensor | None = None,
    half: bool = False,
) -> str:
    """Write the graph of a view; the name of its file, which may have others beside it.

    Args:
        system: in evaluation mode, on the CPU.
        view: whose descriptors.
        stem: path without a suffix.
        kind: format.
        calibration: ``(N, 3, H, W)`` uint8 images that ranges of activations are fitted to, for a
            graph in 8 bits.
        half: store weights in half precision, compute in single.
    """
    path = stem.with_suffix(_SUFFIX[kind])
    program = _traced(system, view)
    if kind == "torch-export":
        torch.export.save(program, path)
        return path.name
    onnx_path = stem.with_suffix(".onnx")
    with _silent():
        torch.onnx.export(
            program,
            (),
            onnx_path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if calibration is not None:
        from skyfix.inference.quantized import quantize

        quantize(onnx_path, calibration.numpy())
    elif half:
        _halve(onnx_path)
    if kind == "openvino":
        _to_openvino(onnx_path, path)
    return path.name


def _traced(system: System, view: View) -> torch.export.ExportedProgram:
    height, width = system.preprocess[view].input_px
    # A batch of one would be taken for a constant.
    images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(
            Described(system, view).eval(),
            (images,),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )


def _halve(path: Path) -> None:
    """Store matrices and kernels in half precision; runtimes widen them when they load the graph.

    Vectors stay: the variances of batch norms may exceed what half precision holds.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    onnx.save(model, path)


def _to_openvino(onnx_path: Path, path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(onnx_path)
    # OpenVINO's own compression would take in scalars too, and with them the unit length.
    openvino.save_model(model, path, compress_to_fp16=False)
    onnx_path.unlink()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings away from the user."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)

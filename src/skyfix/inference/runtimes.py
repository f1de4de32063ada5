"""Running exported graphs: ONNX Runtime and OpenVINO, on the CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from skyfix.errors import SkyfixError
from skyfix.inference.artefact import INPUT
from skyfix.inference.choices import Format

Graph = Callable[[np.ndarray], np.ndarray]
"""Images (N, 3, H, W) uint8 RGB to descriptors (N, D) float32."""


def open_graph(path: Path, kind: Format) -> Graph:
    """A graph ready to run, with as many threads as torch.

    Raises:
        SkyfixError: a format that skyfix does not run, or a file that its runtime refuses.
        ModuleNotFoundError: the runtime is not installed.
    """
    if kind not in _OPENERS:
        raise SkyfixError(
            f"{path.parent} is exported as {kind}, which is for programs of your own: loading it "
            "can run code. Export it as onnx or openvino."
        )
    try:
        return _OPENERS[kind](path)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        # Each runtime raises exceptions of its own on a graph that it cannot run.
        cause = str(error).strip().splitlines()[0]
        raise SkyfixError(f"{kind} cannot run {path}: {cause} Export it anew.") from error


def trusted_program(path: Path) -> Graph:
    """A torch-export program that this process wrote itself; loading others can run their code."""
    program = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return program(torch.from_numpy(images)).numpy()

    return run


def _onnx(path: Path) -> Graph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def _openvino(path: Path) -> Graph:
    import openvino

    # By itself OpenVINO computes in bfloat16 where the processor can.
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = openvino.Core().compile_model(path, "CPU", settings)
    return lambda images: model({INPUT: images})[0]


_OPENERS: dict[str, Callable[[Path], Graph]] = {"onnx": _onnx, "openvino": _openvino}

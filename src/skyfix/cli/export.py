"""`skyfix export`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich import print as show

from skyfix.inference.choices import Format, Precision


def export(
    run: str,
    *,
    out: Path,
    kind: Annotated[Format, Parameter(name="--format")] = "onnx",
    precision: Precision = "fp32",
    calibration: Path | None = None,
) -> None:
    """Write a system for ONNX Runtime, OpenVINO or torch.export, and measure what it differs by.

    The folder can be given wherever a checkpoint folder can, except for training. The graphs take
    RGB bytes and normalize by themselves.

    Example: `skyfix export runs/sdpl --out sdpl_onnx --format onnx`

    In 8 bits: `skyfix export skyfix_s --out small --format openvino --precision int8
    --calibration photos`

    Parameters
    ----------
    run
        Checkpoint folder, or a system with built-in weights (skyfix_s, imagenet).
    out
        Folder to write.
    kind
        onnx, openvino, or torch-export for programs of your own.
    precision
        fp32; fp16, weights in half precision; int8, convolutions in 8 bits, which makes another
        system of it: galleries are built with it anew.
    calibration
        Folder of photos, searched at any depth, that int8 is fitted to and that the difference is
        measured on; parts of a made-up town measure it otherwise.
    """
    from skyfix.inference.export import export as write
    from skyfix.systems import load, training_of

    artefact = write(
        load(run), out, kind, precision, calibration, {"weights": run, **training_of(run)}
    )
    parity = artefact.parity
    show(
        f"Exported {artefact.system} to {out} ({kind}, {precision}): on {parity.images} images "
        f"the least cosine with the system's descriptors is {parity.least_cosine:.6f}, the largest "
        f"difference of a component {parity.max_abs_difference:.1e}."
    )
    if artefact.identity == artefact.exported_from:
        show("Galleries of the system take it for the same.")
    else:
        show(f"It is a system of its own ({artefact.identity}): build galleries with it anew.")

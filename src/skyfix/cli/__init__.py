"""The command line: one command is one function call."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from rich.console import Console

from skyfix import __version__
from skyfix.errors import SkyfixError

app = App(
    name="skyfix",
    help="From a drone photo to the matching satellite tile and a position fix.",
    version=__version__,
    help_format="markdown",
)
# Import paths instead of functions: only the command that runs is loaded.
_OPTIONAL = {
    "av": "video",
    "fastapi": "serve",
    "lance": "gallery",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "openvino": "openvino",
    "pmtiles": "geo",
    "prometheus_client": "serve",
    "pyarrow": "gallery",
    "pymavlink": "mavlink",
    "pyproj": "geo",
    "python_multipart": "serve",
    "rasterio": "geo",
    "rosbags": "ros",
    "shapely": "geo",
    "starlette": "serve",
    "uvicorn": "serve",
}
_COMMANDS = {
    "demo": "Run the whole path on the shipped sample.",
    "train": "Train a system and write its checkpoint folder.",
    "adapt": "Fine-tune a trained system to your own map.",
    "evaluate": "Measure R@K, R@1 % and AP of a system on a data set.",
    "reproduce": "Train, evaluate and report a published system, beside its published figures.",
    "locate": "Find where photos were taken.",
    "track": "Find where the frames of a video were taken.",
    "serve": "Serve galleries over HTTP, with a map page.",
    "calibrate": "Fit how sure fixes of a gallery are to photos of known places.",
    "export": "Write a system for ONNX Runtime, OpenVINO or torch.export.",
    "doctor": "Show what is installed and which weights can be had.",
}
for _name, _help in _COMMANDS.items():
    app.command(f"skyfix.cli.{_name}:{_name}", name=_name, help=_help)
app.command("skyfix.cli.data:app", name="data", help="List, check or make up data sets.")
app.command("skyfix.cli.systems:app", name="systems", help="List or import published systems.")
app.command("skyfix.cli.gallery:app", name="gallery", help="Build and inspect galleries.")
app.command("skyfix.cli.world:app", name="world", help="Render made-up towns or your own maps.")


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted."""
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _fail(f"{error}".replace("\n", " "))
    except SkyfixError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _OPTIONAL:
            raise
        extra = _OPTIONAL[library]
        _fail(f"{library} is not installed. Install it with: pip install 'skyfix[{extra}]'")
    except KeyboardInterrupt:
        _fail("Interrupted. What was saved is kept.", code=130)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; there is nobody left to tell.
        sys.stderr.close()


def _fail(message: str, code: int = 2) -> None:
    console = Console(file=sys.stderr, soft_wrap=True)
    console.print("skyfix:", style="bold red", end=" ")
    console.print(message, markup=False, highlight=False)
    sys.exit(code)

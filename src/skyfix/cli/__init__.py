"""The command line: one command is one function call."""

import sys
from collections.abc import Sequence

import rich
from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from skyfix import __version__
from skyfix.errors import SkyfixError
from skyfix.progress import is_first_process

app = App(
    name="skyfix",
    help="From a drone photo to the matching satellite tile and a position fix.",
    version=__version__,
    help_format="markdown",
    # No option to empty a list: leaving it out does that.
    default_parameter=Parameter(negative_iterable=()),
)
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
    "ray": "ray",
    "rosbags": "ros",
    "shapely": "geo",
    "starlette": "serve",
    "uvicorn": "serve",
}
_FIRST = Group("First steps", sort_key=1)
_MORE = Group(
    "More", help="`skyfix COMMAND --help` explains each option and has an example.", sort_key=2
)
# In the order of the first page, whose lines are those that the commands' docstrings begin with.
_FIRST_COMMANDS = ("demo", "gallery", "locate", "track", "evaluate", "train")
_MORE_COMMANDS = (
    "adapt",
    "calibrate",
    "data",
    "doctor",
    "export",
    "reproduce",
    "search",
    "serve",
    "systems",
    "world",
)
_WITH_SUBCOMMANDS = {"gallery", "data", "systems", "world"}


def _register() -> None:
    for group, names in ((_FIRST, _FIRST_COMMANDS), (_MORE, _MORE_COMMANDS)):
        for order, name in enumerate(names):
            # Import paths instead of functions: what a command needs is loaded when it runs.
            path = f"skyfix.cli.{name}:{'app' if name in _WITH_SUBCOMMANDS else name}"
            app.command(path, name=name, group=group, sort_key=order)
    app.register_install_completion_command(
        help="Let the shell complete commands and options.\n\n"
        "Example: `skyfix --install-completion --shell bash`",
        group=_MORE,
    )
    for flag in ("--help", "--version"):
        app[flag].group = _MORE


_register()


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted."""
    words = sys.argv[1:] if tokens is None else list(tokens)
    if not is_first_process():
        rich.get_console().quiet = True
    try:
        if not words or words[0] in app.help_flags:
            _load_all()
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
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


def _load_all() -> None:
    """What the first page says of a command stands in its module."""
    for name in (*_FIRST_COMMANDS, *_MORE_COMMANDS):
        app[name]


def _fail(message: str, code: int = 2) -> None:
    console = Console(file=sys.stderr, soft_wrap=True)
    console.print("skyfix:", style="bold red", end=" ")
    console.print(message, markup=False, highlight=False)
    sys.exit(code)

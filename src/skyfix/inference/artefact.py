"""An exported system on disk: graphs for other runtimes and system.json, which describes them."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from skyfix.errors import SkyfixError
from skyfix.files import read_json, write_json
from skyfix.inference.choices import Format, Precision
from skyfix.systems.checkpoint import DESCRIPTION_FILE, EXPORT
from skyfix.systems.preprocess import Preprocess
from skyfix.views import VIEWS, View

FORMAT_VERSION = 1
SAME_COSINE = 0.9999
"""Descriptors closer than this to the system's own may be searched among them: half precision,
in which galleries store them, moves a cosine by 1e-5."""


@dataclass(frozen=True)
class Parity:
    """How far the graphs' descriptors are from the system's, measured when it was exported.

    Attributes:
        max_abs_difference: of a component.
        least_cosine: of an image's two descriptors.
        images: how many were compared in each view.
    """

    max_abs_difference: float
    least_cosine: float
    images: int


@dataclass(frozen=True)
class Artefact:
    """What system.json of an exported system says.

    Attributes:
        system: registered name.
        options: its constructor arguments.
        preprocess: how the images of each view are resized; the graphs do the rest.
        descriptor_dim: length D of a descriptor.
        identity: what galleries know it by: the system's own digest where descriptors compare
            with the system's, another one where they do not.
        exported_from: the system's own digest.
        format, precision: of the graphs.
        graphs: file of the graph for each view.
        files: SHA-256 of every file but system.json.
        parity: with the system.
        versions: of the programs that made it.
        provenance: of the weights.
    """

    system: str
    options: dict[str, Any]
    preprocess: dict[View, Preprocess]
    descriptor_dim: int
    identity: str
    exported_from: str
    format: Format
    precision: Precision
    graphs: dict[View, str]
    files: dict[str, str]
    parity: Parity
    versions: dict[str, str]
    provenance: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write system.json."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["preprocess"] = {view: asdict(one) for view, one in self.preprocess.items()}
        values["parity"] = asdict(self.parity)
        shown = ("system", "options", "preprocess", "descriptor_dim", "identity", "provenance")
        export = {name: value for name, value in values.items() if name not in shown}
        export = {"format_version": FORMAT_VERSION, **export, "interface": self._interface()}
        write_json(
            folder / DESCRIPTION_FILE, {**{name: values[name] for name in shown}, EXPORT: export}
        )

    def _interface(self) -> dict[str, Any]:
        """What a program that runs the graphs without skyfix has to know."""
        sizes = {view: list(self.preprocess[view].input_px) for view in self.graphs}
        return {
            "input": {
                "name": INPUT,
                "type": "uint8",
                "layout": "batch, channel, row, column",
                "channels": "red, green, blue",
                "size_px": sizes,
                "normalization": "inside the graph",
            },
            "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", self.descriptor_dim]},
        }

    @classmethod
    def read(cls, folder: Path) -> "Artefact":
        """Read system.json and compare the files with it.

        Raises:
            SkyfixError: not an exported system, damaged, incomplete, or of another version.
        """
        path = folder / DESCRIPTION_FILE
        described = read_json(path, "description of an exported system")
        try:
            export = described[EXPORT]
            if export["format_version"] != FORMAT_VERSION:
                raise SkyfixError(
                    f"{folder} has export format {export['format_version']}, this skyfix reads "
                    f"{FORMAT_VERSION}. Export it anew."
                )
            artefact = cls._from_json({**described, **export})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SkyfixError(
                f"Damaged description of an exported system {path}: {error!r}. Export it anew."
            ) from error
        artefact._check_files(folder)
        return artefact

    @classmethod
    def _from_json(cls, content: Mapping[str, Any]) -> "Artefact":
        values = {one.name: content[one.name] for one in fields(cls)}
        values["preprocess"] = {
            view: Preprocess.from_json(one) for view, one in content["preprocess"].items()
        }
        values["parity"] = Parity(**content["parity"])
        artefact = cls(**values)
        choices = (artefact.format, get_args(Format)), (artefact.precision, get_args(Precision))
        for value, allowed in (*choices, *((view, VIEWS) for view in artefact.graphs)):
            if value not in allowed:
                raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
        for name in (*artefact.files, *artefact.graphs.values()):
            if Path(name).name != name or name not in artefact.files:
                raise ValueError(f"{name!r} is not a file of the folder")
        return artefact

    def _check_files(self, folder: Path) -> None:
        for name, expected in self.files.items():
            try:
                found = sha256(folder / name)
            except OSError as error:
                raise SkyfixError(
                    f"Incomplete exported system: cannot read {folder / name}: {error.strerror}. "
                    "Copy the whole folder, or export it anew."
                ) from error
            if found != expected:
                raise SkyfixError(
                    f"{folder / name} is damaged, truncated or of another export. Copy the whole "
                    "folder, or export it anew."
                )


INPUT, OUTPUT = "images", "descriptors"
"""What the graphs call their input and output."""


def is_exported(folder: Path | str) -> bool:
    """Whether a folder says that it holds an exported system."""
    path = Path(folder) / DESCRIPTION_FILE
    if not path.is_file():
        return False
    described = read_json(path, "checkpoint description")
    return isinstance(described, dict) and EXPORT in described


def sha256(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

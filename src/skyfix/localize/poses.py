"""Camera poses from a CSV table, one row a photo."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose

COLUMNS = ("file", "heading_deg", "pitch_deg", "altitude_m", "hfov_deg")


@dataclass(frozen=True)
class PoseTable:
    """The rows of one poses file.

    Attributes:
        path: the CSV file, for messages.
        by_file: pose and row number (the header is row 1) of every ``file`` cell.
    """

    path: Path
    by_file: dict[str, tuple[Pose, int]]

    def of(self, photo: Path | str) -> Pose:
        """Pose of a photo: of the row that names the longest end of its path.

        A row without a folder holds for photos of that name in every folder.

        Raises:
            SkyfixError: no row for the photo.
        """
        parts = PurePosixPath(Path(photo).absolute().as_posix()).parts
        for start in range(len(parts)):
            found = self.by_file.get(PurePosixPath(*parts[start:]).as_posix())
            if found is not None:
                return found[0]
        raise SkyfixError(f"{self.path}: no row for the photo {photo}. Add a row for {parts[-1]}.")


def read_poses(path: Path | str) -> PoseTable:
    """Read a poses CSV with the columns ``COLUMNS``; empty cells are unknown.

    Other columns are passed over, except ``roll_deg``, which is used where given.

    Raises:
        SkyfixError: no such file, not CSV, a column missing, a value that is no number or out
            of range, a file named twice.
    """
    path = Path(path)
    by_file: dict[str, tuple[Pose, int]] = {}
    for number, row in _rows(path):
        file = (row["file"] or "").strip()
        if not file:
            raise SkyfixError(f"{path} row {number}: the file column is empty. Name the photo.")
        key = PurePosixPath(file.replace("\\", "/")).as_posix()
        if key in by_file:
            raise SkyfixError(
                f"{path} row {number}: {file} is already in row {by_file[key][1]}. Keep one."
            )
        by_file[key] = (_pose(row, f"{path} row {number} ({file})"), number)
    return PoseTable(path, by_file)


def _rows(path: Path) -> Sequence[tuple[int, dict[str, str | None]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey="")
            names = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise SkyfixError(
                    f"{path}: column {', '.join(missing)} missing. "
                    f"The first row must hold {','.join(COLUMNS)}; cells may be empty."
                )
            reader.fieldnames = names
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise SkyfixError(f"No poses file {path}. Check the path.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(f"Cannot read the poses file {path}: {error}. Save it as CSV.") from error


def _pose(row: dict[str, str | None], where: str) -> Pose:
    values = {name: cell_number(row, name, where) for name in COLUMNS[1:]}
    roll_deg = cell_number(row, "roll_deg", where)
    try:
        return Pose(**values, roll_deg=roll_deg or 0.0)
    except SkyfixError as error:
        raise SkyfixError(f"{where}: {error}") from None


def cell_number(row: Mapping[str, str | None], name: str, where: str) -> float | None:
    """The number in a cell of a table, None if the cell is empty.

    Raises:
        SkyfixError: it is no number; ``where`` names the row.
    """
    text = (row.get(name) or "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise SkyfixError(f"{where}: {name} is not a number: {text!r}.") from None

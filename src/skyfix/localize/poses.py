"""Camera poses from a CSV table, one row a photo."""

import csv
from collections.abc import Sequence
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
    for number, row in read_rows(path, COLUMNS, "poses file"):
        file = (row["file"] or "").strip()
        if not file:
            raise SkyfixError(f"{path} row {number}: the file column is empty. Name the photo.")
        key = PurePosixPath(file.replace("\\", "/")).as_posix()
        if key in by_file:
            raise SkyfixError(
                f"{path} row {number}: {file} is already in row {by_file[key][1]}. Keep one."
            )
        by_file[key] = (pose_of_row(row, f"{path} row {number} ({file})"), number)
    return PoseTable(path, by_file)


def read_rows(
    path: Path, columns: Sequence[str], what: str
) -> Sequence[tuple[int, dict[str, str | None]]]:
    """Rows of a CSV that has at least ``columns``, each with its line number.

    Raises:
        SkyfixError: no such file, not CSV, or a column missing; ``what`` names the file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey="")
            names = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in columns if name not in names]
            if missing:
                raise SkyfixError(
                    f"{path}: column {', '.join(missing)} missing. "
                    f"The first row must hold {','.join(columns)}; cells may be empty."
                )
            reader.fieldnames = names
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise SkyfixError(f"No {what} {path}. Check the path.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(f"Cannot read the {what} {path}: {error}. Save it as CSV.") from error


def pose_of_row(row: dict[str, str | None], where: str) -> Pose:
    """The pose in a row; missing columns and empty cells are unknown.

    Raises:
        SkyfixError: a value that is no number or out of range, naming ``where``.
    """
    values = {name: number_of(row, name, where) for name in COLUMNS[1:]}
    try:
        return Pose(**values, roll_deg=number_of(row, "roll_deg", where))
    except SkyfixError as error:
        raise SkyfixError(f"{where}: {error}") from None


def number_of(row: dict[str, str | None], name: str, where: str) -> float | None:
    """The number in a cell; None where it is empty or there is no such column.

    Raises:
        SkyfixError: not a number, naming ``where``.
    """
    text = (row.get(name) or "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise SkyfixError(f"{where}: {name} is not a number: {text!r}.") from None

"""Validation places taken out of the training places."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyfix.datasets.contract import Images, PlaceSet
from skyfix.errors import SkyfixError
from skyfix.views import View


@dataclass(frozen=True)
class HeldOut:
    """Retrieval among training places that training leaves out.

    Queries and gallery of one view are the same files, so ask across views only.
    """

    dataset: PlaceSet
    places: tuple[str, ...]

    def query(self, view: View) -> Images:
        """Images that are asked for."""
        return self.dataset.train(view).only(self.places)

    def gallery(self, view: View) -> Images:
        """Images that are searched."""
        return self.dataset.train(view).only(self.places)


def split_places(
    dataset: PlaceSet,
    fraction: float,
    seed: int,
    groups: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide the training places at random into training and validation.

    Args:
        dataset: whose training places to divide.
        fraction: share of the places to hold out, between 0 and 1; met to within one group.
        seed: decides the choice.
        groups: place to group. Places of one group (neighbours that show the same ground) stay
            together; a place without a group stands alone.

    Returns:
        Training places and validation places, each in the data set's order, neither empty.

    Raises:
        SkyfixError: a fraction outside 0..1, or too few groups to divide.
    """
    if not 0 < fraction < 1:
        raise SkyfixError(f"Validation fraction {fraction} is not between 0 and 1.")
    blocks: dict[tuple[bool, str], list[str]] = {}
    for place in dataset.places:
        group = (groups or {}).get(place)
        blocks.setdefault((group is None, place if group is None else group), []).append(place)
    shuffled = list(blocks.values())
    if len(shuffled) < 2:
        raise SkyfixError(
            f"{len(dataset.places)} training places in {len(shuffled)} group cannot be divided. "
            "Train without validation, or add places."
        )
    order = np.random.default_rng(seed).permutation(len(shuffled))
    sizes = np.cumsum([len(shuffled[block]) for block in order])
    wanted = fraction * len(dataset.places)
    # Neither part may be empty, so at least one block and not all of them.
    taken = int(np.abs(sizes[:-1] - wanted).argmin()) + 1
    held_out = {place for block in order[:taken] for place in shuffled[block]}
    return (
        tuple(place for place in dataset.places if place not in held_out),
        tuple(place for place in dataset.places if place in held_out),
    )


def read_groups(path: Path | str) -> dict[str, str]:
    """Groups of overlapping places from a CSV table with columns ``id`` and ``overlap_group``.

    Rows with an empty ``overlap_group`` are places without a group.

    Raises:
        SkyfixError: the file cannot be read or lacks a column.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(f"Cannot read the table of places {path}: {error}.") from error
    for column in ("id", "overlap_group"):
        if any(row.get(column) is None for row in rows):
            raise SkyfixError(f"{path} has no column {column}. Expected id and overlap_group.")
    return {row["id"]: row["overlap_group"] for row in rows if row["overlap_group"]}

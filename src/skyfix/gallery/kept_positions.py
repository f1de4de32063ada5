"""The index of the positions of a large gallery, kept with its other derived arrays."""

from skyfix.errors import SkyfixError
from skyfix.gallery.derived import Derived
from skyfix.gallery.nearby import CELLS_A_DEGREE, PositionIndex
from skyfix.gallery.reader import TileReader
from skyfix.gallery.storage import Storage

KEPT_TILES = 65_536
"""Positions of fewer tiles are sorted faster than they are worth a file."""

_NUMBERS = {"order": "<i4", "cells": "<i4", "lon": "<f8", "lat": "<f8", "directions": "<f4"}


def positions_of(storage: Storage, reader: TileReader) -> PositionIndex:
    """The index of all tiles; of many it is mapped, written first where it is not there yet."""
    derived = Derived.of(storage, reader) if reader.rows >= KEPT_TILES else None
    if derived is None:
        return _made(reader)
    kept = _opened(derived, reader.rows)
    if kept is not None:
        return kept
    made = _made(reader)
    try:
        for name, number in _NUMBERS.items():
            array = getattr(made, name)
            with derived.writing(_file(name), array.shape, number) as write:
                write(array)
    except SkyfixError:
        # A full disk, or a folder that cannot be written to: searching does without.
        return made
    return _opened(derived, reader.rows) or made


def _opened(derived: Derived, tiles: int) -> PositionIndex | None:
    arrays = {}
    for name, number in _NUMBERS.items():
        shape = (3, tiles) if name == "directions" else (tiles,)
        array = derived.open(_file(name), shape, number)
        if array is None:
            return None
        arrays[name] = array
    return PositionIndex(**arrays)


def _file(name: str) -> str:
    # An index with cells of another size is another index.
    return f"cells-{CELLS_A_DEGREE}" if name == "cells" else name


def _made(reader: TileReader) -> PositionIndex:
    table = reader.columns(["lon", "lat"])
    return PositionIndex.of(table["lon"].to_numpy(), table["lat"].to_numpy())

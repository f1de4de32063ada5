"""The place index of a large gallery, kept with its other derived arrays."""

from dataclasses import astuple

from skyfix.errors import SkyfixError
from skyfix.gallery.derived import Derived
from skyfix.gallery.nearby import PlaceIndex
from skyfix.gallery.place import Place
from skyfix.gallery.reader import TileReader

KEPT_TILES = 65_536
"""Positions of fewer tiles are sorted faster than they are worth a file."""


def places_of(place: Place, reader: TileReader) -> PlaceIndex:
    """The index of all tiles; of many it is mapped, written first where it is not there yet."""
    derived = Derived.of(place, reader) if reader.rows >= KEPT_TILES else None
    if derived is None:
        return _made(reader)
    kept = _opened(derived, reader.rows)
    if kept is not None:
        return kept
    made = _made(reader)
    try:
        for (kind, shape, number), array in zip(_arrays(reader.rows), astuple(made), strict=True):
            with derived.writing(kind, shape, number) as write:
                write(array)
    except SkyfixError:
        # A full disk, or a folder that cannot be written to: searching does without.
        return made
    return _opened(derived, reader.rows) or made


def _opened(derived: Derived, tiles: int) -> PlaceIndex | None:
    found = [derived.open(kind, shape, number) for kind, shape, number in _arrays(tiles)]
    whole = [array for array in found if array is not None]
    return PlaceIndex(*whole) if len(whole) == len(found) else None


def _arrays(tiles: int) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and numbers of each array of an index."""
    return [
        ("order", (tiles,), "<i4"),
        ("cells", (tiles,), "<i4"),
        ("lon", (tiles,), "<f8"),
        ("lat", (tiles,), "<f8"),
        ("directions", (3, tiles), "<f4"),
    ]


def _made(reader: TileReader) -> PlaceIndex:
    table = reader.columns(["lon", "lat"])
    return PlaceIndex.of(table["lon"].to_numpy(), table["lat"].to_numpy())

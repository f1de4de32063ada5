"""Protocols: under which conditions a system is asked, named as their papers do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.errors import SkyfixError
from skyfix.evaluation.changes import Change, Rotation, Shift
from skyfix.evaluation.weather import Weather
from skyfix.views import View

Side = Literal["query", "gallery"]
WEATHERS = ("fog", "rain", "snow", "fog+rain", "fog+snow", "rain+snow", "dark", "over-exposure",
            "wind")  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """One way to ask.

    Attributes:
        protocol, name: what a report calls it.
        change: done to the images of some sides and views; none by default.
        sides, views: which images it is done to.
        chosen: rows of the queries that are asked; all by default.
        merged: one query per place, the mean (or the maximum) of its descriptors.
        asking: the only view that this condition makes sense for.
        value: of the axis that a curve is drawn over (px, degrees, metres).
    """

    protocol: str
    name: str
    change: Change | None = None
    sides: tuple[Side, ...] = ("query",)
    views: tuple[View, ...] = ("drone", "satellite", "ground")
    chosen: Callable[[Images], np.ndarray] | None = None
    merged: Literal["no", "mean", "maximum"] = "no"
    asking: View | None = None
    value: float | None = None

    def change_of(self, side: Side, view: View) -> Change | None:
        """What is done to the images of a side and view."""
        return self.change if side in self.sides and view in self.views else None


PLAIN = Condition("plain", "as they are")
SHIFTS_PX = (0, 20, 40, 60, 80, 100)
DIRECTIONS = {
    "+P,0": (1, 0),
    "+P,+P": (1, 1),
    "-P,-P": (-1, -1),
    "+P,-P": (1, -1),
    "-P,+P": (-1, 1),
}
"""SDPL's five directions: content moves by (x right, y down) times P."""


def conditions(protocol: str) -> list[Condition]:
    """The conditions of a protocol, the undisturbed one first where there is one.

    Raises:
        SkyfixError: an unknown name.
    """
    if protocol not in PROTOCOLS:
        raise SkyfixError(f"Unknown protocol {protocol!r}. Choose of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol]()


def _rotations(name: str, side: Side) -> list[Condition]:
    return [
        Condition(name, f"{deg} deg", Rotation(deg) if deg else None, (side,), value=deg)
        for deg in range(0, 360, 30)
    ]


def _sdpl_shifts() -> list[Condition]:
    found = []
    for label, (right, down) in DIRECTIONS.items():
        for px in SHIFTS_PX:
            change = Shift(right * px, down * px, "reflect", 512) if px else None
            found.append(Condition("shift", f"({label}) {px} px", change, value=px))
    return found


def _strips(name: str, fill: Literal["black", "symmetric"]) -> list[Condition]:
    return [
        Condition(name, f"{px} px", Shift(px, 0, fill, 256) if px else None, value=px)
        for px in SHIFTS_PX
    ]


def _sues_strips() -> list[Condition]:
    return [
        Condition(
            "sues-shift", fill, Shift(50, 0, fill, 384), ("query", "gallery"), ("drone",), value=50
        )
        for fill in ("symmetric", "black")
    ]


def _weathers() -> list[Condition]:
    found = [Condition("weather", "normal", views=("drone",))]
    for name in WEATHERS:
        found.append(
            Condition("weather", name, Weather(name), ("query", "gallery"), views=("drone",))
        )
    return found


def _distances() -> list[Condition]:
    names = ("long", "middle", "short")
    return [
        Condition("distance", name, chosen=_third(number), asking="drone")
        for number, name in enumerate(names)
    ]


def _third(number: int) -> Callable[[Images], np.ndarray]:
    """Each place's drone images, in order of their names, cut in three (FSRA)."""

    def rows(images: Images) -> np.ndarray:
        position, count = _position_in_place(images)
        return np.flatnonzero(np.minimum(3 * position // np.maximum(count, 1), 2) == number)

    return rows


def _scale() -> list[Condition]:
    def the_36th(images: Images) -> np.ndarray:
        position, count = _position_in_place(images)
        return np.flatnonzero(position == np.minimum(35, count - 1))

    return [Condition("scale", "36th image of each place", chosen=the_36th, asking="drone")]


def _multi_query() -> list[Condition]:
    return [
        Condition("multi-query", f"{how} of a place's photos", merged=how, asking="drone")
        for how in ("mean", "maximum")
    ]


def _position_in_place(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Number of each image within its place, from 0, and how many the place has."""
    _, inverse, counts = np.unique(images.labels, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    position = np.empty(len(inverse), np.int64)
    starts = np.cumsum(counts) - counts
    position[order] = np.arange(len(inverse)) - np.repeat(starts, counts)
    return position, counts[inverse]


PROTOCOLS: dict[str, Callable[[], list[Condition]]] = {
    "plain": lambda: [PLAIN],
    "rotation": lambda: _rotations("rotation", "query"),
    "gallery-rotation": lambda: _rotations("gallery-rotation", "gallery"),
    "shift": _sdpl_shifts,
    "black-shift": lambda: _strips("black-shift", "black"),
    "mirrored-shift": lambda: _strips("mirrored-shift", "symmetric"),
    "sues-shift": _sues_strips,
    "weather": _weathers,
    "distance": _distances,
    "scale": _scale,
    "multi-query": _multi_query,
}

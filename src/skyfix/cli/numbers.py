"""Numbers that options take."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from skyfix.errors import SkyfixError

Count = Annotated[int, Parameter(validator=Number(gte=0))]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]
InputPx = Annotated[int, Parameter(validator=Number(gte=32))]
"""Smaller images are less than one cell of most networks."""


def band_numbers(text: str | None) -> tuple[int, ...]:
    """Numbers of bands out of ``4,3,2``; none without a text.

    Raises:
        SkyfixError: something else.
    """
    if text is None:
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise SkyfixError(
            f"Bands {text!r} are no numbers. Give the red, green and blue one, such as 4,3,2."
        ) from None

"""Numbers that options take."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Count = Annotated[int, Parameter(validator=Number(gte=0))]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]
InputPx = Annotated[int, Parameter(validator=Number(gte=32))]
"""Smaller images are less than one cell of most networks."""

"""What an image was taken from."""

from typing import Literal, get_args

View = Literal["drone", "satellite", "ground"]
VIEWS: tuple[View, ...] = get_args(View)

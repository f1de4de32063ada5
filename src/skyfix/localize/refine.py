"""From scores of tiles to the photo's place on the map."""

from collections.abc import Sequence

import numpy as np

from skyfix.gallery import Gallery
from skyfix.localize.maps import Maps
from skyfix.localize.match import Matcher
from skyfix.localize.places import likely_places
from skyfix.localize.prepare import Prepared, straight_down
from skyfix.localize.register import (
    SCALES,
    TURNS_DEG,
    WIDE_SCALES,
    WIDE_TURNS_DEG,
    Registration,
    register,
)

PLACES = 6
"""Places that are compared with the map: with more, photos of other ground find more chances to
fit somewhere, and each takes a tenth of a second."""

_APART_TILES = 0.75


class Refiner:
    """Registers photos around the best tiles of a gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self._maps = Maps(gallery)

    @property
    def why_not(self) -> str:
        """Why photos could not be registered."""
        reasons = "; ".join(self._maps.missing.values()) or "the map shows nothing there"
        return f"Not registered: {reasons}."

    def register(
        self, photo: Prepared, matcher: Matcher, scores: np.ndarray, turn_deg: float
    ) -> tuple[Registration | None, Sequence[float]]:
        """The photo's registration, None without a map, and the scores of the places tried.

        Args:
            photo: with a ground view.
            matcher: of the tiles that were scored.
            scores: (T,) of its rows.
            turn_deg: heading of a photo whose heading is unknown, from its tiles.
        """
        if photo.ground is None:
            return None, ()
        places, place_scores = likely_places(
            matcher.tiles, matcher.rows, scores, _APART_TILES * matcher.tile_m, PLACES
        )
        turns = TURNS_DEG
        if photo.pose.heading_deg is None:
            turns = tuple(turn_deg + turn for turn in WIDE_TURNS_DEG)
        scales = SCALES if straight_down(photo.pose).has_geometry else WIDE_SCALES
        found = register(photo.ground, self._maps, places, matcher.tile_m, turns, scales)
        return found, place_scores.tolist()

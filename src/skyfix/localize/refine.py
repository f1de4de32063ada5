"""From scores of tiles to the photo's place on the map."""

from collections.abc import Sequence

import numpy as np

from skyfix.gallery import Gallery
from skyfix.localize.maps import Maps
from skyfix.localize.places import likely_places
from skyfix.localize.prepare import Prepared
from skyfix.localize.register import TURNS_DEG, WIDE_TURNS_DEG, Registration, register

PLACES = 6
"""Places that are compared with the map: with more, photos of other ground find more chances to
fit somewhere, and each takes a tenth of a second."""

_APART_TILES = 0.75


class Refiner:
    """Registers photos around the best tiles of a gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._maps = gallery, Maps(gallery)

    @property
    def why_not(self) -> str:
        """Why photos could not be registered."""
        reasons = "; ".join(self._maps.missing.values()) or "the map shows nothing there"
        return f"Not registered: {reasons}."

    def register(
        self, photo: Prepared, rows: np.ndarray, scores: np.ndarray, turn_deg: float
    ) -> tuple[Registration | None, Sequence[float]]:
        """The photo's registration, None without a map, and the scores of the places tried.

        Args:
            photo: with a ground view.
            rows: (T,) tiles that were scored.
            scores: (T,) of the same.
            turn_deg: heading of a photo whose heading is unknown, from its tiles.
        """
        if photo.ground is None:
            return None, ()
        tile_m = self._gallery.tile_m
        places, place_scores = likely_places(
            self._gallery.tiles, rows, scores, _APART_TILES * tile_m, PLACES
        )
        turns = TURNS_DEG
        if photo.pose.heading_deg is None:
            turns = tuple(turn_deg + turn for turn in WIDE_TURNS_DEG)
        found = register(photo.ground, self._maps, places, tile_m, turns)
        return found, place_scores.tolist()

"""What a measurement may be asked for; light, so that a command line can offer it at once."""

from typing import Literal

Direction = Literal["drone2satellite", "satellite2drone", "ground2satellite"]
"""Which view asks, and which one is searched."""
Distractors = Literal["keep", "drop"]
"""Whether gallery places without a query stay in the ranking."""

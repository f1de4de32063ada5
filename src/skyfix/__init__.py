"""skyfix: cross-view geo-localization, from a drone photo to a position fix."""

__version__ = "0.1.0"

"""Geo-referenced galleries: imagery, tiles, descriptors, search."""

from skyfix.gallery.gallery import Gallery

__all__ = ["Gallery"]

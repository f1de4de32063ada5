"""Coordinates, rasters and cameras."""

"""Readers of the field's data sets, one file each."""

"""Network parts with no opinion about systems."""

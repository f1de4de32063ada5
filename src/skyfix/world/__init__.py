"""The built-in world: a made-up town and views of it."""

from pathlib import Path


def sample_folder() -> Path:
    """Folder of the sample that comes with the package: a map, 60 photos, a minute of video.

    It holds what ``skyfix world sample`` writes; reading it needs no renderer.
    """
    return Path(__file__).parent / "small_sample"

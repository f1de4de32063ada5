"""A gallery of a map, and photos located in it, in Python.

    python examples/own_map.py [FOLDER]

The map and the photos are made up, in FOLDER/sample; put the paths of your own in their place.
"""

import sys
from pathlib import Path

from skyfix.gallery import Gallery
from skyfix.inference import Embedder
from skyfix.localize import locate, locate_many, read_poses
from skyfix.outputs import write_fixes
from skyfix.world.sample import SampleSize, write_sample

SIZE = SampleSize(training_places=1, test_places=1, photos=4, map_m=500.0, gsd_m=0.5)


def main(folder: Path) -> None:
    """Make a map and photos, a gallery of the map, and find the photos in it."""
    sample = write_sample(folder / "sample", size=SIZE)
    embedder = Embedder("skyfix_s")
    gallery = Gallery.build(sample / "map.tif", folder / "gallery", embedder, 100.0, 50.0)

    photos = sorted((sample / "photos").glob("*.jpg"))
    table = read_poses(sample / "photos" / "poses.csv")

    # One photo. The more of the pose is known, the better the fix.
    fix = locate(photos[0], gallery, pose=table.of(photos[0]), embedder=embedder)
    if fix.located:
        print(f"{fix.photo}: lon {fix.lon:.6f}, lat {fix.lat:.6f}, within {fix.accuracy_m:.0f} m")
    else:
        print(f"{fix.photo}: not located. {fix.reason}")

    # Many, with a map page to look at.
    poses = [table.of(photo) for photo in photos]
    fixes = locate_many(photos, gallery, poses=poses, embedder=embedder)
    write_fixes(fixes, folder / "fixes.html", gallery)
    print(f"{sum(fix.located for fix in fixes)} of {len(fixes)} located: {folder / 'fixes.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example"))

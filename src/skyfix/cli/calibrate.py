"""`skyfix calibrate`."""

from pathlib import Path

from rich import print as show


def calibrate(gallery: str, /, *, photos: Path, device: str = "auto") -> None:
    """Fit how sure fixes are to photos of which the place is known.

    The result, `calibration.json` in the gallery's folder, holds for all later fixes.

    Example: `skyfix calibrate gallery --photos photos.csv`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    photos
        CSV with columns file, lon, lat (the ground point at the photo's centre, degrees) and,
        where known, heading_deg, pitch_deg, altitude_m, hfov_deg; or a folder with such a
        photos.csv. At least 20 photos.
    device
        auto, cpu or cuda.
    """
    import numpy as np

    from skyfix.gallery import Gallery
    from skyfix.localize import calibrate as fit
    from skyfix.localize import read_labelled

    labelled = read_labelled(photos)
    opened = Gallery.open(gallery)
    done = fit(opened, labelled, opened.embedder(device=device))
    right = done.errors_m <= done.reach_m
    show(
        f"Fitted to {done.calibration.photos} photos, {done.passed_over} gave no evidence. "
        f"{right.mean():.0%} are within half a tile, mean confidence "
        f"{done.confidence.mean():.2f}; median error {np.median(done.errors_m):.1f} m, "
        f"{(done.errors_m[right] <= done.radii_95_m[right]).mean():.0%} of these within their "
        "95 % radius."
    )

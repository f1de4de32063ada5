"""Small made-up data sets in the layouts of CVUSA and CVACT, to try things on."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from skyfix.datasets import scenes

_BLOCKS = 8
_SIDE_PX = 96
_PANORAMA_PX = (56, 152)


def generate(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write made-up pairs in the layout of CVUSA.

    Every place is a mosaic. Its satellite image shows it from above, its panorama around the
    centre: north in the middle, the nearest ground at the bottom, in another light.

    Args:
        root: folder to write to; made where missing.
        places: training places.
        test_places: test places.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    numbers = range(1, places + test_places + 1)
    tables = {"train": numbers[:places], "val": numbers[places:]}
    with scenes.writing(root):
        for folder in ("splits", "split_locations"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, chosen in tables.items():
            rows = []
            for number in chosen:
                place = f"{number:07d}"
                satellite, ground = f"bingmap/19/{place}.jpg", f"streetview/panos/{place}.jpg"
                _write_pair(root / satellite, root / ground, (seed, number))
                rows.append(f"{satellite},{ground},streetview/annotations/{place}.png\n")
            (root / f"splits/{name}-19zl.csv").write_text("".join(rows), encoding="utf-8")
        positions = (f"{40 + n / 1e3},{-80 - n / 1e3}" for n in numbers)
        lines = (f"{position},{position},0\n" for position in positions)
        (root / "split_locations/all.csv").write_text("".join(lines), encoding="utf-8")
    return root


def generate_cvact(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write made-up pairs in the layout of CVACT; see ``generate``.

    As in the published set, the validation pairs are among the test pairs; half as many more are
    for the test alone.
    """
    from scipy.io import savemat

    root = Path(root)
    rng = np.random.default_rng((seed, 0))
    total = places + test_places + (test_places + 1) // 2
    names = [f"pano{rng.integers(10**9):09d}-{number:03d}" for number in range(total)]
    splits = {
        "trainSet": ("trainInd", "ANU_data_small", range(places)),
        "valSet": ("valInd", "ANU_data_small", range(places, places + test_places)),
        "valSetAll": ("valInd", "ANU_data_test", range(places, total)),
    }
    structs = {
        struct: {"name": struct, field: np.array([[row + 1] for row in rows])}
        for struct, (field, _, rows) in splits.items()
    }
    with scenes.writing(root):
        for _, folder, rows in splits.values():
            for row in rows:
                satellite = root / folder / f"satview_polish/{names[row]}_satView_polish.jpg"
                ground = root / folder / f"streetview/{names[row]}_grdView.jpg"
                _write_pair(satellite, ground, (seed, row + 1))
        utm = np.array([690_000.0, 6_090_000.0]) + rng.uniform(0, 10_000, (total, 2))
        savemat(root / "ACT_data.mat", {"panoIds": np.array(names), "utm": utm, **structs})
    return root


def _write_pair(satellite: Path, ground: Path, seed: Iterable[int]) -> None:
    rng = np.random.default_rng(tuple(seed))
    above = scenes.mosaic(_SIDE_PX, rng, _BLOCKS, colours=_BLOCKS**2)
    scenes.save(above, satellite)
    scenes.save(scenes.from_street(above, _PANORAMA_PX, rng), ground)

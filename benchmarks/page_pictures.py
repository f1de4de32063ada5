"""Pictures of the map page for docs/map_page.md, of the made-up town alone.

    python benchmarks/page_pictures.py [--work runs/pictures]

Needs the Python package playwright and Chromium on the path. The work folder keeps the gallery; a
service of it runs as long as the pictures are taken.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from skyfix.gallery import Gallery
from skyfix.inference import Embedder
from skyfix.world import sample_folder

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "serve")]

from browsing import started_browser  # noqa: E402
from service_process import serving  # noqa: E402

OUT = REPOSITORY / "docs" / "pictures"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PHOTOS = (1, 4, 9, 3)
WAIT_MS = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/pictures"))
    work = parser.parse_args().work
    sample, town = sample_folder(), work / "town"
    Gallery.build(sample / "map.tif", town, Embedder("skyfix_s"), 150.0, 50.0)
    with serving([town], work, limits={}) as service, started_browser() as browser:
        for name, size, scheme in (
            ("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light"),
        ):  # fmt: skip
            page = _opened(browser, service.url, size, scheme)
            _locate(page, [sample / f"photos/photo_{one:03}.jpg" for one in PHOTOS])
            _shoot(page, name, full_page=name == "phone")
        page = _opened(browser, service.url, DESKTOP, "light")
        _fly(page, sample)
        _shoot(page, "track")


def _opened(browser: Any, address: str, size: dict[str, int], scheme: str) -> Any:
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    return page


def _locate(page: Any, photos: list[Path]) -> None:
    page.set_input_files("#files", [str(photo) for photo in photos])
    page.locator("#status").get_by_text(re.compile(f"^{photos[-1].name}:")).wait_for()


def _fly(page: Any, sample: Path) -> None:
    page.set_input_files("#files", [str(sample / "flight.mp4"), str(sample / "flight.srt")])
    page.fill("#every", "2")
    page.click("#fly")
    page.locator("#status").get_by_text(re.compile(r"frames located$")).wait_for()
    page.locator("#moment").fill(str(int(page.locator("#moment").get_attribute("max")) // 2))


def _shoot(page: Any, name: str, full_page: bool = False) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)
    path = OUT / f"service_{name}.png"
    page.screenshot(path=path, full_page=full_page)
    with Image.open(path) as picture:
        # This method keeps the few pixels of strong colours, which are what the page is about.
        octree = Image.Quantize.FASTOCTREE
        few = picture.convert("RGB").quantize(256, octree, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

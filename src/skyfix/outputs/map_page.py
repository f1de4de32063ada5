"""Fixes on a map as one HTML file that needs no network: imagery, accuracy, candidates, track."""

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ImageOps

from skyfix.files import write_text
from skyfix.images import ImageError, read_image
from skyfix.localize.fix import Fix
from skyfix.outputs.cells import data_uri
from skyfix.outputs.overview import Area, area_of, picture_of
from skyfix.outputs.positions import camera, ground, track, utc_text

if TYPE_CHECKING:
    from skyfix.gallery import Gallery

MOST_PHOTOS = 300
"""Beyond this many fixes photos are left out: the page would take too long to open."""

_PHOTO_PX = 480
_LAYERS = (
    ("circles", "Accuracy, 68 and 95 %", '<circle class="r68" cx="12" cy="9" r="6"/>'),
    ("footprints", "Ground in the photo", '<rect class="outline" x="4" y="3" width="16" '
     'height="12"/>'),
    ("cameras", "Camera", '<path class="eye" transform="translate(12 9)" d="M0-6L6 5H-6Z"/>'),
    ("candidates", "Best tiles", '<circle class="tile" cx="12" cy="9" r="6"/>'),
    ("track", "Track", '<path class="path" d="M3 14L10 6L21 8"/>'),
)  # fmt: skip
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_map_page(
    fixes: Sequence[Fix], path: Path | str, gallery: "Gallery | None" = None
) -> None:
    """Write a page that shows fixes on the gallery's imagery; it opens from a file, without a
    network, in light or dark, on a telephone and with a keyboard.

    Args:
        fixes: at least one; photos that can still be read are shown, up to ``MOST_PHOTOS``.
        path: the HTML file.
        gallery: where the fixes were found; without it there is no imagery.

    Raises:
        SkyfixError: the file cannot be written.
    """
    content = _content(fixes, gallery)
    located = sum(fix.located for fix in fixes)
    title = f"{len(fixes)} photo{'s' * (len(fixes) > 1)}, {located} located"
    # "<" would end the script early when a photo is called </script>.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    here = files("skyfix.outputs")
    style = (here / "map_page.css").read_text(encoding="utf-8")
    script = (here / "map_page.js").read_text(encoding="utf-8")
    write_text(
        path,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>skyfix: {html.escape(title)}</title><style>{style}</style></head><body>"
        f"{_body(title, content)}"
        f'<script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script></body></html>\n",
    )


def _body(title: str, content: dict[str, Any]) -> str:
    lost = sum(not fix["located"] for fix in content["fixes"])
    located = len(content["fixes"]) - lost
    return (
        f"<header><h1>Position fixes</h1><span class=soft>{html.escape(title)}</span></header>"
        '<main><div class="stage"><svg id="map" tabindex="0" role="application" aria-label="Map '
        'of fixes. Arrow keys move it, plus and minus zoom, 0 shows all."><g id="world"></g></svg>'
        '<div class="tools"><button type="button" id="in" aria-label="Zoom in">+</button>'
        '<button type="button" id="out" aria-label="Zoom out">&minus;</button>'
        '<button type="button" id="fit" aria-label="Show all">⤢</button></div>'
        f"{_layers(content)}"
        '<div class="scale"><span><span id="length"></span><i id="bar"></i></span>'
        '<span aria-label="North is up">N ↑</span></div></div>'
        f"{_slider(content)}</main><aside>"
        '<section id="shown" aria-live="polite"><p class="soft">Choose a photo.</p></section>'
        + (_list("located", f"Located ({located})") if located else "")
        + (_list("lost", f"Not located ({lost})") if lost else "")
        + "</aside>"
    )


def _layers(content: dict[str, Any]) -> str:
    fixes = content["fixes"]
    there = {
        "circles": any(fix["located"] for fix in fixes),
        "footprints": any(fix["footprint"] for fix in fixes),
        "cameras": any(fix["camera"] for fix in fixes),
        "candidates": any(fix["candidates"] for fix in fixes),
        "track": bool(content["track"]),
    }
    labels = "".join(
        f'<label><input type="checkbox" value="{name}" checked>'
        f'<svg width="24" height="18" aria-hidden="true">{sign}</svg>{text}</label>'
        for name, text, sign in _LAYERS
        if there[name]
    )
    return f'<details class="layers" id="layers" open><summary>Layers</summary>{labels}</details>'


def _slider(content: dict[str, Any]) -> str:
    if not content["track"]:
        return ""
    return (
        '<div class="time"><button type="button" id="play" aria-label="Play">▶</button>'
        f'<input type="range" id="moment" min="0" max="{len(content["order"]) - 1}" value="0" '
        'aria-label="Time"><output id="clock"></output></div>'
    )


def _list(name: str, heading: str) -> str:
    return f'<section><h3 class="group">{heading}</h3><ul class="list" id="{name}"></ul></section>'


def _content(fixes: Sequence[Fix], gallery: "Gallery | None") -> dict[str, Any]:
    """What the script draws; places in metres right and down of the area's origin."""
    area = area_of(fixes, gallery)
    index = {id(fix): number for number, fix in enumerate(fixes)}
    parts = [[index[id(fix)] for fix in part] for part in track(fixes)]
    located = [number for number, fix in enumerate(fixes) if ground(fix)]
    with_photos = len(fixes) <= MOST_PHOTOS
    return {
        "box": [
            area.west_m, -area.north_m, area.east_m - area.west_m, area.north_m - area.south_m
        ],
        "picture": _picture(area, gallery),
        "tiles": _tiles(fixes, gallery) if with_photos else {},
        "fixes": [_fix(fix, area, with_photos) for fix in fixes],
        "track": parts,
        "order": _order(fixes) if parts else [],
        "first": parts[0][0] if parts else (located or [0])[0],
    }  # fmt: skip


def _order(fixes: Sequence[Fix]) -> list[int]:
    timed = all(fix.time is not None for fix in fixes)
    times = [fix.time.timestamp() if timed and fix.time else fix.time_s or 0.0 for fix in fixes]
    return np.argsort(times, kind="stable").tolist()


def _picture(area: Area, gallery: "Gallery | None") -> dict[str, Any] | None:
    drawn = picture_of(area, gallery) if gallery else None
    if drawn is None:
        return None
    return {
        "source": data_uri(drawn, "WebP"),
        "x": area.west_m,
        "y": -area.north_m,
        "width": area.east_m - area.west_m,
        "height": area.north_m - area.south_m,
    }


def _tiles(fixes: Sequence[Fix], gallery: "Gallery | None") -> dict[str, str]:
    """Pictures of all candidates by id."""
    if gallery is None or not gallery.has_thumbnails:
        return {}
    wanted = {one.tile for fix in fixes for one in fix.candidates}
    rows = np.flatnonzero(np.isin(gallery.tiles.id, list(wanted)))
    pictures = gallery.thumbnails(rows.tolist())
    names = gallery.tiles.id[rows].tolist()
    return {name: data_uri(picture) for name, picture in zip(names, pictures, strict=True)}


def _fix(fix: Fix, area: Area, with_photo: bool) -> dict[str, Any]:
    centre, eye = ground(fix), camera(fix)
    x, y = area.metres(*centre).tolist() if centre else (None, None)
    candidates = [{**vars(one), **_xy(area, one.lon, one.lat)} for one in fix.candidates]
    return {
        "name": Path(fix.photo).name,
        "located": centre is not None,
        "reason": fix.reason,
        "x": x,
        "y": y,
        "lon": fix.lon,
        "lat": fix.lat,
        "accuracy_m": fix.accuracy_m,
        "accuracy_95_m": fix.accuracy_95_m,
        "confidence": fix.confidence,
        "method": fix.method,
        "heading_deg": fix.heading_deg,
        "time": _time(fix),
        "camera": area.metres(*eye).tolist() if eye else None,
        "camera_lon": fix.camera_lon,
        "camera_lat": fix.camera_lat,
        "footprint": area.metres(*np.array(fix.footprint).T).tolist() if fix.footprint else [],
        "candidates": candidates,
        "picture": _photo(fix) if with_photo else None,
    }


def _xy(area: Area, lon: float, lat: float) -> dict[str, float]:
    x, y = area.metres(lon, lat).tolist()
    return {"x": x, "y": y}


def _time(fix: Fix) -> str:
    if fix.time is not None:
        return utc_text(fix).replace("T", " ").replace(".000Z", "Z").replace("Z", " UTC")
    return "" if fix.time_s is None else f"{fix.time_s:.1f} s"


def _photo(fix: Fix) -> str | None:
    # Frames of videos have no file of their own.
    try:
        photo = read_image(fix.photo, shortest_px=_PHOTO_PX)
    except (ImageError, ValueError):
        return None
    return data_uri(ImageOps.contain(photo, (_PHOTO_PX, _PHOTO_PX)), quality=80)

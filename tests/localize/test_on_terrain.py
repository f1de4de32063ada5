"""Camera and footprint over ground that is not flat, against rays walked to a plane."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL.ExifTags import Base
from rasters import write_map
from tagged import BERN, OBLIQUE, tag

from skyfix.geo.camera import axes
from skyfix.geo.ground import east_north
from skyfix.geo.terrain import Terrain
from skyfix.localize import Fix, Known, known_of
from skyfix.localize.known import with_terrain
from skyfix.localize.on_terrain import on_terrain

STEP = 0.0001
SIZE_PX = (160, 120)
FIX = Fix("a.jpg", True, 7.4405, 46.9515, 20, 40, camera_lon=7.44, camera_lat=46.951)


def terrain(folder: Path, rise: float) -> Terrain:
    """540 m high in the west of Bern, rising to the east."""
    metres = (np.arange(400) + 0.5) * STEP * 76_100 - 760
    heights = np.broadcast_to(540 + rise * metres, (1, 400, 400)).astype(np.float32)
    return Terrain(write_map(folder / "dem.tif", heights, "EPSG:4326", (7.43, 46.97), STEP))


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return known_of(
        tag(tmp_path / "a.jpg", gps=BERN, exif={Base.FocalLengthIn35mmFilm: 24}, xmp=OBLIQUE)
    )


def test_on_a_slope_every_corner_lies_on_its_ray(known: Known, tmp_path: Path):
    ground = terrain(tmp_path, 0.2)
    known = with_terrain(known, ground, 7.44, 46.951)
    fix = on_terrain(FIX, known, ground)
    assert (fix.lon, fix.lat) == (FIX.lon, FIX.lat)
    altitude_m = 620.5 - float(ground.height_m(FIX.lon, FIX.lat))
    right, down, forward = axes(known.pose)
    to_fix = np.array(east_north(fix.camera_lon, fix.camera_lat, fix.lon, fix.lat))
    np.testing.assert_allclose(to_fix, forward[:2] * altitude_m / -forward[2], atol=0.01)
    focal_px = SIZE_PX[0] / 2 / np.tan(np.radians(known.pose.hfov_deg) / 2)
    for (x, y), corner in zip([(0, 0), (160, 0), (160, 120), (0, 120)], fix.footprint, strict=True):
        ray = (x - 80) * right + (y - 60) * down + focal_px * forward
        east_m, north_m = east_north(fix.camera_lon, fix.camera_lat, *corner)
        up_m = float(ground.height_m(*corner)) - 620.5
        found = np.array([float(east_m), float(north_m), up_m])
        cosine = found @ ray / np.linalg.norm(found) / np.linalg.norm(ray)
        assert np.degrees(np.arccos(min(cosine, 1))) < 0.05


def test_flat_ground_changes_the_altitude_alone(known: Known, tmp_path: Path):
    ground = terrain(tmp_path, 0.0)
    fix = on_terrain(FIX, with_terrain(known, ground, 7.44, 46.951), ground)
    again = on_terrain(fix, with_terrain(known, ground, 7.44, 46.951), ground)
    assert again == fix
    assert len(fix.footprint) == 4
    assert np.isfinite(ground.height_m(*np.array(fix.footprint).T)).all()


def test_other_fixes_stay_as_they_are(known: Known, tmp_path: Path):
    ground = terrain(tmp_path, 0.0)
    assert on_terrain(FIX, known, ground) is FIX  # The altitude is the photo's own.
    by_terrain = with_terrain(known, ground, 7.44, 46.951)
    lost = Fix("a.jpg", False, reason="dark")
    assert on_terrain(lost, by_terrain, ground) is lost
    registered = replace(FIX, method="registration")
    assert on_terrain(registered, by_terrain, ground) is registered
    far = replace(FIX, lon=10.0)
    assert on_terrain(far, by_terrain, ground) is far


def test_a_footprint_past_the_model_is_flat(known: Known, tmp_path: Path):
    # The model ends 8 m east of the fix; towards 30.5 degrees most of the view lies beyond.
    ground = terrain(tmp_path, 0.0)
    edge = replace(FIX, lon=7.4699)
    fix = on_terrain(edge, with_terrain(known, ground, 7.44, 46.951), ground)
    assert np.isnan(ground.height_m(*np.array(fix.footprint).T)).any()
    flat = on_terrain(FIX, with_terrain(known, ground, 7.44, 46.951), ground)
    shift = np.array(fix.footprint) - flat.footprint
    np.testing.assert_allclose(shift - shift[0], 0, atol=1e-6)

"""Regions of interest: what is read, what is refused, and which tiles they keep."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio import Affine

from skyfix.errors import SkyfixError
from skyfix.geo import tiling
from skyfix.geo.crs import GeoReference
from skyfix.geo.region import Region
from skyfix.geo.tiling import TilePlan, plan_tiles

SQUARE = [[15.0, 45.0], [15.01, 45.0], [15.01, 45.01], [15.0, 45.01], [15.0, 45.0]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}
UTM = GeoReference(CRS("EPSG:32633"), Affine(1, 0, 500_000, 0, -1, 4_985_000), 1500, 1500)
"""1.5 x 1.5 km from 15 E, 45.017 N to the south-east."""


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def feature(geometry: object) -> dict:
    return {"type": "Feature", "properties": {"name": "field"}, "geometry": geometry}


def test_every_way_to_write_a_region_is_the_same_region(tmp_path: Path) -> None:
    turned = [*SQUARE[2:], SQUARE[1], SQUARE[2]]
    halves = [
        [[15.0, 45.0], [15.005, 45.0], [15.005, 45.01], [15.0, 45.01], [15.0, 45.0]],
        [[15.005, 45.0], [15.01, 45.0], [15.01, 45.01], [15.005, 45.01], [15.005, 45.0]],
    ]
    ways = [
        POLYGON,
        {"type": "Polygon", "coordinates": [turned]},
        {"type": "Polygon", "coordinates": [[[*pair, 120.5] for pair in SQUARE]]},
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        feature(POLYGON),
        {"type": "FeatureCollection", "features": [feature(POLYGON), feature(POLYGON)]},
        feature({"type": "GeometryCollection", "geometries": [POLYGON]}),
    ]
    regions = [Region.read(write(tmp_path / f"{n}.geojson", way)) for n, way in enumerate(ways)]
    assert len({region.fingerprint for region in regions}) == 1
    two = {"type": "MultiPolygon", "coordinates": [[half] for half in halves]}
    region = Region.read(write(tmp_path / "two.geojson", two))
    other = Region.read(write(tmp_path / "half.geojson", {**POLYGON, "coordinates": [halves[0]]}))
    inside = regions[0].contains(np.array([15.003, 15.007, 15.02]), np.array([45.005] * 3))
    np.testing.assert_array_equal(inside, [True, True, False])
    np.testing.assert_array_equal(
        region.contains(np.array([15.003, 15.007]), np.array([45.005] * 2)), [True, True]
    )
    assert other.fingerprint != regions[0].fingerprint


def test_holes_are_left_out_and_a_ring_that_crosses_itself_is_two(tmp_path: Path) -> None:
    hole = [
        [15.004, 45.004],
        [15.006, 45.004],
        [15.006, 45.006],
        [15.004, 45.006],
        [15.004, 45.004],
    ]
    region = Region.read(write(tmp_path / "h.json", {**POLYGON, "coordinates": [SQUARE, hole]}))
    np.testing.assert_array_equal(
        region.contains(np.array([15.005, 15.002]), np.array([45.005, 45.002])), [False, True]
    )
    bow = [[15.0, 45.0], [15.01, 45.01], [15.01, 45.0], [15.0, 45.01], [15.0, 45.0]]
    region = Region.read(write(tmp_path / "b.json", {**POLYGON, "coordinates": [bow]}))
    np.testing.assert_array_equal(
        region.contains(np.array([15.001, 15.009, 15.005]), np.array([45.005, 45.005, 45.001])),
        [True, True, False],
    )


@pytest.mark.parametrize(
    ("content", "because"),
    [
        ("", "Cannot read the region"),
        ("<kml/>", "Cannot read the region"),
        ("[" * 100_000, "nested too deeply"),
        ("[15, 45]", "not GeoJSON"),
        ({"coordinates": [SQUARE]}, "not GeoJSON"),
        ({"type": "Topology"}, "holds Topology"),
        ({"type": "Point", "coordinates": [15, 45]}, "holds Point"),
        ({"type": "LineString", "coordinates": SQUARE}, "holds LineString"),
        (feature(None), "holds nothing"),
        ({"type": "FeatureCollection"}, "holds FeatureCollection"),
        ({"type": "FeatureCollection", "features": []}, "no polygon"),
        ({"type": "Polygon"}, "damaged Polygon"),
        ({"type": "Polygon", "coordinates": []}, "no area"),
        ({"type": "Polygon", "coordinates": [SQUARE[:2]]}, "damaged Polygon"),
        ({"type": "Polygon", "coordinates": [["a", "b", "c", "d"]]}, "damaged Polygon"),
        ({"type": "Polygon", "coordinates": [[[15, 45], [15, 45], [15, 45], [15, 45]]]}, "no area"),
        (
            {"type": "Polygon", "coordinates": [[[lat, lon + 105] for lon, lat in SQUARE]]},
            "Longitude comes first",
        ),
        (
            {"type": "Polygon", "coordinates": [[[x * 1e5, y * 1e5] for x, y in SQUARE]]},
            "not on Earth. Give degrees of WGS84",
        ),
        ('{"type": "Polygon", "coordinates": [[[1, 1], [NaN, 1], [2, 2], [1, 1]]]}', "not on Ear"),
    ],
)  # fmt: skip
def test_what_is_no_region_is_refused_in_one_line(
    content: object, because: str, tmp_path: Path
) -> None:
    with pytest.raises(SkyfixError, match=because) as caught:
        Region.read(write(tmp_path / "area.geojson", content))
    assert "\n" not in str(caught.value) and "area.geojson" in str(caught.value)


def test_a_missing_region_is_named(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="No region at"):
        Region.read(tmp_path / "none.geojson")


def test_a_region_that_misses_says_what_may_be_wrong(tmp_path: Path) -> None:
    def message(ring: list[list[float]]) -> str:
        region = Region.read(write(tmp_path / "a.json", {**POLYGON, "coordinates": [ring]}))
        assert len(plan_tiles(UTM, 100, 50, "map", region)) == 0
        return str(region.misses([UTM]))

    swapped = [[lat, lon] for lon, lat in SQUARE]
    away = [[lon + 3, lat] for lon, lat in SQUARE]
    small = [[15.0101 + lon / 1e5, 45.0051 + lat / 1e5] for lon, lat in ((0, 0), (1, 0), (1, 1))]
    assert "longitude and latitude exchanged" in message(swapped)
    assert "does not touch the imagery. Check" in message(away)
    assert "centre of no tile" in message(small)


def columns(plan: TilePlan) -> np.ndarray:
    return np.stack([plan.columns, plan.rows, plan.widths, plan.heights, plan.panels, plan.lines])


@settings(max_examples=40)
@given(
    st.sampled_from(["EPSG:32633", "EPSG:3857", "EPSG:4326", "EPSG:32601", "EPSG:32733"]),
    st.lists(st.tuples(st.floats(-0.3, 1.3), st.floats(-0.3, 1.3)), min_size=3, max_size=7),
    st.integers(1, 400),
)
def test_a_region_takes_tiles_away_and_moves_none(
    tmp_path_factory: pytest.TempPathFactory,
    crs: str,
    corners: list[tuple[float, float]],
    batch: int,
) -> None:
    """Against the plan of the whole map, whatever the number of lines worked on at once."""
    place = {
        "EPSG:32633": (1.0, 700_000, 5_000_000),
        "EPSG:3857": (1.0, 3_918_467, 8_777_976),
        "EPSG:4326": (1e-5, 22.46, 60.404),
        "EPSG:32601": (1.0, 250_000, 5_000_000),
        "EPSG:32733": (1.0, 500_000, 7_000_000),
    }[crs]
    geo = GeoReference(CRS(crs), Affine(place[0], 0, place[1], 0, -place[0], place[2]), 1200, 900)
    ring = np.array([*corners, corners[0]]) * (1200, 900)
    pairs = np.stack(geo.lonlat(ring[:, 0], ring[:, 1]), axis=1).tolist()
    path = tmp_path_factory.mktemp("r") / "a.json"
    try:
        region = Region.read(write(path, {"type": "Polygon", "coordinates": [pairs]}))
    except SkyfixError:
        return
    whole = plan_tiles(geo, 40, 20, "map")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "_BATCH_TILES", batch)
        part = plan_tiles(geo, 40, 20, "map", region)
    inside = region.contains(*whole.centres())
    np.testing.assert_array_equal(columns(part), columns(whole)[:, inside])
    assert len(part) + part.outside == len(whole)


def test_a_small_region_of_a_map_with_too_many_tiles_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "MAX_TILES", 2000)
    monkeypatch.setattr(tiling, "_BATCH_TILES", 500)
    with pytest.raises(SkyfixError, match="--roi"):
        plan_tiles(UTM, 100, 20, "map")
    ring = [[lon / 5 + 12.004, lat / 5 + 36.004] for lon, lat in SQUARE]
    region = Region.read(write(tmp_path / "a.json", {**POLYGON, "coordinates": [ring]}))
    plan = plan_tiles(UTM, 100, 20, "map", region)
    assert 20 < len(plan) < 50 and plan.outside > 4000
    whole = Region.read(write(tmp_path / "b.json", POLYGON))
    with pytest.raises(SkyfixError, match="million tiles, the limit"):
        plan_tiles(UTM, 100, 10, "map", whole)

"""Fixes as files: every format holds what is known, and no position where there is none."""

import csv
import json
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_fixes import BAD_NAME, START, flight, located, lost, posed

from skyfix.errors import SkyfixError
from skyfix.outputs import WRITERS, write_fixes
from skyfix.outputs.json_lines import JsonLines

GPX = {"g": "http://www.topografix.com/GPX/1/1", "s": "urn:skyfix:gpx:1"}
KML = {"k": "http://www.opengis.net/kml/2.2"}
ALL = [located(), posed(), lost()]


def written(fixes: list, path: Path) -> str:
    write_fixes(fixes, path)
    with path.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def test_json_and_json_lines_hold_the_whole_fix(tmp_path: Path) -> None:
    expected = [fix.to_json() for fix in ALL]
    assert json.loads(written(ALL, tmp_path / "fixes.json")) == expected
    lines = written(ALL, tmp_path / "fixes.jsonl").splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_a_stream_is_on_disk_fix_by_fix(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "live.jsonl"
    with JsonLines(path) as stream:
        for count, fix in enumerate(ALL, start=1):
            stream.write(fix)
            assert len(path.read_text().splitlines()) == count


def features(fixes: list, tmp_path: Path) -> list[dict]:
    content = json.loads(written(fixes, tmp_path / "fixes.geojson"))
    assert content["type"] == "FeatureCollection"
    return content["features"]


def of_kind(found: list[dict], kind: str) -> list[dict]:
    return [feature for feature in found if feature["properties"]["kind"] == kind]


def test_geojson_kinds(tmp_path: Path) -> None:
    found = features(ALL, tmp_path)
    points = of_kind(found, "fix")
    assert [point["properties"]["photo"] for point in points] == ["one.jpg", "two.jpg", BAD_NAME]
    assert points[0]["geometry"] == {"type": "Point", "coordinates": [15.0, 45.0]}
    assert points[1]["properties"]["accuracy_m"] == 12.5
    assert points[1]["properties"]["time"] == "2026-03-01T12:30:45.250+00:00"
    assert points[2]["geometry"] is None
    assert "No place" in points[2]["properties"]["reason"]
    (eye,) = of_kind(found, "camera")
    assert eye["geometry"]["coordinates"] == [-70.4995, -33.2505]
    candidates = of_kind(found, "candidate")
    assert [one["properties"]["rank"] for one in candidates] == [1, 2, 1, 2, 1]
    assert [one["properties"]["located"] for one in candidates] == [True] * 4 + [False]
    assert not of_kind(found, "track")


def test_geojson_footprints_are_closed_and_counterclockwise(tmp_path: Path) -> None:
    (outline,) = of_kind(features(ALL, tmp_path), "footprint")
    (ring,) = outline["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert len(ring) == 5
    assert area(ring) == pytest.approx(0.002**2)


def area(ring: list[list[float]]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def test_geojson_across_the_antimeridian(tmp_path: Path) -> None:
    fixes = [*flight(4, None, lon=179.9994), posed(lon=179.9995, lat=10.0, time=START)]
    found = features(fixes, tmp_path)
    (line,) = of_kind(found, "track")
    assert line["geometry"]["type"] == "MultiLineString"
    west, *_, east = line["geometry"]["coordinates"]
    for part in line["geometry"]["coordinates"]:
        assert max(lon for lon, _ in part) - min(lon for lon, _ in part) < 1
    assert [180.0, 45.0] in west or [180.0, 45.0] in east
    (outline,) = of_kind(found, "footprint")
    assert outline["geometry"]["type"] == "MultiPolygon"
    rings = [polygon[0] for polygon in outline["geometry"]["coordinates"]]
    assert sum(map(area, rings)) == pytest.approx(0.002**2, rel=1e-3)
    assert {max(lon for lon, _ in ring) > 0 for ring in rings} == {True, False}


@given(st.floats(-180, 180), st.floats(-80, 80), st.integers(2, 6))
def test_cut_rings_keep_their_area(
    tmp_path_factory: pytest.TempPathFactory, lon: float, lat: float, count: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = features([posed(lon=lon, lat=lat, camera_lon=None)] * count, folder)
    for outline in of_kind(found, "footprint"):
        shape = outline["geometry"]
        one = shape["type"] == "Polygon"
        rings = [shape["coordinates"][0]] if one else [part[0] for part in shape["coordinates"]]
        # Pieces thinner than the digits of a coordinate may vanish.
        assert sum(map(area, rings)) == pytest.approx(0.002**2, rel=1e-3)
        assert all(abs(value) <= 180 for ring in rings for value, _ in ring)


def test_a_track_breaks_where_a_photo_was_not_located(tmp_path: Path) -> None:
    fixes = flight(5, missing=2)
    found = features(list(reversed(fixes)), tmp_path)
    (line,) = of_kind(found, "track")
    assert line["geometry"]["coordinates"] == [
        [[15.0, 45.0], [15.0004, 45.0]],
        [[15.0012, 45.0], [15.0016, 45.0]],
    ]
    root = ElementTree.fromstring(written(fixes, tmp_path / "fixes.gpx"))
    segments = root.findall("g:trk/g:trkseg", GPX)
    assert [len(segment) for segment in segments] == [2, 2]
    # Photos of one moment are no flight.
    together = [replace(fix, time=fixes[0].time, time_s=None) for fix in fixes]
    assert not of_kind(features(together, tmp_path), "track")


def test_gpx_is_in_the_order_of_the_schema(tmp_path: Path) -> None:
    root = ElementTree.fromstring(written(ALL, tmp_path / "fixes.gpx"))
    assert root.tag == f"{{{GPX['g']}}}gpx"
    assert (root.get("version"), root.get("creator")) == ("1.1", "skyfix")
    assert [child.tag.partition("}")[2] for child in root] == ["metadata", "wpt", "wpt"]
    order = ["ele", "time", "name", "cmt", "desc", "src", "link", "sym", "type", "extensions"]
    for point, fix in zip(root.findall("g:wpt", GPX), ALL, strict=False):
        places = [order.index(child.tag.partition("}")[2]) for child in point]
        assert places == sorted(places)
        assert float(point.get("lon", "")) == pytest.approx(fix.lon, abs=1e-8)
        assert float(point.get("lat", "")) == pytest.approx(fix.lat, abs=1e-8)
        assert point.findtext("g:extensions/s:accuracy_m", namespaces=GPX) == "12.50"
        assert point.findtext("g:extensions/s:method", namespaces=GPX) == fix.method
    time = root.findtext("g:wpt/g:time", namespaces=GPX)
    assert datetime.fromisoformat(str(time)) == START
    about = root.findtext("g:metadata/g:desc", namespaces=GPX)
    assert "1 of 3 photos were not located" in str(about)
    assert '<b>&"c"' in str(about)


def test_gpx_longitudes_end_before_180_and_have_no_exponent(tmp_path: Path) -> None:
    fixes = [located(lon=180.0, lat=1e-7), located(lon=-180.0, lat=-1e-7)]
    text = written(fixes, tmp_path / "fixes.gpx")
    root = ElementTree.fromstring(text)
    places = [(point.get("lon"), point.get("lat")) for point in root.findall("g:wpt", GPX)]
    assert places == [("-180.00000000", "0.00000010"), ("-180.00000000", "-0.00000010")]


def test_kml_places_what_is_located(tmp_path: Path) -> None:
    root = ElementTree.fromstring(written(ALL, tmp_path / "fixes.kml"))
    folders = {
        str(folder.findtext("k:name", namespaces=KML)): folder.findall("k:Placemark", KML)
        for folder in root.findall("k:Document/k:Folder", KML)
    }
    assert list(folders) == ["Fixes", "Cameras", "Footprints", "Candidates"]
    one, two, three = folders["Fixes"]
    assert one.findtext("k:Point/k:coordinates", namespaces=KML) == "15.00000000,45.00000000"
    assert two.findtext("k:TimeStamp/k:when", namespaces=KML) == "2026-03-01T12:30:45.250Z"
    assert three.find("k:Point", KML) is None
    assert "Not located" in str(three.findtext("k:description", namespaces=KML))
    data = {
        str(entry.get("name")): entry.findtext("k:value", namespaces=KML)
        for entry in three.findall("k:ExtendedData/k:Data", KML)
    }
    # What XML cannot hold is replaced; all else comes back.
    assert data["photo"] == 'a/<b>&"c"\ufffd\ufffd ü\ufffd.jpg'
    assert len(folders["Candidates"]) == 5
    (outline,) = folders["Footprints"]
    ring = outline.findtext(".//k:LinearRing/k:coordinates", namespaces=KML)
    corners = str(ring).split()
    assert len(corners) == 5
    assert corners[0] == corners[-1]


def test_kml_draws_the_track(tmp_path: Path) -> None:
    root = ElementTree.fromstring(written(flight(), tmp_path / "fixes.kml"))
    lines = root.findall(".//k:LineString/k:coordinates", KML)
    assert [len(str(line.text).split()) for line in lines] == [2, 2]


def test_csv_comes_back_equal(tmp_path: Path) -> None:
    rows = list(csv.DictReader(written(ALL, tmp_path / "fixes.csv").splitlines()))
    assert [row["photo"] for row in rows[:2]] == ["one.jpg", "two.jpg"]
    assert rows[2]["photo"].startswith('a/<b>&"c"\x07')
    assert (float(rows[1]["lon"]), float(rows[1]["lat"])) == (-70.5, -33.25)
    assert rows[1]["camera_lon"] == "-70.49950000"
    assert rows[1]["time"] == "2026-03-01T12:30:45.250Z"
    assert rows[0]["camera_lon"] == rows[0]["time"] == rows[0]["heading_deg"] == ""
    assert rows[2]["located"] == "false"
    assert rows[2]["lon"] == rows[2]["lat"] == rows[2]["accuracy_m"] == ""
    assert rows[2]["reason"]


@pytest.mark.parametrize("suffix", [".geojson", ".kml", ".gpx", ".csv", ".json", ".nmea"])
def test_what_is_not_located_has_no_position(suffix: str, tmp_path: Path) -> None:
    text = written([lost("x.jpg", candidates=())], tmp_path / f"fixes{suffix}")
    assert "15." not in text
    assert "45." not in text


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_folder_that_cannot_be_written_is_one_line(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SkyfixError, match="Cannot write"):
        write_fixes(flight(), tmp_path / "file" / f"fixes{suffix}")


def test_unknown_suffixes_and_no_fixes(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match=r"\.json, \.jsonl, \.geojson, \.kml, \.gpx, \.csv"):
        write_fixes(ALL, tmp_path / "fixes.shp")
    with pytest.raises(SkyfixError, match="No fixes to write"):
        write_fixes([], tmp_path / "fixes.csv")
    write_fixes(ALL, tmp_path / "FIXES.CSV")
    assert not (tmp_path / "fixes.shp").exists()

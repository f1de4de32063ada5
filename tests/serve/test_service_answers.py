"""What the service answers to whom it serves."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from conftest import FIELDS
from PIL import Image
from scene import GSD_M, Scene
from service_process import Running

from skyfix.gallery import Gallery
from skyfix.geo.crs import MERCATOR_PERIOD_M
from skyfix.geo.ground import distance_m, offset
from skyfix.localize import Fix, locate
from skyfix.outputs import write_fixes

ID = "our-scene"


def post(client: httpx2.Client, path: str, photo: Path, **fields: str) -> httpx2.Response:
    return client.post(path, files={"photo": (photo.name, photo.read_bytes())}, data=fields)


def test_galleries_tell_their_facts(client: httpx2.Client, gallery: Gallery) -> None:
    [facts] = client.get("/v1/galleries").json()["galleries"]
    assert facts == client.get(f"/v1/galleries/{ID}").json()
    assert (facts["id"], facts["name"], facts["system"]) == (ID, "Our Scene", "imagenet")
    assert facts["tiles"] == len(gallery) and facts["tile_m"] == [gallery.tile_m]
    assert facts["bounds"] == list(gallery.tiles.bounds()) and facts["imagery"] is True


def test_thumbnail_is_the_gallerys(client: httpx2.Client, gallery: Gallery) -> None:
    answer = client.get(f"/v1/galleries/{ID}/tiles/{gallery.tiles.id[7]}")
    assert answer.headers["content-type"] == "image/jpeg"
    sent = np.asarray(Image.open(io.BytesIO(answer.content)), float)
    assert np.abs(sent - np.asarray(gallery.thumbnail(7), float)).mean() < 6
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get(answer.request.url, headers=known).status_code == 304


def xyz(lon: float, lat: float, zoom: int) -> tuple[float, float]:
    """Fractional column and row of a place."""
    y = math.asinh(math.tan(math.radians(lat))) / math.pi
    return (lon + 180) / 360 * 2**zoom, (1 - y) / 2 * 2**zoom


def test_map_tile_shows_each_place_where_it_is(client: httpx2.Client, scene: Scene) -> None:
    zoom = client.get(f"/v1/galleries/{ID}").json()["max_zoom"]
    column, row = xyz(*scene.middle, zoom)
    answer = client.get(f"/v1/galleries/{ID}/map/{zoom}/{int(column)}/{int(row)}.png")
    tile = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert tile.shape == (256, 256, 4)
    # The same ground cut out of the scene, at the tile's own scale.
    pixel_m = MERCATOR_PERIOD_M / 2**zoom / 256 * math.cos(math.radians(scene.middle[1]))
    east_m = ((int(column) + 0.5) - column) * 256 * pixel_m
    north_m = (row - (int(row) + 0.5)) * 256 * pixel_m
    expected = scene.window(east_m, north_m, 256 * pixel_m, 256).astype(float)
    shifts = {
        (dx, dy): np.abs(
            np.roll(expected, (dy, dx), (0, 1))[16:-16, 16:-16] - tile[16:-16, 16:-16, :3]
        ).mean()
        for dx in (-6, -3, 0, 3, 6)
        for dy in (-6, -3, 0, 3, 6)
    }
    assert min(shifts, key=shifts.__getitem__) == (0, 0)
    assert GSD_M / 2 < pixel_m < 2 * GSD_M


def test_no_imagery_elsewhere(client: httpx2.Client, scene: Scene) -> None:
    zoom = client.get(f"/v1/galleries/{ID}").json()["max_zoom"]
    column, row = (int(one) for one in xyz(*scene.middle, zoom))
    assert client.get(f"/v1/galleries/{ID}/map/{zoom}/{column + 9}/{row}.png").status_code == 204
    assert client.get(f"/v1/galleries/{ID}/map/{zoom + 1}/0/0.png").status_code == 204


def test_fix_is_that_of_the_library(
    client: httpx2.Client, gallery: Gallery, scene: Scene, photo: Path
) -> None:
    answer = post(client, "/v1/fixes", photo, **FIELDS)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    alone = locate(photo, gallery, pose=_pose(content["known"]), k=5)
    assert content["located"] and alone.located
    assert float(distance_m(content["lon"], content["lat"], *scene.middle)) < 8
    assert content["lon"] == pytest.approx(alone.lon, abs=1e-7)
    assert content["accuracy_m"] == pytest.approx(alone.accuracy_m, rel=1e-3)
    assert [one["tile"] for one in content["candidates"]] == [
        one.tile for one in alone.candidates
    ]  # fmt: skip
    assert content["gallery"] == ID and content["photo"] == "photo.jpg"
    assert content["photo_lat"] == pytest.approx(46.951, abs=1e-5)


def test_similar_tiles_are_those_of_the_library(
    client: httpx2.Client, gallery: Gallery, photo: Path
) -> None:
    content = post(client, "/v1/search", photo, k="7").json()
    expected = gallery.search(gallery.embedder().embed([photo], "drone"), 7)
    assert [one["tile"] for one in content["tiles"]] == list(gallery.tiles.id[expected.rows[0]])
    found = [one["cosine"] for one in content["tiles"]]
    np.testing.assert_allclose(found, expected.scores[0], atol=1e-4)
    assert (content["photo"], content["gallery"], content["partial"]) == ("photo.jpg", ID, False)
    lon, lat = gallery.tiles.lon[20], gallery.tiles.lat[20]
    near = post(client, "/v1/search", photo, k="3", near=f"{lon},{lat},1").json()["tiles"]
    assert [one["tile"] for one in near] == [gallery.tiles.id[20]]
    assert post(client, "/v1/search", photo, k="0").status_code == 422
    assert post(client, "/v1/search", photo, near="here").status_code == 422
    assert client.post("/v1/search", files={"photo": b"no photo"}).status_code in (415, 422)


def _pose(known: dict[str, float]) -> object:
    from skyfix.geo.camera import Pose

    return Pose(*(known[name] for name in ("heading_deg", "pitch_deg", "altitude_m",
                                           "field_of_view_deg", "roll_deg")))  # fmt: skip


def test_corners_are_half_a_tile_from_the_centre(
    client: httpx2.Client, gallery: Gallery, photo: Path
) -> None:
    best = post(client, "/v1/fixes", photo, k="1", **FIELDS).json()["candidates"]
    assert len(best) == 1
    row = int(np.flatnonzero(gallery.tiles.id == best[0]["tile"])[0])
    assert gallery.tiles.heading_deg[row] == pytest.approx(0, abs=0.01)
    half = gallery.tile_m / 2
    expected = offset(best[0]["lon"], best[0]["lat"], [-half, half, half, -half],
                      [half, half, -half, -half])  # fmt: skip
    assert pytest.approx(np.array(expected), abs=1e-7) == np.array(best[0]["corners"]).T


def test_similarity_has_its_best_cell_at_the_best_tile(client: httpx2.Client, photo: Path) -> None:
    content = post(client, "/v1/fixes", photo, similarity="true", **FIELDS).json()
    grid = content["similarity"]
    values = np.array([np.nan if one is None else one for one in grid["values"]])
    values = values.reshape(grid["rows"], grid["columns"])
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    west, south, east, north = grid["bounds"]
    best = content["candidates"][0]
    assert int((best["lon"] - west) / (east - west) * grid["columns"]) == column
    assert int((north - best["lat"]) / (north - south) * grid["rows"]) == row
    assert values[row, column] == pytest.approx(best["score"], abs=1e-3)
    assert np.isfinite(values).all() and values.size == 81


def test_near_leaves_only_tiles_in_the_circle(
    client: httpx2.Client, scene: Scene, photo: Path
) -> None:
    lon, lat = scene.ground(60.0, 60.0)
    answer = post(client, "/v1/fixes", photo, near=f"{lon},{lat},130", k="50", **FIELDS)
    away_m = [distance_m(lon, lat, one["lon"], one["lat"]) for one in answer.json()["candidates"]]
    assert 10 <= len(away_m) < 50 and max(away_m) <= 130


def test_poses_are_read_but_not_located(client: httpx2.Client, photo: Path) -> None:
    content = post(client, "/v1/poses", photo).json()
    assert content["lon"] == pytest.approx(7.44, abs=1e-5)
    assert content["heading_deg"] is None and "candidates" not in content


@pytest.mark.parametrize("how", ["query", "accept"])
def test_geojson(client: httpx2.Client, photo: Path, how: str) -> None:
    path = "/v1/fixes?format=geojson" if how == "query" else "/v1/fixes"
    headers = {} if how == "query" else {"Accept": "application/geo+json"}
    with photo.open("rb") as stream:
        answer = client.post(path, files={"photo": stream}, data=FIELDS, headers=headers)
    assert answer.headers["content-type"] == "application/geo+json"
    kinds = [one["properties"]["kind"] for one in answer.json()["features"]]
    assert kinds[:3] == ["fix", "camera", "footprint"] and kinds.count("candidate") == 5


@pytest.mark.parametrize("form", ["geojson", "kml", "gpx", "csv"])
def test_exports_are_the_outputs_files(
    client: httpx2.Client, photo: Path, tmp_path: Path, form: str
) -> None:
    content = post(client, "/v1/fixes", photo, **FIELDS).json()
    answer = client.post(f"/v1/exports?format={form}", json={"fixes": [content]})
    assert answer.status_code == 200, answer.text
    names = Fix.__dataclass_fields__
    fix = {name: value for name, value in content.items() if name in names}
    fix["candidates"] = [
        {name: one[name] for name in ("lon", "lat", "score", "tile")} for one in fix["candidates"]
    ]
    write_fixes([Fix.from_json(fix)], tmp_path / f"fixes.{form}")
    assert answer.content == (tmp_path / f"fixes.{form}").read_bytes()
    assert answer.headers["content-disposition"] == f'attachment; filename="fixes.{form}"'


def test_metrics_count_fixes_and_requests(client: httpx2.Client, photo: Path) -> None:
    before = _metric(client, 'skyfix_fixes_total{located="yes"}')
    post(client, "/v1/fixes", photo, **FIELDS)
    assert _metric(client, 'skyfix_fixes_total{located="yes"}') == before + 1
    route = '{method="POST",path="/v1/fixes",status="200"}'
    assert _metric(client, f"skyfix_requests_total{route}") >= 1
    assert _metric(client, "skyfix_requests_in_flight") == 1


def _metric(client: httpx2.Client, name: str) -> float:
    values = [line.rpartition(" ") for line in client.get("/metrics").text.splitlines()]
    return next((float(value) for one, _, value in values if one == name), 0.0)


def test_description_has_examples_that_fit(client: httpx2.Client) -> None:
    from skyfix.serve import answers

    description = client.get("/openapi.json").json()
    assert {"/v1/fixes", "/v1/tracks/{id}/events", "/v1/exports"} <= set(description["paths"])
    schemas = description["components"]["schemas"]
    answers.Fix.model_validate(schemas["Fix"]["example"])
    answers.Gallery.model_validate(schemas["Gallery"]["example"])
    assert "<script" not in client.get("/docs").text
    json.dumps(description, allow_nan=False)


def test_every_answer_has_the_security_headers(client: httpx2.Client) -> None:
    for path in ("/healthz", "/v1/galleries", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_example_client(service: Running, photo: Path) -> None:
    program = Path(__file__).parents[2] / "examples" / "service_client.py"
    command = [sys.executable, str(program), service.url, str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names, fix = done.stdout.splitlines()
    assert names == "Galleries: Our Scene"
    assert len(fix.split()) == 2 or "confidence" in fix
    missing = subprocess.run([*command[:3], str(program)], capture_output=True, text=True)
    assert missing.returncode == 1 and missing.stderr.startswith("415: Not a photo")

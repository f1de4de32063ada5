"""Videos and frames: fixes while they come, stopping, and who may be told to wait."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import av
import httpx2
import pytest
from conftest import POSE
from scene import Scene
from service_process import Running
from test_service_refusals import encoded, noise, refused

from skyfix.geo.camera import centre_on_ground
from skyfix.geo.ground import distance_m, offset

FRAMES = 5
FIELDS = {"altitude_m": "70", "field_of_view_deg": "65"}


@pytest.fixture(scope="session")
def flight(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A second a frame to the east, and a table of the drone's positions and attitude."""
    folder = tmp_path_factory.mktemp("flight")
    rows = ["time_s,lat,lon,heading_deg,pitch_deg"]
    with av.open(str(folder / "flight.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=1, width=480, height=270)
        for second in range(FRAMES):
            centre = scene.ground(-40.0 + 20 * second, 0.0)
            pixels = scene.photo(POSE, centre)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            east_m, north_m = -centre_on_ground(POSE)
            lon, lat = offset(*centre, east_m, north_m)
            rows.append(f"{second},{lat:.8f},{lon:.8f},{POSE.heading_deg},{POSE.pitch_deg}")
        container.mux(stream.encode())
    (folder / "flight.csv").write_text("\n".join(rows) + "\n")
    return folder / "flight.mp4", folder / "flight.csv"


def start(client: httpx2.Client, flight: tuple[Path, Path], **fields: str) -> httpx2.Response:
    video, telemetry = flight
    files = {"video": ("../flight.mp4", video.read_bytes()),
             "telemetry": ("flight.csv", telemetry.read_bytes())}  # fmt: skip
    return client.post("/v1/tracks", files=files, data={**FIELDS, **fields})


def events(client: httpx2.Client, path: str) -> Iterator[tuple[str, dict]]:
    with client.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


def until_over(client: httpx2.Client, id_: str) -> dict:
    deadline = time.monotonic() + 60
    while (track := client.get(f"/v1/tracks/{id_}").json())["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return track


def test_video_gives_a_fix_a_frame_and_then_smoothed_ones(
    client: httpx2.Client, flight: tuple[Path, Path], scene: Scene
) -> None:
    answer = start(client, flight, smooth="true")
    assert answer.status_code == 202, answer.text
    told = list(events(client, answer.json()["events"]))
    assert [name for name, _ in told] == ["fix"] * FRAMES + ["done"]
    fixes = [data for name, data in told if name == "fix"]
    assert [one["photo"] for one in fixes] == [f"flight.mp4#{n}" for n in range(FRAMES)]
    assert sum(one["located"] for one in fixes) >= 4
    last = fixes[-1]
    assert float(distance_m(last["lon"], last["lat"], *scene.ground(40.0, 0.0))) < 15
    truth = distance_m(last["camera_lon"], last["camera_lat"], last["truth_lon"], last["truth_lat"])
    assert float(truth) < 15
    assert all(len(one["candidates"]) == 5 and one["candidates"][0]["corners"] for one in fixes)
    track = client.get(f"/v1/tracks/{answer.json()['id']}").json()
    assert track["status"] == "done" and track["fixes"] == told[-1][1]["fixes"]
    assert {one["method"] for one in track["fixes"]} == {"smoother"}
    assert client.delete(f"/v1/tracks/{track['id']}").status_code == 204
    refused(client.get(f"/v1/tracks/{track['id']}"), 404)


def test_frames_are_a_track_too(client: httpx2.Client, scene: Scene, service: Running) -> None:
    pixels = [scene.photo(POSE, scene.ground(x, 0.0)) for x in (-20.0, 20.0)]
    from PIL import Image

    files = [
        ("frames", (f"shot {number}.jpg", encoded(Image.fromarray(one), "JPEG")))
        for number, one in enumerate(pixels)
    ]
    given = {"heading_deg": "30", "pitch_deg": "-60", **FIELDS}
    answer = client.post("/v1/tracks", files=files, data=given)
    assert answer.status_code == 202, answer.text
    track = until_over(client, answer.json()["id"])
    assert [Path(one["photo"]).name for one in track["fixes"]] == ["shot 0.jpg", "shot 1.jpg"]
    assert "one a second is assumed" in " ".join(track["notes"])
    assert "/tmp" not in json.dumps(track)


def test_stopped_by_its_client(client: httpx2.Client, flight: tuple[Path, Path]) -> None:
    id_ = start(client, flight, every_s="0.1").json()["id"]
    assert client.delete(f"/v1/tracks/{id_}").status_code == 204
    track = until_over(client, id_)
    assert track["status"] == "stopped" and len(track["fixes"]) < FRAMES


def test_too_many_tracks(client: httpx2.Client, flight: tuple[Path, Path]) -> None:
    answers = [start(client, flight) for _ in range(4)]
    statuses = [one.status_code for one in answers]
    assert statuses[:2] == [202, 202] and 429 in statuses
    for one in answers:
        if one.status_code == 429:
            refused(one, 429)
        else:
            client.delete(f"/v1/tracks/{one.json()['id']}")
            until_over(client, one.json()["id"])


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"video": b"just text"}, 415),
        ({"video": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"}, 415),
        ({"video": b"ffconcat version 1.0\nfile /etc/passwd\n"}, 415),
        ({"video": b""}, 415),
        ({"video": b"\0\0\0\x18ftypmp42" + bytes(100)}, 422),
        ({"frames": b"just text"}, 415),
        ({}, 415),
        ({"telemetry": b"1"}, 422),
    ],
)
def test_what_is_no_video(client: httpx2.Client, files: dict[str, bytes], status: int) -> None:
    refused(client.post("/v1/tracks", files=files, data=FIELDS), status)


def test_bad_telemetry(client: httpx2.Client, flight: tuple[Path, Path]) -> None:
    video = flight[0].read_bytes()
    for content, status in ((b"\0\1\2", 415), (b"a,b\n1,2\n", 422), (b"", 422)):
        files = {"video": video, "telemetry": ("t.mp4", content)}
        refused(client.post("/v1/tracks", files=files), status)


def test_truncated_video_gives_what_it_has(
    client: httpx2.Client, flight: tuple[Path, Path], tmp_path: Path
) -> None:
    content = flight[0].read_bytes()
    answer = client.post("/v1/tracks", files={"video": content[: len(content) // 2]})
    if answer.status_code != 202:
        refused(answer, 422)
    else:
        assert until_over(client, answer.json()["id"])["status"] in ("done", "failed")


def test_too_many_frames(client: httpx2.Client) -> None:
    content = encoded(noise(size=(32, 32)), "JPEG")
    files = [("frames", (f"{number}.jpg", content)) for number in range(41)]
    refused(client.post("/v1/tracks", files=files), 413)


def test_track_that_nobody_watches_is_stopped(
    client: httpx2.Client, scene: Scene, service: Running, tmp_path: Path
) -> None:
    path = tmp_path / "long.mp4"
    pixels = scene.photo(POSE, scene.middle)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, width=480, height=270)
        for _ in range(38):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    given = {"heading_deg": "30", "pitch_deg": "-60", **FIELDS}
    answer = client.post("/v1/tracks", files={"video": path.read_bytes()}, data=given)
    stream_of = events(client, answer.json()["events"])
    next(stream_of)
    stream_of.close()
    sources = f"skyfix-serve-*/tracks/{answer.json()['id']}/source"
    deadline = time.monotonic() + 30
    while list(service.folder.glob(sources)) and time.monotonic() < deadline:
        time.sleep(0.2)
    track = client.get(f"/v1/tracks/{answer.json()['id']}").json()
    assert track["status"] == "stopped" and "Nobody asked" in track["notes"][-1]
    assert 0 < len(track["fixes"]) < 38

"""Who is let in, and when the service refuses to start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import free_port
from starlette.testclient import TestClient
from test_service_refusals import refused

from skyfix.cli import main
from skyfix.serve.app import create_app
from skyfix.serve.settings import Settings

KEY = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def guarded(gallery_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings((str(gallery_path),), tmp_path_factory.mktemp("guarded"), "0.0.0.0", KEY)
    with TestClient(create_app(settings), base_url="http://maps.example.org") as client:
        yield client


@pytest.fixture(scope="module")
def local(gallery_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings((str(gallery_path),), tmp_path_factory.mktemp("local"))
    with TestClient(create_app(settings), base_url="http://localhost:8652") as client:
        yield client


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY}0"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
def test_without_the_key_nothing_is_told(guarded: TestClient, given: dict) -> None:
    for path in ("/v1/galleries", "/v1/galleries/our-scene/map/1/1/1.png", "/metrics", "/nothing"):
        answer = guarded.get(path, headers=given)
        refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    refused(guarded.post("/v1/fixes", content=b"x", headers=given), 401)


def test_with_the_key(guarded: TestClient) -> None:
    given = {"Authorization": f"bearer {KEY}"}
    assert guarded.get("/v1/galleries", headers=given).status_code == 200
    foreign = {**given, "Origin": "https://elsewhere.example.org"}
    assert guarded.get("/v1/galleries", headers=foreign).status_code == 200


def test_what_needs_no_key(guarded: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/static/nothing.js").status_code == 404


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.org", "", "localhost\t.x"])
def test_other_names_of_this_machine_are_refused(local: TestClient, host: str) -> None:
    refused(local.get("/v1/galleries", headers={"Host": host}), 403)


def test_pages_of_other_sites_are_refused(local: TestClient) -> None:
    for origin in ("https://evil.example.org", "null", "http://localhost:9999"):
        refused(local.post("/v1/exports", json={}, headers={"Origin": origin}), 403)
    own = {"Origin": "http://localhost:8652"}
    assert local.get("/v1/galleries", headers=own).status_code == 200
    refused(local.post("/v1/exports", json={}, headers=own), 422)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_info:
        main(["serve", "--port", str(free_port()), *arguments])
    lines = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def test_refuses_to_start(
    capsys: pytest.CaptureFixture[str], gallery_path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("SKYFIX_API_KEY", raising=False)
    gallery = str(gallery_path)
    assert "give a key" in complaint(capsys, "--gallery", gallery, "--host", "0.0.0.0")
    assert "Not a gallery" in complaint(capsys, "--gallery", str(tmp_path / "none"))
    assert "Make it" in complaint(capsys, "--gallery", gallery, "--temp", str(tmp_path / "none"))
    missing = str(tmp_path / "key")
    assert "Cannot read" in complaint(capsys, "--gallery", gallery, "--api-key-file", missing)
    (tmp_path / "key").write_text("short\n")
    assert "shorter" in complaint(capsys, "--gallery", gallery, "--api-key-file", missing)
    monkeypatch.setenv("SKYFIX_API_KEY", KEY)
    assert "--no-key" in complaint(capsys, "--gallery", gallery, "--no-key")
    assert "Cannot listen" in complaint(capsys, "--gallery", gallery, "--host", "203.0.113.1")

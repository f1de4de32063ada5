"""Too much, too slow, too many: refused, and afterwards the service is as before."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from conftest import FIELDS
from service_process import Running
from test_service_refusals import NOT_PHOTOS, encoded, noise, refused

MIB = 2**20
FORM = {"Content-Type": "multipart/form-data; boundary=line"}
HEAD = b'--line\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
MOST_GROWN_MIB = 96
"""Allowed growth of resident memory over all abuse; the same photos located bring most of it."""


def raw(service: Running, head: str) -> socket.socket:
    """A connection on which a request has been begun."""
    connection = socket.create_connection(service.address, timeout=30)
    connection.sendall(head.replace("\n", "\r\n").encode())
    return connection


def begun(length: int) -> str:
    return (
        "POST /v1/fixes HTTP/1.1\nHost: 127.0.0.1\nContent-Type: multipart/form-data; "
        f"boundary=line\nContent-Length: {length}\n\n"
    )


def over_limit(client: httpx2.Client) -> None:
    content = HEAD + b"\xff\xd8\xff" + bytes(5 * MIB) + b"\r\n--line--\r\n"
    refused(client.post("/v1/fixes", content=content, headers=FORM), 413)


def chunked_over_limit(client: httpx2.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield HEAD + b"\xff\xd8\xff"
        for _ in range(80):
            yield bytes(MIB // 8)

    answer = client.post("/v1/fixes", content=pieces(), headers=FORM)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    refused(answer, 413)


def vanish(service: Running) -> None:
    """Once amid the body, once after it."""
    raw(service, begun(200_000)).close()
    body = HEAD + encoded(noise(size=(1600, 1200)), "JPEG") + b"\r\n--line--\r\n"
    connection = raw(service, begun(len(body)))
    connection.sendall(body)
    connection.close()


def uploads(service: Running, photo: bytes, count: int) -> Counter[int]:
    def one(_: int) -> int:
        with service.client() as client:
            answer = client.post("/v1/fixes", files={"photo": photo},
                                 data={**FIELDS, "register": "false"})  # fmt: skip
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) > 0
            refused(answer, 429)
        return answer.status_code

    with ThreadPoolExecutor(64) as pool:
        return Counter(pool.map(one, range(count)))


def test_body_over_the_limit(client: httpx2.Client) -> None:
    over_limit(client)


def test_chunked_body_over_the_limit(client: httpx2.Client) -> None:
    chunked_over_limit(client)


def test_json_over_the_limit(client: httpx2.Client) -> None:
    refused(client.post("/v1/exports", json={"fixes": ["x" * (MIB + 1)]}), 413)


@pytest.mark.parametrize("pace", ["stalled", "dribbling"])
def test_slow_body(service: Running, pace: str) -> None:
    with raw(service, begun(100_000)) as connection:
        connection.sendall(HEAD)
        started = time.monotonic()
        answer = b""
        connection.settimeout(0.2)
        while b"\r\n\r\n" not in answer and time.monotonic() - started < 10:
            try:
                if pace == "dribbling":
                    connection.sendall(b"x")
                answer += connection.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408"), answer
        assert time.monotonic() - started < 5


def test_many_uploads_at_a_time(service: Running, photo: Path) -> None:
    statuses = uploads(service, photo.read_bytes(), 200)
    assert set(statuses) <= {200, 429} and sum(statuses.values()) == 200
    assert statuses[200] >= 16, statuses


def test_client_that_vanishes_is_not_worked_for(
    service: Running, client: httpx2.Client, photo: Path
) -> None:
    body = HEAD + photo.read_bytes() + b"\r\n--line--\r\n"
    before = _seen(client, "499")
    connections = [raw(service, begun(len(body))) for _ in range(8)]
    for connection in connections:
        connection.sendall(body)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 20
    while _seen(client, "499") == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _seen(client, "499") > before
    assert service.left_over() == []


def _seen(client: httpx2.Client, status: str) -> float:
    line = f'skyfix_requests_total{{method="POST",path="/v1/fixes",status="{status}"}} '
    lines = client.get("/metrics").text.splitlines()
    return next((float(one.removeprefix(line)) for one in lines if one.startswith(line)), 0.0)


def test_memory_and_answers_are_as_before_after_abuse(
    service: Running, client: httpx2.Client, photo: Path
) -> None:
    def fix() -> dict:
        files = {"photo": ("photo.jpg", photo.read_bytes())}
        return client.post("/v1/fixes", files=files, data=FIELDS).json()

    small = photo.read_bytes()
    uploads(service, small, 32)
    first = fix()
    before = service.rss_mib()
    contents = [(make(), name) for make, name, _ in NOT_PHOTOS.values()]
    for _ in range(2):
        over_limit(client)
        chunked_over_limit(client)
        vanish(service)
        for content, name in contents:
            client.post("/v1/fixes", files={"photo": (name, content)})
        uploads(service, small, 40)
    assert fix() == first
    grown = service.rss_mib() - before
    print(f"resident {before:.0f} MiB, grown by {grown:.0f} MiB")
    assert grown < MOST_GROWN_MIB, f"{before:.0f} MiB, grown by {grown:.0f}"
    assert service.left_over() == []


def test_idle_connections_do_not_stop_others(service: Running, client: httpx2.Client) -> None:
    idle = [raw(service, "POST /v1/fixes HTTP/1.1\n") for _ in range(100)]
    try:
        assert client.get("/healthz").json() == {"status": "ok"}
    finally:
        for connection in idle:
            connection.close()


def test_requests_wait_no_longer_than_allowed(
    gallery_path: Path, tmp_path: Path, photo: Path
) -> None:
    from starlette.testclient import TestClient

    from skyfix.serve.app import create_app
    from skyfix.serve.settings import Limits, Settings

    settings = Settings((str(gallery_path),), tmp_path, limits=Limits(request_s=0.3))
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        held = threading.Event()
        client.app.state.service.model.call(held.wait)
        try:
            answer = client.post("/v1/fixes", files={"photo": photo.read_bytes()})
            refused(answer, 503)
            assert "retry-after" in answer.headers
        finally:
            held.set()
        assert json.loads(client.get("/healthz").text) == {"status": "ok"}

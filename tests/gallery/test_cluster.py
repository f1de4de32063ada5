"""What is said where there is no Ray, no cluster, or no address of one."""

import socket
import sys
from pathlib import Path

import pytest
from rasters import texture, write_map

from skyfix.cli import main
from skyfix.errors import SkyfixError
from skyfix.gallery.cluster import Crew, join


def test_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    path = write_map(tmp_path / "m.tif", texture(200, 200))
    words = ["--out", f"{tmp_path / 'g'}", "--system", "imagenet", "--tile-m", "20"]
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "build", f"{path}", *words, "--ray", "auto"])
    assert caught.value.code == 2
    assert "pip install 'skyfix[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "g").exists()


def test_an_address_without_a_cluster_is_one_line() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'skyfix[ray]'")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{unheard.getsockname()[1]}"
        for address in (closed, "auto:", "ray://127.0.0.1:10001", "nowhere"):
            with pytest.raises(SkyfixError, match=f"No Ray cluster at {address}: ") as caught:
                join(address)
            assert "\n" not in str(caught.value)


def test_no_worker_is_hired_for_nothing() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'skyfix[ray]'")
    crew = Crew[int, int](lambda: pytest.fail("hired"), 3)
    assert list(crew.results(iter([]))) == []

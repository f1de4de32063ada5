"""What is said where Ray is not installed."""

import sys
from pathlib import Path

import pytest
from rasters import texture, write_map

from skyfix.cli import main


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

"""`skyfix calibrate` with input that cannot be used."""

from pathlib import Path

import pytest

from skyfix.cli import main


@pytest.mark.parametrize(
    ("text", "says"),
    [("file,lon\n", "column lat missing"), ("file,lon,lat\na.jpg,1,2\n", "no such photo"),
     (None, "No table of labelled photos")],
)  # fmt: skip
def test_bad_tables_end_with_one_line(tmp_path: Path, capsys, text, says):
    if text is not None:
        (tmp_path / "photos.csv").write_text(text)
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", str(tmp_path / "gallery"), "--photos", str(tmp_path / "photos.csv")])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert says in error
    assert error.count("\n") == 1

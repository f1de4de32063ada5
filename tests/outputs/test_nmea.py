"""NMEA sentences, read back by pynmea2 where it is installed and by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_fixes import START, flight, located, lost, posed

from skyfix.outputs.nmea import NmeaStream, sentences, write_nmea


def fields(sentence: str) -> list[str]:
    """The parts of a sentence, after its checksum was found right."""
    assert sentence.endswith("\r\n")
    assert len(sentence) <= 82 or "GGA" not in sentence
    body, _, checksum = sentence.strip()[1:].partition("*")
    value = 0
    for character in body:
        value ^= ord(character)
    assert f"{value:02X}" == checksum
    return body.split(",")


def degrees(value: str, sign: str) -> float:
    whole = int(value[: value.index(".") - 2])
    return (whole + float(value[value.index(".") - 2 :]) / 60) * (-1 if sign in "SW" else 1)


def test_a_fix_is_said_as_an_estimate() -> None:
    gga, rmc, gst = (fields(sentence) for sentence in sentences(posed()))
    assert gga[:2] == ["GNGGA", "123045.25"]
    # The camera's place, not the photo's centre.
    assert degrees(gga[2], gga[3]) == pytest.approx(-33.2505, abs=1e-6)
    assert degrees(gga[4], gga[5]) == pytest.approx(-70.4995, abs=1e-6)
    assert gga[6:9] == ["6", "00", ""]
    assert len(gga) == 15
    assert rmc[2:7] == ["A", *gga[2:6]]
    assert (rmc[9], rmc[12], len(rmc)) == ("010326", "E", 13)
    assert float(gst[6]) == float(gst[7]) == pytest.approx(12.5 / 1.5096, abs=0.01)
    assert len(gst) == 9


def test_without_a_camera_it_is_the_photos_centre_and_without_a_time_the_clock_is_empty() -> None:
    gga, rmc, _ = (fields(sentence) for sentence in sentences(located()))
    assert gga[1:6] == ["", "4500.00000", "N", "01500.00000", "E"]
    assert rmc[1] == rmc[9] == ""


def test_not_located_has_no_position() -> None:
    gga, rmc = (fields(sentence) for sentence in sentences(lost(time=START)))
    assert gga[1:7] == ["123045.25", "", "", "", "", "0"]
    assert rmc[1:7] == ["123045.25", "V", "", "", "", ""]
    assert rmc[12] == "N"


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_every_position_comes_back(lon: float, lat: float) -> None:
    gga = fields(sentences(located(lon=lon, lat=lat))[0])
    assert degrees(gga[4], gga[5]) == pytest.approx(lon, abs=1e-7)
    assert degrees(gga[2], gga[3]) == pytest.approx(lat, abs=1e-7)


def test_a_parser_of_others_reads_the_file(tmp_path: Path) -> None:
    pynmea2 = pytest.importorskip("pynmea2")
    write_nmea([posed(), lost()], tmp_path / "log.nmea")
    lines = (tmp_path / "log.nmea").read_text().splitlines()
    gga, rmc, gst, none, void = (pynmea2.parse(line, check=True) for line in lines)
    assert gga.latitude == pytest.approx(-33.2505, abs=1e-6)
    assert rmc.longitude == pytest.approx(-70.4995, abs=1e-6)
    assert rmc.datetime.replace(tzinfo=None) == START.replace(tzinfo=None)
    assert (gga.gps_qual, none.gps_qual) == (6, 0)
    assert (rmc.is_valid, void.is_valid) == (True, False)
    assert gst.std_dev_latitude == pytest.approx(8.28)
    assert none.latitude == 0.0 or none.lat == ""


def test_a_stream_grows(tmp_path: Path) -> None:
    path = tmp_path / "live.nmea"
    sizes = []
    with NmeaStream(path) as stream:
        for fix in flight(3, None):
            stream.write(fix)
            sizes.append(path.read_bytes().count(b"\r\n"))
    assert sizes == [3, 6, 9]

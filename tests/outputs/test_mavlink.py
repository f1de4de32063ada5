"""Messages over loopback, received and decoded by pymavlink."""

import math
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from autopilot import Autopilot
from sample_fixes import START, located, lost, posed

from skyfix.errors import SkyfixError
from skyfix.outputs.mavlink import MavlinkSender, send_fixes

pytest.importorskip("pymavlink")


@pytest.fixture
def autopilot() -> Iterator[Autopilot]:
    other = Autopilot()
    yield other
    other.close()


def test_gps_input_says_only_what_is_known(autopilot: Autopilot) -> None:
    with MavlinkSender(autopilot.address) as sender:
        assert sender.write(posed())
    (message,) = autopilot.messages()
    assert message.get_type() == "GPS_INPUT"
    assert (message.get_srcSystem(), message.get_srcComponent()) == (1, 197)
    assert (message.lat, message.lon) == (-332505000, -704995000)
    assert message.horiz_accuracy == 12.5
    # All but horizontal accuracy: altitude, HDOP, VDOP, velocities, their and vertical accuracy.
    assert message.ignore_flags == 0b10111111
    assert (message.fix_type, message.satellites_visible) == (3, 0)
    assert message.time_usec == round(START.timestamp() * 1e6)
    # Independent: seconds since the GPS epoch in days and the 18 leap seconds since.
    days = (datetime(2026, 3, 1, tzinfo=UTC) - datetime(1980, 1, 6, tzinfo=UTC)).days
    assert message.time_week == days // 7
    clock_s = 12 * 3600 + 30 * 60 + 45.25 + 18
    assert message.time_week_ms == (days % 7) * 86_400_000 + clock_s * 1000


def test_a_time_that_is_not_known_is_not_made_up(autopilot: Autopilot) -> None:
    send_fixes([posed(time=None)], autopilot.address, "gps_input")
    (message,) = autopilot.messages()
    assert (message.time_usec, message.time_week, message.time_week_ms) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["gps_input", "odometry", "position_estimate"])
def test_nothing_is_sent_where_nothing_is_known(kind: Any, autopilot: Autopilot) -> None:
    sender = send_fixes([lost(), located(), lost()], autopilot.address, kind)
    assert (sender.sent, sender.without_camera) == (0, 1)
    assert autopilot.messages() == []


def test_odometry_is_relative_to_its_origin(autopilot: Autopilot) -> None:
    fixes = [
        posed(camera_lon=15.001, camera_lat=45.002, heading_deg=90.0),
        posed(camera_lon=15.001, camera_lat=45.002, heading_deg=None, confidence=0.004),
    ]
    send_fixes(fixes, autopilot.address, "odometry", origin=(15.0, 45.0))
    first, second = autopilot.messages()
    assert first.get_type() == "ODOMETRY"
    assert (first.frame_id, first.child_frame_id) == (1, 12)
    # A degree at 45 degrees of latitude: 111,132 m north, 78,847 m east (WGS84 series).
    assert first.x == pytest.approx(222.3, abs=0.1)
    assert first.y == pytest.approx(78.8, abs=0.1)
    assert first.q == pytest.approx([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    diagonal = [first.pose_covariance[index] for index in (0, 6, 11, 15, 18, 20)]
    assert diagonal[0] == diagonal[1] == pytest.approx((12.5 / 1.5096) ** 2, rel=1e-3)
    assert diagonal[2] == 1e6
    assert diagonal[5] < 1 < diagonal[3]
    assert math.isnan(first.vx)
    assert math.isnan(first.velocity_covariance[0])
    assert (first.quality, second.quality) == (91, 1)
    assert second.pose_covariance[20] > 9


def test_the_first_position_is_the_origin_if_none_is_given(autopilot: Autopilot) -> None:
    send_fixes([lost(), posed(), posed(camera_lat=-33.2405)], autopilot.address, "odometry")
    first, second = autopilot.messages()
    assert (first.x, first.y) == (0.0, 0.0)
    assert second.x == pytest.approx(0.01 * 110_900, rel=1e-3)


def test_position_estimate_is_a_command(autopilot: Autopilot) -> None:
    before_s = datetime.now(UTC).timestamp() - START.timestamp()
    send_fixes([posed()], autopilot.address, "position_estimate")
    (message,) = autopilot.messages()
    assert message.get_type() == "COMMAND_INT"
    assert message.command == 43003
    assert (message.x, message.y) == (-332505000, -704995000)
    assert message.param3 == pytest.approx(12.5 / 1.5096, rel=1e-3)
    # The age of the photo; a 32 bit float holds it to a few seconds.
    assert message.param2 == pytest.approx(max(0.0, before_s), abs=10)
    assert math.isnan(message.z)


def test_a_connection_by_tcp() -> None:
    from pymavlink.dialects.v20 import common

    with socket.create_server(("127.0.0.1", 0)) as server:
        received: list[bytes] = []

        def take() -> None:
            line, _ = server.accept()
            with line:
                received.append(line.recv(4096))

        other = threading.Thread(target=take)
        other.start()
        send_fixes([posed()], f"tcp:127.0.0.1:{server.getsockname()[1]}", "gps_input")
        other.join(timeout=5)
    (message,) = common.MAVLink(None).parse_buffer(received[0])
    assert message.get_type() == "GPS_INPUT"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("14550", "Not a MAVLink address"),
        ("udpout:127.0.0.1", "Not a MAVLink address"),
        ("udpout:::1:14550", "Not a MAVLink address"),
        ("udpin:127.0.0.1:14550", "Not a MAVLink address"),
        ("/dev/null", "Not a MAVLink address"),
        ("udpout:no such host.invalid:14550", "Cannot reach"),
        ("tcp:127.0.0.1:1", "Cannot reach"),
    ],
)
def test_bad_addresses(address: str, reason: str) -> None:
    with pytest.raises(SkyfixError, match=reason):
        MavlinkSender(address)


def test_unknown_messages(autopilot: Autopilot) -> None:
    with pytest.raises(SkyfixError, match="Known: gps_input, odometry, position_estimate"):
        MavlinkSender(autopilot.address, "heartbeat")  # type: ignore[arg-type]

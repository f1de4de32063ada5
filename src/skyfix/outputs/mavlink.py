"""Fixes to a flight controller over MAVLink (https://mavlink.io, common message set)."""

import math
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self, get_args

from skyfix.errors import SkyfixError
from skyfix.geo.ground import east_north
from skyfix.localize.fix import Fix
from skyfix.outputs.positions import UNKNOWN_VARIANCE_M2, LonLat, camera, sigma_m

Message = Literal["gps_input", "odometry", "position_estimate"]

_SOURCE_SYSTEM, _TARGET_SYSTEM, _TARGET_COMPONENT = 1, 1, 1
_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
_LEAP_S = 18
"""GPS time is ahead of UTC by this much since 2017."""
_WEEK_MS = 7 * 24 * 3600 * 1000
_UNKNOWN_DOP = 65535
_CLOCK_WRAP_S = 36000.0


class MavlinkSender:
    """Sends positions of the camera as MAVLink 2 messages; a context manager.

    Only what is known is sent: nothing for a photo that was not located, and nothing where the
    camera's own place is unknown, for the ground at the photo's centre may lie far ahead of the
    aircraft. Times are those of the photo (``Fix.time``), 0 where it is not known.

    - ``gps_input``: GPS_INPUT (232). Altitude, velocities, dilutions and their accuracies are
      flagged to be ignored; ``horiz_accuracy`` is the 68 % radius. ``fix_type`` is 3 because
      ArduPilot's filter takes nothing less, although the height is not ours; no satellites are
      claimed.
    - ``odometry``: ODOMETRY (331), metres north and east of ``origin`` (MAV_FRAME_LOCAL_NED), for
      autopilots whose local frame has that origin. Height and attitude other than a known
      heading are not measured: they are 0 with a large variance; velocities are NaN. ``quality``
      is the confidence in percent.
    - ``position_estimate``: MAV_CMD_EXTERNAL_POSITION_ESTIMATE (43003) as COMMAND_INT, for an
      occasional reset; its accuracy is one standard deviation, its processing time the age of
      the photo, as far as it is known.

    Args:
        address: ``udpout:HOST:PORT`` or ``tcp:HOST:PORT``.
        message: what is sent.
        origin: (lon, lat) of the local frame for ``odometry``; the first position sent if None.

    Raises:
        SkyfixError: an unknown message, or an address that cannot be reached.
        ModuleNotFoundError: ``pymavlink`` is not installed.
    """

    def __init__(
        self, address: str, message: Message = "gps_input", origin: LonLat | None = None
    ) -> None:
        from pymavlink.dialects.v20 import common

        if message not in get_args(Message):
            known = ", ".join(get_args(Message))
            raise SkyfixError(f"No MAVLink message {message!r} here. Known: {known}.")
        self.sent = 0
        """Messages sent."""
        self.without_camera = 0
        """Located fixes that were not sent because the camera's place is unknown."""
        self._common, self._message, self._origin = common, message, origin
        self._link = _connect(address)
        # Own encoder: the one of the connection speaks MAVLink 1 unless the environment asks for 2.
        component = common.MAV_COMP_ID_VISUAL_INERTIAL_ODOMETRY
        self._encoder = common.MAVLink(self._link, _SOURCE_SYSTEM, component)

    def write(self, fix: Fix) -> bool:
        """Send one fix; whether something was sent.

        Raises:
            SkyfixError: the connection has broken.
        """
        position = camera(fix)
        if position is None:
            self.without_camera += fix.located
            return False
        make = {
            "gps_input": self._gps_input,
            "odometry": self._odometry,
            "position_estimate": self._position_estimate,
        }[self._message]
        try:
            self._encoder.send(make(fix, position))
        except OSError as error:
            raise SkyfixError(f"The MAVLink connection has broken: {error}.") from error
        self.sent += 1
        return True

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _gps_input(self, fix: Fix, position: LonLat) -> Any:
        common = self._common
        ignored = (
            common.GPS_INPUT_IGNORE_FLAG_ALT
            | common.GPS_INPUT_IGNORE_FLAG_HDOP
            | common.GPS_INPUT_IGNORE_FLAG_VDOP
            | common.GPS_INPUT_IGNORE_FLAG_VEL_HORIZ
            | common.GPS_INPUT_IGNORE_FLAG_VEL_VERT
            | common.GPS_INPUT_IGNORE_FLAG_SPEED_ACCURACY
            | common.GPS_INPUT_IGNORE_FLAG_VERTICAL_ACCURACY
        )
        week, week_ms = _gps_time(fix)
        return common.MAVLink_gps_input_message(
            time_usec=_unix_us(fix),
            gps_id=0,
            ignore_flags=ignored,
            time_week_ms=week_ms,
            time_week=week,
            fix_type=common.GPS_FIX_TYPE_3D_FIX,
            lat=round(position[1] * 1e7),
            lon=round(position[0] * 1e7),
            alt=0.0,
            hdop=_UNKNOWN_DOP,
            vdop=_UNKNOWN_DOP,
            vn=0.0,
            ve=0.0,
            vd=0.0,
            speed_accuracy=0.0,
            horiz_accuracy=fix.accuracy_m or 0.0,
            vert_accuracy=0.0,
            satellites_visible=0,
        )

    def _odometry(self, fix: Fix, position: LonLat) -> Any:
        common = self._common
        self._origin = self._origin or position
        east_m, north_m = east_north(*self._origin, *position)
        half = math.radians(fix.heading_deg or 0.0) / 2
        nan = math.nan
        return common.MAVLink_odometry_message(
            time_usec=_unix_us(fix),
            frame_id=common.MAV_FRAME_LOCAL_NED,
            child_frame_id=common.MAV_FRAME_BODY_FRD,
            x=float(north_m),
            y=float(east_m),
            z=0.0,
            q=[math.cos(half), 0.0, 0.0, math.sin(half)],
            vx=nan,
            vy=nan,
            vz=nan,
            rollspeed=nan,
            pitchspeed=nan,
            yawspeed=nan,
            pose_covariance=_covariance(fix),
            velocity_covariance=[nan, *[0.0] * 20],
            reset_counter=0,
            estimator_type=common.MAV_ESTIMATOR_TYPE_VISION,
            quality=max(1, round(100 * fix.confidence)),
        )

    def _position_estimate(self, fix: Fix, position: LonLat) -> Any:
        common = self._common
        now_s = time.time()
        age_s = max(0.0, now_s - fix.time.timestamp()) if fix.time else 0.0
        return common.MAVLink_command_int_message(
            target_system=_TARGET_SYSTEM,
            target_component=_TARGET_COMPONENT,
            frame=common.MAV_FRAME_GLOBAL,
            command=common.MAV_CMD_EXTERNAL_POSITION_ESTIMATE,
            current=0,
            autocontinue=0,
            # A 32 bit float holds the time to about 2 ms when it starts anew every ten hours.
            param1=now_s % _CLOCK_WRAP_S,
            param2=age_s,
            param3=sigma_m(fix),
            param4=0.0,
            x=round(position[1] * 1e7),
            y=round(position[0] * 1e7),
            z=math.nan,
        )


def send_fixes(
    fixes: Sequence[Fix], address: str, message: Message, origin: LonLat | None = None
) -> MavlinkSender:
    """Send fixes one after the other; the closed sender tells how many went out."""
    with MavlinkSender(address, message, origin) as sender:
        for fix in fixes:
            sender.write(fix)
    return sender


def _connect(address: str) -> Any:
    from pymavlink import mavutil

    scheme, _, place = address.partition(":")
    host, _, port = place.rpartition(":")
    if scheme not in ("udpout", "tcp") or not host or ":" in host or not port.isdecimal():
        raise SkyfixError(
            f"Not a MAVLink address: {address}. Give udpout:HOST:PORT or tcp:HOST:PORT, such as "
            "udpout:127.0.0.1:14550."
        )
    try:
        # Datagrams to a host that does not exist would be lost without a word.
        socket.getaddrinfo(host, int(port))
        return mavutil.mavlink_connection(address, retries=0)
    except (OSError, OverflowError) as error:
        raise SkyfixError(f"Cannot reach {address}: {error}. Check host and port.") from error


def _unix_us(fix: Fix) -> int:
    return round(fix.time.timestamp() * 1e6) if fix.time else 0


def _gps_time(fix: Fix) -> tuple[int, int]:
    """GPS week and milliseconds in it; zeros if the time is not known."""
    if fix.time is None:
        return 0, 0
    since_ms = round(((fix.time - _GPS_EPOCH).total_seconds() + _LEAP_S) * 1000)
    return divmod(since_ms, _WEEK_MS)


def _covariance(fix: Fix) -> list[float]:
    """Upper triangle, row by row, of x, y, z (m^2), roll, pitch, yaw (rad^2)."""
    variance, unknown = sigma_m(fix) ** 2, math.pi**2
    # How well a heading is known is not told; 10 degrees are assumed.
    yaw = math.radians(10.0) ** 2 if fix.heading_deg is not None else unknown
    diagonal = (variance, variance, UNKNOWN_VARIANCE_M2, unknown, unknown, yaw)
    return [diagonal[row] if row == column else 0.0 for row in range(6) for column in range(row, 6)]

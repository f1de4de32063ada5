"""Where fixes go: the options that every command with fixes shares."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter
from rich import print as show
from rich.markup import escape

from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.gallery import Gallery
    from skyfix.localize import Fix
    from skyfix.outputs.mavlink import MavlinkSender


@Parameter(name="*")
@dataclass(frozen=True)
class Outputs:
    """Files, copies and messages to make of fixes.

    Parameters
    ----------
    out
        Write all fixes to this file, in the format of its suffix: .json, .jsonl, .geojson, .kml,
        .gpx, .csv, .nmea, .bag (ROS 2) or .html (a map page that needs no network); may be given
        several times.
    json
        Write all fixes to this file as JSON, whatever its suffix.
    geotag
        Copy the located JPEG photos to this new folder, with their positions in EXIF.
    mavlink
        Send camera positions to udpout:HOST:PORT or tcp:HOST:PORT.
    mavlink_message
        gps_input, odometry or position_estimate.
    mavlink_origin
        Longitude and latitude that odometry is relative to; the first position if not given.
    """

    out: tuple[Path, ...] = ()
    json: Path | None = None
    geotag: Path | None = None
    mavlink: str | None = None
    mavlink_message: Literal["gps_input", "odometry", "position_estimate"] = "gps_input"
    mavlink_origin: tuple[float, float] | None = None


def check(outputs: Outputs) -> None:
    """Refuse what cannot be done before photos are located for it.

    Raises:
        SkyfixError: a suffix without a format, a folder that holds something, a MAVLink address
            that cannot be reached or is missing.
    """
    from skyfix.outputs import check_output
    from skyfix.outputs.geotag import check_folder

    for path in outputs.out:
        check_output(path)
    if outputs.geotag is not None:
        check_folder(outputs.geotag)
    if outputs.mavlink is not None:
        from skyfix.outputs.mavlink import MavlinkSender

        MavlinkSender(outputs.mavlink).close()
    elif outputs.mavlink_origin is not None:
        raise SkyfixError("--mavlink-origin needs --mavlink with an address.")


def deliver(fixes: "Sequence[Fix]", outputs: Outputs, gallery: "Gallery") -> None:
    """Write and send fixes, and say what was left out.

    Raises:
        SkyfixError: something cannot be written or sent.
    """
    from skyfix.files import write_json
    from skyfix.outputs import write_fixes

    if outputs.json is not None:
        write_json(outputs.json, [fix.to_json() for fix in fixes])
    for path in outputs.out:
        write_fixes(fixes, path, gallery)
    if outputs.geotag is not None:
        _geotag(fixes, outputs.geotag)
    if outputs.mavlink is not None:
        _send(fixes, outputs.mavlink, outputs)


def _geotag(fixes: "Sequence[Fix]", folder: Path) -> None:
    from skyfix.outputs.geotag import geotag

    done = geotag(fixes, folder)
    for line in done.skipped:
        show(f"Not copied: {escape(line)}")
    show(f"{len(done.written)} photos with positions in {escape(str(folder))}")


def _send(fixes: "Sequence[Fix]", address: str, outputs: Outputs) -> None:
    from skyfix.outputs.mavlink import send_fixes

    _tell(send_fixes(fixes, address, outputs.mavlink_message, outputs.mavlink_origin))


@contextmanager
def sending(outputs: Outputs) -> "Iterator[Callable[[Fix], object]]":
    """What takes each fix of a sequence as it comes and sends it, if messages are wanted."""
    if outputs.mavlink is None:
        yield lambda _: None
        return
    from skyfix.outputs.mavlink import MavlinkSender

    message, origin = outputs.mavlink_message, outputs.mavlink_origin
    with MavlinkSender(outputs.mavlink, message, origin) as sender:
        yield sender.write
    _tell(sender)


def _tell(sender: "MavlinkSender") -> None:
    show(f"{sender.sent} MAVLink messages sent")
    if sender.without_camera:
        show(
            f"{sender.without_camera} fixes not sent: the camera's own place is unknown. Give "
            "heading, pitch, altitude and field of view."
        )

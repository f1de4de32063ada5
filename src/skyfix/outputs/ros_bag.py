"""Fixes as ROS 2 messages in a bag."""

import math
import shutil
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.localize.fix import Fix
from skyfix.outputs.positions import UNKNOWN_VARIANCE_M2, camera, receiver, sigma_m

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

TOPIC = "/skyfix/fix"
_TYPE = "sensor_msgs/msg/NavSatFix"
_VERSION: Literal[8] = 8
_NO_FIX, _FIX = -1, 0
_UNKNOWN, _APPROXIMATED = 0, 1


def write_ros_bag(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write a folder that ``ros2 bag play`` reads: sensor_msgs/NavSatFix on ``/skyfix/fix``.

    - ``header.stamp`` is the time of the photo (``time``, else ``time_s``), ``frame_id`` says
      which point it is: ``camera``, or ``photo_centre`` where the camera's place is not known;
    - the covariance is diagonal, from the accuracy; altitude is NaN with a variance of
      ``UNKNOWN_VARIANCE_M2``;
    - of a photo that was not located the status is NO_FIX and the position NaN.

    Raises:
        SkyfixError: a fix without a time, the folder holds something, or it cannot be written.
        ModuleNotFoundError: ``rosbags`` is not installed.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    path = Path(path)
    check_bag(path)
    stamped = sorted(((_stamp_ns(fix), fix) for fix in fixes), key=lambda pair: pair[0])
    store = get_typestore(Stores.ROS2_HUMBLE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            # The writer names its files after the folder.
            made = Path(folder) / path.name
            with Writer(made, version=_VERSION, storage_plugin=StoragePlugin.MCAP) as bag:
                topic = bag.add_connection(TOPIC, _TYPE, typestore=store)
                for stamp_ns, fix in stamped:
                    message = _message(fix, stamp_ns, store)
                    bag.write(topic, stamp_ns, store.serialize_cdr(message, _TYPE))
            if path.exists():
                path.rmdir()
            shutil.move(made, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(f"Cannot write {path}: {reason}. Choose another place.") from error


def check_bag(path: Path) -> None:
    """Refuse a bag that could not be written, before work is done for it.

    Raises:
        SkyfixError: the folder holds something.
        ModuleNotFoundError: ``rosbags`` is not installed.
    """
    import_module("rosbags.rosbag2")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SkyfixError(f"{path} exists already. Remove it or choose another name.")


def _stamp_ns(fix: Fix) -> int:
    if fix.time is not None:
        # Whole microseconds: a float would lose some of them.
        return round(fix.time.timestamp() * 1e6) * 1000
    if fix.time_s is not None and fix.time_s >= 0:
        return round(fix.time_s * 1e9)
    raise SkyfixError(
        f"A bag is ordered by time, and {fix.photo} tells none. Write another format, or locate "
        "photos whose EXIF holds a time."
    )


def _message(fix: Fix, stamp_ns: int, store: "Typestore") -> Any:
    types = store.types
    position = receiver(fix)
    lon, lat = position or (math.nan, math.nan)
    variance = sigma_m(fix) ** 2
    diagonal = [variance, variance, UNKNOWN_VARIANCE_M2] if position else [0.0, 0.0, 0.0]
    stamp = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    frame = "camera" if camera(fix) else "photo_centre"
    return types[_TYPE](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame),
        # No satellite service is behind the position.
        status=types["sensor_msgs/msg/NavSatStatus"](
            status=_FIX if position else _NO_FIX, service=0
        ),
        latitude=lat,
        longitude=lon,
        altitude=math.nan,
        position_covariance=np.diag(diagonal).ravel(),
        position_covariance_type=_APPROXIMATED if position else _UNKNOWN,
    )

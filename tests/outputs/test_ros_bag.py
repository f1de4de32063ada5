"""A bag of NavSatFix messages, read back."""

import math
from pathlib import Path

import pytest
from sample_fixes import START, flight, located, lost, posed

from skyfix.errors import SkyfixError
from skyfix.outputs.ros_bag import TOPIC, write_ros_bag

pytest.importorskip("rosbags.rosbag2")


def read(path: Path) -> list[tuple[int, object]]:
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(path) as bag:
        assert {entry.topic for entry in bag.connections} == {TOPIC}
        return [
            (stamp, store.deserialize_cdr(data, entry.msgtype))
            for entry, stamp, data in bag.messages()
        ]


def test_messages_come_back(tmp_path: Path) -> None:
    write_ros_bag([posed(), lost("x.jpg", time=START)], tmp_path / "fixes.bag")
    assert {path.suffix for path in (tmp_path / "fixes.bag").iterdir()} == {".mcap", ".yaml"}
    (stamp, found), (_, none) = read(tmp_path / "fixes.bag")
    assert stamp == round(START.timestamp() * 1e6) * 1000
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == divmod(stamp, 10**9)
    assert found.header.frame_id == "camera"
    assert (found.longitude, found.latitude) == (-70.4995, -33.2505)
    assert math.isnan(found.altitude)
    assert found.status.status == 0
    assert found.position_covariance[0] == pytest.approx((12.5 / 1.5096) ** 2, rel=1e-4)
    assert found.position_covariance[4] == found.position_covariance[0]
    assert found.position_covariance_type == 1
    assert none.status.status == -1
    assert math.isnan(none.longitude)
    assert math.isnan(none.latitude)
    assert none.position_covariance_type == 0


def test_messages_are_in_the_order_of_time(tmp_path: Path) -> None:
    write_ros_bag(list(reversed(flight())), tmp_path / "fixes.bag")
    stamps = [stamp for stamp, _ in read(tmp_path / "fixes.bag")]
    assert stamps == sorted(stamps)
    frames = [located(time_s=0.5), located(time_s=0.25)]
    write_ros_bag(frames, tmp_path / "video.bag")
    assert [stamp for stamp, _ in read(tmp_path / "video.bag")] == [250_000_000, 500_000_000]


def test_a_bag_needs_times_and_a_new_folder(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match=r"one\.jpg tells none"):
        write_ros_bag([located()], tmp_path / "fixes.bag")
    assert not list(tmp_path.iterdir())
    write_ros_bag(flight(), tmp_path / "fixes.bag")
    with pytest.raises(SkyfixError, match="exists already"):
        write_ros_bag(flight(), tmp_path / "fixes.bag")

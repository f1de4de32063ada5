"""A flight controller's end of a MAVLink line over loopback, decoded by pymavlink."""

import socket
from typing import Any


class Autopilot:
    """The other end of the line."""

    def __init__(self) -> None:
        from pymavlink.dialects.v20 import common

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._decoder = common.MAVLink(None)
        self.address = f"udpout:127.0.0.1:{self._socket.getsockname()[1]}"

    def messages(self) -> list[Any]:
        """All messages that have come."""
        found: list[Any] = []
        while True:
            try:
                found += self._decoder.parse_buffer(self._socket.recv(4096)) or []
            except TimeoutError:
                return found

    def close(self) -> None:
        self._socket.close()

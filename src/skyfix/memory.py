"""Memory that a network needs again at its next step."""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 2**30


def keep_freed_memory() -> None:
    """Let this process keep up to 1 GiB of what it frees, instead of handing it back.

    glibc gives large freed blocks back to the system at once, so that every step of a network on
    the CPU pays for its maps with page faults, which can take longer than the arithmetic. Threads
    share one arena: in arenas of their own blocks above 64 MiB are always handed back. With other
    C libraries nothing happens. Parameters: malloc's manual, mallopt(3).
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_ARENA_MAX, 1)

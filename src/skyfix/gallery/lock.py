"""One writer at a time: Lance lets a second one append to what it never saw."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
from lance.commit import CommitConflictError

from skyfix.errors import SkyfixError

LOCK_FILE = ".lock"
LOCK_TABLE = ".lock.lance"

_SCHEMA = pa.schema([("holder", pa.string())])


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs; the system frees it when a process dies.

    Raises:
        SkyfixError: another process writes to this gallery, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        raise SkyfixError(
            f"Cannot write {folder}: {error.strerror}. Choose another folder."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SkyfixError(
                f"Another process is building {folder}. Wait for it, or choose another folder."
            ) from None
        except OSError as error:
            raise SkyfixError(f"Cannot lock {folder}: {error.strerror}.") from error
        yield


@contextlib.contextmanager
def sole_remote_writer(uri: str, storage_options: dict[str, str] | None) -> Iterator[None]:
    """Hold a lock on object storage while the block runs.

    The lock is a table whose one row names the holder, as ``host:process``. Taking it is a commit
    on top of the version that was read, which the storage refuses (a conditional put) if somebody
    else came first. A killed holder frees it for processes of its own host only.

    Raises:
        SkyfixError: another process writes to this gallery, or the storage cannot be written.
    """
    lock = _RemoteLock(uri, storage_options)
    lock.take(f"{socket.gethostname()}:{os.getpid()}")
    try:
        yield
    finally:
        lock.free()


class _RemoteLock:
    def __init__(self, uri: str, storage_options: dict[str, str] | None) -> None:
        self._gallery, self._uri = uri, f"{uri}/{LOCK_TABLE}"
        self._options, self._version = storage_options, 0

    def take(self, holder: str) -> None:
        present = self._holder()
        if present and not _died_here(present):
            raise self._busy(present)
        self._write(holder)
        with contextlib.suppress(OSError):
            lance.dataset(self._uri, storage_options=self._options).cleanup_old_versions()

    def free(self) -> None:
        self._write("")

    def _holder(self) -> str:
        """Who holds it; remembers the version that says so, 0 if there never was one."""
        try:
            table = lance.dataset(self._uri, storage_options=self._options)
            self._version = int(table.version)
            return str(table.to_table()["holder"][0].as_py())
        except ValueError:
            return ""
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, holder: str) -> None:
        rows = pa.table({"holder": [holder]}, schema=_SCHEMA)
        mode = "overwrite" if self._version else "create"
        try:
            files = lance.fragment.write_fragments(
                rows, self._uri, mode=mode, storage_options=self._options
            )
            # Without retries a commit counts only on top of the very version that was read; what
            # lance.write_dataset creates may become version 2 of what another one created.
            table = lance.LanceDataset.commit(
                self._uri,
                lance.LanceOperation.Overwrite(_SCHEMA, files),
                read_version=self._version,
                storage_options=self._options,
                max_retries=0,
            )
        except (CommitConflictError, OSError) as error:
            read = self._version
            present = self._holder()
            if self._version != read:
                raise self._busy(present or "a moment ago") from None
            raise self._unwritable(error) from error
        self._version = int(table.version)

    def _busy(self, holder: str) -> SkyfixError:
        return SkyfixError(
            f"Another process is building {self._gallery} ({holder}). Wait for it; if it was "
            f"killed, delete {self._uri} and run the same command again."
        )

    def _unwritable(self, error: Exception) -> SkyfixError:
        reason = next(iter(str(error).splitlines()), "unknown error")
        return SkyfixError(f"Cannot lock {self._gallery}: {reason}. Check address and credentials.")


def _died_here(holder: str) -> bool:
    """Whether a holder was a process of this host that is no more."""
    host, _, process = holder.rpartition(":")
    if host != socket.gethostname() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False

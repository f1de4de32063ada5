"""Files and folders on object storage (S3 and what speaks like it)."""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, S3FileSystem

SCHEME = "s3://"


@dataclass(frozen=True)
class BucketPath:
    """A file or folder in a bucket, with what reading maps needs of a path.

    Attributes:
        inside: bucket/folder/file.
    """

    inside: str

    @classmethod
    def of(cls, uri: str) -> "BucketPath":
        """The path of s3://bucket/folder/file.

        Raises:
            SkyfixError: no bucket, or no name in it.
        """
        inside = uri.removeprefix(SCHEME).strip("/")
        if "/" not in inside:
            raise SkyfixError(
                f"{uri} names no file or folder in a bucket. Give s3://bucket/folder."
            )
        return cls(inside)

    def __str__(self) -> str:
        return SCHEME + self.inside

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.inside).name

    @property
    def suffix(self) -> str:
        """The end of the name, from its last dot."""
        return PurePosixPath(self.inside).suffix

    def resolve(self) -> "BucketPath":
        """Itself: it is absolute."""
        return self

    def exists(self) -> bool:
        """Whether there is anything."""
        return self._info().type.name != "NotFound"

    def is_dir(self) -> bool:
        """Whether it is a folder, that is, whether names go on behind it."""
        return self._info().type.name == "Directory"

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self._info().type.name == "File"

    def iterdir(self) -> Iterator["BucketPath"]:
        """What lies directly in a folder."""
        from pyarrow.fs import FileSelector

        with speaking("read", str(self)):
            for one in object_storage().get_file_info(FileSelector(self.inside)):
                yield BucketPath(one.path)

    def size_bytes(self) -> int:
        """Of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        info = self._info()
        if info.size is None:
            raise FileNotFoundError(str(self))
        return int(info.size)

    @contextlib.contextmanager
    def opened(self) -> "Iterator[NativeFile]":
        """A file, opened to be read in pieces."""
        with speaking("read", str(self)), object_storage().open_input_file(self.inside) as stream:
            yield stream

    def _info(self) -> "FileInfo":
        with speaking("read", str(self)):
            return object_storage().get_file_info(self.inside)


AnyPath = Path | BucketPath


def any_path(path: AnyPath | str) -> AnyPath:
    """The path on disk or in a bucket that a text names.

    Raises:
        SkyfixError: s3:// without a bucket and a name in it.
    """
    if not isinstance(path, str):
        return path
    return BucketPath.of(path) if path.startswith(SCHEME) else Path(path)


def file_bytes(path: AnyPath) -> int:
    """Size of a file.

    Raises:
        OSError: there is none.
    """
    return path.stat().st_size if isinstance(path, Path) else path.size_bytes()


def opened(path: AnyPath) -> "contextlib.AbstractContextManager[BinaryIO | NativeFile]":
    """A file, opened to be read in pieces."""
    return path.open("rb") if isinstance(path, Path) else path.opened()


def object_storage() -> "S3FileSystem":
    """The storage; credentials, region and endpoint come from the environment.

    As for other S3 programs: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL.
    """
    return _storage_at(endpoint())


@functools.cache
def _storage_at(address: str | None) -> "S3FileSystem":
    # Kept, since it keeps its connections.
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(endpoint_override=address)


def endpoint() -> str | None:
    """Address of the storage; None for Amazon's own."""
    return os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/") or None


@contextlib.contextmanager
def speaking(does: str, uri: str) -> Iterator[None]:
    """Turn what the storage answers into one clear line."""
    try:
        yield
    except (OSError, ValueError) as error:
        # Arrow's error for a malformed name is a ValueError.
        reason = next(iter(str(error).splitlines()), "unknown error").removesuffix(".")
        raise SkyfixError(
            f"Cannot {does} {uri}: {reason}. Check address, credentials and AWS_ENDPOINT_URL."
        ) from error

"""Files and folders on object storage (S3 and what speaks like it)."""

import contextlib
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
    def reading(self) -> "Iterator[NativeFile]":
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
    if not path.startswith(SCHEME):
        return Path(path)
    inside = path.removeprefix(SCHEME).strip("/")
    if "/" not in inside:
        raise SkyfixError(f"{path} names no file or folder in a bucket. Give s3://bucket/folder.")
    return BucketPath(inside)


def file_bytes(path: AnyPath) -> int:
    """Size of a file.

    Raises:
        OSError: there is none.
    """
    return path.stat().st_size if isinstance(path, Path) else path.size_bytes()


def reading(path: AnyPath) -> "contextlib.AbstractContextManager[BinaryIO | NativeFile]":
    """A file, opened to be read in pieces."""
    return path.open("rb") if isinstance(path, Path) else path.reading()


def object_storage() -> "S3FileSystem":
    """The storage; credentials, region and endpoint come from the environment.

    As for other S3 programs: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL.
    """
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(endpoint_override=endpoint())


def endpoint() -> str | None:
    """Address of the storage; None for Amazon's own."""
    return os.environ.get("AWS_ENDPOINT_URL")


@contextlib.contextmanager
def speaking(does: str, uri: str) -> Iterator[None]:
    """Turn what the storage answers into one clear line."""
    try:
        yield
    except OSError as error:
        reason = next(iter(str(error).splitlines()), "unknown error").removesuffix(".")
        raise SkyfixError(
            f"Cannot {does} {uri}: {reason}. Check address, credentials and AWS_ENDPOINT_URL."
        ) from error

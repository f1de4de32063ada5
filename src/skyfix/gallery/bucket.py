"""Galleries on object storage (S3 and what speaks like it)."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pyarrow import fs

from skyfix.bucket_path import SCHEME, BucketPath, endpoint, object_storage, speaking
from skyfix.gallery.lock import sole_remote_writer


class Bucket:
    """A folder in a bucket; see ``Place``.

    Args:
        uri: s3://bucket/folder.

    Raises:
        SkyfixError: no bucket and folder.
    """

    def __init__(self, uri: str) -> None:
        self._path = BucketPath.of(uri).inside
        self._files = object_storage()

    @property
    def uri(self) -> str:
        """s3://bucket/folder."""
        return SCHEME + self._path

    @property
    def storage_options(self) -> dict[str, str] | None:
        """An endpoint without TLS has to be allowed; the rest is in the environment."""
        plain = (endpoint() or "").startswith("http://")
        return {"allow_http": "true"} if plain else None

    def entries(self) -> list[str]:
        """Names directly in the folder."""
        return sorted(one.base_name for one in self._list(self._path, recursive=False))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of files, by relative name."""
        root = f"{self._path}/{folder}".rstrip("/")
        return {
            one.path.removeprefix(f"{root}/"): one.size
            for one in self._list(root, recursive=True)
            if one.type == fs.FileType.File
        }

    def read(self, name: str) -> bytes:
        """Content of a file."""
        with self._speaking("read", name), self._files.open_input_file(self._at(name)) as stream:
            return stream.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a file; it appears when the upload is through."""
        with self._speaking("write", name), self._files.open_output_stream(self._at(name)) as out:
            out.write(content)

    def put_folder(self, name: str, make: Callable[[Path], None], last: str) -> None:
        """Fill a folder on disk, then upload it, ``last`` at the end."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            make(folder)
            files = [path for path in folder.rglob("*") if path.is_file()]
            for path in sorted(files, key=lambda path: path == folder / last):
                self.write(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    @contextlib.contextmanager
    def local_folder(self, name: str) -> Iterator[Path]:
        """A copy on disk, for as long as the block runs."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            folder.mkdir()
            for file in self.sizes(name):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(self.read(f"{name}/{file}"))
            yield folder

    def derived(self, name: str) -> None:
        """Nothing of a bucket lies on disk."""
        return

    def sole_writer(self) -> contextlib.AbstractContextManager[None]:
        """A lock in the bucket."""
        return sole_remote_writer(self.uri, self.storage_options)

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _speaking(self, does: str, name: str) -> contextlib.AbstractContextManager[None]:
        return speaking(does, f"{self.uri}/{name}")

    def _list(self, folder: str, recursive: bool) -> list[fs.FileInfo]:
        with self._speaking("read", ""):
            wanted = fs.FileSelector(folder, allow_not_found=True, recursive=recursive)
            return list(self._files.get_file_info(wanted))

"""`skyfix search`."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich import print as show
from rich.markup import escape
from rich.table import Column, Table

from skyfix.cli.numbers import AtLeastOne
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from skyfix.gallery import Gallery
    from skyfix.localize.similar import Similar, TileSearch

_SHOWN = 3
_COLUMNS = ("photo", "rank", "tile", "lon", "lat", "size_m", "cosine", "partial")


def search(
    photos: tuple[Path, ...],
    /,
    *,
    gallery: str,
    k: AtLeastOne = 10,
    near: tuple[float, float, float] | None = None,
    ray: str | None = None,
    shards: AtLeastOne | None = None,
    system: str | None = None,
    device: str = "auto",
    out: Path | None = None,
) -> None:
    """Find the tiles most like photos.

    Photos are compared as they are, as in the retrieval tests of the field: no pose is used and
    none is found. For positions use `skyfix locate`.

    Examples: `skyfix search photo.jpg --gallery gallery --k 20`,
    `skyfix search photos --gallery gallery --ray auto --out tiles.csv`

    Parameters
    ----------
    photos
        Photos, or folders of them.
    gallery
        Folder of the gallery, or s3://bucket/folder.
    k
        Tiles a photo.
    near
        Search only around a rough position: lon, lat in degrees and a radius in metres.
    ray
        Spread the gallery over the memory of a Ray cluster: auto, or host:port of its head.
    shards
        How many parts it is spread in; by default as many as the cluster has CPUs.
    system
        Another form of the gallery's system to embed with, such as a folder that
        `skyfix export` wrote; the gallery's own by default.
    device
        auto, cpu or cuda.
    out
        Write all tiles to this file, .csv or .json.
    """
    from skyfix.gallery import Gallery
    from skyfix.images import image_files
    from skyfix.localize.similar import similar_tiles

    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise SkyfixError(f"Tiles are written as .csv or .json, not as {out.name}.")
    if shards is not None and ray is None:
        raise SkyfixError("--shards needs --ray.")
    files = image_files(photos)
    opened = Gallery.open(gallery)
    embedder = opened.embedder(device=device, system=system)
    with _where(opened, ray, shards) as tiles:
        descriptors, kept, unreadable = embedder.embed_files(files, "drone", "Embedding")
        if len(files) == 1 and unreadable:
            raise unreadable[0]
        names = [str(files[index]) for index in kept]
        found = similar_tiles(names, descriptors, opened, tiles, k, near)
    _show(found)
    for error in unreadable:
        print(f"Left out: {error}")
    if out is not None:
        _write(found, out)


def _where(
    gallery: "Gallery", ray: str | None, shards: int | None
) -> "AbstractContextManager[TileSearch]":
    if ray is None:
        return nullcontext(gallery)
    from skyfix.gallery.sharded import ShardedSearch

    return ShardedSearch(gallery, ray, shards)


def _show(found: "Sequence[Similar]") -> None:
    for one in found:
        table = Table("rank", Column("tile", overflow="fold"), "lon", "lat", "cosine",
                      title=escape(Path(one.photo).name), title_justify="left")  # fmt: skip
        for rank, tile in enumerate(one.tiles[:_SHOWN], 1):
            place = f"{tile.lon:.6f}", f"{tile.lat:.6f}"
            table.add_row(f"{rank}", tile.tile, *place, f"{tile.cosine:.3f}")
        show(table)
    if any(one.partial for one in found):
        print("A part of the gallery did not answer: better tiles may be missing.")


def _write(found: "Sequence[Similar]", out: Path) -> None:
    from skyfix.files import write_csv, write_json

    if out.suffix.lower() == ".json":
        write_json(out, [one.to_json() for one in found])
        return
    rows = [
        (one.photo, rank, tile.tile, tile.lon, tile.lat, tile.size_m, tile.cosine, one.partial)
        for one in found
        for rank, tile in enumerate(one.tiles, 1)
    ]
    write_csv(out, _COLUMNS, rows)

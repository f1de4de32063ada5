"""gallery.json: what a gallery was made from, with which system, and whether it is complete."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from skyfix.errors import SkyfixError
from skyfix.files import read_json, write_json
from skyfix.gallery.sources import Source

MANIFEST_FILE = "gallery.json"
FORMAT = 1

_PARAMETERS = ("tile_m", "stride_m", "thumbnail_px")


@dataclass(frozen=True)
class Counts:
    """What became of the planned tiles.

    Attributes:
        planned: tiles that fit into the rasters, and into the region if there is one.
        kept: tiles in the gallery.
        skipped_nodata, skipped_featureless: tiles left out, and why.
        outside_region: tiles that were never planned, with their centre outside the region.
    """

    planned: int
    kept: int
    skipped_nodata: int
    skipped_featureless: int
    outside_region: int = 0


@dataclass(frozen=True)
class Manifest:
    """Content of gallery.json.

    Attributes:
        identity: digest of the system that made the descriptors.
        dimensions: length D of a descriptor.
        input_px: (height, width) the tiles were brought to.
        tile_m, stride_m: ground metres.
        thumbnail_px: side of the thumbnails; 0 if there are none.
        sources: the rasters, in order.
        state: ``building`` until the last tile is stored.
        counts: known when complete.
        region: fingerprint of the region of interest; None for the whole imagery.
    """

    identity: str
    dimensions: int
    input_px: tuple[int, int]
    tile_m: float
    stride_m: float
    thumbnail_px: int
    sources: tuple[Source, ...]
    state: Literal["building", "complete"] = "building"
    counts: Counts | None = None
    region: str | None = None

    def write(self, folder: Path) -> None:
        """Write ``folder/gallery.json`` atomically."""
        write_json(folder / MANIFEST_FILE, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read ``folder/gallery.json``.

        Raises:
            SkyfixError: not a gallery, another format, or damaged.
        """
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise SkyfixError(
                f"Not a gallery: {folder} has no {MANIFEST_FILE}. Build one with "
                "`skyfix gallery build`."
            )
        content = read_json(path, "gallery description")
        try:
            if content["format"] != FORMAT:
                raise SkyfixError(
                    f"{folder} has gallery format {content['format']}, this skyfix reads {FORMAT}. "
                    "Build it anew."
                )
            return cls._from_json(content)
        except (KeyError, TypeError, ValueError) as error:
            raise SkyfixError(
                f"Damaged gallery description {path}: {error!r}. Build the gallery anew."
            ) from error

    def require_same(self, asked: "Manifest", folder: Path) -> None:
        """Refuse to go on with a build that was begun differently.

        Raises:
            SkyfixError: naming the first difference.
        """
        if self.identity != asked.identity:
            raise SkyfixError(
                f"{folder} was begun with system {self.identity}, asked is {asked.identity}. "
                "Use the same system, or another folder."
            )
        for name in _PARAMETERS:
            begun, wanted = getattr(self, name), getattr(asked, name)
            if begun != wanted:
                raise SkyfixError(
                    f"{folder} was begun with {name} {begun:.12g}, asked is {wanted:.12g}. "
                    "Give the same value, or another folder."
                )
        if self.region != asked.region:
            raise SkyfixError(
                f"{folder} was begun with another region of interest, or one of the two has none. "
                "Give the same region, or another folder."
            )
        begun_with = [source.fingerprint for source in self.sources]
        if begun_with != [source.fingerprint for source in asked.sources]:
            raise SkyfixError(
                f"{folder} was begun from other rasters "
                f"({_names(self.sources)}, asked {_names(asked.sources)}) or their content or "
                "order changed. Give the same ones, or another folder."
            )
        for begun_source, source in zip(self.sources, asked.sources, strict=True):
            # Galleries of earlier versions do not say their bands.
            if begun_source.bands not in ((), source.bands):
                raise SkyfixError(
                    f"{folder} was begun with bands {_listed(begun_source.bands)} of "
                    f"{Path(source.path).name}, asked are {_listed(source.bands)}. "
                    "Give the same ones, or another folder."
                )

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> "Manifest":
        # A field that is missing is either newer than the gallery, or missed by the constructor.
        values = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        values["sources"] = tuple(Source.from_json(source) for source in values["sources"])
        values["input_px"] = tuple(values["input_px"])
        values["counts"] = None if values["counts"] is None else Counts(**values["counts"])
        if values["state"] not in ("building", "complete"):
            raise ValueError(f"state {values['state']}")
        return cls(**values)


def _listed(bands: tuple[int, ...]) -> str:
    return ",".join(map(str, bands))


def _names(sources: tuple[Source, ...]) -> str:
    names = [Path(source.path).name for source in sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

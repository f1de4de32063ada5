"""gallery.json: what a gallery was made from, with which system, and what it holds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from skyfix.errors import SkyfixError
from skyfix.gallery.scales import Scale
from skyfix.gallery.sources import Source
from skyfix.gallery.storage import Storage, read_json, write_json

MANIFEST_FILE = "gallery.json"
FORMAT = 2


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

    @classmethod
    def total(cls, counts: "Sequence[Counts]") -> "Counts":
        """The sum."""
        return cls(*(sum(getattr(one, f.name) for one in counts) for f in fields(cls)))


@dataclass(frozen=True)
class Contents:
    """What a complete gallery holds.

    Attributes:
        version: of the Lance dataset. Versions beyond it belong to a change that was not
            finished and do not count.
        numbers: what stored tiles call each source; they increase.
        counts: tiles of each source.
        reduction: digest of what reduced the descriptors, see ``reducing``; None for whole ones.
    """

    version: int
    numbers: tuple[int, ...]
    counts: tuple[Counts, ...]
    reduction: str | None = None


@dataclass(frozen=True)
class Manifest:
    """Content of gallery.json. Writing it is what makes a change count.

    Attributes:
        identity: digest of the system that made the descriptors.
        dimensions: length D of its descriptors.
        input_px: (height, width) the tiles were brought to.
        scales: tile sizes, small ones first.
        thumbnail_px: side of the thumbnails; 0 if there are none.
        sources: the rasters, in order.
        region: fingerprint of the region of interest, see ``within``; None for all imagery.
        reduced_to: length d of the stored descriptors; None where they are stored whole.
        contents: None until the first build is through.
    """

    identity: str
    dimensions: int
    input_px: tuple[int, int]
    scales: tuple[Scale, ...]
    thumbnail_px: int
    sources: tuple[Source, ...]
    region: str | None = None
    reduced_to: int | None = None
    contents: Contents | None = None

    @property
    def state(self) -> Literal["building", "complete"]:
        """``building`` until the last tile of the first build is stored."""
        return "building" if self.contents is None else "complete"

    @property
    def stored_dimensions(self) -> int:
        """Length of a stored descriptor."""
        return self.dimensions if self.reduced_to is None else self.reduced_to

    def write(self, storage: Storage) -> None:
        """Write gallery.json in one step."""
        write_json(storage, MANIFEST_FILE, {"format": FORMAT, "state": self.state, **asdict(self)})

    @classmethod
    def read(cls, storage: Storage) -> "Manifest":
        """Read gallery.json.

        Raises:
            SkyfixError: not a gallery, another format, or damaged.
        """
        if MANIFEST_FILE not in storage.entries():
            raise SkyfixError(
                f"Not a gallery: {storage.uri} has no {MANIFEST_FILE}. Build one with "
                "`skyfix gallery build`."
            )
        content = read_json(storage, MANIFEST_FILE, "gallery description")
        try:
            if content["format"] != FORMAT:
                raise SkyfixError(
                    f"{storage.uri} has gallery format {content['format']}, this skyfix reads "
                    f"{FORMAT}. Build it anew."
                )
            return cls._from_json(content)
        except (KeyError, TypeError, ValueError) as error:
            raise SkyfixError(
                f"Damaged gallery description {storage.uri}/{MANIFEST_FILE}: {error!r}. "
                "Build the gallery anew."
            ) from error

    def require_complete(self, storage: Storage) -> Contents:
        """What the gallery holds.

        Raises:
            SkyfixError: its build is not through.
        """
        if self.contents is None:
            raise SkyfixError(
                f"The gallery {storage.uri} is incomplete: its build was interrupted or still "
                "runs. Run the same build command again to finish it."
            )
        return self.contents

    def require_system(self, identity: str, storage: Storage) -> None:
        """Refuse descriptors of another system.

        Raises:
            SkyfixError: ``identity`` is not the gallery's.
        """
        if identity != self.identity:
            raise SkyfixError(
                f"The gallery {storage.uri} was made by system {self.identity}, not by {identity}: "
                "their descriptors do not compare. Use the gallery's own system, or build anew."
            )

    def require_same(self, asked: "Manifest", storage: Storage) -> None:
        """Refuse to go on with a build that was begun differently.

        Raises:
            SkyfixError: naming the first difference.
        """
        if self.identity != asked.identity:
            raise SkyfixError(
                f"{storage.uri} was begun with system {self.identity}, asked is {asked.identity}. "
                "Use the same system, or another folder."
            )
        wanted = asked._parameters()
        for name, begun in self._parameters().items():
            if begun != wanted[name]:
                raise SkyfixError(
                    f"{storage.uri} was begun with {name} {begun}, asked is {wanted[name]}. "
                    "Give the same value, or another folder."
                )
        if self.region != asked.region:
            raise SkyfixError(
                f"{storage.uri} was begun with another region of interest, or one of the two has "
                "none. Give the same region, or another folder."
            )
        begun_with = [source.fingerprint for source in self.sources]
        if begun_with != [source.fingerprint for source in asked.sources]:
            raise SkyfixError(
                f"{storage.uri} was begun from other rasters "
                f"({_names(self.sources)}, asked {_names(asked.sources)}) or their content or "
                "order changed. Give the same ones, or another folder."
            )
        for begun_source, source in zip(self.sources, asked.sources, strict=True):
            # Galleries of earlier versions do not say their bands.
            if begun_source.bands not in ((), source.bands):
                raise SkyfixError(
                    f"{storage.uri} was begun with bands {_listed(begun_source.bands)} of "
                    f"{Path(source.path).name}, asked are {_listed(source.bands)}. "
                    "Give the same ones, or another folder."
                )

    def _parameters(self) -> dict[str, str]:
        """What a build is asked for, by the arguments' names."""
        return {
            "tile_m": ", ".join(f"{scale.tile_m:.12g}" for scale in self.scales),
            "stride_m": ", ".join(f"{scale.stride_m:.12g}" for scale in self.scales),
            "thumbnail_px": str(self.thumbnail_px),
            "dims": "all" if self.reduced_to is None else str(self.reduced_to),
        }

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> "Manifest":
        # A field that is missing is newer than the gallery, or missed by the constructor.
        values = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        values["sources"] = tuple(Source.from_json(source) for source in values["sources"])
        values["scales"] = tuple(Scale(**scale) for scale in values["scales"])
        values["input_px"] = tuple(values["input_px"])
        if content["contents"] is not None:
            values["contents"] = _contents(content["contents"], len(values["sources"]))
        return cls(**values)


def _contents(content: dict[str, Any], sources: int) -> Contents:
    counts = tuple(Counts(**one) for one in content["counts"])
    numbers = tuple(int(number) for number in content["numbers"])
    if not len(counts) == len(numbers) == len(set(numbers)) == sources:
        raise ValueError(f"{len(numbers)} numbers and {len(counts)} counts of {sources} sources")
    return Contents(int(content["version"]), numbers, counts, content.get("reduction"))


def _listed(bands: tuple[int, ...]) -> str:
    return ",".join(map(str, bands))


def _names(sources: tuple[Source, ...]) -> str:
    names = [Path(source.path).name for source in sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

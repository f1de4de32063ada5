"""`skyfix gallery build|add|remove|info|verify|map`."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from rich import print as show
from rich.table import Table

from skyfix.cli.numbers import band_numbers
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.gallery.facts import GalleryInfo
    from skyfix.gallery.manifest import Counts
    from skyfix.gallery.sources import Source
    from skyfix.gallery.system import TileEmbedder

app = App(
    name="gallery",
    help="Make a gallery of your map (`skyfix gallery build`), change and check it.\n\n"
    "Example: `skyfix gallery build map.tif --out gallery --tile-m 200`",
)


@app.command
def build(
    # Text, since Path has no s3://; but shells complete files for Path.
    sources: tuple[str | Path, ...],
    /,
    *,
    out: str,
    tile_m: tuple[float, ...],
    system: str = "skyfix_s",
    stride_m: tuple[float, ...] | None = None,
    roi: Path | None = None,
    bands: str | None = None,
    dims: int | None = None,
    device: str = "auto",
    ray: str | None = None,
) -> None:
    """Cut satellite imagery into tiles and embed them.

    Killed at any moment and run again, it goes on where it was.

    Example: `skyfix gallery build map.tif --out gallery --tile-m 200
    --stride-m 50`

    Map tiles, only within an area: `skyfix gallery build country.mbtiles --roi area.geojson
    --out gallery --tile-m 200 --stride-m 50`

    Parameters
    ----------
    sources
        GeoTIFFs of any projected or geographic CRS, MBTiles or PMTiles files, a folder of such
        files, or a folder of web-map tiles (zoom/column/row.png, .jpg or .webp); GeoTIFFs also
        from s3://bucket/folder.
    out
        Folder of the gallery, or s3://bucket/folder.
    system
        Checkpoint folder of a trained system, or one with built-in weights (skyfix_s, imagenet).
    tile_m
        Side of a tile in metres on the ground; about what a photo shows. Give it several times
        for tiles of several sizes, where photos are taken from several heights.
    stride_m
        Distance between neighbouring tiles in metres on the ground, one for each tile size; a
        quarter of the size by default.
    roi
        GeoJSON file with a region of interest in WGS84; only tiles whose centre lies in its
        polygons are made.
    bands
        Bands of the GeoTIFFs that are red, green and blue, such as 4,3,2, or a grey one. Without
        it the file's tags decide.
    dims
        Reduce descriptors to this length (PCA whitening) once all tiles are embedded: smaller
        galleries, faster searches. What is lost is measured and shown by `skyfix gallery info`.
    device
        auto, cpu or cuda.
    ray
        Address of a Ray cluster whose machines share the work, host:port, or auto for the one that
        this machine belongs to. Maps have to lie at the same path on all of them.
    """
    from skyfix.gallery import Gallery

    chosen = band_numbers(bands)
    embedder = _embedder(system, device, ray)
    gallery = Gallery.build(
        sources, out, embedder, tile_m, stride_m, region=roi, bands=chosen, dims=dims
    )
    report = gallery.report
    if report is None or report.already_complete:
        show(f"{out} is already complete: {len(gallery)} tiles.")
        return
    counts = report.counts
    outside = f", {counts.outside_region} outside the region" if roi is not None else ""
    show(
        f"{len(gallery)} tiles in {out}; {report.embedded} embedded in {report.seconds:.1f} s, "
        f"{counts.skipped_nodata} without imagery and {counts.skipped_featureless} featureless "
        f"ones left out{outside}."
    )
    if gallery.reduction is not None:
        show(f"Descriptors: {_descriptor_line(gallery.info())}.")


def _embedder(system: str, device: str, ray: str | None) -> "TileEmbedder":
    from skyfix.gallery.cluster import join
    from skyfix.gallery.cluster_embedder import ClusterEmbedder
    from skyfix.inference import Embedder

    if ray is None:
        return Embedder(system, device=device)
    join(ray)
    # This process embeds nothing: the workers do.
    return ClusterEmbedder(Embedder(system, device="cpu"), ray, device)


@app.command
def add(
    gallery: str, /, *sources: str | Path, bands: str | None = None, device: str = "auto"
) -> None:
    """Add satellite imagery to a gallery.

    Killed at any moment it leaves the gallery as it was; run again, it goes on where it was.

    Example: `skyfix gallery add gallery east.tif`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    sources
        Maps as for `skyfix gallery build`; what is in the gallery already is left out. Of a
        gallery with a region of interest only tiles inside it are added.
    bands
        Bands of the GeoTIFFs that are red, green and blue, as for `skyfix gallery build`.
    device
        auto, cpu or cuda.
    """
    from skyfix.gallery import Gallery
    from skyfix.gallery.change import add_sources

    chosen = band_numbers(bands)
    report = add_sources(gallery, sources, Gallery.open(gallery).embedder(device=device), chosen)
    for source in report.already:
        show(f"{source.path} is in {gallery} already.")
    show(
        f"{report.embedded} tiles embedded in {report.seconds:.1f} s; {gallery} has "
        f"{report.counts.kept} tiles."
    )


@app.command
def remove(gallery: str, /, *sources: str) -> None:
    """Remove imagery and its tiles from a gallery.

    Example: `skyfix gallery remove gallery east.tif`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    sources
        Rasters as `skyfix gallery info` lists them, or their file names.
    """
    from skyfix.gallery import Gallery
    from skyfix.gallery.change import remove_sources

    if not sources:
        raise SkyfixError("No source given. `skyfix gallery info` lists them.")
    for source in remove_sources(gallery, sources):
        show(f"{source.path} is no longer in {gallery}.")
    show(f"{gallery} has {len(Gallery.open(gallery))} tiles.")


@app.command
def compact(gallery: str, /) -> None:
    """Rewrite a gallery into few files, without the tiles that were removed.

    Worth while after many additions and removals. Close programs that read the gallery first; the
    service opens it anew by itself, a second later.

    Example: `skyfix gallery compact gallery`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    """
    from skyfix.gallery.change import compact_gallery

    saved = compact_gallery(gallery)
    show(f"{gallery} is {abs(saved) / 2**20:.1f} MiB {'smaller' if saved >= 0 else 'larger'}.")


@app.command
def info(gallery: str, /) -> None:
    """Show what a gallery holds.

    Example: `skyfix gallery info gallery`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    """
    from skyfix.gallery import Gallery

    facts = Gallery.open(gallery).info()
    west, south, east, north = facts.bounds
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in (
        ("tiles", f"{facts.tiles}"),
        ("tile, stride", "\n".join(f"{s.tile_m:g} m, {s.stride_m:g} m" for s in facts.scales)),
        ("system", f"{facts.system} ({facts.identity})"),
        ("descriptor", _descriptor_line(facts)),
        ("lon, lat", f"{west:.6f} to {east:.6f}, {south:.6f} to {north:.6f}"),
        ("size", f"{facts.size_bytes / 1e6:.1f} MB"),
        ("sources", "\n".join(map(_source_line, facts.sources, facts.source_counts))),
    ):
        table.add_row(name, value)
    show(table)


@app.command
def verify(gallery: str, /) -> None:
    """Read all of a gallery and compare it with its description; exits with 2 if damaged.

    Example: `skyfix gallery verify gallery`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    """
    from skyfix.gallery import Gallery
    from skyfix.gallery.verify import verify_gallery

    found = verify_gallery(gallery)
    if not found.damage:
        try:
            Gallery.open(gallery).embedder(device="cpu")
        except SkyfixError as error:
            found.damage.append(str(error))
    for text in found.warnings:
        show(f"warning: {text}")
    for text in found.damage:
        show(f"damage: {text}")
    if found.damage:
        raise SkyfixError(f"{gallery} is damaged ({len(found.damage)} findings). Build it anew.")
    show(f"{gallery} is sound: {found.tiles} tiles read, {len(found.warnings)} warnings.")


@app.command(name="map")
def coverage(gallery: str, /, *, out: Path) -> None:
    """Draw what a gallery covers and what was left out.

    Example: `skyfix gallery map gallery --out coverage.png`

    Parameters
    ----------
    gallery
        Folder of the gallery, or s3://bucket/folder.
    out
        Picture (.png) or page (.html) to write.
    """
    from skyfix.gallery import Gallery
    from skyfix.outputs.coverage import write_coverage

    write_coverage(Gallery.open(gallery), out)
    show(f"Wrote {out}.")


def _descriptor_line(facts: "GalleryInfo") -> str:
    if facts.kept is None:
        return f"{facts.stored_dimensions} dimensions"
    kept = facts.kept
    return (
        f"{facts.stored_dimensions} of {facts.dimensions} dimensions; of {kept.tiles} tiles that "
        f"they were not fitted to, {kept.first:.1%} keep the nearest of {kept.among} other tiles, "
        f"and of the ten nearest {kept.ten:.1%} are kept"
    )


def _source_line(source: "Source", counts: "Counts") -> str:
    bands = f" (bands {', '.join(map(str, source.bands))})" if source.bands else ""
    return f"{source.path}: {counts.kept} tiles{bands}"

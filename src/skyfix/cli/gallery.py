"""`skyfix gallery build|info`."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from rich import print as show
from rich.table import Table

from skyfix.cli.numbers import band_numbers

if TYPE_CHECKING:
    from skyfix.gallery.sources import Source

app = App(name="gallery", help="Build and inspect galleries of satellite tiles.")


@app.command
def build(
    sources: tuple[Path, ...],
    /,
    *,
    out: Path,
    system: str,
    tile_m: float,
    stride_m: float,
    roi: Path | None = None,
    bands: str | None = None,
    device: str = "auto",
) -> None:
    """Cut satellite imagery into tiles and embed them.

    Killed at any moment and run again, it goes on where it was.

    Example: `skyfix gallery build map.tif --out gallery --system imagenet --tile-m 200
    --stride-m 50`

    Map tiles, only within an area: `skyfix gallery build country.mbtiles --roi area.geojson
    --out gallery --system imagenet --tile-m 200 --stride-m 50`

    Parameters
    ----------
    sources
        GeoTIFFs of any projected or geographic CRS, MBTiles or PMTiles files, a folder of such
        files, or a folder of web-map tiles (zoom/column/row.png, .jpg or .webp).
    out
        Folder of the gallery.
    system
        Checkpoint folder of a trained system, or one with built-in weights (imagenet).
    tile_m
        Side of a tile in metres on the ground; about what a photo shows.
    stride_m
        Distance between neighbouring tiles in metres on the ground.
    roi
        GeoJSON file with a region of interest in WGS84; only tiles whose centre lies in its
        polygons are made.
    bands
        Bands of the GeoTIFFs that are red, green and blue, such as 4,3,2, or a grey one. Without
        it the file's tags decide.
    device
        auto, cpu or cuda.
    """
    from skyfix.gallery import Gallery
    from skyfix.inference import Embedder

    chosen = band_numbers(bands)
    embedder = Embedder(system, device=device)
    gallery = Gallery.build(sources, out, embedder, tile_m, stride_m, region=roi, bands=chosen)
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


@app.command
def info(gallery: Path, /) -> None:
    """Show what a gallery holds.

    Example: `skyfix gallery info gallery`

    Parameters
    ----------
    gallery
        Folder of the gallery.
    """
    from skyfix.gallery import Gallery

    facts = Gallery.open(gallery).info()
    west, south, east, north = facts.bounds
    table = Table(show_header=False)
    for name, value in (
        ("tiles", f"{facts.tiles}"),
        ("tile, stride", f"{facts.tile_m:g} m, {facts.stride_m:g} m"),
        ("system", f"{facts.system} ({facts.identity})"),
        ("descriptor", f"{facts.dimensions} dimensions"),
        ("lon, lat", f"{west:.6f} to {east:.6f}, {south:.6f} to {north:.6f}"),
        ("size", f"{facts.size_bytes / 1e6:.1f} MB"),
        ("sources", "\n".join(map(_source_line, facts.sources))),
    ):
        table.add_row(name, value)
    show(table)


def _source_line(source: "Source") -> str:
    bands = f" (bands {', '.join(map(str, source.bands))})" if source.bands else ""
    return f"{source.path}{bands}"

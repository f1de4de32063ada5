"""`skyfix gallery build|info`."""

from pathlib import Path

from cyclopts import App
from rich import print as show
from rich.table import Table

app = App(name="gallery", help="Build and inspect galleries of satellite tiles.")


@app.command
def build(
    sources: tuple[Path, ...],
    /,
    *,
    out: Path,
    system: str,
    tile_m: tuple[float, ...],
    stride_m: tuple[float, ...] | None = None,
    device: str = "auto",
) -> None:
    """Cut satellite imagery into tiles and embed them.

    Killed at any moment and run again, it goes on where it was.

    Example: `skyfix gallery build map.tif --out gallery --system imagenet --tile-m 200
    --stride-m 50`

    Parameters
    ----------
    sources
        GeoTIFFs of any projected or geographic CRS, or a folder of them.
    out
        Folder of the gallery.
    system
        Checkpoint folder of a trained system, or one with built-in weights (imagenet).
    tile_m
        Side of a tile in metres on the ground; about what a photo shows. Give it several times
        for tiles of several sizes, where photos are taken from several heights.
    stride_m
        Distance between neighbouring tiles in metres on the ground, one for each tile size; a
        quarter of the size by default.
    device
        auto, cpu or cuda.
    """
    from skyfix.gallery import Gallery
    from skyfix.inference import Embedder

    embedder = Embedder(system, device=device)
    gallery = Gallery.build(sources, out, embedder, tile_m, stride_m)
    report = gallery.report
    if report is None or report.already_complete:
        show(f"{out} is already complete: {len(gallery)} tiles.")
        return
    counts = report.counts
    show(
        f"{len(gallery)} tiles in {out}; {report.embedded} embedded in {report.seconds:.1f} s, "
        f"{counts.skipped_nodata} without imagery and {counts.skipped_featureless} featureless "
        "ones left out."
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
        ("tile, stride", "\n".join(f"{s.tile_m:g} m, {s.stride_m:g} m" for s in facts.scales)),
        ("system", f"{facts.system} ({facts.identity})"),
        ("descriptor", f"{facts.dimensions} dimensions"),
        ("lon, lat", f"{west:.6f} to {east:.6f}, {south:.6f} to {north:.6f}"),
        ("size", f"{facts.size_bytes / 1e6:.1f} MB"),
        ("sources", "\n".join(str(source.path) for source in facts.sources)),
    ):
        table.add_row(name, value)
    show(table)

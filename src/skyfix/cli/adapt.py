"""`skyfix adapt`."""

import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich import print as show
from rich.markup import escape

from skyfix.cli.numbers import AtLeastOne, Count
from skyfix.errors import SkyfixError

Pairs = Annotated[int, Parameter(validator=Number(gte=2))]


def adapt(
    *,
    map_path: Annotated[Path, Parameter(name="--map")],
    tile_m: float,
    out: Path,
    dsm: Path | None = None,
    system: str = "skyfix_s",
    steps: AtLeastOne = 60,
    batch_size: Pairs = 32,
    device: str = "auto",
    seed: Count = 0,
) -> None:
    """Fine-tune a trained system to a map, from its imagery alone.

    Tiles of the map are compared with views of themselves: turned, aslant, in another season,
    light and camera. Afterwards build the gallery with it: `skyfix gallery build my.tif --system
    runs/mine ...`. The recall that is shown is that of made views; real photos can tell more.
    With heights of the ground half of the views are rendered, with walls and trees that stand up.

    Example: `skyfix adapt --map my.tif --tile-m 100 --out runs/mine`

    Parameters
    ----------
    map_path
        GeoTIFF, MBTiles or PMTiles file, or a folder of web-map tiles.
    tile_m
        Side of the gallery's tiles in metres on the ground.
    out
        New or empty folder for the checkpoint.
    dsm
        GeoTIFF of heights in metres that covers the map, which must then be a GeoTIFF in a
        projected coordinate system.
    system
        Checkpoint folder of a system that is trained by pairs, or skyfix_s.
    steps
        Steps of training; on two CPU cores one takes some seconds.
    batch_size
        Pairs a step.
    device
        auto, cpu or cuda.
    seed
        Decides which views are made.
    """
    from skyfix import systems
    from skyfix.files import require_writable
    from skyfix.training.adapt import adapt as run
    from skyfix.training.map_ground import map_grounds

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SkyfixError(f"{out} holds something already. Choose a new or empty folder.")
    require_writable(out)
    adapted = systems.load(system)
    input_px = adapted.preprocess["satellite"].input_px[0]
    with tempfile.TemporaryDirectory() as folder:
        grounds = map_grounds(map_path, Path(folder), tile_m, input_px, batch_size, dsm, seed)
        result = run(adapted, grounds, steps, batch_size, seed, device)
    provenance = {
        "adapted from": system,
        "map": map_path.name,
        "dsm": dsm.name if dsm else None,
        "tile_m": tile_m,
        "steps": steps,
        "batch_size": batch_size,
        "seed": seed,
        "made views R@1": {"before": result.before, "after": result.after},
    }
    systems.save(adapted.cpu(), out, provenance)
    show(
        f"Made views of the map found first: {result.before:.1f} % before, {result.after:.1f} % "
        f"after {steps} steps; checkpoint in {escape(str(out))}"
    )

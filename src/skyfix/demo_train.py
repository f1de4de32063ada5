"""What training is worth, on a made-up town: train, build a gallery, locate photos, report."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyfix.datasets.university1652 import University1652
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.metrics import evaluate_retrieval
from skyfix.evaluation.protocol import Evaluation, evaluate
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize import Fix, locate_many, read_poses
from skyfix.outputs.page import Page
from skyfix.outputs.pictures import fixes_on_map, match_strip
from skyfix.training.config import Sections, TrainConfig, make_config
from skyfix.training.loop import train
from skyfix.world.sample import SampleSize, write_sample

TILE_M, STRIDE_M = 150.0, 30.0
WITHIN_M = 50.0
_DIRECTION: Direction = "drone2satellite"
_SYSTEM = {"name": "sdpl", "backbone": "tf_efficientnet_lite0", "input_px": 128}
_STRIPS = 6


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: who answers.
        recall_1, ap: percent, on the places of the test town.
        median_m: median error of the photos' fixes in metres, not located ones counted as
            infinitely far.
        located: share of photos that got a fix, percent.
    """

    name: str
    recall_1: float
    ap: float
    median_m: float
    located: float

    def cells(self) -> list[str]:
        """The row as text."""
        return [
            self.name,
            f"{self.recall_1:.1f}",
            f"{self.ap:.1f}",
            f"{self.median_m:.0f}",
            f"{self.located:.0f}",
        ]


HEADER = ("system", "R@1 %", "AP %", "median error m", "located %")


@dataclass(frozen=True)
class TrainingResult:
    """What was found.

    Attributes:
        rows: chance, ImageNet features, SDPL.
        report: the HTML page.
    """

    rows: tuple[Row, ...]
    report: Path


@dataclass(frozen=True)
class _Photos:
    paths: tuple[Path, ...]
    truths: tuple[tuple[float, float], ...]


def run_training_demo(
    out: Path | str, steps: int = 120, size: SampleSize | None = None
) -> TrainingResult:
    """Train on one made-up town and locate photos over another.

    Work that is already done in ``out`` is not done again.

    Args:
        out: folder for sample, run, galleries and report.
        steps: training steps of SDPL.
        size: of the sample; the default takes about a minute to make.

    Raises:
        SkyfixError: ``out`` cannot be written.
    """
    out = Path(out)
    sample = write_sample(out / "sample", size=size)
    dataset = University1652(sample)
    run = out / f"sdpl_{steps}"
    if not (run / "system.json").exists():
        train(_config(steps), dataset, run, resume=True)
    untrained = Embedder("imagenet")
    untrained.system.with_input_px(128, 128)
    photos = _read_photos(sample)
    rows: list[Row] = []
    for name, embedder in (("ImageNet features", untrained), ("SDPL", Embedder(run))):
        scores = evaluate(embedder, dataset, _DIRECTION)
        folder = out / f"gallery_{embedder.identity}"
        gallery = Gallery.build(sample / "map.tif", folder, embedder, TILE_M, STRIDE_M)
        poses = read_poses(sample / "photos" / "poses.csv")
        known = [poses.of(path) for path in photos.paths]
        fixes = locate_many(photos.paths, gallery, poses=known, embedder=embedder)
        rows.append(_row(name, scores, fixes, photos))
    rows.insert(0, _chance(scores, gallery, photos))
    report = out / "report.html"
    _page(rows, fixes, gallery, photos, sample / "map.tif").write(report)
    return TrainingResult(tuple(rows), report)


def _config(steps: int) -> TrainConfig:
    sections: Sections = {
        "system": dict(_SYSTEM),
        "optim": {"lr": 0.002, "backbone_scale": 0.3},
        "schedule": {"steps": steps},
        "sampler": {"batch_size": 8},
        "validation": {"select": "last"},
    }
    return make_config(sections, "the training demo")


def _read_photos(sample: Path) -> _Photos:
    with (sample / "photos" / "truth.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return _Photos(
        tuple(sample / "photos" / Path(row["file"]).name for row in rows),
        tuple((float(row["ground_lon"]), float(row["ground_lat"])) for row in rows),
    )


def errors_m(fixes: list[Fix], truths: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Distance of each fix from the truth, metres; infinite where not located."""
    return np.array(
        [
            np.inf
            if fix.lon is None or fix.lat is None
            else float(distance_m(fix.lon, fix.lat, *truth))
            for fix, truth in zip(fixes, truths, strict=True)
        ]
    )


def _row(name: str, scores: Evaluation, fixes: list[Fix], photos: _Photos) -> Row:
    errors = errors_m(fixes, photos.truths)
    located = 100.0 * float(np.isfinite(errors).mean())
    recall = scores.result.recall[1]
    return Row(name, recall, scores.result.ap, float(np.median(errors)), located)


def _chance(scores: Evaluation, gallery: Gallery, photos: _Photos) -> Row:
    """What random descriptors and random tiles would give, averaged over draws."""
    generator = np.random.default_rng(0)
    labels = np.arange(scores.gallery)
    draws = [
        evaluate_retrieval(
            generator.standard_normal((scores.gallery, 8), dtype=np.float32),
            labels,
            generator.standard_normal((scores.gallery, 8), dtype=np.float32),
            labels,
        )
        for _ in range(50)
    ]
    lon, lat = (np.array(values) for values in zip(*photos.truths, strict=True))
    tiles = generator.integers(len(gallery), size=(200, len(lon)))
    distances = distance_m(gallery.tiles.lon[tiles], gallery.tiles.lat[tiles], lon, lat)
    return Row(
        "chance",
        float(np.mean([draw.recall[1] for draw in draws])),
        float(np.mean([draw.ap for draw in draws])),
        float(np.median(distances)),
        100.0,
    )


def _page(
    rows: list[Row], fixes: list[Fix], gallery: Gallery, photos: _Photos, map_path: Path
) -> Page:
    page = Page("skyfix demo --train")
    page.text(
        "A made-up town. SDPL was trained on views of another one; the photos below were never "
        "seen in training. Poses are known, positions are not."
    )
    page.table(HEADER, [row.cells() for row in rows])
    page.picture(
        fixes_on_map(map_path, fixes, photos.truths),
        "SDPL on the map: circles are true ground points, crosses the fixes.",
    )
    page.heading("Photos and their best tiles")
    errors = errors_m(fixes, photos.truths)
    shown = np.argsort(errors, kind="stable")
    for index in (*shown[: _STRIPS // 2], *shown[-_STRIPS // 2 :]):
        fix = fixes[index]
        error = "not located" if fix.lon is None else f"error {errors[index]:.0f} m"
        page.picture(
            match_strip(fix, gallery, photos.truths[index], WITHIN_M),
            f"{Path(fix.photo).name}: {error}, confidence {fix.confidence:.2f}. Tiles best first; "
            f"green within {WITHIN_M:.0f} m of the truth.",
        )
    return page

"""Train a published system by its recipe, measure it and lay the published figures beside it."""

import csv
import io
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyfix.datasets.registry import open_dataset
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.protocol import Extraction, directions_of
from skyfix.evaluation.study import run_protocols
from skyfix.files import read_json, require_writable, write_json, write_text
from skyfix.inference import Embedder
from skyfix.inference.together import together
from skyfix.outputs.evaluation_report import dataset_name, write_report
from skyfix.outputs.figures import JSON_FILE
from skyfix.outputs.page import Page
from skyfix.outputs.provenance import provenance_of
from skyfix.outputs.published_rows import PublishedRow, published_rows
from skyfix.progress import is_first_process
from skyfix.training.config import TrainConfig
from skyfix.training.loop import train

METRICS = ("R@1", "R@5", "R@10", "R@1%", "AP", "hit rate", "AP(step)")
SUMMARY = "summary"


@dataclass(frozen=True)
class Row:
    """One plain figure over all seeds.

    Attributes:
        direction, rule: which view asks; what counts as a match (keep, drop, links).
        values: percent of each seed, by metric.
    """

    direction: Direction
    rule: str
    values: dict[str, list[float]]

    def cell(self, metric: str) -> str:
        """Mean and, of several seeds, their standard deviation; nothing where not measured."""
        values = self.values.get(metric)
        if not values:
            return ""
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        return f"{statistics.fmean(values):.2f}{spread}"


@dataclass(frozen=True)
class Reproduction:
    """What came out.

    Attributes:
        system, dataset: their names.
        rows: measured figures.
        published: the same system's figures in papers and lists.
        reports: page of each seed.
        page: the summary.
    """

    system: str
    dataset: str
    rows: tuple[Row, ...]
    published: tuple[PublishedRow, ...]
    reports: tuple[Path, ...]
    page: Path


def reproduce(
    config: TrainConfig,
    data: str,
    out: Path | str,
    seeds: int = 1,
    protocols: Sequence[str] = ("plain",),
    weights: str = "imagenet",
    device: str = "auto",
) -> Reproduction:
    """Train, evaluate in every direction and report, for seeds 0, 1, ...

    What is already done in ``out`` is not done again; an interrupted run goes on. Processes that
    torchrun started share training and evaluation.

    Args:
        config: system and recipe.
        data: data set as NAME:ROOT.
        out: folder for ``seed_<n>/`` (checkpoint and report) and the summary.
        seeds: how many.
        protocols: to measure beside the plain one.
        weights: where the backbone starts from: ``imagenet``, ``none`` or a weight file.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        SkyfixError: as ``train`` and ``run_protocols``.
    """
    out = Path(out)
    require_writable(out)
    asked = list(dict.fromkeys(("plain", *protocols)))
    dataset = open_dataset(data)
    directions = directions_of(dataset)
    reports, measured = [], []
    for seed in range(seeds):
        folder = out / f"seed_{seed}"
        train(config, dataset, folder, weights, resume=True, device=device, seed=seed)
        reports.append(_evaluate(folder, data, asked, directions, device))
        found = read_json(reports[-1].parent / JSON_FILE, "figures")
        measured.append([x for x in found["measurements"] if x["protocol"] == "plain"])
    result = Reproduction(
        config.system,
        dataset_name(dataset, data),
        tuple(_rows(measured)),
        tuple(published_rows(config.system, dataset, data, directions)),
        tuple(reports),
        out / f"{SUMMARY}.html",
    )
    if is_first_process():
        _write(result, out, config)
    return result


def _evaluate(
    folder: Path, data: str, protocols: list[str], directions: tuple[Direction, ...], device: str
) -> Path:
    """The report of one run, made if it is not there yet."""
    report = folder / "report"
    page = report / "report.html"
    if page.exists():
        known = read_json(report / JSON_FILE, "figures")["measurements"]
        if set(protocols) <= {found["protocol"] for found in known}:
            return page
    started = time.monotonic()
    embedder = Embedder(folder, device=device)
    with together(embedder) as shared:
        if shared is None:
            return page
        extraction = Extraction(shared, open_dataset(data))
        measured = run_protocols(extraction, protocols, directions)
        provenance = provenance_of(
            embedder, extraction, measured, run=folder, data=data, started=started
        )
        return write_report(report, embedder, extraction, measured, provenance)


def _rows(seeds: list[list[dict[str, Any]]]) -> list[Row]:
    rows: dict[tuple[Direction, str], Row] = {}
    for measured in seeds:
        for found in measured:
            for rule in ("keep", "drop", "links"):
                scores = found.get(rule, {})
                key = (found["direction"], rule)
                for metric in METRICS:
                    if metric in scores:
                        row = rows.setdefault(key, Row(*key, {}))
                        row.values.setdefault(metric, []).append(scores[metric])
    return list(rows.values())


def _write(result: Reproduction, out: Path, config: TrainConfig) -> None:
    table = [
        {"direction": row.direction, "rule": row.rule, "metric": metric, "seed": seed, "value": x}
        for row in result.rows
        for metric, values in row.values.items()
        for seed, x in enumerate(values)
    ]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(out / f"{SUMMARY}.csv", stream.getvalue())
    write_json(
        out / f"{SUMMARY}.json",
        {"system": result.system, "dataset": result.dataset, "config": config.to_json(),
         "figures": table, "published": [vars(row) for row in result.published]},
    )  # fmt: skip
    _page(result, config).write(result.page)


def _page(result: Reproduction, config: TrainConfig) -> Page:
    page = Page(f"{result.system} on {result.dataset}, reproduced")
    shown = [metric for metric in METRICS if any(metric in row.values for row in result.rows)]
    seeds = len(result.reports)
    page.heading("Measured")
    page.text(
        f"Mean of {seeds} seeds ± standard deviation, percent." if seeds > 1 else "Percent, 1 seed."
    )
    page.text(selection_note(config))
    page.table(
        ["direction", "rule", *(f"{metric} %" for metric in shown)],
        [[row.direction, row.rule, *map(row.cell, shown)] for row in result.rows],
    )
    page.heading("Published")
    if not result.published:
        page.text("No figure of this system on this data set is known to skyfix.")
    else:
        metrics = list(dict.fromkeys(name for row in result.published for name in row.values))
        page.table(
            ["system", "backbone", "input px", "direction", *metrics, "source", "note"],
            [
                [row.form, row.backbone, row.input_px, row.direction,
                 *(f"{row.values[m]:.2f}" if m in row.values else "" for m in metrics),
                 row.source, "; ".join(row.notes)]
                for row in result.published
            ],
        )  # fmt: skip
    page.heading("Reports")
    for path in result.reports:
        page.text(path.relative_to(result.page.parent).as_posix())
    return page


def selection_note(config: TrainConfig) -> str:
    """How the checkpoint was chosen, in a sentence."""
    validation = config.recipe.validation
    return {
        "last": "Trained on all places; the checkpoint is the last state.",
        "held-out": f"{validation.share:.0%} of the training places were held out; the checkpoint "
        "is the state that found them best.",
        "test": "The checkpoint is the state that was best on the test split itself: these "
        "figures flatter.",
    }[validation.select]

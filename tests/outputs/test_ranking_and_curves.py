"""Pictures and curves of a report show what was measured."""

from pathlib import Path

import numpy as np
import pytest

from skyfix.datasets.registry import generate, open_dataset
from skyfix.evaluation.protocol import Direction, Extraction, measure
from skyfix.evaluation.study import run_protocols
from skyfix.inference import Embedder
from skyfix.outputs.curves import cmc_curve, robustness_bars, robustness_curve
from skyfix.outputs.ranking import ranking_of
from skyfix.outputs.ranking_pictures import chosen_rows, worst_rows


def small_embedder() -> Embedder:
    embedder = Embedder("imagenet", device="cpu")
    embedder.system.with_input_px(64, 64)
    return embedder


@pytest.mark.parametrize(
    ("spec", "direction"),
    [
        ("university1652", "drone2satellite"),
        ("university1652", "satellite2drone"),
        ("vigor", "ground2satellite"),
        ("gta_uav", "drone2satellite"),
    ],
)
def test_pictures_show_the_ranking_that_was_scored(
    tmp_path: Path, spec: str, direction: Direction
) -> None:
    choice = "" if spec == "university1652" else "@same"
    dataset = open_dataset(f"{spec}{choice}:{generate(spec, tmp_path, places=3)}")
    extraction = Extraction(small_embedder(), dataset)
    ranking = ranking_of(extraction, measure(extraction, direction))
    size = len(ranking.gallery.images)
    for row, rank in enumerate(ranking.first_rank):
        hits = ranking.best(row, size)
        assert sorted(hit.column for hit in hits) == list(range(size))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        right = [place for place, hit in enumerate(hits) if hit.verdict == "right"]
        assert (right[0] if right else -1) == rank
        truth = ranking.truth(row)
        assert truth == (hits[right[0]] if right else None)


def test_rows_are_chosen_by_rule(tmp_path: Path) -> None:
    dataset = open_dataset(f"university1652:{generate('university1652', tmp_path, places=2)}")
    extraction = Extraction(small_embedder(), dataset)
    ranking = ranking_of(extraction, measure(extraction, "drone2satellite"))
    assert chosen_rows(ranking) == [0, 2, 3, 5, 6, 8, 9, 11]
    ranks = np.array([5, 0, -1, 2, 3, 5, 0, 0, 1, 0, 4, 2])
    shifted = type(ranking)(**{**vars(ranking), "first_rank": ranks})
    # Places hold three queries each; of each place its worst, -1 and 0 left out.
    assert worst_rows(shifted) == [0, 5, 10, 8]


def test_charts_draw_what_was_measured(tmp_path: Path) -> None:
    dataset = open_dataset(f"university1652:{generate('university1652', tmp_path, places=2)}")
    extraction = Extraction(small_embedder(), dataset)
    directions: tuple[Direction, ...] = ("drone2satellite", "satellite2drone")
    measured = run_protocols(extraction, ["plain", "rotation", "distance"], directions)
    plain, turned, distant = (
        [found for found in measured if found.condition.protocol == name]
        for name in ("plain", "rotation", "distance")
    )
    (axes,) = robustness_curve(turned).axes
    assert axes.get_xlabel() == "rotation [degrees]"
    assert axes.get_ylabel() == "R@1 [%]"
    for line, direction in zip(axes.lines, directions, strict=True):
        chosen = [found for found in turned if found.direction == direction]
        assert list(line.get_xdata()) == [found.condition.value for found in chosen]
        assert list(line.get_ydata()) == [found.places["keep"].recall[1] for found in chosen]
    (axes,) = robustness_bars(distant).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["long", "middle", "short"]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [found.places["keep"].recall[1] for found in distant]
    (axes,) = cmc_curve(plain).axes
    for line, found in zip(axes.lines, plain, strict=True):
        recall = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
        size = found.places["keep"].gallery
        assert max(recall) == size
        for k, value in found.places["keep"].recall.items():
            assert recall[min(k, size)] == value

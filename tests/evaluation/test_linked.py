"""Scores with positives and semi-positives, against the authors' and against a literal loop."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyfix.datasets.contract import Matches
from skyfix.errors import SkyfixError
from skyfix.evaluation.linked import evaluate_matches


def linked(per_query, semi_per_query):
    """Matches out of lists of columns per query."""
    pairs = list(zip(per_query, semi_per_query, strict=True))
    counts = [len(good) + len(semi) for good, semi in pairs]
    columns = [column for good, semi in pairs for column in (*good, *semi)]
    flags = [flag for good, semi in pairs for flag in [False] * len(good) + [True] * len(semi)]
    return Matches(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(columns, np.int64),
        np.ones(len(columns)),
        np.array(flags, bool),
    )


def test_figures_equal_those_of_sample4geo_on_vigor(golden, fill_global):
    described = json.loads((golden / "evaluators_global/vigor_style.json").read_text())
    reference = fill_global.l2n(fill_global.normal("dev/evaluators_global/ref", (250, 32)))
    order = np.argsort(
        fill_global.uniform("dev/evaluators_global/vperm", [250, 4]), axis=0, kind="stable"
    )[:200]
    kept = np.array([len(set(row)) == 4 for row in order.tolist()])
    assert kept.sum() == described["inputs"]["labels"]["kept"]
    noise = fill_global.normal("dev/evaluators_global/vnoise", [200, 32])[kept]
    columns = order[kept]
    others = 0.3 * sum(reference[columns[:, index]] for index in (1, 2, 3))
    query = fill_global.l2n(reference[columns[:, 0]] + others + 0.25 * noise)
    matches = linked(columns[:, :1].tolist(), columns[:, 1:].tolist())
    found = evaluate_matches(query, reference, matches)
    printed = dict(described["printed"])
    assert found.recall == pytest.approx({k: printed[f"Recall@{k}"] for k in (1, 5, 10)}, abs=1e-4)
    assert found.recall_1_percent == pytest.approx(printed["Recall@top1"], abs=1e-4)
    assert found.hit_rate == pytest.approx(printed["Hit_Rate"], abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_figures_equal_a_literal_loop(seed):
    rng = np.random.default_rng(seed)
    gallery, query = rng.standard_normal((12, 5)), rng.standard_normal((6, 5))
    chosen = [rng.permutation(12)[:5] for _ in range(6)]
    counts = rng.integers(0, 3, 6)
    good = [row[:n].tolist() for row, n in zip(chosen, counts, strict=True)]
    semi = [row[3:].tolist() for row in chosen]
    found = evaluate_matches(query, gallery, linked(good, semi))
    for index, (own, _near) in enumerate(zip(good, semi, strict=True)):
        ranking = np.argsort(-(gallery.astype(np.float32) @ query[index].astype(np.float32)))
        places = [int(np.flatnonzero(ranking == column)[0]) for column in own]
        assert found.first_rank[index] == min(places, default=-1)
    hits = precision = 0.0
    for index, (own, near) in enumerate(zip(good, semi, strict=True)):
        ranking = np.argsort(-(gallery.astype(np.float32) @ query[index].astype(np.float32)))
        cleaned = [column for column in ranking if column not in near]
        hits += bool(own) and cleaned[0] in own
        flags = np.isin(ranking, own)
        precision += (flags * np.cumsum(flags) / np.arange(1, 13)).sum() / max(1, len(own))
    assert found.hit_rate == pytest.approx(100 * hits / 6)
    assert found.ap_step == pytest.approx(100 * precision / 6)


def test_sides_that_do_not_fit():
    with pytest.raises(SkyfixError, match="do not fit"):
        evaluate_matches(np.ones((2, 3)), np.ones((4, 3)), linked([[0]], [[]]))

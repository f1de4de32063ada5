"""Retrieval metrics against the authors' numbers and against a literal twin."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.errors import SkyfixError
from skyfix.evaluation import ranks
from skyfix.evaluation.metrics import evaluate_retrieval


def slow_twin(query, query_labels, gallery, gallery_labels, distractors="keep"):
    """First ranks and APs, one query at a time, literally from the description."""
    gallery_labels = gallery_labels.copy()
    if distractors == "drop":
        for position, label in enumerate(gallery_labels):
            if label not in set(query_labels.tolist()):
                gallery_labels[position] = -1
    first_ranks, aps = [], []
    for descriptor, label in zip(query, query_labels, strict=True):
        scores = gallery @ descriptor
        ranking = sorted(
            range(len(gallery)), key=lambda g: (-scores[g], gallery_labels[g] == label)
        )
        ranking = [g for g in ranking if gallery_labels[g] != -1]
        ranks = [rank for rank, g in enumerate(ranking) if gallery_labels[g] == label]
        first_ranks.append(ranks[0] if ranks else -1)
        area = 0.0
        for found, rank in enumerate(ranks):
            precision = (found + 1) / (rank + 1)
            before = found / rank if rank > 0 else 1.0
            area += (precision + before) / 2 / len(ranks)
        aps.append(area)
    return np.array(first_ranks), np.array(aps)


def line_ranking(hits):
    """One query and a gallery whose score falls with its position; ``hits`` are true matches."""
    gallery = np.linspace(1.0, 0.1, len(hits), dtype=np.float32)[:, None]
    return np.ones((1, 1), np.float32), np.array([7]), gallery, np.where(hits, 7, 8)


def test_trapezoid_ap_of_a_known_ranking():
    hits = [rank in (1, 4, 7) for rank in range(10)]
    result = evaluate_retrieval(*line_ranking(hits))
    assert result.ap_per_query[0] == pytest.approx(0.301786, abs=5e-7)
    assert result.first_rank.tolist() == [1]
    assert result.recall == {1: 0.0, 5: 100.0, 10: 100.0}


def test_distractors_kept_or_dropped():
    query, gallery = np.ones((1, 1), np.float32), np.array([[0.9], [0.5], [0.1]], np.float32)
    sides = query, np.array([1]), gallery, np.array([99, 1, 98])
    kept = evaluate_retrieval(*sides)
    dropped = evaluate_retrieval(*sides, distractors="drop")
    assert (kept.ap, kept.recall[1]) == (25.0, 0.0)
    assert (dropped.ap, dropped.recall[1]) == (100.0, 100.0)
    assert dropped.gallery == 3


def test_one_percent_index_counts_the_whole_gallery():
    # 100 places and 100 junk images: index round(0.01 * 200) = 2 accepts rank 2, not rank 3.
    for true_rank, percent in ((2, 100.0), (3, 0.0)):
        query, label, gallery, labels = line_ranking([rank == true_rank for rank in range(100)])
        gallery = np.vstack([np.full((100, 1), 2, np.float32), gallery])
        labels = np.concatenate([np.full(100, -1), labels])
        assert evaluate_retrieval(query, label, gallery, labels).recall_1_percent == percent


def test_json_carries_the_usual_names():
    found = evaluate_retrieval(
        np.eye(3, dtype=np.float32), [0, 1, 5], np.eye(3, dtype=np.float32), [0, 2, 1]
    ).to_json()
    assert json.loads(json.dumps(found)) == {
        "R@1": pytest.approx(100 / 3),
        "R@5": pytest.approx(200 / 3),
        "R@10": pytest.approx(200 / 3),
        "R@1%": pytest.approx(100 / 3),
        "R@1% (N//100)": pytest.approx(100 / 3),
        "R@1% (N//100+1)": pytest.approx(100 / 3),
        "AP": pytest.approx(100 * (1 + 0.5 / 3) / 3),
        "queries": 3,
        "gallery": 3,
        "without_match": 1,
        "distractors": "keep",
    }


@pytest.mark.parametrize("tag", ["plain", "junk"])
def test_golden_evaluators(golden, tag):
    facts = json.loads((golden / "evaluator" / "evaluator.json").read_text())
    expected = next(f for f in facts["files"] if f["tag"] == tag)["results"]["standard"]
    arrays = np.load(golden / "evaluator" / "evaluator.npz")
    result = evaluate_retrieval(*(arrays[f"{tag}_{key}"] for key in ("qf", "ql", "gf", "gl")))
    np.testing.assert_array_equal(result.first_rank, arrays[f"{tag}_first"])
    np.testing.assert_allclose(result.ap_per_query, arrays[f"{tag}_ap"], rtol=0, atol=1e-9)
    hits = (result.first_rank >= 0) & (result.first_rank <= np.arange(result.gallery)[:, None])
    np.testing.assert_array_equal(np.float32(hits.mean(axis=1)), arrays[f"{tag}_cmc"])
    assert result.without_match == expected["skipped"]
    assert_percentages(result, expected, one_percent="R1pct", at="R{}")


@pytest.mark.parametrize("mode", ["ave", "max", "single"])
def test_golden_multi_query(golden, mode):
    facts = json.loads((golden / "evaluator" / "evaluator.json").read_text())["multi_query"]
    arrays = np.load(golden / "evaluator" / "evaluator.npz")
    query, labels = arrays["multi_qf"], arrays["multi_ql"]
    if mode != "single":
        groups = query.reshape(-1, facts["per_class"], query.shape[1])
        query = groups.mean(axis=1) if mode == "ave" else groups.max(axis=1)
        labels = labels[:: facts["per_class"]]
    result = evaluate_retrieval(query, labels, arrays["multi_gf"], arrays["multi_gl"])
    if mode != "single":
        np.testing.assert_array_equal(result.first_rank, arrays[f"multi_first_{mode}"])
        np.testing.assert_allclose(
            result.ap_per_query, arrays[f"multi_ap_{mode}"], rtol=0, atol=1e-9
        )
    assert_percentages(result, facts["results"][mode], one_percent="R1pct", at="R{}")


@pytest.mark.parametrize("distractors", ["keep", "drop"])
@pytest.mark.parametrize("direction", ["drone_to_satellite", "satellite_to_drone"])
def test_golden_university(golden, fill_global, direction, distractors):
    folder = golden / "evaluators_global"
    facts = json.loads((folder / f"university_{direction}_like.json").read_text())
    arrays = np.load(folder / f"university_{direction}_like.npz")
    inputs = facts["inputs"]
    centres = fill_global.normal(inputs["centres"]["name"], inputs["centres"]["shape"])

    def side(name, classes):
        noise = fill_global.normal(inputs[name]["name"], inputs[name]["shape"])
        chosen = classes[np.arange(len(noise)) % len(classes)]
        rows = fill_global.l2n(centres[chosen] + 1.25 * noise)
        return rows.astype(np.float32), 7 * chosen + 3

    result = evaluate_retrieval(
        *side("query", np.array(inputs["query_classes"])),
        *side("gallery", np.arange(60)),
        distractors=distractors,
    )
    key = {"keep": "official_keep", "drop": "sample4geo_drop"}[distractors]
    np.testing.assert_array_equal(result.first_rank, arrays[f"{key}_first_hit_rank0"])
    np.testing.assert_allclose(result.ap_per_query, arrays[f"{key}_ap"], rtol=0, atol=1e-9)
    assert_percentages(result, facts["results"][key], one_percent="R@top1", at="R@{}")


def assert_percentages(result, expected, one_percent, at):
    for k, percent in result.recall.items():
        assert percent == pytest.approx(expected[at.format(k)], abs=1e-4)
    assert result.recall_1_percent == pytest.approx(expected[one_percent], abs=1e-4)
    assert result.ap == pytest.approx(expected["AP"], abs=1e-4)


@st.composite
def small_retrieval(draw):
    """Descriptors of few whole numbers (exact scores, many ties), labels with junk and misses."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    queries, gallery = draw(st.integers(1, 12)), draw(st.integers(1, 30))
    dimensions, values = draw(st.integers(1, 4)), draw(st.integers(1, 40))

    def rows(count):
        return rng.integers(-values, values + 1, (count, dimensions)).astype(np.float32)

    labels = draw(st.integers(1, 12))
    return (
        rows(queries),
        rng.integers(-1, labels + 2, queries),
        rows(gallery),
        rng.integers(-1, labels, gallery),
    )


@settings(max_examples=300, deadline=None)
@given(small_retrieval(), st.sampled_from(["keep", "drop"]), st.sampled_from([1, 200, 2**25]))
def test_same_as_the_slow_twin(sides, distractors, score_bytes):
    query, query_labels, gallery, gallery_labels = sides
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "_SCORE_BYTES", score_bytes)
        result = evaluate_retrieval(*sides, distractors=distractors)
    known = query_labels != -1
    first, ap = slow_twin(query, query_labels, gallery, gallery_labels, distractors)
    np.testing.assert_array_equal(result.first_rank[known], first[known])
    np.testing.assert_allclose(result.ap_per_query[known], ap[known], rtol=0, atol=1e-12)
    assert (result.first_rank[~known] == -1).all()
    assert result.ap == pytest.approx(100 * ap[known].sum() / len(query))


def test_a_tie_never_helps():
    gallery = np.ones((4, 2), np.float32)
    query = np.ones((1, 2), np.float32)
    ranks = [
        evaluate_retrieval(query, [1], gallery, np.eye(4, dtype=np.int64)[true]).first_rank[0]
        for true in range(4)
    ]
    assert ranks == [3, 3, 3, 3]
    both = evaluate_retrieval(query, [1], gallery, [0, 1, 1, 0])
    # Two true matches behind two others: ranks 2 and 3.
    assert both.first_rank[0] == 2
    assert both.ap == pytest.approx(100 * ((0 + 1 / 3) / 2 + (1 / 3 + 2 / 4) / 2) / 2)


def test_tensors_and_arrays_score_the_same():
    rng = np.random.default_rng(3)
    query, gallery = (rng.standard_normal((n, 8)).astype(np.float32) for n in (20, 30))
    labels = np.arange(20) % 5, np.arange(30) % 6
    arrays = evaluate_retrieval(query, labels[0], gallery, labels[1])
    tensors = evaluate_retrieval(
        torch.from_numpy(query).requires_grad_(),
        torch.from_numpy(labels[0]),
        torch.from_numpy(gallery),
        torch.from_numpy(labels[1]),
    )
    np.testing.assert_array_equal(arrays.ap_per_query, tensors.ap_per_query)
    gallery.flags.writeable = False
    again = evaluate_retrieval(query, labels[0], gallery, labels[1])
    np.testing.assert_array_equal(arrays.first_rank, again.first_rank)


def changed(**change):
    sides = {
        "query_descriptors": np.eye(3, dtype=np.float32),
        "query_labels": np.arange(3),
        "gallery_descriptors": np.eye(3, dtype=np.float32),
        "gallery_labels": np.arange(3),
    }
    return {**sides, **change}


BAD = np.eye(3, dtype=np.float32)
BAD[1, 2] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_descriptors": BAD}, "1 query descriptors hold NaN.*row 1"),
        ({"gallery_descriptors": np.full((3, 3), 1e300)}, "3 gallery descriptors hold NaN"),
        ({"query_descriptors": np.zeros((0, 3))}, "query set is empty"),
        ({"gallery_descriptors": np.zeros((0, 3))}, "gallery set is empty"),
        ({"query_descriptors": np.zeros(3)}, r"shape \(3,\)"),
        ({"query_descriptors": [["a", "b"]]}, "as numbers"),
        ({"gallery_descriptors": np.eye(3, 4)}, "3 dimensions, gallery descriptors 4"),
        ({"query_labels": np.arange(4)}, "3 query descriptors"),
        ({"gallery_labels": np.arange(3)[:, None]}, "one label per image"),
        ({"gallery_labels": np.ones(3)}, "whole numbers"),
        ({"distractors": "some"}, "keep or drop"),
    ],
)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(SkyfixError, match=message) as caught:
        evaluate_retrieval(**changed(**change))
    assert "\n" not in str(caught.value)

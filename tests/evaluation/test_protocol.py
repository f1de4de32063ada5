"""Evaluation of an embedder on a data set."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from skyfix.datasets.splits import HeldOut
from skyfix.datasets.university1652 import University1652, generate
from skyfix.errors import SkyfixError
from skyfix.evaluation.metrics import evaluate_retrieval
from skyfix.evaluation.protocol import evaluate
from skyfix.images import ImageError, read_image
from skyfix.inference import Embedder


class Colours:
    """A histogram of colours: ignores rotation, so it tells the made-up places apart."""

    def embed_files(self, images, view, progress=None, altitude_m=None, change=None):
        rows, kept, unreadable = [], [], []
        for index, path in enumerate(images):
            try:
                samples = (
                    np.asarray((change or Image.Image.copy)(read_image(path))).reshape(-1, 3) // 64
                )
            except ImageError as error:
                unreadable.append(error)
                continue
            counts = np.bincount(samples @ [16, 4, 1], minlength=64).astype(np.float32)
            rows.append(np.sqrt(counts / counts.sum()))
            kept.append(index)
        return np.array(rows).reshape(-1, 64), np.array(kept, np.int64), unreadable


@pytest.fixture
def root(tmp_path):
    return generate(tmp_path / "u1652", places=4, test_places=6, distractors=2, seed=3)


@pytest.mark.parametrize(
    ("direction", "queries", "gallery"),
    [("drone2satellite", 18, 8), ("satellite2drone", 6, 24)],
)
def test_both_directions(root, direction, queries, gallery):
    found = evaluate(Colours(), University1652(root), direction)
    assert (found.queries, found.gallery, found.unreadable) == (queries, gallery, ())
    assert found.result.without_match == 0
    # A guess would hit once in eight.
    assert found.result.recall[1] > 50
    report = json.loads(json.dumps(found.to_json()))
    assert report["direction"] == direction
    assert {"R@1", "R@5", "R@10", "R@1%", "AP"} <= report.keys()


def test_the_real_embedder(root):
    dataset, embedder = University1652(root), Embedder("imagenet", device="cpu")
    found = evaluate(embedder, dataset).result
    query, gallery = dataset.query("drone"), dataset.gallery("satellite")
    by_hand = evaluate_retrieval(
        embedder.embed(query.paths, "drone"),
        query.labels,
        embedder.embed(gallery.paths, "satellite"),
        gallery.labels,
    )
    np.testing.assert_array_equal(found.first_rank, by_hand.first_rank)
    assert found.to_json() == by_hand.to_json()
    # A guess would hit once in eight.
    assert found.recall[1] > 25


def test_dropping_distractors_never_hurts(root):
    dataset = University1652(root)
    kept = evaluate(Colours(), dataset)
    dropped = evaluate(Colours(), dataset, distractors="drop")
    assert (kept.distractors, dropped.distractors) == ("keep", "drop")
    assert (dropped.result.ap_per_query >= kept.result.ap_per_query).all()


def test_unreadable_images_are_left_out_and_reported(root):
    whole = evaluate(Colours(), University1652(root))
    broken = root / "test/query_drone/0005/image-02.jpeg"
    broken.write_bytes(b"")
    (root / "test/gallery_satellite/0011/0011.jpg").write_text("not an image")
    found = evaluate(Colours(), University1652(root))
    assert (found.queries, found.gallery, len(found.unreadable)) == (17, 7, 2)
    assert str(broken) in found.to_json()["unreadable"][0]
    # The second query is gone; the distractor is gone too, so no other rank grew.
    others = np.delete(whole.result.first_rank, 1)
    assert (found.result.first_rank <= others).all()


def test_a_side_without_readable_image_is_an_error(root):
    for image in (root / "test/query_drone").rglob("*.jpeg"):
        image.write_bytes(b"")
    with pytest.raises(SkyfixError, match=r"None of the 18 drone images \(queries\).*0 bytes"):
        evaluate(Colours(), University1652(root))


def test_unknown_words_are_refused_before_embedding(root):
    shutil.rmtree(root / "test/query_drone")
    with pytest.raises(SkyfixError, match="drone2satellite or satellite2drone"):
        evaluate(None, University1652(root), "drone2ground")
    with pytest.raises(SkyfixError, match="keep or drop"):
        evaluate(None, University1652(root), distractors="none")
    with pytest.raises(SkyfixError, match="has no test/query_drone"):
        evaluate(None, University1652(root))


def test_held_out_places_are_evaluated_alike(root):
    dataset = University1652(root)
    found = evaluate(Colours(), HeldOut(dataset, dataset.places[:3]))
    assert (found.queries, found.gallery, found.result.without_match) == (9, 3, 0)

"""Protocols: which images are asked, what is done to them, what is computed once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_protocol import Colours

from skyfix.datasets.contract import Images, Matches
from skyfix.datasets.university1652 import University1652, generate
from skyfix.errors import SkyfixError
from skyfix.evaluation.conditions import PROTOCOLS, conditions
from skyfix.evaluation.protocol import Extraction, measure
from skyfix.evaluation.study import read_protocols, run_protocols
from skyfix.evaluation.weather import Weather


class Counting(Colours):
    """Remembers what it was asked to embed."""

    def __init__(self):
        self.asked = []

    def embed_files(self, images, view, progress=None, altitude_m=None, change=None):
        self.asked.append((view, len(images), change))
        return super().embed_files(images, view, progress, altitude_m, change)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("u1652")
    return University1652(generate(root, places=2, test_places=6, distractors=2, seed=3))


def places(*counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    return Images(
        tuple(Path(str(row)) for row in range(len(labels))), labels, tuple(map(str, counts))
    )


def test_undisturbed_images_are_embedded_once(dataset):
    embedder = Counting()
    names = ["plain", "rotation", "distance", "multi-query"]
    found = run_protocols(
        Extraction(embedder, dataset), names, ["drone2satellite", "satellite2drone"]
    )
    plain = [(view, count) for view, count, change in embedder.asked if change is None]
    assert sorted(plain) == [("drone", 18), ("drone", 24), ("satellite", 6), ("satellite", 8)]
    disturbed = [change for _, _, change in embedder.asked if change is not None]
    assert len(disturbed) == 2 * 11
    # Drone protocols are asked in one direction only.
    assert len(found) == 2 + 2 * 12 + 3 + 2


def test_each_measurement_has_both_rules_and_three_r_1_percents(dataset):
    row = measure(Extraction(Colours(), dataset)).to_json()
    assert row["drop"]["R@1"] >= row["keep"]["R@1"]
    assert {"R@1%", "R@1% (N//100)", "R@1% (N//100+1)"} <= row["keep"].keys()
    assert row["protocol"] == "plain"


def test_a_place_asks_once_with_all_its_photos(dataset):
    extraction = Extraction(Colours(), dataset)
    (mean, maximum) = conditions("multi-query")
    single = measure(extraction).places["keep"]
    merged = measure(extraction, condition=mean).places["keep"]
    assert (single.queries, merged.queries) == (18, 6)
    query = extraction.embedded("query", "drone")
    gallery = extraction.embedded("gallery", "satellite")
    for index, label in enumerate(np.unique(query.images.labels)):
        rows = query.descriptors[query.images.labels == label]
        scores = gallery.descriptors @ rows.mean(axis=0)
        true = scores[gallery.images.labels == label].max()
        assert merged.first_rank[index] == (scores > true).sum()
    assert measure(extraction, condition=maximum).places["keep"].queries == 6


def test_thirds_and_the_36th_image_follow_the_names():
    images = places(54, 7, 1)
    thirds = [condition.chosen(images) for condition in conditions("distance")]
    assert [list(rows[:1]) for rows in thirds] == [[0], [18], [36]]
    assert sorted(np.concatenate(thirds)) == list(range(62))
    (scale,) = conditions("scale")
    assert scale.chosen(images).tolist() == [35, 60, 61]


def test_changes_touch_the_sides_and_views_they_name():
    strip = conditions("sues-shift")[0]
    assert strip.change_of("gallery", "drone") and strip.change_of("query", "drone")
    assert strip.change_of("gallery", "satellite") is None
    shift = conditions("shift")[1]
    assert shift.change_of("query", "satellite") and not shift.change_of("gallery", "drone")
    labels = {condition.name.split(" ")[0] for condition in conditions("shift")}
    assert labels == {"(+P,0)", "(+P,+P)", "(-P,-P)", "(+P,-P)", "(-P,+P)"}


@pytest.mark.parametrize("condition", conditions("weather")[1:], ids=lambda c: c.name)
def test_weather_is_the_same_for_the_same_photo(condition):
    rng = np.random.default_rng(0)
    blocks = rng.integers(40, 216, (8, 8, 3), dtype=np.uint8)
    photo = Image.fromarray(blocks).resize((96, 64), Image.Resampling.BICUBIC)
    once, again = (np.asarray(condition.change(photo), float) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    plain = np.asarray(photo, float)
    assert once.shape == plain.shape
    assert np.abs(once - plain).mean() > 2
    # What the photo shows is still there: brighter ground stays brighter.
    assert np.corrcoef(once.ravel(), plain.ravel())[0, 1] > 0.3
    brighter = {"dark": -1, "over-exposure": 1, "fog": 1}.get(condition.name, 0)
    assert brighter * (once.mean() - plain.mean()) >= 0


def test_pairs_of_weather_have_both():
    photo = Image.fromarray(np.full((64, 64, 3), 90, np.uint8))
    fog, rain, both = (np.asarray(Weather(n)(photo), float) for n in ("fog", "rain", "fog+rain"))
    assert both.std() > fog.std()
    assert both.mean() > rain.mean()


def test_unknown_protocols_and_files(tmp_path):
    with pytest.raises(SkyfixError, match=r"Unknown protocol 'shfit'\. Choose of: plain"):
        read_protocols(["shfit"])
    with pytest.raises(SkyfixError, match="Cannot read the protocols"):
        read_protocols([str(tmp_path / "none.toml")])
    listed = tmp_path / "some.toml"
    listed.write_text('protocols = ["plain", "rotation"]')
    assert read_protocols([str(listed), "shift"]) == ["plain", "rotation", "shift"]
    listed.write_text("protocols = 3")
    with pytest.raises(SkyfixError, match="lists no protocols"):
        read_protocols([str(listed)])
    assert all(conditions(name) for name in PROTOCOLS)


def test_a_protocol_of_drone_photos_needs_them(dataset):
    with pytest.raises(SkyfixError, match="Ask with drone images"):
        run_protocols(Extraction(Colours(), dataset), ["scale"], ["satellite2drone"])


def test_matches_among_what_could_be_read():
    matches = Matches(
        np.array([0, 2, 2, 4]),
        np.array([0, 3, 1, 2]),
        np.array([1.0, 0.5, 0.25, 0.125]),
        np.array([False, True, False, True]),
    )
    kept = matches.only(np.array([0, 2]), np.array([1, 2, 3]), 4)
    assert kept.start.tolist() == [0, 1, 3]
    assert kept.columns.tolist() == [2, 0, 1]
    assert kept.overlap.tolist() == [0.5, 0.25, 0.125]
    assert kept.semi.tolist() == [True, False, True]

"""Status sentences and their vectors."""

import pytest
import torch

from skyfix.errors import SkyfixError
from skyfix.layers.status_text import (
    MAX_ALTITUDE_M,
    StatusText,
    WordMean,
    drone_sentence,
    status_sentences,
)


def test_sentences_are_the_papers() -> None:
    assert drone_sentence(256) == "The altitude of the drone is 256 meters"
    assert status_sentences()[-1] == "The altitude of the satellite is 1000 kilometers"
    sues = "The altitude of the drone is 250 meters, the angle of camera is 60 degree"
    assert drone_sentence(250, camera_angle=True) == sues
    assert status_sentences(camera_angle=True)[250] == sues


def test_drones_find_the_vector_of_their_whole_metre() -> None:
    text = StatusText(64)
    altitude_m = torch.tensor([0.0, 133.9, 5000.0, -3.0, torch.nan])
    vectors = WordMean(64)([drone_sentence(m) for m in (0, 133, MAX_ALTITUDE_M, 0)])
    assert torch.equal(text.drone(altitude_m)[:4], vectors)
    unknown = WordMean(64)(["The altitude of the drone is unknown"])
    assert torch.equal(text.drone(altitude_m)[4:], unknown)
    satellite = WordMean(64)(["The altitude of the satellite is 1000 kilometers"])
    assert torch.equal(text.satellite(3), satellite.expand(3, -1))


def test_closer_altitudes_have_closer_vectors() -> None:
    vectors = StatusText(768).vectors
    near, far = ((vectors[200] - vectors[row]).norm() for row in (203, 260))
    assert 0 < near < far


def test_another_encoder_fills_the_table_and_travels_with_the_weights() -> None:
    text = StatusText(4)
    text.encode(lambda sentences: torch.tensor([[float(len(s))] * 4 for s in sentences]))
    assert text.drone(torch.tensor([7.0]))[0, 0] == len("The altitude of the drone is 7 meters")
    other = StatusText(4)
    other.load_state_dict(text.state_dict())
    assert torch.equal(other.vectors, text.vectors)
    with pytest.raises(SkyfixError, match="vectors of shape"):
        text.encode(lambda sentences: torch.zeros(len(sentences), 5))

"""Classification and divergence of predictions against the authors' numbers."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from skyfix.losses.classification import mean_cross_entropy, part_cross_entropy
from skyfix.losses.divergence import prediction_divergence
from skyfix.losses.focal import focal


def fixture(
    name: str, load_golden: Callable, fill: ModuleType
) -> tuple[dict, dict[str, Tensor], dict[str, Tensor]]:
    description, arrays = load_golden("losses/losses")
    case = next(case for case in description["losses"] if case["name"] == name)
    inputs = {
        key: fill.make_input(source["name"], source["shape"]).requires_grad_()
        for key, source in case["inputs"].items()
    }
    gradients = {
        key: torch.from_numpy(arrays[f"{name}__grad__{key}"])
        for key in inputs
        if f"{name}__grad__{key}" in arrays
    }
    return case, inputs, gradients


def check(loss: Tensor, case: dict, inputs: dict, gradients: dict) -> None:
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-5)
    for key, tensor in inputs.items():
        if case["grad_l2"][key] is None:
            assert tensor.grad is None, key
        else:
            torch.testing.assert_close(tensor.grad, gradients[key], rtol=0, atol=1e-5)


def test_one_direction_equals_the_authors(load_golden: Callable, fill: ModuleType) -> None:
    case, inputs, gradients = fixture("kl_one_direction", load_golden, fill)
    loss = prediction_divergence(inputs["logits_a"], inputs["logits_b"])
    check(loss, case, inputs, gradients)


def test_heads_are_averaged(load_golden: Callable, fill: ModuleType) -> None:
    case, inputs, gradients = fixture("kl_list_mean", load_golden, fill)
    first = torch.stack([inputs["logits_a"], inputs["logits_c"]], dim=1)
    target = torch.stack([inputs["logits_b"], inputs["logits_d"]], dim=1)
    check(prediction_divergence(first, target), case, inputs, gradients)


@pytest.mark.parametrize(
    ("name", "loss"),
    [("instance_ce_list_mean", mean_cross_entropy), ("instance_ce_list_sum", part_cross_entropy)],
)
def test_classification_of_heads_equals_the_authors(
    name: str, loss: Callable, load_golden: Callable, fill: ModuleType
) -> None:
    case, inputs, gradients = fixture(name, load_golden, fill)
    places = torch.tensor(case["labels"])
    first = torch.stack([inputs["logits_a"], inputs["logits_c"]], dim=1)
    second = torch.stack([inputs["logits_b"], inputs["logits_d"]], dim=1)
    check(loss(first, places) + loss(second, places), case, inputs, gradients)


@pytest.mark.parametrize("loss", [mean_cross_entropy, part_cross_entropy])
def test_classification_of_both_views_equals_the_authors(
    loss: Callable, load_golden: Callable, fill: ModuleType
) -> None:
    case, inputs, gradients = fixture("instance_ce_two_views", load_golden, fill)
    places = torch.tensor(case["labels"])
    first, second = (inputs[key].unsqueeze(1) for key in ("logits_a", "logits_b"))
    check(loss(first, places) + loss(second, places.flip(0)), case, inputs, gradients)


def test_focal_loss_equals_the_authors(load_golden: Callable, fill: ModuleType) -> None:
    case, inputs, gradients = fixture("focal", load_golden, fill)
    loss = focal(inputs["logits_a"].unsqueeze(1), torch.tensor(case["labels"]))
    check(loss, case, inputs, gradients)


def test_focal_loss_is_weighted_cross_entropy_of_each_part() -> None:
    torch.manual_seed(0)
    logits, places = torch.randn(4, 3, 6), torch.tensor([0, 5, 2, 0])
    shares = logits.softmax(dim=2)[torch.arange(4), :, places]
    weights = torch.tensor([[0.1], [0.9], [0.9], [0.1]])
    expected = -(weights * (1 - shares) ** 3 * shares.log()).mean()
    torch.testing.assert_close(focal(logits, places, alpha=0.1, gamma=3), expected)
    even = focal(logits, places, alpha=0.5, gamma=0)
    torch.testing.assert_close(2 * even, mean_cross_entropy(logits, places))


def test_images_that_are_classified_perfectly_have_finite_gradients_of_focal_loss() -> None:
    logits = torch.tensor([[[200.0, 0.0]]], requires_grad=True)
    focal(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_equal_predictions_do_not_diverge() -> None:
    logits = torch.randn(5, 7)
    assert prediction_divergence(logits, logits + 3).item() == pytest.approx(0, abs=1e-6)

"""The network of the 2-D study: its variants, and training that stops at the target."""

import pytest
import torch
from torch import nn

from secateur.branches.toy import mlp
from secateur.data import points
from secateur.errors import SecateurError


def tensors(name: str, samples: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, labels = points.draw(name, samples, seed=0)
    return torch.from_numpy(inputs), torch.from_numpy(labels)


@pytest.mark.parametrize(("variant", "relus"), [("authors", 2), ("text", 3)])
def test_the_authors_variant_lacks_the_third_relu(variant: str, relus: int) -> None:
    model = mlp.build(4, variant)
    assert sum(isinstance(module, nn.ReLU) for module in model) == relus
    sizes = [(module.in_features, module.out_features) for module in model if isinstance(module, nn.Linear)]
    assert sizes == [(2, 1000), (1000, 1000), (1000, 1000), (1000, 4)]


def test_training_reaches_its_target_and_repeats_itself_bit_for_bit() -> None:
    inputs, labels = tensors("moons")
    first, second = (mlp.train(inputs, labels, 2, "authors", 7, 0.85, 60, hidden=40) for _ in range(2))
    assert mlp.accuracy(first, inputs, labels) >= 0.85
    assert not first.training
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_variants_with_one_seed_start_alike() -> None:
    inputs, labels = tensors("moons")
    with torch.random.fork_rng():
        torch.manual_seed(7)
        authors = mlp.build(2, "authors", 10)
        torch.manual_seed(7)
        text = mlp.build(2, "text", 10)
    assert all(torch.equal(one, other) for one, other in zip(authors.parameters(), text.parameters(), strict=True))
    assert mlp.accuracy(authors, inputs, labels) <= 1


def test_training_leaves_the_global_random_state_alone() -> None:
    inputs, labels = tensors("moons")
    before = torch.get_rng_state()
    mlp.train(inputs, labels, 2, "text", 1, 0.6, 20, hidden=10)
    assert torch.equal(before, torch.get_rng_state())


def test_a_target_out_of_reach_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "CYCLES", 1)
    inputs, labels = tensors("spirals")
    with pytest.raises(SecateurError, match="target_accuracy"):
        mlp.train(inputs, labels, 4, "text", 1, 1.0, 4, hidden=10)


def test_an_unknown_variant_is_an_error() -> None:
    with pytest.raises(SecateurError, match="authors, text"):
        mlp.build(2, "paper")


@pytest.mark.slow
@pytest.mark.parametrize("variant", mlp.VARIANTS)
@pytest.mark.parametrize("name", points.CLASSES)
def test_the_published_accuracy_is_reached_at_full_size(name: str, variant: str) -> None:
    inputs, labels = tensors(name, 1000)
    target = mlp.PUBLISHED_ACCURACY[name]
    model = mlp.train(inputs, labels, points.CLASSES[name], variant, 1, target, mlp.STEPS[name])
    assert target <= mlp.accuracy(model, inputs, labels) <= target + 0.015


def test_without_a_target_the_published_steps_are_taken_as_they_are() -> None:
    """Plain momentum with a constant step, worked out here once more; nothing is looked at and no cycle follows."""
    inputs, labels = tensors("moons")
    found = mlp.train(inputs, labels, 2, "authors", 3, None, 4, hidden=10)
    torch.manual_seed(3)
    model = mlp.build(2, "authors", 10)
    speeds = [torch.zeros_like(parameter) for parameter in model.parameters()]
    for _ in range(4):
        chosen = torch.randint(len(inputs), (mlp.BATCH_SIZE,))
        gradients = torch.autograd.grad(
            nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]), list(model.parameters())
        )
        with torch.no_grad():
            for parameter, speed, gradient in zip(model.parameters(), speeds, gradients, strict=True):
                speed.mul_(0.9).add_(gradient)
                parameter -= 0.001 * speed
    for one, other in zip(found.parameters(), model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def test_the_learning_rate_falls_in_the_last_third_of_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noted(optimizer: torch.optim.SGD) -> None:
        rates.append(optimizer.param_groups[0]["lr"])
        step(optimizer)

    monkeypatch.setattr(torch.optim.SGD, "step", noted)
    monkeypatch.setattr(mlp, "CYCLES", 2)
    inputs, labels = tensors("spirals")
    with pytest.raises(SecateurError):
        mlp.train(inputs, labels, 4, "text", 1, 1.1, 12, hidden=10)
    cycle = [1.0] * 9 + [0.75, 0.5, 0.25]
    assert [rate / mlp.LEARNING_RATE for rate in rates] == pytest.approx(cycle + cycle)

"""However a criterion's code ends, and whatever it returns, the caller gets scores or one error that names it."""

import os
from pathlib import Path

import pytest
import torch
from tests.criteria.networks import Chain, samples
from torch import nn

from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.containment import contained
from secateur.ranking.rank import Scoring, rank

LABELS = torch.tensor([0, 1, 2, 1, 0, 1, 0])


def scored(folder: Path, body: str, model: nn.Module | None = None) -> dict[str, torch.Tensor]:
    """What `rank` makes of a criterion whose `score` is `body`."""
    (folder / "odd.py").write_text(f"import os, sys, torch\n\n\ndef score(network):\n    {body}\n", encoding="utf-8")
    torch.manual_seed(0)
    model = model or Chain().eval()
    inputs = samples()
    groups = find_unit_groups(model, inputs[:1])
    return rank(model, groups, inputs, LABELS, Scoring(registry.load("odd", [folder])))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit(0)", r"tried to end the process by sys.exit\(0\)"),
        ("sys.exit('done')", r"tried to end the process by sys.exit\('done'\)"),
        ("raise SystemExit", r"tried to end the process by sys.exit\(None\)"),
        ("os._exit(0)", r"tried to end the process by os._exit\(0\)"),
        ("\n    try:\n        os._exit(3)\n    except Exception:\n        pass", r"os._exit\(3\)"),
        ("raise ValueError('one\\ntwo')", "raised ValueError: one two$"),
        ("raise GeneratorExit", "raised GeneratorExit"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", "raised Mute: $"),
        ("return score(network)", "raised RecursionError"),
        ("return network", "score\\(\\) returned Network; it must return a dict"),
        ("return {}", "no scores for layer 'one'"),
        ("return {layer: 'a' for layer in network.layers}", "layer 'one': scores are of type str"),
        ("return {layer: None for layer in network.layers}", "scores are of type NoneType"),
        ("return {layer: [[1], [1, 2]] for layer in network.layers}", "scores are of type list"),
        ("return {k: z + 1j for k, z in network.zeros().items()}", "scores are complex128, on cpu"),
        ("return {k: z.to_sparse() for k, z in network.zeros().items()}", "scores are sparse_coo, float64"),
        ("return {k: z.to('meta') for k, z in network.zeros().items()}", "scores are float64, on meta"),
        ("return {k: z[:2] for k, z in network.zeros().items()}", "scores have shape \\(2,\\)"),
        ("return {k: z / 0 for k, z in network.zeros().items()}", "4 of 4 scores are NaN or infinite"),
    ],
)
def test_a_criterion_that_does_not_score_is_one_error(tmp_path, body, words):
    before = os._exit
    with pytest.raises(SecateurError, match=words) as caught:
        scored(tmp_path, body)
    assert "criterion 'odd'" in str(caught.value) and "\n" not in str(caught.value)
    assert os._exit is before


def test_numbers_of_any_kind_are_scores(tmp_path):
    wanted = scored(tmp_path, "return {k: torch.arange(len(z)).double() for k, z in network.zeros().items()}")
    for form in ("list(range(len(z)))", "torch.arange(len(z)).half()", "torch.arange(len(z)).numpy()"):
        found = scored(tmp_path, f"return {{k: {form} for k, z in network.zeros().items()}}")
        assert all(torch.equal(found[group], wanted[group]) for group in wanted)


def test_weights_that_are_not_finite_are_named_and_not_the_criterion(tmp_path):
    model = Chain().eval()
    with torch.no_grad():
        model.two.weight[0, 0, 0, 0] = torch.nan
    body = "return {layer: network.weight(layer).norm(dim=1) for layer in network.layers}"
    with pytest.raises(SecateurError, match=r"^the network's weights: 'two.weight' holds 1 of \d+ numbers .* diverged"):
        scored(tmp_path, body, model)


def test_a_child_that_a_criterion_forks_leaves_as_it_wants(tmp_path):
    with contained("this"):
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with pytest.raises(KeyboardInterrupt), contained("this"):
        raise KeyboardInterrupt


def test_of_a_long_error_the_beginning_is_said():
    for length, said in ((500, 500), (501, 500), (9000, 500)):
        with pytest.raises(SecateurError) as error, contained("It"):
            raise ValueError("x" * length)
        assert str(error.value) == f"It raised ValueError: {'x' * said}"

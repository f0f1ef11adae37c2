"""What is no classifier's output is refused by what it is, before anything is carried back."""

import pytest
import torch
from torch import nn

from secateur.errors import SecateurError
from secateur.ranking.network import Network
from secateur.relevance.vocabulary import inexact_node, nodes_between

OUTPUTS = {
    "two rows": (lambda x: torch.stack([x, x], 2), r"returns \(4, 3, 2\), not one row of logits"),
    "one number": (lambda x: x.sum(1), r"returns \(4,\), not one row of logits"),
    "a pair": (lambda x: (x, x), "returns tuple, not one row of logits"),
    "by name": (lambda x: {"logits": x}, "returns dict, not one row of logits"),
    "whole numbers": (lambda x: x.long(), r"returns \(4, 3\), not one row of logits"),
}


class Ending(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.layer, self.end = nn.Linear(5, 3), end

    def forward(self, x):
        return self.end(self.layer(x))


def relevance(end, labels):
    network = Network(Ending(end).double().eval(), ["layer"], torch.randn(4, 5, dtype=torch.float64), labels)
    return list(network.relevance("epsilon"))


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_no_row_of_logits_is_refused(name):
    end, words = OUTPUTS[name]
    with pytest.raises(SecateurError, match=words):
        relevance(end, torch.tensor([0, 1, 2, 0]))


def test_a_label_that_no_logit_stands_for_is_refused():
    assert len(relevance(lambda x: x, torch.tensor([0, 1, 2, 0]))) == 1
    with pytest.raises(SecateurError, match="Label 3 is beyond the network's 3 classes"):
        relevance(lambda x: x, torch.tensor([0, 1, 3, 0]))


@pytest.mark.parametrize("beside", ["a known signal", "a constant", "twice the same"])
def test_what_is_not_exact_is_found_beside_what_is_no_matter(beside):
    leaf = torch.rand(3, requires_grad=True)
    first, second = leaf * 2, leaf * 3
    other = {"a known signal": second, "a constant": torch.ones(3), "twice the same": first}[beside]
    known = {first.grad_fn, second.grad_fn}
    assert inexact_node((first + other).grad_fn, known, set()) is None
    for result in (first.sin() + other, other + first.sin()):
        assert inexact_node(result.grad_fn, known, set()).name() == "SinBackward0"
        assert inexact_node(result.grad_fn, known, nodes_between(result.grad_fn, known)) is None

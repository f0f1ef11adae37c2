"""The proof on every supported architecture: drawn sets of units are removed and held against the masked oracle."""

import pytest
import torch
from benchmarks.removal_proof import CASES, export_differences, random_selection, survives_saving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.pruning.masking import masked
from secateur.pruning.proof import prove
from secateur.pruning.removal import remove
from secateur.pruning.units import UnitGroup, find_unit_groups

FAST = ("ReLU MLP", "SqueezeNet-1.1")


@st.composite
def selections(draw: st.DrawFn, groups: list[UnitGroup]) -> dict[str, list[int]]:
    """Units at a drawn rate of 0.1 to 0.9, or drawn freely group by group."""
    rate, seed = draw(st.floats(0.1, 0.9)), draw(st.integers(0, 10**6))
    if draw(st.booleans()):
        return random_selection(groups, rate, seed)
    generator = torch.Generator().manual_seed(seed)
    counts = {group.name: draw(st.integers(0, group.size - 1)) for group in groups[:12]}
    sizes = {group.name: group.size for group in groups}
    return {name: torch.randperm(sizes[name], generator=generator)[:number].tolist() for name, number in counts.items()}


def check(name: str, examples: int) -> None:
    case = CASES[name]
    network, inputs = case.network(), case.inputs()
    groups = find_unit_groups(network, inputs)

    @settings(deadline=None, max_examples=examples, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(selections(groups))
    def holds(selection: dict[str, list[int]]) -> None:
        found = prove(network, groups, selection, inputs)
        assert found.difference <= 1e-5
        assert found.predicted == found.counted
        assert found.trains

    holds()
    selection = random_selection(groups, 0.5, 0)
    with torch.inference_mode():
        whole = network(inputs)
        with masked(network, groups, selection):
            silent = network(inputs)
    assert (whole - silent).abs().max() > 1e-3 * whole.abs().max()  # else the proof would prove nothing
    assert survives_saving(case, network, groups, selection)


@pytest.mark.parametrize("name", FAST)
def test_removal_equals_silence(name: str) -> None:
    check(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in FAST])
def test_removal_equals_silence_on_every_architecture(name: str) -> None:
    check(name, 2 if name.startswith("VGG") else 4)  # theirs are 138 million parameters, in a plain chain


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet-18", "RegNetY-200MF", "ViT-Tiny/16"])
def test_exported_networks_give_the_same_outputs(name: str) -> None:
    case = CASES[name]
    network, inputs = case.network(), case.inputs()
    groups = find_unit_groups(network, inputs)
    pruned = remove(network, groups, random_selection(groups, 0.5, 0))
    assert max(export_differences(pruned, inputs)) <= 1e-4

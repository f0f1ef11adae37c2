"""Scores of draws and the sets they remove."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from secateur.branches.toy import mlp, scoring, toy_study
from secateur.errors import SecateurError
from secateur.pruning.selection import select
from secateur.pruning.units import find_unit_groups
from secateur.ranking.rank import Scoring, rank


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), count=st.integers(1, 27))
def test_without_ties_removal_is_the_benchmarks_own_selection(seed: int, count: int) -> None:
    scores = np.random.default_rng(seed).permutation(30).astype(float)
    groups = find_unit_groups(mlp.build(2, "text", 10), torch.zeros(1, 2))
    by_layer = {layer: torch.from_numpy(scores[10 * i : 10 * i + 10]) for i, layer in enumerate(mlp.HIDDEN_LAYERS)}
    expected = select(groups, by_layer, count / 30)
    gone = scoring.removals(scores[None], count)[0].view(3, 10)
    assert {layer: gone[i].nonzero().squeeze(1).tolist() for i, layer in enumerate(mlp.HIDDEN_LAYERS)} == expected


def test_ties_go_in_the_order_of_layers_and_no_layer_is_emptied() -> None:
    gone = scoring.removals(np.zeros((1, 12)), 6)[0]
    assert gone.tolist() == [True] * 3 + [False] + [True] * 3 + [False] * 5
    assert scoring.removals(np.zeros((1, 12)), 9)[0].view(3, 4).sum(1).tolist() == [3, 3, 3]


@pytest.fixture(scope="module")
def work(moons: Path, small: dict[str, Any]) -> toy_study.ToyStudy:
    return toy_study.read(moons, small, ["weight", "gradient", "taylor", "lrp", "random"], 1)


@pytest.mark.parametrize("references", ["generated", "training"])
def test_scores_from_shared_passes_are_those_of_each_draw_on_its_own(work: toy_study.ToyStudy, references: str) -> None:
    model = work.train("fitted", "authors", 0)
    found = scoring.score_draws(work, model, references, ("authors", 0))
    groups = find_unit_groups(model, torch.zeros(1, 2))
    checked = 0
    for pool in work.pools(references, work.draw_counts(references)):
        for samples, repetition, members in pool.members:
            for criterion in work.criteria:
                expected = rank(
                    model,
                    groups,
                    pool.inputs[members],
                    pool.labels[members],
                    Scoring(
                        criterion.file,
                        seed=work.seed("authors", 0, criterion.name, repetition),
                        options=criterion.options,
                        normalisation=criterion.normalisation,
                    ),
                )
                joined = torch.cat([expected[layer] for layer in mlp.HIDDEN_LAYERS])
                got = torch.from_numpy(found[criterion.name, samples, repetition])
                torch.testing.assert_close(got, joined, rtol=1e-4, atol=1e-5)
                checked += 1
    assert checked == len(found) == 5 * sum(work.draw_counts(references).values())


def test_small_training_draws_are_parts_of_large_ones_and_balanced(work: toy_study.ToyStudy) -> None:
    pool = next(work.pools("training", {1: 3, 4: 3}))
    sets = {(samples, repetition): set(members.tolist()) for samples, repetition, members in pool.members}
    for repetition in range(3):
        assert sets[1, repetition] < sets[4, repetition]
    for (samples, _), members in sets.items():
        assert torch.bincount(pool.labels[sorted(members)]).tolist() == [samples, samples]


def test_generated_draws_do_not_depend_on_which_others_are_asked_for(work: toy_study.ToyStudy) -> None:
    few = next(work.pools("generated", {4: 1}))
    *_, last = work.pools("generated", {1: 2, 4: 3})
    members = last.members[0][2]
    assert torch.equal(few.inputs, last.inputs[members])


def test_a_criterion_that_fails_is_named(moons: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text('"""Fails."""\n\n\ndef score(network):\n    raise ValueError("no good")\n')
    work = toy_study.read(moons, small | {"criteria_path": [str(tmp_path)]}, ["broken"], 1)
    with pytest.raises(SecateurError, match=r"criterion 'broken'.*ValueError: no good"):
        scoring.score_draws(work, mlp.build(2, "text", 40).eval(), "generated", ())


def test_a_users_own_criterion_file_runs(moons: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bias.py").write_text(
        '"""Bias: its size."""\n\nNEEDS = ()\n\n\ndef score(network):\n'
        "    return {layer: network.bias(layer).abs() for layer in network.layers}\n"
    )
    work = toy_study.read(moons, small | {"criteria_path": [str(tmp_path)]}, ["bias"], 1)
    model = mlp.build(2, "text", 40).eval()
    found = scoring.score_draws(work, model, "generated", ())
    bias = torch.cat([model.get_submodule(layer).bias.detach() for layer in mlp.HIDDEN_LAYERS]).double()
    expected = torch.cat([part / part.norm() for part in bias.abs().split(40)])
    np.testing.assert_allclose(found["bias", 1, 0], expected.numpy(), rtol=1e-6)

"""What differs from seed to seed: which draws networks share, and that further networks differ in one component."""

import pytest

from secateur.varying import COMPONENTS, blocks, draw_of, draws_of, named, number


def of(vary: list[str], seeds: int = 4, draws: int = 0, step: int = 2) -> dict:
    return {"vary": vary, "seeds": seeds, "seeds_per_job": step, "variance": {"draws": draws}}


def draws(config: dict, seed: int) -> dict[str, int]:
    return {component: draw_of(config, component, seed) for component in COMPONENTS}


def test_what_does_not_vary_is_shared_by_all_seeds():
    config = of(["references", "split"])
    assert draws(config, 3) == {"head": 0, "references": 3, "pretraining": 0, "split": 3}
    assert draws_of(config, "pretraining") == [0] and draws_of(config, "split") == [0, 1, 2, 3]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_further_network_differs_from_its_seeds_own_in_one_component(component):
    config = of(list(COMPONENTS), draws=4)
    for seed in range(4):
        own, anew = draws(config, seed), draws(config, number(seed, component))
        assert [name for name in COMPONENTS if own[name] != anew[name]] == [component]
        assert named(number(seed, component)) == (seed, component) and named(seed) == (seed, "")


def test_blocks_hold_every_further_network_once_and_are_named_apart_from_the_seeds():
    config = of(["head", "split"], draws=3)
    found = blocks(config)
    assert list(found) == ["100000-100001", "100002-100002", "400000-400001", "400002-400002"]
    assert [named(seed) for block in found.values() for seed in block] == [
        (seed, component) for component in ("head", "split") for seed in range(3)
    ]
    assert blocks(of(["head"])) == {}


def test_as_many_draws_are_made_as_are_used():
    assert draws_of(of(["pretraining"], draws=2), "pretraining") == [0, 1, 2, 3]
    assert draws_of(of(["pretraining"], draws=4), "pretraining") == [0, 1, 2, 3, 4]

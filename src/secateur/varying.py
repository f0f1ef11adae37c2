"""What differs from seed to seed: which draw of each component a seed's network is made from.

A study's seeds differ in the components that the config's `vary` lists; all else they share. For the table of variance
there can be further networks (`variance.draws`): each is one seed's network with one component drawn anew, so that the
pair differs in that component alone. Such a network has a seed number of its own: 100000 for the first component,
200000 for the second and so on, plus the seed that it is made after.
"""

from typing import Any

COMPONENTS = ("head", "references", "pretraining", "split")
"""The head's start with the validation part and the order and augmentation of training images; the reference images,
with what a criterion draws by itself; the pretrained backbone; the division into training and test images."""
DEFAULT = ["head", "references"]
"""What varies where a config does not say, as in runs from before it could."""
STEP = 100_000
"""There are fewer seeds than this."""


def named(seed: int) -> tuple[int, str]:
    """The seed that a network is made after, and the component that was drawn anew ("" for a seed's own network)."""
    component, base = divmod(seed, STEP)
    return base, COMPONENTS[component - 1] if component else ""


def number(seed: int, component: str) -> int:
    """The seed number of the network that `named` names."""
    return seed + STEP * (COMPONENTS.index(component) + 1) if component else seed


def draw_of(config: dict[str, Any], component: str, seed: int) -> int:
    """Which draw of a component a seed's network is made from: seeds that share the draw share the component.

    0 for all where the component does not vary; else the seed, and the next one's where it was drawn anew.
    """
    if component not in config["vary"]:
        return 0
    base, anew = named(seed)
    return base + (anew == component)


def draws_of(config: dict[str, Any], component: str) -> list[int]:
    """Every draw of a component that the run's networks are made from."""
    seeds = [*range(config["seeds"]), *(seed for block in blocks(config).values() for seed in block)]
    return sorted({draw_of(config, component, seed) for seed in seeds})


def blocks(config: dict[str, Any]) -> dict[str, range]:
    """Blocks of the further networks that one job handles, by name, as `config.parts` has those of the seeds."""
    by_name = {}
    for component in config["vary"]:
        first = number(0, component)
        last, step = first + config["variance"]["draws"], config["seeds_per_job"]
        for start in range(first, last, step):
            block = range(start, min(start + step, last))
            by_name[f"{block[0]}-{block[-1]}"] = block
    return by_name

"""Named random streams: every draw has its own seed, derived from the run's seed and the draw's name."""

import hashlib


def derive(run_seed: int, *names: str | int) -> int:
    """Seed of the stream called `names` (order matters), in [0, 2**63).

    A hash, so that streams are independent of each other and of how many there are: adding a criterion, a
    seed or a dataset changes no other draw.
    """
    text = "\x1f".join([str(run_seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

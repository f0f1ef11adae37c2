"""How long the 2-D study takes: the demo's cut of it, and the full study from one network of each set and variant.

    python benchmarks/toy.py [--demo] [--config config/demo.yaml] [--threads 1]

Targets: the demo's cut within 60 processor seconds, all three sets and both variants together; the full study (5
networks a variant, and 5 more with the authors' own steps) within an hour on 2 cores. The full study is the same work
for every network, so one of each kind is measured and multiplied. Times are processor times of this process, so that
they do not depend on what else the machine does.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from secateur.branches.toy import read_settings, run_toy
from secateur.data import points
from secateur.files import write_json

CRITERIA = ["weight", "gradient", "taylor", "lrp", "random"]
DEMO_LIMIT, FULL_LIMIT, CORES = 60, 60 * 60, 2
TRAINED = (("fitted", "authors"), ("fitted", "text"), ("published", "authors"))
"""Kind of steps and variant of the networks of the full study."""


def main() -> None:
    """Measure and print; exits with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", action="store_true", help="measure the demo's cut only (a minute, not ten)")
    parser.add_argument("--config", default="config/demo.yaml", help="the config with the demo's cut")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    demo = yaml.safe_load(Path(chosen.config).read_text(encoding="utf-8"))["toy"]
    demo = {key: value for key, value in demo.items() if key not in ("datasets", "criteria")}
    with tempfile.TemporaryDirectory() as folder:
        taken = {name: seconds(name, demo, Path(folder) / "demo") for name in points.CLASSES}
        total = sum(taken.values())
        print(f"demo: {', '.join(f'{name} {value:.0f} s' for name, value in taken.items())}; together {total:.0f} s")
        missed = total > DEMO_LIMIT
        if not chosen.demo:
            networks = read_settings({}).model_seeds
            full = 0.0
            for name in points.CLASSES:
                for steps, variant in TRAINED:
                    settings = {"model_seeds": 1, "variants": [variant], "steps": [steps]}
                    one = seconds(name, settings, Path(folder) / steps / variant)
                    full += networks * one
                    print(f"full, one network: {name} {variant}, {steps} steps: {one:.0f} s")
            print(
                f"full, {networks} networks of each: {full / 60:.0f} min, on {CORES} cores {full / CORES / 60:.0f} min"
            )
            missed = missed or full / CORES > FULL_LIMIT
    raise SystemExit(int(missed))


def seconds(name: str, settings: dict[str, Any], folder: Path) -> float:
    """Processor seconds of one call of the study on the set `name`, with 1,000 training samples a class."""
    data = folder / name
    data.mkdir(parents=True)
    for key, array in points.make(name, 1000, 1000, seed=0).items():
        np.save(data / f"{key}.npy", array)
    write_json(data / "dataset.json", {"name": name})
    start = time.process_time()
    outputs = [folder / f"{name}{ending}" for ending in (".parquet", ".npz", ".stability.parquet")]
    run_toy(data, settings, CRITERIA, 1, *outputs)
    return time.process_time() - start


if __name__ == "__main__":
    main()

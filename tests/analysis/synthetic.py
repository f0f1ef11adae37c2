"""Synthetic tidy tables with known differences between criteria, for the tests of the analysis and the report."""

from pathlib import Path

import numpy as np
import pandas as pd

from secateur.files import write_json

CRITERIA = {"lrp": 0.06, "lrp_epsilon": 0.05, "taylor": 0.02, "gradient": 0.01, "weight": 0.03, "random": -0.08}
"""Criterion → how much accuracy it keeps at rate 0.5 beyond the middle."""
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def curves(
    criteria: dict[str, float] = CRITERIA, studies: tuple[str, ...] = ("scene15-resnet18",), seeds: int = 8,
    samples: tuple[str, ...] = ("1", "10"), noise: float = 0.01, branches: tuple[str, ...] = ("fewshot", "retrain"),
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """A table `curves`: accuracy falls like a logistic curve, later for criteria with a larger number."""
    generator = np.random.default_rng(seed)
    rows = []
    for study in studies:
        dataset, _, backbone = study.partition("-")
        for one_seed in range(seeds):
            start = 0.85 + generator.normal(0, noise)
            for branch in branches:
                for n in samples if branch == "fewshot" else samples[-1:]:
                    for criterion, gain in criteria.items():
                        shift = (gain + generator.normal(0, noise)) * (1 if branch == "fewshot" else 0.4)
                        half = (0.45 if branch == "fewshot" else 0.8) + shift
                        for step, rate in enumerate(RATES):
                            kept = 1 / (1 + np.exp(12 * (rate - half))) / (1 / (1 + np.exp(-12 * half)))
                            accuracy = 0.1 + (start - 0.1) * kept
                            left = 1 - rate * (1.0 + 0.1 * gain)
                            rows.append({
                                "run": "synthetic", "study": study, "dataset": dataset, "backbone": backbone,
                                "branch": branch, "criterion": criterion, "seed": one_seed, "samples_per_class": n,
                                "round": step, "rate": rate, "units_total": 1000, "units_removed": round(1000 * rate),
                                "rate_achieved": round(1000 * rate) / 1000, "params": int(11e6 * left**1.4),
                                "params_share": left**1.4, "macs": int(1.5e8 * left), "macs_share": left,
                                "accuracy": round(accuracy * 2000) / 2000, "loss": -np.log(accuracy),
                                "worst_class": 3, "worst_class_accuracy": accuracy * max(0.0, 1.2 * kept - 0.4),
                                "test_samples": 2000,
                            })  # fmt: skip
    return pd.DataFrame(rows)


def control(curves: pd.DataFrame, change: float = 0.0) -> pd.DataFrame:
    """`curves` with the control "unpruned": the network of each seed, trained on at every rate, not pruned.

    Its accuracy is that before pruning, changed by `change`.
    """
    retrained = curves[curves["branch"] == "retrain"]
    first = retrained["criterion"] == retrained["criterion"].iloc[0]
    same = ["units_removed", "rate_achieved", "params", "params_share", "macs", "macs_share", "accuracy", "loss",
            "worst_class_accuracy"]  # fmt: skip
    rows = retrained[first & (retrained["rate"] > 0)].assign(criterion="", control="unpruned")
    start = retrained[first & (retrained["rate"] == 0)].set_index(["study", "seed"])[same]
    rows[same] = start.loc[pd.MultiIndex.from_frame(rows[["study", "seed"]])].to_numpy()
    rows["accuracy"] += change
    return pd.concat([curves.assign(control=""), rows], ignore_index=True).astype({"units_removed": int})


def entries(names: tuple[str, ...] = tuple(CRITERIA), **variants: dict) -> list[dict]:
    """The config's resolved criteria: these as published, and variants, name → what it says."""
    plain = [{"name": name, "criterion": name, "options": {}, "ranking": "every-round"} for name in names]
    return plain + [{"name": name, "options": {}, "ranking": "every-round"} | about for name, about in variants.items()]


def profiles(criteria: dict[str, float] = CRITERIA, study: str = "scene15-resnet18", seeds: int = 3) -> pd.DataFrame:
    """A table `profiles`: eight groups, the later ones pruned more by better criteria."""
    generator = np.random.default_rng(1)
    groups = [f"layer{index // 2 + 1}.{index % 2}.conv1" for index in range(8)]
    rows = []
    for criterion, gain in criteria.items():
        for seed in range(seeds):
            for rate in RATES[1:]:
                for index, group in enumerate(groups):
                    share = np.clip(rate + 3 * gain * (index - 3.5) / 8 + generator.normal(0, 0.03), 0, 0.98)
                    units = 64 * 2 ** (index // 2)
                    rows.append({
                        "study": study, "criterion": criterion, "seed": seed, "samples_per_class": "10", "rate": rate,
                        "group": group, "units": units, "removed": int(share * units),
                    })  # fmt: skip
    return pd.DataFrame(rows)


def grid(criteria: dict[str, float] = CRITERIA, study: str = "scene15-vgg16", seeds: int = 3) -> pd.DataFrame:
    """A table `grid`: accuracy falls with both rates, later for criteria with a larger number."""
    generator = np.random.default_rng(6)
    rows = []
    for criterion, gain in criteria.items():
        for seed in range(seeds):
            for filters, neurons in ((x, y) for x in (0.0, 0.2, 0.4, 0.6) for y in (0.0, 0.3, 0.6, 0.9)):
                lost = np.clip((filters + 0.4 * neurons) * (1 - 3 * gain) + generator.normal(0, 0.01), 0, 1)
                rows.append({
                    "run": "synthetic", "study": study, "dataset": "scene15", "backbone": "vgg16",
                    "criterion": criterion, "seed": seed, "samples_per_class": "10", "filter_rate": filters,
                    "head_rate": 0.0, "heads_removed": 0, "heads_total": 0,
                    "neuron_rate": neurons, "filters_removed": round(4224 * filters), "filters_total": 4224,
                    "neurons_removed": round(8192 * neurons), "neurons_total": 8192, "params": int(1e8 * (1 - lost)),
                    "params_share": 1 - lost, "macs": int(1e9 * (1 - lost)), "macs_share": 1 - lost,
                    "accuracy": 0.9 - 0.8 * lost, "loss": 1 + lost, "worst_class": "3",
                    "worst_class_accuracy": 0.8 - 0.8 * lost, "test_samples": 2000,
                })  # fmt: skip
    return pd.DataFrame(rows)


def cost(criteria: dict[str, float] = CRITERIA, study: str = "scene15-resnet18", repeats: int = 7) -> pd.DataFrame:
    """A table `cost`: LRP takes about 1.4 gradient passes, ranking by weight a tenth of one."""
    generator = np.random.default_rng(2)
    ratios = {"weight": 0.1, "random": 0.01, "lrp": 1.4, "lrp_epsilon": 1.1}
    rows = []
    for criterion in criteria:
        for repeat in range(repeats):
            gradient = 0.25 * np.exp(generator.normal(0, 0.03))
            seconds = ratios.get(criterion, 1.0) * gradient * np.exp(generator.normal(0, 0.03))
            rows.append({
                "study": study, "criterion": criterion, "repeat": repeat, "seconds": seconds,
                "forward_seconds": gradient / 2, "gradient_seconds": gradient, "view_seconds": gradient / 3,
                "ratio_to_gradient": seconds / gradient,
                "peak_bytes": int(4e8), "gradient_peak_bytes": int(4.4e8), "device": "cpu", "samples": 10,
                "input_size": "3x64x64",
            })  # fmt: skip
    return pd.DataFrame(rows)


def toy() -> pd.DataFrame:
    """A table `toy`: three sets, both variants, accuracy grows with the number of reference samples."""
    generator = np.random.default_rng(3)
    rows = []
    for dataset in ("moons", "circles", "spirals"):
        for variant in ("authors", "text"):
            for criterion in ("lrp", "weight", "gradient", "taylor", "random"):
                for n in (1, 5, 20, 100):
                    for network, repetition in ((one, two) for one in range(3) for two in range(3)):
                        gain = 3 * CRITERIA[criterion] * np.log(n + 1) / 5
                        rows.append({
                            "dataset": dataset, "variant": variant, "references": "generated", "model_seed": network,
                            "criterion": criterion, "samples_per_class": n, "repetition": repetition, "rate": 1 / 3,
                            "removed": 1000, "evaluated_on": "train", "noise_sigma": 0.0,
                            "accuracy": float(np.clip(0.8 + gain + generator.normal(0, 0.02), 0, 1)),
                            "accuracy_unpruned": 0.99,
                        })  # fmt: skip
    return pd.DataFrame(rows)


def rankings(folder: Path, criteria: dict[str, float] = CRITERIA, study: str = "scene15-resnet18") -> list[Path]:
    """Score files of a run as `<folder>/rankings/<study>/<criterion>/0-2.safetensors`."""
    import torch

    from secateur import tensorfile

    generator = np.random.default_rng(5)
    truth = {group: generator.random(16) for group in ("layer1", "layer2")}
    for criterion, gain in criteria.items():
        tensors = {
            f"{seed}/{samples}/{group}": torch.from_numpy(values + generator.normal(0, 0.3 - 2 * gain, 16))
            for seed in range(3) for samples in ("1", "10") for group, values in truth.items()
        }  # fmt: skip
        path = folder / "rankings" / study / criterion / "0-2.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        tensorfile.write(path, tensors)
    return sorted((folder / "rankings").rglob("*.safetensors"))


def boundaries(folder: Path) -> Path:
    """The toy branch's archive of decision boundaries for one set, as `<folder>/toy/moons.npz`; returns its folder."""
    x, y = np.linspace(-1, 2, 40), np.linspace(-1, 1, 30)
    points = np.random.default_rng(4).uniform((-1, -1), (2, 1), size=(200, 2))
    decided = (x[None, :] + y[:, None] > 0).astype(np.uint8)
    arrays: dict[str, np.ndarray] = {
        "grid_x": x, "grid_y": y, "train_inputs": points, "train_labels": (points.sum(axis=1) > 0).astype(int),
        "samples_per_class": np.array(5), "authors/generated/reference_inputs": points[:10],
    }  # fmt: skip
    for name in ("authors/unpruned", "authors/generated/lrp", "authors/generated/weight"):
        arrays |= {name: decided, f"{name}/accuracy": np.array(0.9)}
    target = folder / "toy"
    target.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target / "moons.npz", **arrays)
    return target


def gallery(folder: Path, labels: tuple[str, ...] = ("bedroom", "street", "forest"), side: int = 24) -> Path:
    """The gallery's archive of one study, as `<folder>/gallery/scene15-resnet18.npz`; returns its folder.

    Criterion number i of CRITERIA gets 10 i of 2,000 test images wrong; the maps of both LRP criteria are ramps.
    """
    generator = np.random.default_rng(7)
    ramp = np.linspace(-1, 1, side * side, dtype=np.float32).reshape(side, side)
    arrays: dict[str, np.ndarray] = {
        "seed": np.array(0), "rate": np.array(0.4), "samples_per_class": np.array("1"), "test_samples": np.array(2000),
        "reference/images": generator.integers(0, 256, (len(labels), side, side, 3), dtype=np.uint8),
        "reference/labels": np.array(labels), "map/lrp": np.stack([ramp] * len(labels)),
        "map/lrp_epsilon": np.stack([-ramp] * len(labels)),
    }  # fmt: skip
    for number, criterion in enumerate(CRITERIA):
        shown = min(10 * number, 4)
        arrays |= {
            f"wrong/{criterion}/count": np.array(10 * number),
            f"wrong/{criterion}/images": generator.integers(0, 256, (shown, side, side, 3), dtype=np.uint8),
            f"wrong/{criterion}/labels": np.array([labels[0]] * shown, dtype=np.str_),
            f"wrong/{criterion}/predictions": np.array([labels[1]] * shown, dtype=np.str_),
        }
    target = folder / "gallery"
    target.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target / "scene15-resnet18.npz", **arrays)
    return target


def plan(folder: Path) -> Path:
    """A finished run's plan, as `<folder>/results/synthetic/workflow.json`, with the times of its jobs."""
    run = Path("results/synthetic")
    stages = ["transfer", "rank_lrp", "rank_weight", "fewshot", "report"]
    jobs = [
        {"rule": rule, "outputs": [str(run / f"{rule}{number}")], "log": str(run / f"{rule}{number}.log"),
         "usage": str(run / f"usage/{rule}/{number}.json"), "planned": True}
        for rule in stages for number in range(1 if rule in ("transfer", "report") else 2)
    ]  # fmt: skip
    edges = [["transfer", "rank_lrp"], ["transfer", "rank_weight"], ["rank_lrp", "fewshot"], ["rank_weight", "fewshot"],
             ["transfer", "fewshot"], ["fewshot", "report"]]  # fmt: skip
    path = folder / run / "workflow.json"
    write_json(path, {"state": "done", "pid": 1, "started": 1000.0, "ended": 1100.0, "edges": edges, "jobs": jobs})
    for job in jobs:
        if job["rule"] != "report":
            write_json(folder / job["usage"], {"started": 1000.0, "ended": 1010.0, "cpu_seconds": 9.0,
                                               "work_cpu_seconds": 8.0, "work_wall_seconds": 8.5})  # fmt: skip
    return path


def attention_units(attention: str, convolutional: str) -> pd.DataFrame:
    """A table `units` of a study whose network has heads and neurons, and of one that has filters."""
    rows = []
    for block in range(2):
        heads, neurons = f"blocks.{block}.attn", f"blocks.{block}.mlp.fc1"
        rows.append((attention, f"{heads}.qkv", heads, "head", 3, ""))
        rows.append((attention, f"{heads}.proj", "", "", 0, "the width of a residual stream"))
        rows.append((attention, neurons, neurons, "neuron", 192, ""))
    rows.append((attention, "blocks.2.attn.qkv", "", "", 0, "its code mixes heads"))
    rows += [(convolutional, name, "stage", "filter", 64, "") for name in ("conv1", "conv2")]  # tied by an addition
    columns = ["study", "layer", "group", "kind", "units", "left_out"]
    return pd.DataFrame(rows, columns=columns).assign(residual=False)


def write(folder: Path, **tables: pd.DataFrame) -> Path:
    """Write tables as `<folder>/tables/<name>.parquet` (the full set by default); returns that folder."""
    chosen = tables or {"curves": curves(), "profiles": profiles(), "grid": grid(), "cost": cost(), "toy": toy()}
    target = folder / "tables"
    target.mkdir(parents=True, exist_ok=True)
    for name, table in chosen.items():
        table.to_parquet(target / f"{name}.parquet")
    return target

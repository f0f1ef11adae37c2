"""Criteria in any language: a network laid out as plain files (a case), and scores read back from a table.

A case is a folder:
  network.json          layers, their sizes, the units, the input's shape and a seed
  network.safetensors   "<layer>/weight" and "<layer>/bias" with the batch-norm folded in, "<layer>/own_weight"
                        without, "<layer>/batch_norm_scale" where there is one; weights are out channels × the rest
  samples.safetensors   "inputs" (samples × channels × height × width, float32), "labels" (int64)
  signals.safetensors   "<layer>/outputs", "<layer>/gradients" of each sample's cross-entropy: samples × channels ×
                        positions, float32
Its answer is a CSV table with the header `layer,channel,score`: one row for every channel of every layer.
"""

import csv
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from secateur import tensorfile
from secateur.errors import SecateurError
from secateur.files import read_json, write_json

NETWORK, WEIGHTS, SAMPLES, SIGNALS = "network.json", "network.safetensors", "samples.safetensors", "signals.safetensors"
FILES = (NETWORK, WEIGHTS, SAMPLES, SIGNALS)
HEADER = ["layer", "channel", "score"]


def write_case(folder: Path, network: Any, only: tuple[str, ...] = FILES) -> None:
    """Lay out `network` (a `Network` with its samples) in `folder`; `only`: which of the files."""
    if NETWORK in only:
        write_json(folder / NETWORK, _description(network))
    if WEIGHTS in only:
        tensors = {}
        for layer in network.layers:
            tensors[f"{layer}/weight"], tensors[f"{layer}/bias"] = network.weight(layer), network.bias(layer)
            tensors[f"{layer}/own_weight"] = network.weight(layer, fold=False)
            if (scale := network.batch_norm_scale(layer)) is not None:
                tensors[f"{layer}/batch_norm_scale"] = scale
        tensorfile.write(folder / WEIGHTS, tensors)
    if SAMPLES in only:
        inputs, labels = network.reference_samples()
        tensorfile.write(folder / SAMPLES, {"inputs": inputs, "labels": labels})
    if SIGNALS in only:
        batches = list(network.gradients())
        joined = {
            f"{layer}/{name}": torch.cat([batch[layer][place] for batch in batches])
            for layer in network.layers
            for place, name in enumerate(("outputs", "gradients"))
        }
        tensorfile.write(folder / SIGNALS, joined)


def score_by_rule(name: str, rule: Path, network: Any) -> dict[str, Tensor]:
    """Layer → scores of one network, by the same Snakemake rule that ranks for the few-shot branch.

    The case is written to a folder of its own and the rule's file is run for `<case>/<name>.csv`.
    """
    text = rule.read_text(encoding="utf-8")
    wanted = tuple(file for file in FILES if file in text or file == NETWORK)
    with tempfile.TemporaryDirectory(prefix=f"secateur-{name}-") as temporary:
        case = Path(temporary)
        write_case(case, network, wanted)
        target = case / f"{name}.csv"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(rule), "--cores", "1", "--nolock"]
        command += ["--workflow-profile", "none", "--quiet", "--", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise SecateurError(f"rule {rule} did not make {name}.csv: {said}")
        return read_scores(target, case / NETWORK)


def read_scores(path: Path, network: Path) -> dict[str, Tensor]:
    """Layer → scores (channels, float64), from a table of scores and the network.json of its case.

    Raises:
        SecateurError: no such file, another header, a row that is no layer, channel and finite number, a channel that
            is scored twice or not at all; the message names file and line.
    """
    sizes = _sizes(network)
    scores = {layer: torch.full((size,), math.nan, dtype=torch.float64) for layer, size in sizes.items()}
    try:
        with path.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.reader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SecateurError(f"{path}: not a readable table of scores ({error}).") from None
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        raise SecateurError(
            f"{path}, line 1: the header must be {','.join(HEADER)}, found {','.join(rows[0][:5] if rows else [])!r}."
        )
    for line, row in enumerate(rows[1:], 2):
        if not row:
            continue
        layer, channel, score = _cells(row, f"{path}, line {line}", sizes)
        if not math.isnan(scores[layer][channel]):
            raise SecateurError(f"{path}, line {line}: channel {channel} of layer {layer!r} is scored twice.")
        scores[layer][channel] = score
    for layer, values in scores.items():
        missing = values.isnan().nonzero().flatten().tolist()
        if missing:
            raise SecateurError(
                f"{path}: {len(missing)} of {len(values)} channels of layer {layer!r} have no score, the first is "
                f"{missing[0]}. One row for every channel of every layer is needed."
            )
    return scores


def _sizes(network: Path) -> dict[str, int]:
    """Layer → channels, from the network.json of a case."""
    written = read_json(network)
    layers = written.get("layers") if isinstance(written, dict) else None
    try:
        sizes = {layer["name"]: layer["channels"] for layer in layers or ()}
    except (TypeError, KeyError):
        sizes = {}
    if not sizes or not all(isinstance(name, str) and type(size) is int and 0 < size < 1 << 24
                            for name, size in sizes.items()):  # fmt: skip
        raise SecateurError(
            f"{network}: not the description of a case's network: no list of layers with their channels."
        )
    return sizes


def _cells(row: list[str], where: str, sizes: dict[str, int]) -> tuple[str, int, float]:
    """Layer, channel and score of one row, checked."""
    if len(row) != len(HEADER):
        raise SecateurError(f"{where}: {len(row)} cells; needed are {len(HEADER)}: {', '.join(HEADER)}.")
    layer = row[0]
    if layer not in sizes:
        raise SecateurError(f"{where}: unknown layer {layer!r}; the network has {', '.join(sizes)}.")
    if not row[1].strip().isdecimal() or int(row[1]) >= sizes[layer]:
        raise SecateurError(f"{where}: channel {row[1]!r} of layer {layer!r}; allowed are 0 to {sizes[layer] - 1}.")
    try:
        score = float(row[2])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise SecateurError(f"{where}: score {row[2]!r}; a finite number is needed.")
    return layer, int(row[1]), score


def _description(network: Any) -> dict[str, Any]:
    return {
        "layers": [
            {"name": layer, "channels": len(network.bias(layer)), "inputs": network.weight(layer).shape[1]}
            for layer in network.layers
        ],
        "units": [
            {
                "name": group.name,
                "kind": group.kind,
                "size": group.size,
                "channels": {layer: index.tolist() for layer, index in group.producers},
            }
            for group in network.groups
        ],
        "samples": network.samples,
        "input_shape": list(network.input_shape),
        "seed": network.generator.initial_seed(),
    }

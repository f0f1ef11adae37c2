"""What is found out about one network for the table of families: its units, and whether they are removed exactly.

Everything is computed in float64 on random weights, so that 1e-8 of the largest number is a strict limit. Removal is
held against the whole network with the units silent, relevance against the gradient put right node by node of the graph
(`graph_relevance.py`). An error of the library's own, with its reason, is a refusal; any other is a traceback.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import graph_relevance
import torch
from family_choice import Member
from removal_proof import disturb, random_selection
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.cutting import STATED
from secateur.pruning.gates import blind
from secateur.pruning.masking import masked
from secateur.pruning.operations import BATCH_NORMS, is_layer
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.saved import build_unpruned, load, save
from secateur.pruning.units import KINDS, Analysis, UnitGroup, analyse
from secateur.ranking.network import Network
from secateur.relevance.folding import pairs

LIMIT = 1e-8
"""Of the largest number: below it two computations in float64 are the same."""
ROUNDING = " (rounding: "
"""Stands behind a difference that is no larger than ten times what the image's last bits do to the oracle itself."""
RATES = ((0.25, True), (0.6, False))
"""Shares of the units that are removed, and whether attention is fused then."""
SCOPES = ("head_channels", "embedding")
"""Scopes whose units are in no other."""
NOTHING: Mapping[str, str] = MappingProxyType({})
RULE = {"default": {"rule": "epsilon", "epsilon": 0.0}, "attention": "attnlrp"}
FRESH = """
import sys, torch
from safetensors.torch import load_file, save_file
from secateur.pruning.saved import load
torch.set_num_threads(1)
found = load(sys.argv[1] + "/pruned")
for module in found.model.modules():
    if hasattr(module, "fused_attn"):
        module.fused_attn = False
with torch.no_grad():
    outputs = found.model(load_file(sys.argv[1] + "/inputs.safetensors")["inputs"])
save_file({"outputs": outputs.contiguous()}, sys.argv[1] + "/outputs.safetensors")
"""


def evidence(member: Member, fresh: bool, earlier: Mapping[str, str] = NOTHING) -> dict[str, Any]:
    """All that the table says of a network, by the names of its columns.

    `earlier` is what an earlier run found: "relevance", which no change of the units can touch, is not found anew, and
    neither are "removal" and "saved" where the "units" are the same.
    """
    torch.manual_seed(0)
    model = enlivened(disturb(build_unpruned(member.architecture, member.arguments))).double().eval()
    settle(model, torch.randn(4, 3, member.side, member.side, dtype=torch.float64))
    inputs = torch.randn(2, 3, member.side, member.side, dtype=torch.float64)
    began = time.process_time()
    try:
        found = analyse(model, inputs)
    except SecateurError as error:
        nothing = {"units": "none", "coverage": 0.0, "left out": short(error), "removal": "", "saved": ""}
        nothing |= dict.fromkeys(SCOPES, "none")
        nothing |= {"seconds": time.process_time() - began}
        return {**nothing, "relevance": earlier.get("relevance") or agreement(model, inputs)}
    seconds = time.process_time() - began
    reasons = Counter(found.left_out.values()).most_common()
    units = counted(found)
    if units == earlier.get("units"):
        gone, again = earlier["removal"], earlier["saved"]
    elif found.groups:
        gone, again = removal(model, found.groups, inputs), saved(model, found.groups, member, inputs, fresh)
    else:
        gone, again = "", ""
    cells, differences = scoped(model, found.groups, inputs)
    return {
        "units": units,
        "coverage": coverage(model, found.groups),
        **cells,
        "left out": "; ".join(f"{number} × {reason}" for reason, number in reasons),
        "removal": worst([gone, *differences]),
        "saved": again,
        "relevance": earlier.get("relevance") or agreement(model, inputs),
        "seconds": seconds,
    }


def scoped(model: nn.Module, groups: list[UnitGroup], inputs: Tensor) -> tuple[dict[str, str], list[float | str]]:
    """What each scope of its own offers: its cell, with the share of the parameters that its units have together with
    those before (`groups`: of the scope "all"); and the differences of removals of its units alone."""
    cells, differences, before = {}, [], list(groups)
    for scope in SCOPES:
        own = [group for group in analyse(model, inputs, scope).groups if group.kind == KINDS[scope]]
        before += own
        cells[scope] = f"{sum(group.size for group in own)}: {100 * coverage(model, before):.0f}%" if own else "none"
        if own:
            differences.append(removal(model, own, inputs))
    return cells, differences


def worst(found: Sequence[float | str]) -> float | str:
    """The largest of some differences, which may be written as cells have them; or the first that is none."""
    numbers = []
    for one in found:
        try:
            numbers += [float(one)] if one != "" else []
        except ValueError:
            return one
    return max(numbers, default="")  # type: ignore[type-var]


def enlivened(model: nn.Module) -> nn.Module:
    """Give weights that begin near 0, as some classifiers', values that hand on what they read; the same network."""
    for parameter in model.parameters():
        usual = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.0
        if float(parameter.detach().std(correction=0)) < 0.1 * usual:
            nn.init.normal_(parameter, 0, 0.5 * usual)
    return model


def settle(model: nn.Module, inputs: Tensor) -> None:
    """Give batch-norms the statistics of what they read, so that signals do not grow until rounding is all they are."""
    norms = [module for module in model.modules() if isinstance(module, BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def counted(found: Analysis) -> str:
    """Numbers of units by kind, of groups, and of layers of which none can go."""
    kinds: Counter[str] = Counter()
    for group in found.groups:
        kinds["gate neuron" if group.gate else group.kind] += group.size
    units = ", ".join(f"{number} {kind}s" for kind, number in kinds.items()) or "none"
    return f"{units}; {len(found.left_out)} of {len(found.order)} layers left out"


def coverage(model: nn.Module, groups: list[UnitGroup]) -> float:
    """Share of the parameters that lie in a unit: in one of its rows, columns or entries."""
    tensors = dict(model.named_parameters())
    inside = {name: torch.zeros(tensor.shape, dtype=torch.bool) for name, tensor in tensors.items()}
    for group in groups:
        for part in group.slices:
            index = part.index.flatten()
            if part.role == "parameter" or part.role.startswith("axis"):
                if part.owner in inside:
                    marked = inside[part.owner]
                    longest = max(range(marked.ndim), key=lambda dim: marked.shape[dim])
                    marked.index_fill_(longest if part.role == "parameter" else int(part.role[4:]), index, True)
                continue
            if part.role in STATED:
                continue
            module = model.get_submodule(part.owner)
            grouped = is_layer(module) and getattr(module, "groups", 1) > 1
            for leaf, _ in module.named_parameters(recurse=False):
                marked = inside[f"{part.owner}.{leaf}"]
                if part.role == "in" and (marked.ndim == 1 or grouped):
                    continue
                marked.index_fill_(1 if part.role == "in" else 0, index, True)
    return sum(int(marked.sum()) for marked in inside.values()) / sum(tensor.numel() for tensor in tensors.values())


def removal(model: nn.Module, groups: list[UnitGroup], inputs: Tensor) -> float | str:
    """Largest difference between removing and silencing, relative to what silencing changes; or what is wrong."""
    worst = 0.0
    for number, (rate, fused) in enumerate(RATES):
        _fuse(model, fused)
        selection = random_selection(groups, rate, number)
        found = prove(model, groups, selection, inputs)
        if found.predicted != found.counted:
            return f"counts {found.counted}, predicted {found.predicted}"
        if not found.trains:
            return "a training step gives some parameters no finite gradient"
        with torch.no_grad():
            whole = model(inputs)
            with masked(model, groups, selection):
                change = difference(whole, model(inputs))
        if not change > 1e-7:
            return "nothing: silencing the units changes no output"
        worst = max(worst, found.difference / min(change, 1.0))
    return worst


def saved(model: nn.Module, groups: list[UnitGroup], member: Member, inputs: Tensor, fresh: bool) -> str | float:
    """ "yes" where a pruned network that was saved and loaded gives the very same outputs, else how far they are."""
    selection = random_selection(groups, 0.5, 2)
    pruned = remove(model, groups, selection)
    _fuse(pruned, False)
    kept = remaining(all_channels(model), groups, selection)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        expected = pruned(inputs)
        place = f"{folder}/pruned"
        save(pruned, place, architecture=member.architecture, arguments=member.arguments, kept=kept)
        if fresh:
            save_file({"inputs": inputs}, f"{folder}/inputs.safetensors")
            done = subprocess.run([sys.executable, "-c", FRESH, folder], capture_output=True, text=True, check=False)
            if done.returncode:
                return "NO: " + done.stderr.strip().splitlines()[-1]
            outputs = load_file(Path(folder) / "outputs.safetensors")["outputs"]
        else:
            loaded = load(place).model
            _fuse(loaded, False)
            outputs = loaded(inputs)
    return "yes" if torch.equal(outputs, expected) else difference(outputs, expected)


def agreement(model: nn.Module, inputs: Tensor) -> float | str:
    """Largest difference of relevance from the oracle's at the input and every layer, each relative to its largest."""
    labels = torch.tensor([1, 3])
    layers = called(model, inputs)
    _fuse(model, True)
    try:
        view = Network(model, layers, inputs, labels)
        (found,), (entrance,) = view.relevance(RULE), view.input_relevance(RULE)
    except SecateurError as error:
        return "refused: " + short(error)
    if not all(bool(torch.isfinite(one).all()) for one in (*found.values(), entrance)):
        return "not finite: an activation is exactly 0 where the rule divides by it"
    _fuse(model, False)
    norms = pairs(model, inputs[:1])
    expected = graph_relevance.relevance(model, inputs, labels, "attnlrp", norms)
    worst = difference(entrance, expected[""])
    for layer in layers:
        theirs = expected[layer]
        linear = isinstance(model.get_submodule(layer), nn.Linear)
        theirs = theirs.reshape(2, -1, theirs.shape[-1]).transpose(1, 2) if linear else theirs.flatten(2)
        if found[layer].shape == theirs.shape:  # windows of an image: positions of all windows
            worst = max(worst, difference(found[layer], theirs))
    if worst <= LIMIT:
        return worst
    moved = graph_relevance.relevance(model, inputs * (1 + 4e-16 * torch.randn_like(inputs)), labels, "attnlrp", norms)
    rounding = max(difference(moved[name], expected[name]) for name in ["", *layers])
    return f"{worst:.0e}{ROUNDING}{rounding:.0e})" if worst <= 10 * rounding else worst


def called(model: nn.Module, inputs: Tensor) -> list[str]:
    """Names of the convolutions and linear layers that take part in a pass and read something of the image."""
    names: dict[str, None] = {}
    hooks = [
        module.register_forward_hook(lambda *_, name=name: names.setdefault(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    constant = blind(model, tuple(inputs.shape[1:]))
    return [name for name in names if name not in constant]


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest number expected; 0 where both are 0 everywhere."""
    largest = float(expected.abs().max())
    if largest == 0:
        return 0.0 if float(found.abs().max()) == 0 else 1.0
    return float((found - expected).abs().max()) / largest


def short(error: Exception) -> str:
    """The first sentences of an error, as a cell can hold them."""
    return " ".join(str(error).split())[:220].replace("|", "\\|")


def _fuse(model: nn.Module, wanted: bool) -> None:
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = wanted

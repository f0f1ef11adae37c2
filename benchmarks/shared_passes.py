"""How much criteria gain that look at the same signals: ranking one after the other, and with one memory.

    python benchmarks/shared_passes.py

Prints, for a ResNet-18 at a quarter of its width, forward passes and seconds of the criteria below, each with a network
view of its own and with one cached view, as the 2-D study ranks.
"""

import time

import timm
import torch

from secateur.pruning.units import find_unit_groups, layers_of
from secateur.ranking import registry
from secateur.ranking.network import Network

CRITERIA = ("gradient", "taylor", "taylor_gate", "activation_mean", "apoz", "lrp_epsilon", "deeplift")


def main() -> None:
    """Measure both ways, check that the scores agree, and print a table."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = timm.create_model("resnet18", num_classes=10, channels=(16, 32, 64, 128)).eval()
    inputs, labels = torch.randn(64, 3, 64, 64), torch.arange(64) % 10
    groups = find_unit_groups(model, inputs[:1])
    layers = layers_of(groups)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))

    def view() -> Network:
        return Network(model, layers, inputs, labels, batch_size=64)

    def timed(own: bool) -> tuple[float, int, dict]:
        calls.clear()
        shared = view().cached()
        began = time.perf_counter()
        scores = {name: registry.load(name).score(view() if own else shared) for name in CRITERIA}
        return time.perf_counter() - began, len(calls), scores

    timed(own=True)  # once to warm up
    alone, together = timed(own=True), timed(own=False)
    for name in CRITERIA:
        for layer in layers:
            assert torch.allclose(alone[2][name][layer], together[2][name][layer], rtol=1e-4, atol=1e-6), (name, layer)
    print(f"{len(CRITERIA)} criteria on {len(inputs)} images of 64 px, one thread")
    print("| each with a view of its own | with one memory |\n|---|---|")
    print(f"| {alone[1]} forward passes, {alone[0]:.2f} s | {together[1]}, {together[0]:.2f} s |")


if __name__ == "__main__":
    main()

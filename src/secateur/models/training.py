"""Training and fine-tuning: one deterministic loop over tensors that lie on the device."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur.models.inputs import Images


def train(network: nn.Module, inputs: Images | Tensor, labels: Tensor, recipe: dict[str, Any], seed: int) -> None:
    """Train all parameters of `network` in place; leaves it in eval mode.

    Cross-entropy, AdamW, one linear warm-up over the first tenth of the steps and a cosine down to zero. The order of
    the samples comes from a stream of its own, so it is the same for every criterion of a seed, whatever the network.

    Args:
        network: on the device of `inputs`.
        inputs, labels: N images (see models/inputs.py) or a tensor N × C × H × W, and N.
        recipe: `epochs`, `batch_size`, `learning_rate`, `weight_decay`, `label_smoothing`.
        seed: of the sample order and of everything random in the network (dropout).
    """
    order = torch.Generator().manual_seed(seed)
    batches_per_epoch = -(-len(inputs) // recipe["batch_size"])
    steps = recipe["epochs"] * batches_per_epoch
    if not steps:
        network.eval()
        return
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"], foreach=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe["learning_rate"], total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    network.train()
    # Dropout draws from the global generator: it is seeded here and put back afterwards.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(recipe["epochs"]):
            permutation = torch.randperm(len(inputs), generator=order).to(inputs.device)
            # Equal batches: a last batch of one image would make batch-norm fail.
            for batch in permutation.tensor_split(batches_per_epoch):
                optimizer.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(
                    network(inputs[batch]), labels[batch], label_smoothing=recipe["label_smoothing"]
                )
                loss.backward()
                optimizer.step()
                schedule.step()
    network.eval()

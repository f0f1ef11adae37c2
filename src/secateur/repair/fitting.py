"""A layer's response as an affine map of its weight: the rows that it multiplies, and what they miss of the target.

Sums are taken batch by batch, in double precision. Where a layer's rows (positions of all images) outnumber the inputs
of one filter, only Gram matrices are kept; else the rows themselves, which are then the smaller of the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from secateur.repair.view import Response


@dataclass
class Sums:
    """Sums over all rows of one convolution group (of a layer without groups: the only one).

    `rows`: how many. `inputs` (inputs): their sum; `missing` (outputs): sum of wanted − found. Where the rows are kept
    (`all_rows`: rows × inputs, `all_missing`: rows × outputs) there are no Gram matrices (`gram`: inputs × inputs,
    `product`: outputs × inputs), else these.
    """

    rows: int
    inputs: Tensor
    missing: Tensor
    gram: Tensor | None = None
    product: Tensor | None = None
    all_rows: Tensor | None = None
    all_missing: Tensor | None = None

    def ridge_solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """The change of the weight (outputs × inputs) and of the bias (outputs) that fits best.

        Minimises Σ over rows ‖missing − change · row − shift‖² + λ ‖change‖², λ = `ridge` × the mean of the centred
        Gram matrix's diagonal. The bias is not penalised.
        """
        mean, shift = self.inputs / self.rows, self.missing / self.rows
        if self.gram is not None and self.product is not None:
            gram = self.gram - self.rows * torch.outer(mean, mean)
            product = self.product - self.rows * torch.outer(shift, mean)
            change = _solve(gram, product.T, ridge * float(gram.diagonal().mean())).T
        else:
            assert self.all_rows is not None and self.all_missing is not None
            centred, missing = self.all_rows - mean, self.all_missing - shift
            penalty = ridge * float(centred.square().sum() / centred.shape[1])
            change = _solve(centred @ centred.T, missing, penalty).T @ centred
        return change, shift - change @ mean


def _solve(matrix: Tensor, right: Tensor, penalty: float) -> Tensor:
    """(matrix + penalty · 1)⁻¹ right for a symmetric matrix without negative eigenvalues; of rank 0: zeros."""
    if not float(matrix.diagonal().sum()) > 0:
        return torch.zeros_like(right)
    damped = matrix.clone()
    damped.diagonal().add_(penalty)
    factor, failed = torch.linalg.cholesky_ex(damped)
    if not failed and penalty > 0:
        return torch.cholesky_solve(right, factor)
    return torch.linalg.pinv(damped, hermitian=True) @ right


def mean_missing(responses: Iterable[Response]) -> Tensor:
    """Mean of wanted − found over samples and positions, one number per output channel, float64."""
    total, rows = torch.zeros(()), 0
    for response in responses:
        missing = torch.cat(by_group(response), dim=1)
        total, rows = total.to(missing) + missing.sum(0), rows + len(missing)
    return total / rows


def sums(responses: Iterable[Response], batches: int) -> list[Sums]:
    """`Sums` of each convolution group over all responses of one layer.

    Args:
        responses: of one consumer, batch by batch.
        batches: how many responses there are about, from which the number of rows is foreseen.
    """
    found: list[Sums] = []
    for response in responses:
        parts = zip(rows_of(response.arguments), by_group(response), strict=True)
        for group, (rows, missing) in enumerate(parts):
            if len(found) <= group:
                empty = [rows.new_zeros(rows.shape[1]), missing.new_zeros(missing.shape[1])]
                found.append(Sums(0, empty[0], empty[1]))
                if len(rows) * batches > rows.shape[1]:
                    found[group].gram = rows.new_zeros(rows.shape[1], rows.shape[1])
                    found[group].product = rows.new_zeros(missing.shape[1], rows.shape[1])
            total = found[group]
            total.rows += len(rows)
            total.inputs += rows.sum(0)
            total.missing += missing.sum(0)
            if total.gram is not None and total.product is not None:
                total.gram.addmm_(rows.T, rows)
                total.product.addmm_(missing.T, rows)
            else:
                total.all_rows = rows if total.all_rows is None else torch.cat([total.all_rows, rows])
                total.all_missing = missing if total.all_missing is None else torch.cat([total.all_missing, missing])
    return found


def rows_of(arguments: dict[str, Any]) -> list[Tensor]:
    """What each convolution group's filters multiply: rows × inputs of a filter, float64 (patches; vectors if linear).

    A row's inputs are in the order of the weight's, flattened behind its first axis; rows are in the order of samples,
    then positions.
    """
    values = _double(arguments["input"])
    if "stride" not in arguments:
        return [values.reshape(-1, values.shape[-1])]
    spans = arguments["weight"].shape[2:]
    steps = [_per_axis(arguments[name], len(spans)) for name in ("stride", "dilation")]
    values = functional.pad(values, _padding(arguments["padding"], spans, steps[1]))
    for axis, (span, stride, dilation) in enumerate(zip(spans, *steps, strict=True)):
        values = values.unfold(2 + axis, dilation * (span - 1) + 1, stride)[..., ::dilation]
    samples, groups = values.shape[0], arguments["groups"]
    values = values.reshape(samples, groups, -1, *values.shape[2:])
    axes = range(3, 3 + len(spans))
    values = values.permute(1, 0, *axes, 2, *(axis + len(spans) for axis in axes))
    inputs = values.shape[2 + len(spans) :].numel()
    return list(values.reshape(groups, -1, inputs))


def by_group(response: Response) -> list[Tensor]:
    """Wanted − found of each convolution group, rows × outputs, float64; rows as of `rows_of`."""
    missing = _double(response.wanted) - _double(response.found)
    if "stride" not in response.arguments:
        return [missing.reshape(-1, missing.shape[-1])]
    missing = missing.flatten(2).transpose(1, 2).reshape(-1, missing.shape[1])
    return list(missing.chunk(response.arguments["groups"], dim=1))


def _double(values: Tensor) -> Tensor:
    return (values.cpu() if values.device.type == "mps" else values).double()  # MPS has no double precision


def _per_axis(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _padding(padding: Any, spans: torch.Size, dilations: tuple[int, ...]) -> list[int]:
    """What `functional.pad` takes: the last axis first, before and after."""
    if padding == "same":
        totals = [dilation * (span - 1) for span, dilation in zip(spans, dilations, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        width = 0 if padding == "valid" else padding
        sides = [(side, side) for side in _per_axis(width, len(spans))]
    return [side for pair in reversed(sides) for side in pair]

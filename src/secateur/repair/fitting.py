"""A layer's response as an affine map of its weight: the rows that it multiplies, and what they miss of the target.

Sums are taken batch by batch, in double precision. Where a layer's rows (positions of all images) outnumber the inputs
of one filter, only Gram matrices are kept; else the rows themselves, which are then the smaller of the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from secateur.relevance.reading import double, rows_of
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
    totals: list[Sums] = []
    for response in responses:
        parts = zip(rows_of(response.arguments), by_group(response), strict=True)
        for group, (rows, missing) in enumerate(parts):
            if len(totals) <= group:
                empty = [rows.new_zeros(rows.shape[1]), missing.new_zeros(missing.shape[1])]
                totals.append(Sums(0, empty[0], empty[1]))
                if len(rows) * batches > rows.shape[1]:
                    totals[group].gram = rows.new_zeros(rows.shape[1], rows.shape[1])
                    totals[group].product = rows.new_zeros(missing.shape[1], rows.shape[1])
            total = totals[group]
            total.rows += len(rows)
            total.inputs += rows.sum(0)
            total.missing += missing.sum(0)
            if total.gram is not None and total.product is not None:
                total.gram.addmm_(rows.T, rows)
                total.product.addmm_(missing.T, rows)
            else:
                total.all_rows = rows if total.all_rows is None else torch.cat([total.all_rows, rows])
                total.all_missing = missing if total.all_missing is None else torch.cat([total.all_missing, missing])
    return totals


def by_group(response: Response) -> list[Tensor]:
    """Wanted − found of each convolution group, rows × outputs, float64; rows as of `rows_of`."""
    missing = double(response.wanted) - double(response.found)
    if "stride" not in response.arguments:
        return [missing.reshape(-1, missing.shape[-1])]
    missing = missing.flatten(2).transpose(1, 2).reshape(-1, missing.shape[1])
    return list(missing.chunk(response.arguments["groups"], dim=1))

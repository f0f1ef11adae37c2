"""Sums over the rows that a layer reads: mean, second moment and Gram matrix of its columns, in bounded memory."""

import torch
from torch import Tensor


class Statistics:
    """Of one layer's rows (one a position and sample) and columns (inputs of a filter), all float64.

    The Gram matrix (columns × columns) is kept where the rows outnumber the columns; else the rows themselves are,
    which are then the smaller of the two.
    """

    def __init__(self, samples: int, gram: bool = False) -> None:
        """`samples`: how many there will be, from which the number of rows is foreseen. `gram`: whether it is asked."""
        self.samples, self.rows = samples, 0
        self._asked, self._sum, self._squares = gram, torch.zeros(()), torch.zeros(())
        self._gram: Tensor | None = None
        self._kept: list[Tensor] = []

    def add(self, rows: Tensor, samples: int) -> None:
        """Take in the rows × columns that some samples give, float64."""
        self._sum = self._sum.to(rows) + rows.sum(0)
        self._squares = self._squares.to(rows) + rows.square().sum(0)
        columns = rows.shape[1]
        if self._asked and not self.rows and len(rows) * self.samples > columns * samples:
            self._gram = rows.new_zeros(columns, columns)
        if self._gram is not None:
            self._gram.addmm_(rows.T, rows)
        elif self._asked:
            self._kept.append(rows.clone())
        self.rows += len(rows)

    @property
    def mean(self) -> Tensor:
        """Mean of each column over all rows, on the CPU."""
        return (self._sum / self.rows).cpu()

    @property
    def second(self) -> Tensor:
        """Mean square of each column over all rows, on the CPU."""
        return (self._squares / self.rows).cpu()

    @property
    def variance(self) -> Tensor:
        """Mean squared distance of each column from its mean, on the CPU."""
        return (self.second - self.mean.square()).clamp_min(0)

    @property
    def gram(self) -> Tensor:
        """Σ over rows x xᵀ, columns × columns; large where the columns outnumber the rows."""
        if self._gram is not None:
            return self._gram
        rows = self._all()
        return rows.T @ rows

    def responses(self, columns: Tensor, weights: Tensor) -> Tensor:
        """Σ over rows and outputs of (what unit u gives) · (what unit v gives): units × units, on the CPU.

        A unit gives an output the sum of its columns, each times its weight. The sum over a set of units is the squared
        error of the layer's response when the set is taken away.

        Args:
            columns: units × columns a unit.
            weights: units × columns a unit × outputs.
        """
        units, each = columns.shape
        if self._gram is not None:
            flat = weights.reshape(units * each, -1).to(self._gram.device)
            chosen = columns.flatten().to(self._gram.device)
            products = (flat @ flat.T).mul_(self._gram[chosen][:, chosen])
            return products.reshape(units, each, units, each).sum((1, 3)).cpu()
        rows = self._all()
        parts = rows[:, columns.to(rows.device)].transpose(0, 1)  # units × rows × columns a unit
        gram = rows.new_zeros(units, units)
        for some in weights.to(rows.device).split(max(1, CHUNK // max(1, units * len(rows))), dim=2):
            given = (parts @ some).flatten(1)
            gram += given @ given.T
        return gram.cpu()

    def inverse_blocks(self, columns: Tensor, damping: float) -> Tensor:
        """[H⁻¹]ₛₛ for the columns S of each unit: units × columns a unit × columns a unit, on the CPU.

        H = Gram + λ 1, λ = `damping` × the mean of the Gram matrix's diagonal, over all of the layer's columns.
        """
        penalty = self.penalty(damping)
        if self._gram is not None:
            damped = self._gram.clone()
            damped.diagonal().add_(penalty)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
            chosen = columns.to(inverse.device)
            return inverse[chosen.unsqueeze(2), chosen.unsqueeze(1)].cpu()
        rows = self._all()  # (XᵀX + λ)⁻¹ = (1 − Xᵀ (X Xᵀ + λ)⁻¹ X) / λ
        kernel = rows @ rows.T
        kernel.diagonal().add_(penalty)
        half = torch.linalg.solve_triangular(torch.linalg.cholesky(kernel), rows, upper=False)
        parts = half[:, columns.to(rows.device)].permute(1, 0, 2)
        return ((torch.eye(columns.shape[1]).to(rows) - parts.transpose(1, 2) @ parts) / penalty).cpu()

    def penalty(self, damping: float) -> float:
        """λ of a `damping`: in units of the mean over columns of Σ over rows x²."""
        return damping * float(self._squares.mean())

    def _all(self) -> Tensor:
        if len(self._kept) != 1:
            self._kept = [torch.cat(self._kept)]
        return self._kept[0]


CHUNK = 1 << 24
"""Numbers in the responses of all units that are worked on at a time."""

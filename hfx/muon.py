r"""Muon: momentum whose every update of a matrix is made orthogonal, for the blocks' convolutions.

Adam scales each weight by itself; Muon gives all directions of a matrix the same length, so that
a few strong ones do not hide the others. Reference: Jordan and others 2024,
https://kellerjordan.github.io/posts/muon.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, optim

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration, from Jordan
ROUNDS = 5


class Muon(optim.Optimizer):
    r"""Momentum with orthogonal updates, for weights that are matrices.

    .. math:: m \leftarrow \beta m + g, \quad
        w \leftarrow w - \eta \cdot 0.2 \sqrt{\max(r, c)} \; \text{orthogonal}(g + \beta m)

    A convolution's weight (out, in, k, k) counts as a matrix of `out` rows and in k k columns.
    The factor makes an update as large as one of Adam, so that both take one learning rate (Liu
    and others 2025, arXiv:2502.16982).

    Args:
        params: Weights, or groups of them, with at least two dimensions each.
        lr: The learning rate.
        beta: Momentum.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 4e-4,
        beta: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move the weights; those of one shape together."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(tuple(p.shape), []).append(p)
            for weights in alike.values():
                updates = []
                for p in weights:
                    assert p.grad is not None
                    state = self.state[p]
                    if "momentum" not in state:
                        state["momentum"] = torch.zeros_like(p)
                    m = state["momentum"].mul_(group["beta"]).add_(p.grad)
                    updates.append(p.grad.add(m, alpha=group["beta"]).flatten(1))
                moves = orthogonal(torch.stack(updates))
                factor = 0.2 * max(moves.shape[1:]) ** 0.5
                for p, move in zip(weights, moves, strict=True):
                    p.sub_(move.view_as(p), alpha=group["lr"] * factor)


def orthogonal(matrices: Tensor) -> Tensor:
    r"""Bring all singular values of each matrix near 1, directions unchanged.

    Newton-Schulz: :math:`X \leftarrow a X + b (X X^T) X + c (X X^T)^2 X`, from X of norm 1. All
    rounds are polynomials of one and the same :math:`X X^T`, so they are done on that small
    matrix, and X is multiplied once, at the end: 2.5 times fewer products, in float32.

    Shapes: (n, r, c) to the same.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    a, b, c = COEFFICIENTS
    x = matrices.float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    one = torch.eye(x.shape[1], device=x.device)
    total = factor = a * one + b * gram + c * (gram @ gram)
    for _ in range(ROUNDS - 1):
        gram = factor @ gram @ factor
        factor = a * one + b * gram + c * (gram @ gram)
        total = factor @ total
    return total @ x

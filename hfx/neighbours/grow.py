"""Trees of one decision: what they learn from, how strongly, and their growing on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray


@dataclass(frozen=True)
class Knobs:
    """Eq. 2-4's knobs by the names of xgboost's documentation.

    Attributes:
        rounds: Trees a decision, at most.
        depth: Deepest a tree grows.
        eta: Share of each tree's correction that is used.
        gamma: Price of a leaf; half of it is the gamma of Eq. 4, whose factor 1/2 xgboost drops.
        lambda_: Price of large scores, the lambda of Eq. 4.
        max_delta_step: Largest score of a leaf before eta, or vanishing Hessians diverge.
        patience: Rounds without gain on held-out pictures before stopping.
        seed: Of the windows drawn.
    """

    rounds: int = 40
    depth: int = 5
    eta: float = 0.3
    gamma: float = 1.0
    lambda_: float = 1.0
    max_delta_step: float = 0.5
    patience: int = 20
    seed: int = 0

    def for_xgboost(self) -> dict[str, Any]:
        """Return xgboost's parameters."""
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "base_score": 0.5,
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.eta,
            "gamma": self.gamma,
            "lambda": self.lambda_,
            "max_delta_step": self.max_delta_step,
            "seed": self.seed,
        }


@dataclass(frozen=True, eq=False)
class Asked:
    """The samples that one decision is asked of.

    Shapes: rows (n, F) float32, answers (n,) bool, margin (n,) float32, the hyperprior's.
    """

    rows: NDArray[np.float32]
    answers: NDArray[np.bool_]
    margin: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.answers)


Derivatives = NDArray[np.float32]
Grow = Callable[[Knobs, Asked, Asked], xgb.Booster]
"""What grows the trees of one decision on samples, while held-out ones tell when to stop."""


def grow_here(knobs: Knobs, some: Asked, held: Asked, step: Callable[[], None]) -> xgb.Booster:
    """Grow trees on this machine's cores."""

    class Tell(xgb.callback.TrainingCallback):
        def after_iteration(self, *_: object) -> bool:
            step()
            return False

    data = xgb.QuantileDMatrix(some.rows, some.answers, base_margin=some.margin)
    watched = xgb.QuantileDMatrix(held.rows, held.answers, base_margin=held.margin, ref=data)
    return xgb.train(
        knobs.for_xgboost(),
        data,
        knobs.rounds,
        evals=[(watched, "held")],
        early_stopping_rounds=knobs.patience if len(held) else None,
        obj=bits(),
        verbose_eval=False,
        callbacks=[Tell()],
    )


def bits() -> Callable[[NDArray[np.float32], xgb.DMatrix], tuple[Derivatives, Derivatives]]:
    r"""Return what gives the first two derivatives of L, the loss that a coder pays.

    .. math:: g = p - d, \quad h = p (1 - p), \quad p = 1 / (1 + e^{-margin})

    xgboost's own, but in whole units of 2^-24: their sums in float64 are exact in any order, so
    that trees do not depend on how samples are shared out, over threads or over machines. The
    function travels by value: workers need xgboost, not hfx.
    """

    def derivatives(
        margin: NDArray[np.float32], data: xgb.DMatrix
    ) -> tuple[Derivatives, Derivatives]:
        p = 1 / (1 + np.exp(-margin.astype(np.float64)))
        g, h = p - data.get_label(), np.maximum(p * (1 - p), 2.0**-24)
        whole_g, whole_h = (np.rint(one * 2.0**24) * 2.0**-24 for one in (g, h))
        return whole_g.astype(np.float32), whole_h.astype(np.float32)

    return derivatives

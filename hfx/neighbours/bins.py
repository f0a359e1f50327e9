r"""Features in at most 256 bins each, found before any are shared out: the places a tree may cut.

A value's bin is the number of cuts that are not above it. A tree grown on bins asks "bin < k?",
which is the same question as "value < the k-th cut?", so that afterwards every cut takes the
place of its number. xgboost would find bins of its own from every worker's share, a little
different for every way of sharing; in whole numbers below 256 it leaves no choice.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

BINS = 256  # xgboost's max_bin


@dataclass(frozen=True, eq=False)
class Bins:
    """Where each feature may be cut.

    Attributes:
        cuts: For every feature the cuts between its bins, rising, and one far above all values,
            for the question whether a value is known.
    """

    cuts: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> "Bins":
        """Find the bins of samples, (n, F): every value its own, or as many samples to each."""
        return cls(tuple(map(_cuts, rows.T)))

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the bins of (n, F) values; what is missing stays missing (nan)."""
        binned = np.empty(rows.shape, np.float32)
        for f, cuts in enumerate(self.cuts):
            values = rows[:, f]
            number = np.searchsorted(cuts[:-1], values, side="right")
            binned[:, f] = np.where(np.isnan(values), np.float32(np.nan), number)
        return binned

    def undo(self, booster: xgb.Booster) -> xgb.Booster:
        """Return the same trees for values in the place of bins."""
        model: dict[str, Any] = json.loads(booster.save_raw("json"))
        for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
            threshold = tree["split_conditions"]
            for node, child in enumerate(tree["left_children"]):
                if child != -1:
                    cuts = self.cuts[tree["split_indices"][node]]
                    threshold[node] = _cut(cuts, threshold[node])
        return xgb.Booster(model_file=bytearray(json.dumps(model).encode()))


def _cuts(column: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.sort(column[~np.isnan(column)])
    if not len(known):
        return known
    values = np.unique(known)
    if len(values) > BINS:
        values = np.unique(known[np.arange(BINS) * len(known) // BINS])
    above = known[-1] + abs(known[-1]) + 1  # as xgboost has it
    return np.append(values[1:], above)  # nothing lies below the first


def _cut(cuts: NDArray[np.float32], threshold: float) -> float:
    """Return the value that parts the bins below a threshold from the others."""
    return float(cuts[min(math.ceil(threshold), len(cuts)) - 1])

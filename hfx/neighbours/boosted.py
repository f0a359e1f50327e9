r"""XGBoost as the neighbour model: trees that start from the hyperprior and must earn their bits.

One booster a decision of the chain. Its objective is Eq. 2 of the paper with the loss that a coder
pays, cross-entropy (in base 2 it *is* the file), and the penalty of Eq. 4:

.. math:: Obj = L + \Omega, \quad L = \sum_i -\ln P(d_i), \quad
          \Omega = \gamma T + \tfrac{1}{2} \lambda \sum_j w_j^2

with T leaves of scores w_j. The base margin is the hyperprior's, so zero trees cost exactly what
the hyperprior costs. Leaves are rounded to whole units of 1/GRID nats: sums of them are exact in
float32 in any order, hence the same with any number of threads, and features are whole numbers,
hence on the same side of every split.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import xgboost as xgb
from numpy.typing import NDArray

from hfx.neighbours.chain import DECISIONS, GRID, Chain
from hfx.neighbours.plan import Plan
from hfx.neighbours.window import names

SMALL = 1 << 10  # rows


@dataclass(frozen=True, eq=False)
class Boosted:
    """A neighbour model of boosted trees: the XGBoost block of Figure 1.

    Attributes:
        plan: Order and window it was fitted for.
        chain: The hyperprior's side of the decisions.
        trees: One booster a decision, as UBJSON.
        columns: Which features the boosters see, None: all.

    Raises:
        ValueError: a booster cannot be read, or has another number of features.
    """

    plan: Plan
    chain: Chain
    trees: tuple[bytes, ...]
    columns: tuple[int, ...] | None = None
    kind: str = field(default="xgb", init=False)

    @cached_property
    def boosters(self) -> list[xgb.Booster]:
        """The boosters, ready to predict."""
        if not all(self.trees):
            raise ValueError("these trees are empty")  # xgboost would end the process
        try:
            boosters = [xgb.Booster(model_file=bytearray(raw)) for raw in self.trees]
        except xgb.core.XGBoostError as error:
            first = str(error).strip().splitlines()[-1]
            raise ValueError(f"xgboost cannot read these trees: {first}") from error
        if len(boosters) != len(DECISIONS):
            raise ValueError(f"one booster is needed for each of {len(DECISIONS)} decisions")
        width = len(names(self.plan)) if self.columns is None else len(self.columns)
        if any(booster.num_features() != width for booster in boosters):
            raise ValueError(f"these trees were not grown on {width} features")
        return boosters

    @cached_property
    def silent(self) -> bool:
        """Whether there is not a single tree."""
        return not any(booster.num_boosted_rounds() for booster in self.boosters)

    def margins(
        self, decision: int, rows: NDArray[np.float32], base: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Add the trees' leaves to the base margins: see `coding.Model`."""
        booster = self.boosters[decision]
        if not len(rows) or not booster.num_boosted_rounds():
            return base
        seen = rows if self.columns is None else np.ascontiguousarray(rows[:, self.columns])
        # two threads need longer to meet than a small batch takes
        booster.set_param({"nthread": 1 if len(rows) < SMALL else torch.get_num_threads()})
        leaves = booster.inplace_predict(seen, predict_type="margin", validate_features=False)
        return base + np.rint(leaves * GRID).astype(np.int64)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name what a file must hold."""
        return {f"trees.{i}": np.frombuffer(raw, np.uint8) for i, raw in enumerate(self.trees)}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], plan: Plan, chain: Chain,
        columns: tuple[int, ...] | None,
    ) -> "Boosted":  # fmt: skip
        """Rebuild from `to_arrays`; raises KeyError or ValueError."""
        trees = tuple(arrays[f"trees.{i}"].tobytes() for i in range(len(DECISIONS)))
        model = cls(plan, chain, trees, columns)
        _ = model.boosters
        return model


def rounded(booster: xgb.Booster) -> bytes:
    """Round every leaf of a booster to whole units of 1/GRID nats; return it as UBJSON."""
    model = json.loads(booster.save_raw("json"))
    learner = model["learner"]
    for tree in learner["gradient_booster"]["model"]["trees"]:
        left, value = tree["left_children"], tree["split_conditions"]
        for node, child in enumerate(left):
            if child == -1:
                value[node] = tree["base_weights"][node] = round(value[node] * GRID) / GRID
    # xgboost 3.1 began to write a list here, which older releases cannot read; both read a number
    learner["learner_model_param"]["base_score"] = "5E-1"
    exact = xgb.Booster(model_file=bytearray(json.dumps(model).encode()))
    return bytes(exact.save_raw("ubj"))

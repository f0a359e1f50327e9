r"""The trees opened: Eq. 2 round by round, what they look at, and one symbol's way through them.

Everything here reads a fitted `Boosted` and changes nothing. Scores and margins are whole numbers
of 1/GRID nats, as in the coder, so that what is shown adds up to what was coded.
"""

import json
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import DECISIONS, GRID
from hfx.neighbours.grow import Knobs
from hfx.neighbours.samples import Windows, cost
from hfx.neighbours.window import cells, names, rings


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, node by node; node 0 is the root.

    Attributes:
        left, right: Children of every node, -1 at leaves.
        feature: Which column of the booster's rows a node asks about.
        threshold: A value below it goes left, in float32.
        missing_left: Where an unknown value goes.
        gain: By how much the split lowered twice Eq. 2 without gamma, in nats; 0 at leaves.
        score: w of a leaf, in 1/GRID nats; 0 at splits.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    gain: NDArray[np.float64]
    score: NDArray[np.int64]

    @property
    def scores(self) -> NDArray[np.int64]:
        """w of the leaves alone, (T,)."""
        return self.score[self.left < 0]


class Turn(NamedTuple):
    """One question on the way down a tree: is the feature below the threshold?"""

    feature: str
    threshold: float
    value: float  # nan: not known yet
    went: str  # "left" or "right"

    @property
    def missing(self) -> bool:
        """Whether the value was unknown, so that the tree's default decided."""
        return math.isnan(self.value)


@dataclass(frozen=True)
class Step:
    """What one tree says about one symbol.

    Attributes:
        turns: From the root to the leaf.
        leaf: The leaf's score, in 1/GRID nats.
        margin: The margin with this tree and all before it, in 1/GRID nats.
    """

    turns: tuple[Turn, ...]
    leaf: int
    margin: int


@dataclass(frozen=True)
class Round:
    r"""Eq. 2 after a round: Obj = L + Omega.

    Attributes:
        decision: Which decision's booster.
        round: Trees so far; 0 is the hyperprior alone.
        leaves: T of this round's tree.
        bits: L / ln 2: what the answers cost in a file.
        penalty: Omega of all trees so far (Eq. 4), in nats.
        objective: L + Omega, in nats.
    """

    decision: str
    round: int
    leaves: int
    bits: float
    penalty: float
    objective: float


@dataclass(frozen=True, eq=False)
class Importance:
    """By how much splits on each feature lowered the objective: total gain, over all decisions.

    Attributes:
        gain: By name, largest first; features that no tree asks about are 0.
        cells: (side, side), of the window's raw cells alone.
        window: (side, side), with the sums over cells shared out evenly among those they add up.
    """

    gain: dict[str, float]
    cells: NDArray[np.float64]
    window: NDArray[np.float64]


def trees_of(model: Boosted, decision: int) -> list[Tree]:
    """Take the booster of one decision apart."""
    raw = json.loads(model.boosters[decision].save_raw("json"))
    return [_tree(one) for one in raw["learner"]["gradient_booster"]["model"]["trees"]]


def _tree(raw: dict[str, list[float]]) -> Tree:
    left, value = np.array(raw["left_children"]), np.array(raw["split_conditions"])
    leaf = left < 0
    return Tree(
        left=left,
        right=np.array(raw["right_children"]),
        feature=np.array(raw["split_indices"]),
        threshold=value.astype(np.float32),
        missing_left=np.array(raw["default_left"], bool),
        gain=np.where(leaf, 0.0, raw["loss_changes"]),
        score=np.where(leaf, np.rint(value * GRID), 0).astype(np.int64),
    )


def features_of(model: Boosted) -> list[str]:
    """Name the columns that the boosters see."""
    every = names(model.plan)
    return every if model.columns is None else [every[i] for i in model.columns]


def objective(model: Boosted, windows: Windows, knobs: Knobs | None = None) -> list[Round]:
    r"""Split Eq. 2 into bits and penalty, decision by decision and round by round.

    .. math:: Obj = \sum_i -\ln P(d_i) + \sum_{trees} \gamma T + \tfrac{1}{2} \lambda \sum_j w_j^2

    w_j are the scores as they stand in the trees, after eta. xgboost weighs its gamma against
    twice what a split gains, so the gamma of Eq. 4 is half of xgboost's. On the windows that the
    trees were fitted on, this is what fitting lowers; on others, L alone tells what a file gains.

    Args:
        model: Fitted trees.
        windows: What L is summed over.
        knobs: What the trees were fitted with, for gamma and lambda; None: the defaults.
    """
    knobs = knobs or Knobs()
    table = []
    for decision, name in enumerate(DECISIONS):
        asked, answers = windows.asked(decision)
        rows = windows.rows[asked]
        rows = rows if model.columns is None else np.ascontiguousarray(rows[:, model.columns])
        margin = model.chain.base[decision, windows.index[asked]].astype(np.int64)
        booster, penalty = model.boosters[decision], 0.0
        for number, tree in enumerate([None, *trees_of(model, decision)]):
            leaves = 0
            if tree is not None:
                leaves = len(tree.scores)
                squares = float(((tree.scores / GRID) ** 2).sum())
                penalty += knobs.gamma / 2 * leaves + knobs.lambda_ / 2 * squares
                if len(rows):
                    said = booster.inplace_predict(
                        rows, iteration_range=(number - 1, number), predict_type="margin",
                        validate_features=False,
                    )  # fmt: skip
                    margin += np.rint(said * GRID).astype(np.int64)
            bits = cost(margin / GRID, answers)
            table.append(Round(name, number, leaves, bits, penalty, bits * math.log(2) + penalty))
    return table


def importance(model: Boosted, decision: int | None = None) -> Importance:
    """Add up the gain of every split by the feature it asks about, and lay it on the window.

    A sum such as "ratio 3x3" looks at several cells at once: its gain is in `gain` under its own
    name, and in `window` spread evenly over its cells (the middle one, never known, excepted).

    Args:
        model: Fitted trees.
        decision: One decision only; None: all of them.
    """
    gain = dict.fromkeys(names(model.plan), 0.0)
    seen = features_of(model)
    for number in range(len(DECISIONS)) if decision is None else [decision]:
        for tree in trees_of(model, number):
            for node in np.flatnonzero(tree.left >= 0):
                gain[seen[tree.feature[node]]] += float(tree.gain[node])
    places, side = cells(model.plan), model.plan.window
    alone = np.array([gain[f"cell {dy:+d} {dx:+d}"] for dy, dx in places])
    window = alone.copy()
    if side > 1:
        sizes = [f"{2 * r + 1}x{2 * r + 1}" for r in range(1, side // 2 + 1)]
        for where, members in zip(["cross", *sizes], rings(model.plan).T, strict=True):
            among = members.astype(bool) & np.array([place != (0, 0) for place in places])
            for what in ("ratio", "sum", "size", "tables"):
                window[among] += gain.get(f"{what} {where}", 0.0) / among.sum()
    ordered = dict(sorted(gain.items(), key=lambda item: -item[1]))
    return Importance(ordered, alone.reshape(side, side), window.reshape(side, side))


def path(model: Boosted, decision: int, row: NDArray[np.float32], base: int) -> list[Step]:
    r"""Follow one symbol through the trees of a decision.

    .. math:: m = m_0 + \sum_{trees} w_{leaf}

    Args:
        model: Fitted trees.
        decision: Which decision, counted from 0.
        row: (F,) features, all those of the plan, as `Slice.rows` makes them.
        base: The hyperprior's margin m_0, in 1/GRID nats.

    Returns:
        A step per tree; the last one's margin is what `Boosted.margins` returns.
    """
    seen = row if model.columns is None else row[list(model.columns)]
    called, steps, margin = features_of(model), list[Step](), int(base)
    for tree in trees_of(model, decision):
        node, turns = 0, list[Turn]()
        while tree.left[node] >= 0:
            feature = tree.feature[node]
            value, threshold = seen[feature], tree.threshold[node]
            left = bool(tree.missing_left[node] if np.isnan(value) else value < threshold)
            turns.append(
                Turn(called[feature], float(threshold), float(value), "left" if left else "right")
            )
            node = int(tree.left[node] if left else tree.right[node])
        margin += int(tree.score[node])
        steps.append(Step(tuple(turns), int(tree.score[node]), margin))
    return steps

"""What the page "XGBoost lab" computes: photographs to windows, to trees, to bytes."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hfx import image
from hfx.codec import Codec, Latents
from hfx.entropy import coder
from hfx.neighbours import coding, samples, trees
from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import DECISIONS, GRID, Chain
from hfx.neighbours.fit import Knobs, fit_boosted, steps_of
from hfx.neighbours.fit_nearest import Votes, fit_nearest
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Report, Windows
from hfx.quality import level_of

# Photographs of public domain or CC0 that come with scikit-image.
TRAIN = {"Cat": "chelsea.png", "Rocket": "rocket.jpg", "Photographer": "camera.png",
         "Gravel": "gravel.png", "Grass": "grass.png", "Coins": "coins.png"}  # fmt: skip
STOP = {"Bricks": "brick.png"}
HELD = {"Astronaut": "astronaut.png", "Cup of coffee": "coffee.png"}
JUDGED = 20_000  # held-out windows that the curve is drawn from
HYPERPRIOR, KNN, YOURS, SHIPPED = "hyperprior", "KNN", "your trees", "shipped trees"

Step = Callable[[], None]


@dataclass(frozen=True)
class Settings:
    """What is fitted.

    Attributes:
        windows: Y, how many windows the trees learn from.
        side: Of the window.
        knobs: Of the trees.
        k: How many reference points vote in the KNN beside them.
    """

    windows: int = 10_000
    side: int = 7
    knobs: Knobs = field(default_factory=Knobs)
    k: int = 8

    @property
    def steps(self) -> int:
        """How often `fit` reports at most."""
        return steps_of(self.knobs) + len(DECISIONS) + 2 * len(HELD)


@dataclass(frozen=True, eq=False)
class Bench:
    """The latents to learn from, to stop by and to judge by, at the middle tier.

    Attributes:
        train, stop: Latents.
        held: Latents by the photograph's name.
        bytes: Of y of each held-out photograph, by the hyperprior and by the shipped trees.
    """

    train: list[Latents]
    stop: list[Latents]
    held: dict[str, Latents]
    bytes: dict[str, dict[str, int]]

    @property
    def nbytes(self) -> int:
        latents = [*self.train, *self.stop, *self.held.values()]
        return sum(9 * one.y.size for one in latents)  # y, mu, index


@dataclass(frozen=True)
class Round:
    """All decisions after a round of boosting; of those that stopped earlier, their last.

    Attributes:
        number: Trees of each decision so far.
        loss, penalty: L and Omega of Eq. 2 on the training windows, in bits a window.
        train, held: Share of the bits saved on training windows and on held-out ones.
    """

    number: int
    loss: float
    penalty: float
    train: float
    held: float

    @property
    def objective(self) -> float:
        """Obj = L + Omega."""
        return self.loss + self.penalty


@dataclass(frozen=True, eq=False)
class Fit:
    """What came of it.

    Attributes:
        settings: What was fitted.
        model: The trees.
        report: Of the windows that stopped them.
        rounds: Eq. 2, round by round; the first is the hyperprior alone.
        knn: Share of the held-out windows' bits that KNN saves.
        bytes: Of y of each held-out photograph, by each kind.
        importance: What the trees look at.
        seconds: How long the trees took to grow.
    """

    settings: Settings
    model: Boosted
    report: Report
    rounds: list[Round]
    knn: float
    bytes: dict[str, dict[str, int]]
    importance: trees.Importance
    seconds: float

    @property
    def nbytes(self) -> int:
        return 4 * sum(map(len, self.model.trees))  # as a file, and ready to predict

    def saved(self, kind: str) -> float:
        """Return the share of the held-out photographs' bytes that a kind saves."""
        before = sum(row[HYPERPRIOR] for row in self.bytes.values())
        return 1 - sum(row[kind] for row in self.bytes.values()) / before


def gather(codec: Codec, step: Step = lambda: None) -> Bench:
    """Analyse the photographs."""
    from skimage import data

    level = level_of(codec.weights.arch.tiers)
    assert level is not None

    def latents(file: str) -> Latents:
        analysis = codec.analyse(image.load(Path(data.data_dir) / file))
        step()
        return codec.quantize(analysis, level)

    train, stop = (list(map(latents, files.values())) for files in (TRAIN, STOP))
    held = {name: latents(file) for name, file in HELD.items()}
    tables, sizes = codec.weights.prior.tables_y, dict[str, dict[str, int]]()
    for name, one in held.items():
        alone = coder.encode(one.y.ravel(), one.index.ravel(), tables)
        sizes[name] = {HYPERPRIOR: sum(map(len, alone))}
        if "xgb" in codec.models.kinds():
            shipped = codec.models.get("xgb")[1]
            sizes[name][SHIPPED] = samples.bytes_of(codec, shipped, [one])[1]
    return Bench(train, stop, held, sizes)


def fit(codec: Codec, bench: Bench, settings: Settings, step: Step = lambda: None) -> Fit:
    """Draw windows, grow trees and choose KNN's points on them, and judge both.

    Args:
        codec: The weights.
        bench: The photographs.
        settings: What is fitted.
        step: Called as the work goes on, `Settings.steps` times at most.
    """
    tables, plan = codec.weights.prior.tables_y, Plan(window=settings.side)
    chain, y = Chain.of(tables), settings.windows
    parts = (
        (bench.train, y),
        (bench.stop, max(1000, y // 4)),
        (list(bench.held.values()), JUDGED),
    )
    train, stop, judge = (
        samples.windows_of(latents, tables, plan, chain, count, settings.knobs.seed)
        for latents, count in parts
    )
    begun = time.perf_counter()
    model, report = fit_boosted(tables, plan, train, stop, settings.knobs, step=step)
    seconds = time.perf_counter() - begun
    knn, _ = fit_nearest(tables, plan, train, stop, Votes(k=settings.k), step=step)
    sizes = {name: dict(row) for name, row in bench.bytes.items()}
    for name, one in bench.held.items():
        for kind, fitted in ((KNN, knn), (YOURS, model)):
            sizes[name][kind] = samples.bytes_of(codec, fitted, [one])[1]
            step()
    return Fit(
        settings=settings,
        model=model,
        report=report,
        rounds=rounds_of(model, train, judge, settings.knobs),
        knn=1 - bits_of(knn, judge) / bits_of(knn, judge, alone=True),
        bytes=sizes,
        importance=trees.importance(model),
        seconds=seconds,
    )


def rounds_of(model: Boosted, train: Windows, judge: Windows, knobs: Knobs) -> list[Round]:
    """Return Eq. 2 after every round, and what it saves on windows that the trees never saw."""
    seen, unseen = (by_round(trees.objective(model, part, knobs)) for part in (train, judge))
    found = []
    for number, (here, there) in enumerate(zip(seen, unseen, strict=True)):
        penalty = sum(row.penalty for row in here) / math.log(2) / len(train)
        bits, held = (sum(row.bits for row in rows) for rows in (here, there))
        first, first_held = (sum(row.bits for row in part[0]) for part in (seen, unseen))
        found.append(
            Round(number, bits / len(train), penalty, 1 - bits / first, 1 - held / first_held)
        )
    return found


def by_round(table: Sequence[trees.Round]) -> list[list[trees.Round]]:
    """Sort by round; decisions that have stopped stay as they were."""
    last = max(row.round for row in table)
    each = [[row for row in table if row.decision == name] for name in DECISIONS]
    return [[rows[min(number, len(rows) - 1)] for rows in each] for number in range(last + 1)]


def bits_of(model: coding.Model, windows: Windows, alone: bool = False) -> float:
    """Return the bits of all decisions of some windows, by a model or by the hyperprior alone."""
    total = 0.0
    for decision in range(len(DECISIONS)):
        asked, answers = windows.asked(decision)
        margins = model.chain.base[decision, windows.index[asked]].astype(np.int64)
        if not alone:
            margins = model.margins(decision, windows.rows[asked], margins)
        total += samples.cost(margins / GRID, answers)
    return total

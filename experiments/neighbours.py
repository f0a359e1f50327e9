r"""What do neighbours save, and why? A learning curve and ablations of the neighbour models.

The paper fits its classifier on Y = 120, 240, 480 or 960 windows and does not say what more of
them would bring. Here Y goes on to all there are, and everything that was chosen is also taken
away, turned down or turned up:

    python experiments/neighbours.py --data TAR... --out FOLDER

    neighbours_curve.csv      kind, Y, seed: what share of the bits is saved
    neighbours_ablation.csv   what, value: the same, and what it costs in time and in bytes
    neighbours.png            both, drawn

Trees learn from training pictures, half of the held-out pictures stop them, the other half judges.
What is judged are the decisions' bits; the rest of a file, z and the largest symbols' tails, is
coded by the hyperprior alone in any case. Every finished row is written at once and never measured
again for the same weights and the same number of windows: a second run goes on.

A symbol can also be coded by one softmax over -3 .. 3, whose ends stand for everything beyond,
instead of a chain of decisions:

.. math:: P(s) = softmax(\ln P_{hyperprior}(s) + trees)_s

Both are compared at equal time of prediction.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

import hfx
from hfx.codec import Codec, Latents
from hfx.console import progress
from hfx.data import load_pictures
from hfx.entropy.pmf import Tables
from hfx.files import atomic
from hfx.neighbours import coding, samples
from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import DECISIONS, GRID, WHOLE, Chain
from hfx.neighbours.command import chosen
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.plan import PATTERNS, Plan
from hfx.neighbours.samples import Windows, cost
from hfx.neighbours.window import HYPERPRIOR, OWN, POSITION, names

PAPER = (120, 240, 480, 960)  # the paper's Y, each drawn three times
MORE = (3_000, 10_000, 30_000, 100_000, 300_000)
SEEDS = 3
DRAWN = 50_000  # windows that judge
TIMED = 4  # pictures whose encoding is timed
END = 3  # of the softmax: -3 and 3 stand for all that is beyond
FLOOR = 1e-4  # of the hyperprior's probabilities, where the softmax starts
ROUNDS = (10, 20, 40, 80)

Model = coding.Model
R = TypeVar("R", "Point", "Ablation")


@dataclass(frozen=True)
class Point:
    """One fit of the learning curve: a line of its CSV."""

    kind: str  # xgb or knn
    y: str  # the paper's Y: a number, or "all"
    seed: int
    windows: int  # how many that is
    saved: float  # share of the judging pictures' bits
    fit_s: float
    weights: str


@dataclass(frozen=True)
class Ablation:
    """One fit with something changed: a line of the CSV."""

    what: str
    value: str
    saved: float
    seconds: float | None  # to encode y of one held-out picture; None: it cannot
    predict_us: float  # to predict one window
    model_bytes: int
    note: str
    windows: int
    weights: str


# --- pictures become windows


@dataclass(eq=False)
class Study:
    """What all fits share.

    Attributes:
        codec: The weights.
        train, stop, judge: Latents of pictures.
        windows: Y of the ablations.
        most: Y of the curve's last point.
        models: Trees already fitted, by plan, knobs and what was withheld.
        rows: What was measured of them, by these and the rounds kept.
    """

    codec: Codec
    train: list[Latents]
    stop: list[Latents]
    judge: list[Latents]
    windows: int
    most: int
    models: dict[object, Boosted] = field(default_factory=dict)
    rows: dict[object, dict[str, Any]] = field(default_factory=dict)

    @property
    def tables(self) -> Tables:
        """The hyperprior's."""
        return self.codec.weights.prior.tables_y

    @property
    def weights(self) -> str:
        """Which weights these are."""
        return self.codec.weights.fingerprint.hex()

    def draw(self, plan: Plan, count: int) -> tuple[Windows, Windows, Windows]:
        """Draw windows that train, that stop and that judge."""
        chain = Chain.of(self.tables)
        counts = (count, max(1000, count // 4), DRAWN)
        parts = zip((self.train, self.stop, self.judge), counts, (0, 1, 2), strict=True)
        train, stop, judge = (
            samples.windows_of(latents, self.tables, plan, chain, n, seed)
            for latents, n, seed in parts
        )
        return train, stop, judge

    @cached_property
    def default(self) -> tuple[Windows, Windows, Windows]:
        """As many windows of the default plan as the curve needs."""
        return self.draw(Plan(), max(self.most, self.windows))

    def drawn(self, plan: Plan) -> tuple[Windows, Windows, Windows]:
        """Windows for an ablation."""
        if plan != Plan():
            return self.draw(plan, self.windows)
        train, stop, judge = self.default
        return some(train, self.windows), some(stop, max(1000, self.windows // 4)), judge


def some(windows: Windows, count: int, seed: int = 0) -> Windows:
    """Draw some of many windows."""
    at = np.sort(np.random.default_rng(seed).permutation(len(windows))[:count])
    return Windows(windows.rows[at], windows.symbols[at], windows.index[at])


def costs(
    windows: Windows, chain: Chain, margins: Callable[..., NDArray[np.int64]]
) -> list[float]:
    """Return the bits of every decision, predicted by `margins(decision, rows, base)`."""
    bits = []
    for decision in range(len(DECISIONS)):
        asked, answers = windows.asked(decision)
        base = chain.base[decision, windows.index[asked]].astype(np.int64)
        bits.append(cost(margins(decision, windows.rows[asked], base) / GRID, answers))
    return bits


def hyperprior(decision: int, rows: NDArray[np.float32], base: NDArray[np.int64]) -> NDArray:
    """Leave the margins as they are."""
    return base


def saved(model: Model, windows: Windows) -> float:
    """Return the share of the decisions' bits that a model saves."""
    before, after = (sum(costs(windows, model.chain, f)) for f in (hyperprior, model.margins))
    return 1 - after / before


# --- the learning curve


def curve(study: Study, kind: str) -> Iterator[tuple[str, int, Callable[[], Point]]]:
    """Yield the points of a kind's learning curve: Y, seed, what measures it."""
    for y in (*PAPER, *MORE):
        if y < study.most:
            for seed in range(SEEDS if y in PAPER else 1):
                yield str(y), seed, partial(point, study, kind, y, str(y), seed)
    yield "all", 0, partial(point, study, kind, study.most, "all", 0)


def point(study: Study, kind: str, count: int, y: str, seed: int) -> Point:
    """Fit on Y windows and judge."""
    train, stop, judge = study.default
    train, stop = some(train, count, seed), some(stop, max(1000, count // 4), seed)
    begun = time.perf_counter()
    model = fitted(kind, study.tables, Plan(), train, stop)
    spent = time.perf_counter() - begun
    return Point(kind, y, seed, len(train), saved(model, judge), spent, study.weights)


def fitted(
    kind: str, tables: Tables, plan: Plan, train: Windows, stop: Windows, k: int | None = None
) -> Model:
    """Fit a model of a kind with its default knobs, or with another k."""
    if kind == "xgb":
        return fit_boosted(tables, plan, train, stop)[0]
    from hfx.neighbours.fit_nearest import Votes, fit_nearest

    votes = Votes() if k is None else Votes(k=k)
    return fit_nearest(tables, plan, train, stop, votes)[0]


# --- ablations

Job = tuple[str, str, Callable[[], dict[str, Any]]]  # what, value, what measures it


def ablations(study: Study) -> Iterator[Job]:
    """Yield what is changed in the trees, one thing at a time."""
    knobs, every = Knobs(), names(Plan())
    cells = {name for name in every if name.startswith("cell")}
    others = {name for name in every if "earlier" in name or "last" in name}
    without = {
        "all": (),
        "without position": POSITION,
        "without hyperprior": HYPERPRIOR,
        "without other channels": others,
        "only raw cells": set(every) - cells - set(OWN),
        "without neighbours": set(every) - set(OWN),
    }
    for side in (3, 5, 7, 9):
        yield "window", f"{side}x{side}", partial(boosted, study, Plan(window=side))
    for name, withheld in without.items():
        yield "features", name, partial(boosted, study, without=tuple(sorted(withheld)))
    for pattern in PATTERNS:
        yield "pattern", pattern, partial(boosted, study, Plan(pattern=pattern))
    for depth in sorted({2, 4, 6, 8, knobs.depth}):
        yield "depth", str(depth), partial(boosted, study, knobs=replace(knobs, depth=depth))
    for rounds in ROUNDS:
        most = replace(knobs, rounds=max(ROUNDS))
        yield "rounds", str(rounds), partial(boosted, study, knobs=most, rounds=rounds)
    for gamma in (0.0, 1.0, 10.0):
        yield "gamma", f"{gamma:g}", partial(boosted, study, knobs=replace(knobs, gamma=gamma))
    for lambda_ in (0.0, 1.0, 10.0, 100.0):
        changed = replace(knobs, lambda_=lambda_)
        yield "lambda", f"{lambda_:g}", partial(boosted, study, knobs=changed)
    for eta in (0.1, 0.3, 0.6):
        yield "eta", f"{eta:g}", partial(boosted, study, knobs=replace(knobs, eta=eta))


def boosted(
    study: Study, plan: Plan | None = None, knobs: Knobs | None = None,
    without: tuple[str, ...] = (), rounds: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Fit and judge trees; the same fit is not made twice."""
    plan, knobs = plan or Plan(), knobs or Knobs()
    fit = (plan, knobs, without)
    if (fit, rounds) not in study.rows:
        train, stop, judge = study.drawn(plan)
        if fit not in study.models:
            study.models[fit], _ = fit_boosted(study.tables, plan, train, stop, knobs, without)
        model = study.models[fit]
        study.rows[fit, rounds] = judged(study, cut(model, rounds) if rounds else model, judge)
    return study.rows[fit, rounds]


def cut(model: Boosted, rounds: int) -> Boosted:
    """Keep the first rounds of every booster."""
    kept = (
        booster[: min(rounds, booster.num_boosted_rounds())]
        if booster.num_boosted_rounds()
        else booster
        for booster in model.boosters
    )
    return replace(model, trees=tuple(bytes(booster.save_raw("ubj")) for booster in kept))


def voted(study: Study, k: int) -> dict[str, Any]:
    """Fit and judge nearest neighbours."""
    train, stop, judge = study.drawn(Plan())
    return judged(study, fitted("knn", study.tables, Plan(), train, stop, k=k), judge)


def judged(study: Study, model: Any, judge: Windows) -> dict[str, Any]:  # noqa: ANN401
    """Measure what a model saves, and what it costs."""
    seconds = []
    for one in study.judge[:TIMED]:
        begun = time.perf_counter()
        coding.encode(model, study.tables, *one.side, one.y)
        seconds.append(time.perf_counter() - begun)
    spent = timed(lambda: costs(judge, model.chain, model.margins))
    return {
        "saved": saved(model, judge),
        "seconds": float(np.mean(seconds)),
        "predict_us": spent / len(judge) * 1e6,
        "model_bytes": sum(values.nbytes for values in model.to_arrays().values()),
        "note": note(model),
    }


def note(model: Any) -> str:  # noqa: ANN401
    """Say how large a model came out."""
    if isinstance(model, Boosted):
        return f"{sum(b.num_boosted_rounds() for b in model.boosters)} trees"
    return ""


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of the faster of two runs."""
    spent = []
    for _ in range(2):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return min(spent)


# --- one softmax instead of a chain


def shapes(study: Study) -> Iterator[Job]:
    """Yield a chain of decisions, and a softmax that takes as long, and one that may take longer.

    How long a tree takes is measured first, on one fit; the second softmax is this fit, cut.
    """

    @cache
    def fit() -> tuple[xgb.Booster, Windows, Chain]:
        train, stop, judge = study.drawn(Plan())
        return softmax(study.tables, train, stop), judge, Chain.of(study.tables)

    def measured(equal: bool) -> dict[str, Any]:
        booster, judge, chain = fit()
        rounds = booster.num_boosted_rounds()
        start = classes(judge, study.tables)[0]

        def predict(rounds: int) -> NDArray[np.float32]:
            return booster.inplace_predict(
                judge.rows, iteration_range=(0, rounds), base_margin=start, predict_type="margin",
                validate_features=False,
            )  # fmt: skip

        if equal:
            chains = boosted(study)["predict_us"] * len(judge) / 1e6
            for _ in range(3):  # time is not quite proportional to rounds
                share = chains / timed(lambda: predict(rounds))  # noqa: B023
                rounds = max(1, min(booster.num_boosted_rounds(), round(rounds * share)))
        before = sum(costs(judge, chain, hyperprior))
        after = softmax_bits(predict(rounds), judge, chain, study.tables)
        return {
            "saved": 1 - after / before,
            "seconds": None,
            "predict_us": timed(lambda: predict(rounds)) / len(judge) * 1e6,
            "model_bytes": len(booster[:rounds].save_raw("ubj")),
            "note": f"{rounds * (2 * END + 1)} trees",
        }

    yield "code", "chain", partial(boosted, study)
    yield "code", "softmax of equal time", partial(measured, True)
    yield "code", "softmax with all its trees", partial(measured, False)


def classes(windows: Windows, tables: Tables) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return where the softmax starts, (n, 7) log-probabilities, and the answers, (n,)."""
    inner = np.arange(1 - END, END)
    start = np.empty((len(tables), 2 * END + 1))
    for row, half in enumerate(tables.half):
        known = np.abs(inner) <= half
        start[row, 1:-1] = np.where(
            known, tables.frequencies[row, np.where(known, inner + half, 0)], 0
        )
    start[:, [0, -1]] = ((WHOLE - start[:, 1:-1].sum(1)) / 2)[:, None]
    p = np.maximum(start / WHOLE, FLOOR)
    logs = np.log(p / p.sum(1, keepdims=True)).astype(np.float32)
    return logs[windows.index], windows.symbols.clip(-END, END) + END


def softmax(tables: Tables, train: Windows, stop: Windows) -> xgb.Booster:
    """Fit one booster over all classes, with the knobs of the chain's."""
    knobs = Knobs()
    settings = knobs.for_xgboost() | {
        "objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": 2 * END + 1,
    }  # fmt: skip
    matrices: list[xgb.QuantileDMatrix] = []
    for windows in (train, stop):
        start, answers = classes(windows, tables)
        first = matrices[0] if matrices else None
        matrices.append(xgb.QuantileDMatrix(windows.rows, answers, base_margin=start, ref=first))
    booster = xgb.train(
        settings,
        matrices[0],
        knobs.rounds,
        evals=[(matrices[1], "held")],
        early_stopping_rounds=knobs.patience,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def softmax_bits(
    margins: NDArray[np.float32], windows: Windows, chain: Chain, tables: Tables
) -> float:
    """Return what symbols cost under a softmax, all that the chain's decisions decide included.

    The sizes within an end class are charged as the hyperprior codes them.
    """
    _, answers = classes(windows, tables)
    logs = margins - np.logaddexp.reduce(margins.astype(np.float64), 1, keepdims=True)
    bits = -logs[np.arange(len(answers)), answers].sum() / np.log(2)
    rest = costs(windows, chain, hyperprior)[1 + END :]  # "beyond 3" and on
    return float(bits + sum(rest))


# --- rows in files


def load(path: Path, row: type[R]) -> list[R]:
    """Read rows that `save` wrote; none where there is no file or it has other columns."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != [f.name for f in fields(row)]:
            return []
        return [
            row(**{f.name: read(values[f.name], str(f.type)) for f in fields(row)})
            for values in reader
        ]


def read(text: str, kind: str) -> Any:  # noqa: ANN401
    """Turn a cell into what its column holds."""
    if "float" in kind:
        return float(text) if text else None
    return int(text) if "int" in kind else text


def save(path: Path, rows: Sequence[Point] | Sequence[Ablation], row: type) -> None:
    """Write all rows, whole or not at all."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(row)], lineterminator="\n")
        writer.writeheader()
        for one in map(asdict, rows):
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in one.items()})


def extend_curve(study: Study, path: Path, kind: str) -> None:
    """Measure the points of a kind's curve that the CSV does not hold yet."""
    rows = [r for r in load(path, Point) if r.weights == study.weights]
    have = {(r.kind, r.y, r.seed, r.windows) for r in rows}
    for y, seed, measure in curve(study, kind):
        count = min(len(study.default[0]), study.most if y == "all" else int(y))
        if (kind, y, seed, count) in have:
            continue
        rows = [r for r in rows if (r.kind, r.y, r.seed) != (kind, y, seed)]
        rows.append(measure())
        save(path, rows, Point)
        print(f"{kind} Y={y} seed {seed}: saves {rows[-1].saved:.2%}, {rows[-1].fit_s:.0f} s")


def extend_ablations(study: Study, path: Path, jobs: Iterator[Job]) -> None:
    """Measure the ablations that the CSV does not hold yet."""
    rows = [r for r in load(path, Ablation) if r.weights == study.weights]
    have = {(r.what, r.value) for r in rows if r.windows == study.windows}
    for what, value, measure in jobs:
        if (what, value) in have:
            continue
        begun = time.perf_counter()
        found = measure()
        row = Ablation(what, value, windows=study.windows, weights=study.weights, **found)
        rows = [r for r in rows if (r.what, r.value) != (what, value)] + [row]
        save(path, rows, Ablation)
        print(f"{what} {value}: saves {row.saved:.2%}, {time.perf_counter() - begun:.0f} s")


# --- drawn


def draw(points: Sequence[Point], bars: Sequence[Ablation], path: Path) -> None:
    """Draw the curve and the ablations."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 7), layout="constrained")
    for kind, name in (("xgb", "XGBoost"), ("knn", "KNN")):
        groups: dict[int, list[float]] = {}
        for one in points:
            if one.kind == kind:
                groups.setdefault(one.windows, []).append(100 * one.saved)
        if groups:
            at = sorted(groups)
            mean = [float(np.mean(groups[y])) for y in at]
            low, high = ([f(groups[y]) for y in at] for f in (min, max))
            spread = [np.subtract(mean, low), np.subtract(high, mean)]
            left.errorbar(at, mean, spread, marker="o", capsize=3, label=name)
    left.axvspan(min(PAPER), max(PAPER), color="0.9", label="the paper's Y")
    left.axhline(0, color="0.5", linewidth=0.8)
    left.set(xscale="log", xlabel="Y, training windows", ylabel="bits saved, %")
    left.set_title("Learning curve: share of held-out bits saved")
    left.legend()

    labels, values, colours = [], [], []
    for number, what in enumerate(dict.fromkeys(bar.what for bar in bars)):
        for bar in (bar for bar in bars if bar.what == what):
            labels.append(f"{what}: {bar.value}")
            values.append(100 * bar.saved)
            colours.append(f"C{number % 10}")
    right.barh(labels, values, color=colours)
    for y, value in enumerate(values):
        right.text(max(value, 0), y, f" {value:.1f}", va="center", fontsize=7)
    right.invert_yaxis()
    right.tick_params(axis="y", labelsize=7)
    right.set(xlabel="bits saved, %")
    count = bars[0].windows if bars else 0
    right.set_title(f"One thing changed at a time, Y = {count:,}")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


# --- the whole


def analysed(codec: Codec, args: argparse.Namespace) -> tuple[list[Latents], list[Latents]]:
    """Return latents of training and of held-out pictures, by way of --cache where given."""
    if args.cache and args.cache.exists():
        with np.load(args.cache) as file:
            parts = {name: unpacked(file, name) for name in ("train", "held")}
        return parts["train"], parts["held"]
    held = max(8, args.pictures // 5)
    train = chosen(load_pictures(args.data, least=256), args.pictures, 0)
    others = chosen(load_pictures(args.data, held=True, least=256), held, 0)
    with progress("analysing", len(train) + len(others)) as step:
        some, rest = (samples.latents_of(codec, p, 0, step) for p in (train, others))
    if args.cache:
        arrays = {
            f"{name}.{i}.{f.name}": getattr(one, f.name)
            for name, latents in (("train", some), ("held", rest))
            for i, one in enumerate(latents)
            for f in fields(Latents)
        }
        np.savez(args.cache, **arrays)
    return some, rest


def unpacked(file: Any, name: str) -> list[Latents]:  # noqa: ANN401
    """Read latents from what `analysed` kept."""
    latents: list[Latents] = []
    while (key := f"{name}.{len(latents)}") + ".level" in file:
        arrays = {f.name: file[f"{key}.{f.name}"] for f in fields(Latents)}
        latents.append(Latents(**{**arrays, "level": int(arrays["level"])}))
    return latents


def nearest_is_there() -> bool:
    """Say whether nearest neighbours can be fitted."""
    try:
        from hfx.neighbours.fit_nearest import fit_nearest  # noqa: F401
    except ImportError:
        return False
    return True


PARTS = ("curve", "ablation", "code", "knn", "plot")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="training pictures")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--weights", type=Path, help="the codec's, by default those shipped")
    parser.add_argument("--pictures", type=int, default=400, help="how many to draw from")
    parser.add_argument("--windows", type=int, default=100_000, help="Y of the ablations")
    parser.add_argument("--most", type=int, default=600_000, help="Y of the curve's last point")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to do")
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, then draw."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    curves, bars = (args.out / f"neighbours_{name}.csv" for name in ("curve", "ablation"))
    if set(args.parts) - {"plot"}:
        codec = hfx.load(args.weights, "none")
        train, held = analysed(codec, args)
        study = Study(codec, train, held[::2], held[1::2], args.windows, args.most)
        if "curve" in args.parts:
            extend_curve(study, curves, "xgb")
        if "ablation" in args.parts:
            extend_ablations(study, bars, ablations(study))
        if "code" in args.parts:
            extend_ablations(study, bars, shapes(study))
        if "knn" in args.parts and not nearest_is_there():
            print("nearest neighbours are left out: there is no hfx.neighbours.fit_nearest")
        elif "knn" in args.parts:
            extend_curve(study, curves, "knn")
            jobs = (("knn k", str(k), partial(voted, study, k)) for k in (4, 8, 16, 32, 64))
            extend_ablations(study, bars, jobs)
    if "plot" in args.parts:
        draw(load(curves, Point), load(bars, Ablation), args.out / "neighbours.png")


if __name__ == "__main__":
    main()

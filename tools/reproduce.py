"""A release from one recipe: weights, neighbour models, numbers, notebooks, pages.

    python -m tools.reproduce --data TRAIN --kodak KODAK --hours 8

    stage 1 -> stage 2 -> export -> does the dial help? -> KNN, XGBoost -> Kodak -> better?
                              shipped <- yes, at every tier: then results, notebooks, pages

Everything goes to runs/release, and what is there already is not done again, so an interrupted
release goes on; another `--out` begins anew. The hours are for training, three quarters of them
for stage 1. How many steps they hold is measured in the first minutes: a faster machine takes
more of them, and nothing has to be edited.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

from experiments.distance import along, table
from hfx.files import atomic_write

ROOT = Path(__file__).parents[1]
WEIGHTS, RESULTS = ROOT / "data" / "weights", ROOT / "data" / "results"
NAME = "compact"
TIERS = ("low", "medium", "high")
KINDS = ("xgb", "knn")
FIRST = 0.75  # of the hours, for stage 1
PROBE = 3.0  # minutes, to find the pace
SPARE = 0.95  # of the steps that fit: evaluations take time too
# What data/results/LOG.md found best. Rates are before XGBoost takes its tenth.
STAGE_1 = (
    "--rate-targets 0.16 0.335 0.475 --zeta-a 12 6 3 --zeta-b 1 0.5 0.25 "
    "--k-M 0.0028 --k-S 0.02 --k-G 2 --perceptual turns --ema 0.999"
).split()
STAGE_2 = "--stage 2 --lr 1e-4 --ema 0.999".split()
CROPS = {True: 24, False: 3}  # a step, with a GPU and without: a multiple of the three tiers
DECAY = 6  # the last sixth of the steps brings the learning rate to zero


def say(*words: object) -> None:
    """Tell what happens next."""
    print("==", *words, flush=True)


def do(*command: object) -> None:
    """Run a command of hfx; end with its exit status where it fails."""
    say("hfx", *command)
    code = subprocess.call([sys.executable, "-m", "hfx", *map(str, command)], cwd=ROOT)
    if code:
        raise SystemExit(code)


def last(run: Path) -> tuple[int, float]:
    """Return the step and the minutes that a run's log has come to."""
    row = table(run / "log.csv")[-1]
    return int(row["step"]), float(row["minutes"])


def train(run: Path, minutes: float, pictures: list[object], settings: list[object]) -> None:
    """Train for so long, from the beginning or from where the run stands.

    Args:
        run: Its folder.
        minutes: Of training, in all; a run that has had them is left as it is.
        pictures: To train and to evaluate with.
        settings: Of `hfx train`, which a run keeps from its beginning.
    """
    begin = ["train", "--out", run, "--log-every", 20, *pictures]
    if not (run / "log.csv").exists():
        probe = ["--steps", 10**7, "--max-minutes", min(PROBE, minutes / 4)]
        do(*begin, *settings, *probe)
    step, spent = last(run)
    plan = run / "plan.json"
    if not plan.exists():
        total = max(step + 1, int(SPARE * step / spent * minutes))
        atomic_write(plan, json.dumps({"steps": total}).encode())
    total = json.loads(plan.read_text())["steps"]
    if step >= total or spent >= minutes:
        say(f"{run.name} has had {spent:.0f} minutes and {step:,} steps")
        return
    more = ["--steps", total, "--decay", max(1, total // DECAY)]
    do(*begin, "--resume", *more, "--max-minutes", minutes - spent)


def lower(bpp: list[float], lpips: list[float], than: list[dict[str, str]]) -> bool:
    """Tell whether LPIPS is below that of other weights, at their rates, at every tier.

    Args:
        bpp: Of the candidate's tiers.
        lpips: At these rates; between them it is read off in log(bpp), log(LPIPS).
        than: Lines of a summary.
    """
    logs = list(map(math.log, lpips))
    return all(math.exp(along(bpp, logs, float(row["bpp"]))) < float(row["lpips"]) for row in than)


def ours(summary: Path) -> list[dict[str, str]]:
    """Return the lines of our tiers in a summary."""
    rows = table(summary)
    return [row for row in rows if row["codec"].startswith("hfx") and row["tier"] in TIERS]


def dial_helps(sets: list[dict[str, str]]) -> bool:
    """Tell whether FID-768 at realism 1 is below that at realism 0, at every tier."""
    fid: dict[str, list[float]] = {"0": [], "1": []}
    for row in sets:
        realism = row["codec"].rpartition("realism")[2].strip()
        if realism in fid:
            fid[realism].append(float(row["fid768"]))
    pairs = list(zip(fid["0"], fid["1"], strict=True))
    return bool(pairs) and all(b < a for a, b in pairs)


def candidate(out: Path, kodak: Path, data: Path) -> Path:
    """Export what was trained, with the dial if it helps, and fit its neighbour models."""
    plain, weights = out / "stage1.safetensors", out / f"{NAME}.safetensors"
    first, second = out / "stage1", out / "stage2"
    if not weights.exists():
        both = out / "both.safetensors"
        do("export", first, "-o", plain)
        do("export", first, "--gan", second, "-o", both)
        do("evaluate", kodak, "-o", out / "dial.csv", "--weights", both, "--neighbours", "none",
           "--realism", 0, "--realism", 1)  # fmt: skip
        helps = dial_helps(table(out / "dial_sets.csv"))
        say("the second generator", "helps: both ship" if helps else "does not help: one ships")
        shutil.copy(both if helps else plain, weights)
    for kind in KINDS:
        if not (out / f"{NAME}.{kind}.safetensors").exists():
            do("fit-neighbours", "--kind", kind, "--data", data, "--weights", weights)
    return weights


def ship(weights: Path, runs: list[Path]) -> None:
    """Put weights, their neighbour models and their logs where the shipped ones were."""
    for path in (weights, *(weights.with_suffix(f".{kind}.safetensors") for kind in KINDS)):
        atomic_write(WEIGHTS / path.name, path.read_bytes())
    for old in RESULTS.glob("*/evaluations.csv"):
        shutil.rmtree(old.parent)
    for run, names in zip(runs, (("log.csv", "evaluations.csv"), ("log.csv",)), strict=True):
        (RESULTS / run.name).mkdir(exist_ok=True)
        for name in names:  # stage 2 counts its steps anew: no part of the learning curve
            shutil.copy(run / name, RESULTS / run.name / name)


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="training pictures")
    parser.add_argument("--kodak", type=Path, required=True, help="the 24 Kodak photographs")
    parser.add_argument("--hours", type=float, default=8.0, help="of training, both stages (8)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "release")
    parser.add_argument("--preset", default=NAME, help="sizes of the networks, to try this out")
    given = parser.parse_args()
    out, kodak, data = (path.absolute() for path in (given.out, given.kodak, given.data))
    minutes = 60 * given.hours
    import torch

    pictures: list[object] = ["--data", data, "--evaluate", kodak]
    common = ["--batch", CROPS[torch.cuda.is_available()], "--preset", given.preset]
    first, second = out / "stage1", out / "stage2"
    train(first, FIRST * minutes, pictures, [*common, *STAGE_1])
    train(second, (1 - FIRST) * minutes, pictures, [*common, "--from", first, *STAGE_2])
    weights = candidate(out, kodak, data)
    do("evaluate", kodak, "-o", out / "kodak.csv", "--weights", weights)
    mine = ours(out / "kodak_summary.csv")
    bpp, lpips = ([float(row[k]) for row in mine] for k in ("bpp", "lpips"))
    if not lower(bpp, lpips, ours(RESULTS / "kodak_summary.csv")):
        say("not below the shipped weights' LPIPS at every tier: nothing is shipped")
        return
    say("better at every tier: shipping")
    ship(weights, [first, second])
    make = ("make", f"KODAK={kodak}", f"TRAIN={data}", "results", "notebooks", "pages")
    raise SystemExit(subprocess.call(make, cwd=ROOT))


if __name__ == "__main__":
    main()

"""Run the ablations: every variant with every seed, a row in the CSV as soon as it is there.

    python -m experiments.ablations --data TRAIN --test KODAK --out data/results/ablations.csv

Rows that are there are kept, and so is a run that was interrupted; the same command goes on. More
`--steps`, another `--preset` and more `--seeds` cost more and say more; name another `--out` and
`--runs` for other steps. Seeds are the outer loop: stopped early, all
variants have been tried equally often.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import torch

from experiments.ablations import measure, table
from experiments.ablations.table import Row
from experiments.ablations.variants import GROUPS, VARIANTS, Variant, base
from hfx.config import RATE_TARGETS, Training
from hfx.data import files_in, held_out, load_pictures
from hfx.distribution import PATCH
from hfx.errors import HfxError
from hfx.files import atomic_write
from hfx.inception import Inception
from hfx.perceptual import LPIPS
from hfx.run import Run, start
from hfx.train import CHECKPOINT, settings_in, train
from hfx.validate import pictures_in

CPU = torch.device("cpu")


class Bench:
    """The pictures and the networks that all runs share."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.base = base(args.preset, args.steps, args.crop, args.batch)
        self.train = some(args.data, args.runs / "pictures", args.pictures)
        self.test = [measure.cut(p, args.crop) for p in pictures_in(args.test, args.crop)]
        self.test = self.test[: args.test_pictures]
        self.distances: measure.Distances = {
            "lpips": LPIPS("alex").eval(),
            "squeeze": LPIPS("squeeze").eval(),
        }

    @cache  # noqa: B019  (one bench a process)
    def originals(self) -> tuple[Inception, measure.Features]:
        """Return Inception and what it sees in the photographs."""
        network = Inception()
        return network, measure.crowd(network, self.test)

    def settings(self, variant: Variant, seed: int) -> Training:
        """Return the settings of a run."""
        return variant.training(self.base, self.args.gan_steps, seed)

    def run(self, variant: Variant, seed: int) -> Run:
        """Train, or go on, or load what is done already; first of all what it starts from."""
        folder = self.args.runs / folder_of(variant, seed)
        first = None
        if variant.start == "blank":
            first = self.blank(seed)
        elif variant.start is not None:
            other = next(v for v in VARIANTS if v.name == variant.start)
            self.run(other, seed)
            first = self.args.runs / folder_of(other, seed)
        settings, before = self.settings(variant, seed), settings_in(folder / CHECKPOINT)
        if before not in (None, settings):
            raise HfxError(f"{folder} holds a run of other settings; name another --runs")
        run = train(
            settings, [self.train], folder, resume=before is not None,
            start_from=None if before else first, device=CPU, log_every=1,
        )  # fmt: skip
        if run.step < run.settings.steps:
            raise KeyboardInterrupt
        return run

    def blank(self, seed: int) -> Path:
        """Write the baseline's first weights, for a run that has D from its first step on."""
        path: Path = self.args.runs / f"blank-{seed}" / CHECKPOINT
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            how = replace(self.base, seed=seed)
            start(how, CPU, load_pictures([self.train], least=how.crop)).save(path)
        return path

    def row(self, variant: Variant, seed: int) -> Row:
        """Train and measure."""
        run = self.run(variant, seed)
        model, side = run.average, self.args.crop
        found = measure.of_log(self.args.runs / folder_of(variant, seed) / "log.csv")
        whole, _ = measure.quality(model, self.test, self.distances)
        found |= whole | measure.convolved(model, self.test)
        if "normalisation" in variant.groups:
            tiles, _ = measure.quality(model, self.test, self.distances, side)
            found |= {f"{k}_tiles": v for k, v in tiles.items()}
        equal = measure.at_rate(model, self.test, RATE_TARGETS["medium"])
        if equal is not None:
            at, made = measure.quality(equal, self.test, self.distances)
            found |= {f"{k}_at": v for k, v in at.items() if k != "bpp"}
            judged_as_set = {"discriminator", "strategy"} & set(variant.groups)
            if judged_as_set and all(min(x.shape[2:]) >= PATCH for x in self.test):
                network, originals = self.originals()
                found |= measure.apart(originals, measure.crowd(network, made))
        networks = (model.encoder, model.generator)
        return Row(
            variant=variant.name, groups=" ".join(variant.groups), seed=seed, steps=run.step,
            parameters=sum(p.numel() for n in networks for p in n.parameters()),
            seconds=run.seconds, **found,
        )  # fmt: skip


def folder_of(variant: Variant, seed: int) -> str:
    """Return the name of a run's folder."""
    return f"{variant.name.replace(',', '').replace(' ', '-')}-{seed}"


def some(sources: Sequence[Path], folder: Path, count: int) -> Path:
    """Copy the first training pictures of the sources into a folder, once, and return it."""
    if not folder.exists() or len(list(folder.iterdir())) < count:
        folder.mkdir(parents=True, exist_ok=True)
        named = (item for source in sources for item in files_in(source))
        for name, data in named:
            if count and not held_out(name):
                atomic_write(folder / name, data)
                count -= 1
    return folder


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablations", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="training pictures or tar shards")
    add("--test", type=Path, required=True, help="folder of photographs to measure on")
    add("--out", type=Path, required=True, help="the CSV; the summary goes beside it")
    add("--runs", type=Path, default=Path("runs/ablations"), help="folder of the runs")
    add("--preset", default="tiny", help="architecture of the baseline (tiny)")
    add("--steps", type=int, default=300, help="of stage 1 (300)")
    add("--gan-steps", type=int, default=300, help="of stage 2 (300)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(0 1 2)")
    add("--only", nargs="+", choices=GROUPS, default=GROUPS, help="some comparisons")
    add("--crop", type=int, default=192, help="side of a training crop (192)")
    add("--batch", type=int, default=2, help="crops a step (2)")
    add("--pictures", type=int, default=256, help="how many to train on (256)")
    add("--test-pictures", type=int, default=6, help="how many to measure on (6)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run what is missing."""
    args = arguments(given)
    rows = table.load(args.out)
    try:
        bench = Bench(args)
        wanted = [v for v in VARIANTS if set(v.groups) & set(args.only)]
        for seed, variant in product(args.seeds, wanted):
            steps = bench.settings(variant, seed).steps
            keys = [(row.variant, row.seed, row.steps) for row in rows]
            if (variant.name, seed, steps) in keys:
                continue
            begun = time.monotonic()
            row = bench.row(variant, seed)
            rows = [r for r in rows if (r.variant, r.seed) != (variant.name, seed)] + [row]
            table.save(args.out, rows)
            print(
                f"{variant.name}, seed {seed}: {row.bpp:.3f} bpp {row.psnr:.2f} dB"
                f"  LPIPS {row.lpips:.3f} squeeze {row.squeeze:.3f}"
                f"  {time.monotonic() - begun:.0f} s" + "  DIVERGED" * row.diverged,
                flush=True,
            )
    except HfxError as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

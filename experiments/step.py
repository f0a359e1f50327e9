r"""The training step: crops a second, and where the time goes; in float32 and in bfloat16.

    python experiments/step.py --data data/train --out data/results/step.csv
    python experiments/step.py --data data/train --beside CHECKOUT_OF_ANOTHER_VERSION

The parts are timed alone, forward and backward: E, the hyperprior with its rates, G, LPIPS (the
mean over the networks that take turns), the optimizers, and the reading of crops. The whole step
is timed by itself. With `--beside` the step of another checkout of hfx is timed in the same run on
the same crops: a process of each version waits for its turn, so that whatever else the machine
does strikes both. Set the three MALLOC variables of the Makefile.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

import hfx.perceptual
from hfx import data
from hfx.config import Training
from hfx.run import Run, start
from hfx.step import train_step
from hfx.train import perceptual, prepare

ROOT = Path(__file__).parents[1]
PICTURES = 64  # read for the crops
WHOLE = "whole step"


@dataclass(frozen=True)
class Row:
    """One part of one version's step: a line of the CSV; seconds over repetitions."""

    version: str
    precision: str
    part: str
    seconds: float  # median
    fastest: float
    slowest: float
    crops: int  # a step
    threads: int


class Stepper:
    """One version's step at one precision, ready to be timed.

    It uses nothing but what version 1.0.0 has, too.

    Attributes:
        crops_a_step: Crops of 256x256 that a step sees.
    """

    def __init__(self, sources: list[Path], batch: int, bf16: bool) -> None:
        torch.manual_seed(0)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        prepare(self.device)
        pictures = data.load_pictures(sources, least=256, limit=PICTURES)
        turns = "both" if hasattr(hfx.perceptual, "MeanLPIPS") else "turns"  # version 1.0.0's
        self.settings = Training(batch=batch, bf16=bf16, perceptual=turns, steps=10**6)
        self.run: Run = start(self.settings, self.device, pictures)
        arch = self.run.model.arch
        self.crops = data.Crops(pictures, 256, batch, (arch.latent, arch.hyper), len(arch.tiers))
        self.distances: Any = perceptual(self.settings, self.device)
        cuts = [torch.from_numpy(p[:256, :256].copy()) for p in pictures[:batch]]
        x = torch.stack(cuts).permute(0, 3, 1, 2).float() / 255
        x = x.to(self.device).to(memory_format=torch.channels_last)
        self.batch = replace(self.crops.at(0, self.device), x=x)
        if hasattr(self.batch, "drawn"):
            self.batch = replace(self.batch, drawn=torch.zeros_like(self.batch.drawn))

    def seconds(self, work: Callable[[], object]) -> float:
        """Return how long some work takes."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begun

    def step(self) -> float:
        """Return the seconds of one whole step, crops at hand."""

        def work() -> None:
            train_step(self.run, self.run.model, None, self.distances, self.batch)
            self.run.step += 1
            self.run.follow()

        return self.seconds(work)

    def parts(self) -> dict[str, float]:
        """Return the seconds of each part of a step, forward and backward."""
        model, batch = self.run.model, self.batch
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16)
        tier, noise = batch.tier.float(), (batch.noise_y, batch.noise_z)
        with torch.no_grad():
            y = model.encoder(batch.x)
            y_hat = model.code(y, tier, noise)[0]
            x_hat = model.generator(y_hat, tier)

        def encoder() -> None:
            with half:
                out = model.encoder(batch.x)
            out.backward(torch.ones_like(out))

        def hyperprior() -> None:
            y_hat, bits_y, bits_z, _ = model.code(y.clone().requires_grad_(), tier, noise)
            (y_hat.sum() + bits_y.sum() + bits_z.sum()).backward()

        def generator() -> None:
            with half:
                out = model.generator(y_hat.clone().requires_grad_(), tier)
            out.backward(torch.ones_like(out))

        def lpips() -> None:
            distance = self.distances
            if isinstance(distance, list):
                distance = distance[self.run.step % len(distance)]
            with half:
                d = distance(batch.x[..., 16:, 16:], x_hat.clone().requires_grad_()[..., 16:, 16:])
            d.sum().backward()
            self.run.step += 1

        def optimizers() -> None:
            self.run.optimizer.step()
            if getattr(self.run, "muon", None) is not None:
                self.run.muon.step()  # type: ignore[union-attr]
            self.run.follow()

        def reading() -> None:
            self.crops.at(self.run.step, self.device)

        named = {"E": encoder, "hyperprior": hyperprior, "G": generator, "LPIPS": lpips,
                 "optimizers": optimizers, "crops": reading}  # fmt: skip
        return {name: self.seconds(work) for name, work in named.items()}


def serve(arguments: argparse.Namespace) -> None:
    """Time a step, or its parts, for every line that comes in; answer with JSON."""
    stepper = Stepper(arguments.data, arguments.batch, arguments.worker == "bf16")
    stepper.step(), stepper.step()
    print(json.dumps({"threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        what = line.strip()
        times = {WHOLE: stepper.step()} if what == WHOLE else stepper.parts()
        print(json.dumps(times), flush=True)


class Worker:
    """A process that times one version at one precision."""

    def __init__(self, version: str, root: Path, precision: str, a: argparse.Namespace) -> None:
        self.version, self.precision = version, precision
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__), "--worker", precision, "--batch", str(a.batch),
             "--data", *map(str, a.data)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        self.threads = int(self.answer()["threads"])

    def answer(self) -> dict[str, float]:
        """Read one line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the step of {self.version} in {self.precision} failed, see above")
        answer: dict[str, float] = json.loads(line)
        return answer

    def ask(self, what: str) -> dict[str, float]:
        """Have something timed."""
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """Let the process go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(a: argparse.Namespace) -> list[Row]:
    """Time every version and precision, turn by turn."""
    versions = {"this": ROOT} | ({a.beside.name: a.beside.resolve()} if a.beside else {})
    workers = [
        Worker(version, root, precision, a)
        for version, root in versions.items()
        for precision in a.precisions
    ]
    times: dict[tuple[Worker, str], list[float]] = {}
    for what, rounds in ((WHOLE, a.repetitions), ("parts", max(3, a.repetitions // 3))):
        for _ in range(rounds):
            for worker in workers:
                for part, seconds in worker.ask(what).items():
                    times.setdefault((worker, part), []).append(seconds)
    for worker in workers:
        worker.end()
    return [
        Row(worker.version, worker.precision, part, median(values), min(values), max(values),
            a.batch, worker.threads)
        for (worker, part), values in times.items()
    ]  # fmt: skip


def show(rows: list[Row]) -> None:
    """Print a table: a column for each version and precision."""
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys((row.version, row.precision) for row in rows))
    table = Table("milliseconds, median", *(f"{v} {p}" for v, p in columns))
    found = {(r.version, r.precision, r.part): r for r in rows}
    for part in dict.fromkeys(row.part for row in rows):
        table.add_row(part, *(f"{found[*c, part].seconds * 1e3:.0f}" for c in columns))
    rates = {c: found[*c, WHOLE].crops / found[*c, WHOLE].seconds for c in columns}
    table.add_row("crops a second", *(f"{rates[c]:.2f}" for c in columns))
    Console().print(table)
    best = {v: max(rate for (name, _), rate in rates.items() if name == v) for v, _ in columns}
    for version, rate in best.items():
        if version != "this":
            print(f"{best['this'] / rate:.2f} times the crops a second of {version}")


def main() -> int:
    """Run the benchmark."""
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR|SHARD.tar")
    p.add_argument("--out", type=Path, metavar="CSV")
    p.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another version of hfx")
    p.add_argument("--batch", type=int, default=3, help="crops a step (3)")
    p.add_argument("--repetitions", type=int, default=12, help="of each whole step (12)")
    p.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    p.add_argument("--worker", choices=("fp32", "bf16"), help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.worker:
        serve(a)
        return 0
    rows = measure(a)
    show(rows)
    if a.out:
        from hfx.results import write

        write(a.out, [f.name for f in fields(Row)], [asdict(row) for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())

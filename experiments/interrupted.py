"""Commands killed at random moments: nothing half lies under a final name, and work goes on.

    python -m experiments.interrupted --kills 20 --out data/results/interrupted.csv

Each command runs once undisturbed, which says how long it takes and what it leaves. Then it is
begun again and again in one folder, and killed with SIGKILL somewhere: every file there is then
the whole new one or the whole old one, never a part. At last it may finish, and must leave what
the undisturbed run left, but for clocks. Processes are forked from one that has imported hfx, so
that kills hit the work and not the imports.
"""

import argparse
import csv
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hfx import checkpoint, results
from hfx.data import held_out
from hfx.errors import WeightsError
from hfx.folders import make_room
from hfx.panel import Pixels
from hfx.profile import noise
from hfx.weights import find

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["hfx.cli", "hfx.codec", "hfx.train", "hfx.benchmark", "hfx.neighbours.fit", "xgboost"]
)
NAMES = ("command", "kills", "seconds", "left_over", "files_checked", "half", "same_in_the_end")
CLOCKS = {"minutes", "encode_s", "decode_s", "memory_mb"}  # columns that differ from run to run
Content = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A command and what it leaves.

    Attributes:
        line: Arguments of `hfx`; {inputs} and {out} are folders.
        content: What is in a folder of results, by name, in a form to compare; raises if a file
            is no whole one.
        grows: The files are added to, and an interrupted command goes on; else each of them is
            written once, and begun again.
        again: More arguments where there are results already.
    """

    line: str
    content: Callable[[Path], Content]
    grows: bool = False
    again: tuple[str, ...] = ()

    def arguments(self, inputs: Path, out: Path) -> list[str]:
        """Return the arguments for two folders, whose names may hold spaces."""
        return [word.format(inputs=inputs, out=out) for word in self.line.split()]


def files(folder: Path) -> Content:
    """Return the bytes of every file that has its final name."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


def table(path: Path) -> list[dict[str, str]]:
    """Return a CSV's rows without what a clock says; raises ValueError where one is cut off."""
    text = path.read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines(), strict=True))
    if not text.endswith("\n") or any(None in r or None in r.values() for r in rows):
        raise ValueError(f"{path} is cut off")
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]


def tables(folder: Path) -> Content:
    """Return the rows of a benchmark, each under its key; all measured by the package's reader."""
    path = folder / "rows.csv"
    if path.exists():
        results.load(path)
    shown = table(path) if path.exists() else []
    return {f"{row['image']} {row['codec']} {row['tier']}": row for row in shown}


def run_of(folder: Path) -> Content:
    """Return a training run: rows of its log by step, and the checkpoint's tensors at the end."""
    log, path = folder / "run" / "log.csv", folder / "run" / "checkpoint.safetensors"
    found: Content = {f"step {row['step']}": row for row in (table(log) if log.exists() else [])}
    if path.exists():
        tensors, meta = checkpoint.read(path)
        if meta["step"] == STEPS:
            found |= {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    return found


STEPS = 60
CASES = {
    "compress": Case("compress {inputs}/pictures -o {out} --overwrite", files),
    "decompress": Case("decompress {inputs}/files -o {out} --overwrite", files),
    "train": Case(
        "train --data {inputs}/pictures --out {out}/run --preset tiny --crop 64 --batch 2 "
        "--warmup 2 --decay 9 --precision fp32 --k-P 0 --log-every 1 --save-minutes 0 "
        f"--steps {STEPS}",
        run_of,
        grows=True,
        again=("--resume",),
    ),
    "benchmark": Case("benchmark {inputs}/few -o {out}/rows.csv --no-sets", tables, grows=True),
    "fit-neighbours": Case(
        "fit-neighbours --data {inputs}/pictures --pictures 8 --windows 2000 --rounds 2 "
        "--depth 2 -o {out}/model.safetensors",
        files,
    ),
}


def inputs(folder: Path, weights: Path | None) -> None:
    """Make pictures, some of them held out from training, and files of them."""
    from hfx.codec import load

    codec, photo = load(weights), noise()
    kept = {True: 2, False: 10}
    for folder_name in ("pictures", "few", "files"):
        (folder / folder_name).mkdir(parents=True)
    for number in range(1000):
        name = f"p{number:03}.png"
        if kept[held_out(name)]:
            kept[held_out(name)] -= 1
            top, left = (37 * number) % 400, (53 * number) % 380
            picture = Image.fromarray(np.ascontiguousarray(photo[top:, left:][:112, :128]))
            picture.save(folder / "pictures" / name)
            (folder / "files" / name).with_suffix(".hfx").write_bytes(
                codec.compress(picture, neighbours="none")
            )
            if number < 4:
                picture.save(folder / "few" / name)


def command(arguments: list[str], said: Path, weights: Path | None) -> None:
    """Run `hfx` in this process, and write to a file what it says."""
    if weights is not None:
        os.environ["HFX_MODEL"] = str(weights)
    with open(said, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        without_networks()
        from hfx.cli import app

        app(arguments)


def without_networks() -> None:
    """Leave measures blank whose networks take longer than all that is written, or to download."""
    from hfx.panel import PANEL

    def absent(x: Pixels, x_hat: Pixels) -> float:
        raise WeightsError("left out")

    for name in ("lpips", "lpips_squeeze", "dists"):
        PANEL[name] = replace(PANEL[name], of=absent)


def measure(
    name: str, folder: Path, kills: int = 20, seed: int = 0, weights: Path | None = None
) -> dict[str, Any]:
    """Kill one command as often as wanted, and return a row of the table.

    Args:
        name: One of CASES.
        folder: Where `inputs` lie, and what to work in.
        kills: How often; a process that is done before its time does not count.
        seed: Of the moments.
        weights: The codec's, by default those shipped.

    Raises:
        RuntimeError: a command that is not killed fails.
    """
    case, draw = CASES[name], random.Random(f"{name} {seed}")
    straight, broken = folder / f"{name} straight", folder / f"{name} broken"
    for out in (straight, broken):
        out.mkdir()

    def begin(out: Path) -> ForkServerProcess:
        more = case.again if (out / "run" / "checkpoint.safetensors").exists() else ()
        arguments = [*case.arguments(folder, out), *more]
        process = CONTEXT.Process(target=command, args=(arguments, folder / "said.txt", weights))
        process.start()
        return process

    def finish(out: Path) -> tuple[float, float]:
        begun = time.perf_counter()
        process = begin(out)
        wait_for_work(process, out, stamp(out))
        first = time.perf_counter() - begun
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{name} failed: {(folder / 'said.txt').read_text()[-2000:]}")
        return time.perf_counter() - begun, first

    seconds, first = finish(straight)
    wanted = case.content(straight)
    done = checked = half = 0
    while done < kills:
        if case.grows and case.content(broken) == wanted:
            clear(broken)
        before, process = stamp(broken), begin(broken)
        if case.grows and draw.random() < 0.75:  # most at work, the others on the way to it
            wait_for_work(process, broken, before)
            process.join(draw.uniform(0, (seconds - first) / 5))
        else:
            process.join(draw.uniform(0, seconds))
        if process.is_alive():
            process.kill()
            done += 1
        process.join()
        try:
            found = case.content(broken)
        except Exception as error:  # whatever a reader says of half a file
            print(f"{name}: {error}", file=sys.stderr)
            half += 1
            continue
        checked += len(found)
        half += sum(wanted[key] != value for key, value in found.items())
    left_over = sum(p.name.startswith(".hfx-") for p in broken.rglob("*"))
    finish(broken)
    same = case.content(broken) == wanted
    row = (name, done, seconds, left_over, checked, half, "yes" if same else "no")
    return dict(zip(NAMES, row, strict=True))


def stamp(folder: Path) -> int:
    """Return when a file under its final name was last written, in ns."""
    found = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return max((p.stat().st_mtime_ns for p in found), default=0)


def wait_for_work(process: ForkServerProcess, folder: Path, before: int) -> None:
    """Wait until something is written, or all is over."""
    while process.is_alive() and stamp(folder) == before:
        time.sleep(0.005)


def clear(folder: Path) -> None:
    """Delete what is in a folder."""
    shutil.rmtree(folder)
    folder.mkdir()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--weights", type=Path, help="the codec's, by default those shipped")
    parser.add_argument("--out", type=Path, help="the CSV to write")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"  # one process at a time, the same on every machine
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        inputs(Path(folder), find(given.weights))
        for name in given.only:
            rows.append(measure(name, Path(folder), given.kills, given.seed, given.weights))
            print(", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                            for k, v in rows[-1].items()), flush=True)  # fmt: skip
    if given.out is not None:
        make_room(given.out)
        results.write(given.out, NAMES, rows)
    return int(any(row["half"] or row["same_in_the_end"] == "no" for row in rows))


if __name__ == "__main__":
    sys.exit(main())

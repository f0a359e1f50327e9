"""Train on a machine that is lent for minutes: commands of ten minutes, small files back.

    python -m tools.lease --data /tmp/hfx/train --run /tmp/hfx/run --out $OUT --minutes 9
    python -m tools.lease ... --finish 6        # bring the learning rate to zero in six minutes

Training goes on in a process of its own, which outlives the command. Each command starts it where
none is running, waits, and leaves in the folder `--out` what the run has come to: its newest
checkpoint in parts of less than 16 MiB (`hfx.slim`), and the end of its log. Where the machine was
lost, `--parts` names the folder of parts that came back, and the run goes on from there.

`data/weights/TRAINING.md` has the commands in their order. Everything after `--` goes to
`hfx train`.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hfx import checkpoint, slim
from hfx.errors import HfxError
from hfx.files import atomic_write

ROOT = Path(__file__).parents[1]
PROCESS = "process"  # holds the number of the training process
LINES = 40  # of the logs that come back
SPARE = 0.95  # of the steps that fit into the last minutes


def alive(run: Path) -> int | None:
    """Return the number of the training process, None where none is running."""
    try:
        number = int((run / PROCESS).read_text())
        os.kill(number, 0)
    except (OSError, ValueError):
        return None
    try:  # a child that ended and was not waited for still has a number
        if os.waitpid(number, os.WNOHANG)[0] == number:
            return None
    except ChildProcessError:
        pass
    return number


def begin(run: Path, data: list[Path], options: list[str]) -> None:
    """Start training in a session of its own, from the run's checkpoint where there is one."""
    run.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hfx.train", "--out", run, "--data", *data, *options]
    if (run / slim.CHECKPOINT).exists():
        command.append("--resume")
    with open(run / "output.txt", "ab") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    atomic_write(run / PROCESS, str(process.pid).encode())


def wait(run: Path, minutes: float) -> bool:
    """Wait until the time is over or training has ended; say whether it is still going on."""
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        if alive(run) is None:
            return False
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
    return alive(run) is not None


def stop(run: Path) -> None:
    """End training after its step, checkpoint written."""
    number = alive(run)
    if number is not None:
        os.kill(number, signal.SIGTERM)
        while alive(run) is not None:
            time.sleep(0.2)


def pace(run: Path) -> float:
    """Return the steps a minute of the last rows of the log."""
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))[-LINES:]
    steps, minutes = (
        float(rows[-1][name]) - float(rows[0][name] if len(rows) > 1 else 0)
        for name in ("step", "minutes")
    )
    return steps / max(minutes, 1e-6)


def finish(run: Path, data: list[Path], options: list[str], minutes: float) -> None:
    """Begin the last steps, as many as fit, over which the learning rate falls to zero."""
    stop(run)
    done = int(checkpoint.read_meta(run / slim.CHECKPOINT)["step"])
    steps = max(1, round(SPARE * pace(run) * minutes))
    begin(run, data, [*options, "--steps", str(done + steps), "--decay", str(steps)])


def bring_back(run: Path, out: Path) -> None:
    """Leave the newest checkpoint in parts and the ends of the logs in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("part-*.safetensors"):
        old.unlink()
    if (run / slim.CHECKPOINT).exists():
        for path in slim.split(run, out):
            print(f"{path.name} {path.stat().st_size / slim.MIB:.1f} MiB")
    for name in ("log.csv", "output.txt"):
        if (run / name).exists():
            lines = (run / name).read_text("utf-8", "replace").splitlines()
            kept = lines[:1] + lines[1:][-LINES:]
            atomic_write(out / name, ("\n".join(kept) + "\n").encode())
            print(f"{name}: {lines[-1] if lines else 'empty'}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    p = argparse.ArgumentParser(prog="python -m tools.lease", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR|SHARD.tar")
    p.add_argument("--run", type=Path, required=True, help="folder of the run on that machine")
    p.add_argument("--out", type=Path, required=True, help="folder of what comes back")
    p.add_argument("--minutes", type=float, default=9.0, help="to wait (9)")
    p.add_argument("--parts", type=Path, help="parts that came back from a machine that is gone")
    p.add_argument("--finish", type=float, metavar="MINUTES", help="bring the run to its end")
    p.add_argument("options", nargs="*", help="options of hfx train, after --")
    a = p.parse_args(arguments)
    try:
        if a.parts and not (a.run / slim.CHECKPOINT).exists():
            slim.join(a.parts, a.run)
        if a.finish:
            finish(a.run, a.data, a.options, a.finish)
        elif alive(a.run) is None:
            begin(a.run, a.data, a.options)
        goes_on = wait(a.run, a.minutes)
        bring_back(a.run, a.out)
    except HfxError as error:
        print(f"tools.lease: {error}", file=sys.stderr)
        return 2
    print("training goes on" if goes_on else "training has ended")
    return 0 if (a.run / slim.CHECKPOINT).exists() else 1


if __name__ == "__main__":
    sys.exit(main())

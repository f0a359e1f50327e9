"""Runs of the laboratory, made up; and processes that say what a worker would, without torch."""

import io
import subprocess
import sys
import time

import numpy as np
from PIL import Image

from hfx.lab import folder
from hfx.lab.folder import DONE, State, create
from hfx.lab.settings import Settings

PRETENDER = """
import json, os, sys
folder, heard = sys.argv[1], 0

def say(name):
    with open(folder + "/new", "w") as file:
        json.dump({"name": name, "step": heard, "seconds": 0.0, "heard": heard}, file)
    os.replace(folder + "/new", folder + "/state.json")

say("starting")
for word in sys.stdin:
    heard += 1
    word = word.strip()
    with open(folder + "/heard", "a") as file:
        file.write(word + " ")
    open(folder + "/checkpoint.safetensors", "w").close()
    if os.path.exists(folder + "/finish"):
        say("done")
        sys.exit()
    if os.path.exists(folder + "/crash"):
        sys.exit("it went wrong")
    say("running" if word == "run" else "paused")
    if word == "stop":
        break
"""


def pretended(run):
    """Start a process that follows commands, and does nothing else."""
    with open(run.folder / "output.txt", "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", PRETENDER, str(run.folder)],
            stdin=subprocess.PIPE, stderr=output, text=True,
        )  # fmt: skip


def heard(run):
    """What a pretended process was told."""
    return (run.folder / "heard").read_text().split()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def settled(keeper, run, name):
    """Wait until a run has done what it was told."""
    wait_for(lambda: run.state.name == name and not keeper.pending(run))


def columns(steps, stage=1, tier="low"):
    """A log as a run leaves it: its loss falls, its rate climbs."""
    step = np.arange(1, steps + 1, dtype=float)
    fall = np.exp(-step / 50)
    log = {
        "step": step, "loss": 0.5 + fall, "mse": 100 + 100 * fall, "lpips": 0.1 + fall,
        f"bpp_{tier}": 0.6 - 0.3 * fall, f"zeta_{tier}": np.where(step % 10 < 5, 1.0, 0.1),
        "grad_norm": 2 + 5 * fall,
    }  # fmt: skip
    if stage == 2:
        log |= {"d_real": 1 - fall, "d_fake": fall - 1, "loss_d": 1 + fall, "grad_norm_d": fall}
    return log


def measures(shots):
    """Bits and PSNR of pictures at some steps."""
    steps = np.array(shots, float)
    return {"step": steps, "bpp": 0.2 + steps / 1000, "psnr": 25 + steps / 100}


def csv_of(values):
    lines = [",".join(values)]
    lines += [
        ",".join("" if np.isnan(v) else f"{v:g}" for v in row)
        for row in zip(*values.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def png(level):
    out = io.BytesIO()
    Image.new("RGB", (192, 192), (level, 90, 90)).save(out, format="PNG")
    return out.getvalue()


def made(root, title="a plain run", settings=None, name=DONE, steps=60, reason=""):
    """A run as it lies on disk after so many steps."""
    settings = settings or Settings()
    run = create(root, title, settings)
    (run.folder / "log.csv").write_text(csv_of(columns(steps, settings.stage)))
    shots = [0, 1, 2, 5, *range(10, steps + 1, 10)]
    (run.folder / "shots").mkdir()
    (run.folder / "shots" / "log.csv").write_text(csv_of(measures(shots)))
    (run.folder / "shots" / "original.png").write_bytes(png(255))
    for step in shots:
        (run.folder / "shots" / folder.shot_name(step)).write_bytes(png(step))
    (run.folder / folder.CHECKPOINT).touch()
    run.tell(State(name, steps, 3.0, reason))
    return run

"""A machine that is lent for minutes: short commands, one run, small files back."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hfx import checkpoint, slim
from tests.synthetic import folder
from tools import lease

ROOT = Path(__file__).parents[1]
OPTIONS = (
    "--preset tiny --crop 64 --batch 3 --k-P 0 --precision fp32 --warmup 2 --log-every 1 "
    "--save-minutes 0.005"
).split()


def command(room, *more, minutes=0.1, steps=("--steps", "1000000", "--decay", "1")):
    """One command on that machine; it may end long before the run does."""
    return subprocess.run(
        [sys.executable, "-m", "tools.lease", "--data", room / "train", "--run", room / "run",
         "--out", room / "out", "--minutes", str(minutes), *more, "--", *OPTIONS, *steps],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def until_saved(room, *more, **how):
    """The command, again and again, until the run has saved something: a busy machine is slow."""
    for _ in range(20):
        done = command(room, *more, **how)
        if done.returncode == 0 or "has ended" in done.stdout:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def steps_in(path):
    return int(checkpoint.read_meta(path)["step"])


@pytest.fixture
def room(tmp_path):
    folder(tmp_path / "train")
    yield tmp_path
    number = lease.alive(tmp_path / "run")
    if number is not None:
        os.kill(number, signal.SIGKILL)


def test_a_run_outlives_its_commands_and_the_machine(room):
    first = until_saved(room)
    assert "training goes on" in first.stdout
    parts = sorted((room / "out").glob("part-*"))
    done = steps_in(parts[0])
    assert done > 0 and all(p.stat().st_size < 16 * slim.MIB for p in parts)
    assert {p.name for p in room.joinpath("out").iterdir()} == {
        *(p.name for p in parts), "log.csv", "output.txt"
    }  # fmt: skip
    number = lease.alive(room / "run")

    for _ in range(20):  # finds it going on
        until_saved(room)
        if steps_in(room / "out" / parts[0].name) > done:
            break
    assert lease.alive(room / "run") == number
    assert steps_in(room / "out" / parts[0].name) > done

    os.kill(number, signal.SIGKILL)  # the machine is taken back, and all that was on it
    shutil.copytree(room / "out", room / "home")
    kept = steps_in(room / "home" / parts[0].name)
    shutil.rmtree(room / "run")
    for _ in range(20):
        until_saved(room, "--parts", room / "home")
        if steps_in(room / "run" / slim.CHECKPOINT) > kept:
            break
    assert steps_in(room / "run" / slim.CHECKPOINT) > kept

    last = command(room, "--finish", "0.05", minutes=1.5, steps=())
    assert last.returncode == 0, last.stderr
    assert "training has ended" in last.stdout
    meta = checkpoint.read_meta(room / "run" / slim.CHECKPOINT)
    assert meta["step"] == meta["settings"]["steps"] > kept
    assert 1 < meta["settings"]["decay"] < meta["step"]
    run = slim.join(room / "out", room / "joined")
    assert steps_in(run) == meta["step"]


def test_what_cannot_start_is_said(tmp_path):
    (tmp_path / "train").mkdir()
    done = command(tmp_path, minutes=1.5)  # ends as soon as training does
    assert done.returncode == 1
    assert "training has ended" in done.stdout
    assert "no pictures" in (tmp_path / "out" / "output.txt").read_text()

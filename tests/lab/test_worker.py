"""The process of a run: whatever comes between, the weights are those of an undisturbed one."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch
from PIL import Image
from synthetic import patches

from hfx import checkpoint
from hfx.errors import HfxError
from hfx.lab import folder, worker
from hfx.lab.folder import CHECKPOINT, DONE, FAILED, PAUSED, create
from hfx.lab.keeper import PAUSE, RUN, STEP, STOP
from hfx.lab.settings import Settings
from hfx.lab.worker import Worker, main
from hfx.step import DISCRIMINATOR, GENERATOR

pytest.importorskip("skimage", reason="the photographs come with scikit-image")

ROOT = Path(__file__).parents[2]
SMALL = {"k_P": 0.0, "width": 8, "batch": 1, "steps": 6}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The PCA of the photographs takes a second; of other pictures, all tests share it."""
    monkeypatch.setattr("hfx.run.patches_of", lambda pictures: patches())


def follow(lab, *words):
    """Have a worker follow commands, in this process, and say how the run is then."""
    commands = SimpleQueue()
    for word in words:
        commands.put(word)
    Worker(lab, commands).serve()
    return lab.state


def weights(lab):
    return checkpoint.read(lab.folder / CHECKPOINT)[0]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def rows(lab):
    """The log without minutes, which differ from run to run."""
    table = csv.DictReader(io.StringIO((lab.folder / "log.csv").read_text()))
    return [{k: v for k, v in row.items() if k != "minutes"} for row in table]


@pytest.fixture
def first(tmp_path):
    """A finished run of stage 1."""
    lab = create(tmp_path, "first", Settings(**SMALL | {"steps": 2}))
    assert follow(lab, RUN).name == DONE
    return lab


def test_a_run_leaves_curves_and_pictures(tmp_path):
    lab = create(tmp_path, "a", Settings(**SMALL))
    state = follow(lab, RUN)
    assert (state.name, state.step, state.reason, state.heard) == (DONE, 6, "", 1)
    assert list(lab.curves()["step"]) == [1, 2, 3, 4, 5, 6]
    assert lab.shots() == [0, 1, 2, 5, 6]
    assert list(lab.measures()["step"]) == lab.shots()
    now = Image.open(io.BytesIO(lab.shot(6)))
    assert now.size == Image.open(io.BytesIO(lab.shot(None))).size == (192, 192)
    assert lab.measures()["psnr"][0] > 20  # it begins as a PCA transform
    assert follow(lab, RUN).step == 6  # nothing is left to do


@pytest.mark.parametrize("stage", [1, 2])
def test_pauses_stops_and_steps_change_nothing(tmp_path, first, stage):
    how = Settings(**SMALL | {"stage": stage})
    straight, broken = (create(tmp_path, n, how, start=first.id) for n in ("straight", "broken"))
    follow(straight, RUN)
    state = follow(broken, STEP, PAUSE, STEP, STOP)
    assert (state.name, state.step, state.heard) == (PAUSED, 2, 4)
    assert follow(broken, RUN, PAUSE, RUN).name == DONE
    assert same(weights(straight), weights(broken))
    assert rows(straight) == rows(broken)
    assert straight.shot(6) == broken.shot(6)


def test_another_seed_is_another_run(tmp_path):
    one, two = (create(tmp_path, "a", Settings(**SMALL | {"seed": seed})) for seed in (0, 1))
    follow(one, RUN)
    follow(two, RUN)
    assert not same(weights(one), weights(two))


def test_each_phase_moves_its_own_network(tmp_path, first):
    lab = create(tmp_path, "gan", Settings(**SMALL | {"stage": 2}), start=first.id)
    follow(lab, STOP)
    for word, moves in ((DISCRIMINATOR, "discriminator"), (GENERATOR, "model.generator")):
        before = weights(lab)
        state = follow(lab, word, STOP)
        after = weights(lab)
        learned = [
            k for k in before if "optimizer" not in k and not torch.equal(before[k], after[k])
        ]
        # spectral norm's vectors follow every look at D; the average follows G
        named = [k for k in learned if not k.endswith(("._u", "._v")) and "average" not in k]
        assert named and all(k.startswith(moves) for k in named)
        row = rows(lab)[-1]
        assert row["loss"] and row["d_real"] and row["loss_d"]
        assert bool(row["grad_norm_d"]) == (word == DISCRIMINATOR)
        assert bool(row["grad_norm"]) == (word == GENERATOR)
    assert state.step == 2


def test_a_stage_2_starts_from_the_first_s_weights(tmp_path, first):
    lab = create(tmp_path, "gan", Settings(**SMALL | {"stage": 2}), start=first.id)
    follow(lab, STOP)
    assert lab.shot(0) == first.shot(2)
    for start, why in ((None, "choose one"), ("0099", "does not exist")):
        lost = create(tmp_path, "gan", Settings(**SMALL | {"stage": 2}), start=start)
        with pytest.raises(HfxError, match=why):
            follow(lost, RUN)


def test_other_networks_do_not_fit(tmp_path, first):
    lab = create(tmp_path, "gan", Settings(**SMALL | {"stage": 2, "width": 16}), start=first.id)
    with pytest.raises(HfxError, match="another architecture"):
        follow(lab, RUN)


def test_divergence_ends_a_run_and_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "MERCY", 10)
    lab = create(tmp_path, "hot", Settings(**SMALL | {"lr": 0.3, "steps": 80}))
    with pytest.raises(HfxError, match="diverged by step .* PSNR fell from .* learning rate"):
        follow(lab, RUN)
    assert lab.shots()[-1] == int(lab.measures()["step"][-1])
    assert lab.measures()["psnr"][-1] < lab.measures()["psnr"][0] - worker.LOST


def test_a_loss_that_is_no_number_ends_a_run(tmp_path, monkeypatch):
    nothing = {"loss": float("nan"), "mse": float("nan")}
    monkeypatch.setattr(worker, "train_step", lambda *args: nothing)
    lab = create(tmp_path, "nan", Settings(**SMALL | {"steps": 50}))
    with pytest.raises(
        HfxError, match=f"diverged by step {worker.PATIENCE}: the loss has been no"
    ):
        follow(lab, RUN)


def test_without_lpips_a_run_says_so_and_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lab = create(tmp_path, "a", Settings(**SMALL | {"k_P": 1.0}))
    with pytest.raises(HfxError, match="AlexNet"):
        follow(lab, RUN)


def test_a_paused_run_gives_its_memory_back_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LOOK", 0.01)
    monkeypatch.setattr(worker, "IDLE", 0.05)
    lab = create(tmp_path, "a", Settings(**SMALL))
    state = follow(lab, STEP)  # and no word more
    assert (state.name, state.step) == (PAUSED, 1)


def test_a_failure_is_left_for_others_to_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(worker, "listen_to_input", lambda commands: commands.put(RUN))
    monkeypatch.setattr(worker.os, "nice", lambda by: 0)
    monkeypatch.setattr(worker.photographs, "TRAIN", ("nothing.png",))
    lab = create(tmp_path, "a", Settings(**SMALL))
    assert main([str(lab.folder)]) == 2
    assert lab.state.name == FAILED and "nothing.png is missing" in lab.state.reason
    assert "nothing.png" in capsys.readouterr().err
    assert main([str(tmp_path / "0042")]) == 2


def process(lab):
    return subprocess.Popen(
        [sys.executable, "-m", "hfx.lab.worker", str(lab.folder)],
        cwd=ROOT, stdin=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def wait_for(condition, seconds=90):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_killed_it_goes_on_as_if_nothing_had_happened_and_with_its_server_it_ends(tmp_path):
    how = Settings(**SMALL | {"steps": 3000})
    lab = create(tmp_path, "a", how)
    work = process(lab)
    work.stdin.write(f"{STEP}\n{STEP}\n{STEP}\n{RUN}\n")
    work.stdin.flush()
    wait_for(lambda: len(lab.curves().get("step", ())) > 8)
    assert folder.holder(lab.folder) == (work.pid, os.getpid())
    work.send_signal(signal.SIGKILL)
    work.wait()
    undisturbed = rows(lab)[:6]
    assert checkpoint.read_meta(lab.folder / CHECKPOINT)["step"] == 3

    again = process(lab)
    again.stdin.write(f"{STEP}\n{STEP}\n{STEP}\n")
    again.stdin.flush()
    wait_for(lambda: lab.state.heard == 3)
    assert rows(lab) == undisturbed and lab.shots()[-1] <= 6
    again.stdin.close()  # as when the server ends
    assert again.wait(60) == 0
    assert (lab.state.name, lab.state.step) == (PAUSED, 6)
    assert folder.holder(lab.folder) is None

import csv
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfx import checkpoint, processes
from hfx.errors import HfxError, WeightsError
from hfx.perceptual import LPIPS
from hfx.train import CHECKPOINT, main, train
from tests.synthetic import CPU, NO_LPIPS, batch_of, folder, run_of, settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("pictures"))


def rows(out):
    """log.csv as numbers, without the minutes, which differ from run to run."""
    table = csv.DictReader((out / "log.csv").read_text().splitlines())
    return [{k: float(v) for k, v in row.items() if k != "minutes" and v} for row in table]


def same(a, b):
    (tensors_a, meta_a), (tensors_b, meta_b) = (checkpoint.read(p / CHECKPOINT) for p in (a, b))
    assert tensors_a.keys() == tensors_b.keys()
    assert meta_a["step"] == meta_b["step"] and meta_a["rates"] == meta_b["rates"]
    return all(torch.equal(tensors_a[k], tensors_b[k]) for k in tensors_a)


# What the command line says for `settings(...)`; one thread, so that processes do not queue.
TINY = "--preset tiny --crop 64 --batch 4 --warmup 2 --decay 2 --precision fp32 --k-P 0".split()
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def command(source, out, *more):
    python = [sys.executable, "-m", "hfx.train", "--data", str(source), "--out", str(out)]
    return [*python, *TINY, "--log-every", "1", *map(str, more)]


# --- interruptions


def test_killed_at_any_moment_a_run_resumes_as_if_nothing_had_happened(source, tmp_path):
    """SIGKILL, twice; the rows of log.csv and the last checkpoint equal an undisturbed run's."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    subprocess.run(command(source, straight, "--steps", 24), env=ONE_THREAD, check=True)
    arguments = ("--steps", 24, "--save-minutes", 0)
    for wanted in (3, 9):
        resume = ["--resume"] if (broken / CHECKPOINT).exists() else []
        process = subprocess.Popen(command(source, broken, *arguments, *resume), env=ONE_THREAD)
        log = broken / "log.csv"
        while process.poll() is None and not (log.exists() and len(rows(broken)) > wanted):
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))  # anywhere: in a step, in a checkpoint, in the log
        process.send_signal(signal.SIGKILL)
        assert process.wait() in (-signal.SIGKILL, 0)
    subprocess.run(command(source, broken, *arguments, "--resume"), env=ONE_THREAD, check=True)
    assert rows(broken) == rows(straight)
    assert same(straight, broken)


@pytest.mark.parametrize("stage", [1, 2])
def test_two_halves_make_a_whole(source, tmp_path, stage):
    begin = {}
    if stage == 2:
        train(settings(steps=2), [source], tmp_path / "first", device=CPU)
        begin = {"start_from": tmp_path / "first"}
    how = settings(steps=6, stage=stage)
    train(how, [source], tmp_path / "a", device=CPU, log_every=1, **begin)
    half = {"device": CPU, "log_every": 1}
    stopped = stop_after(3)
    with stopped:
        train(how, [source], tmp_path / "b", **half, **begin)
    assert rows(tmp_path / "b")[-1]["step"] == 3
    train(how, [source], tmp_path / "b", resume=True, **half)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")


class stop_after:  # noqa: N801
    """Sends SIGTERM to ourselves in a run's n-th step."""

    def __init__(self, n):
        self.left = n

    def __enter__(self):
        self.before = processes.any_of_us

        def count(wish, device):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                wish = True
            return self.before(wish, device)

        processes.any_of_us = count

    def __exit__(self, *error):
        processes.any_of_us = self.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_and_sigterm_leave_a_checkpoint_and_a_clean_exit(source, tmp_path, number):
    process = subprocess.Popen(
        command(source, tmp_path / "run", "--steps", 100_000),
        env=ONE_THREAD, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = tmp_path / "run" / "log.csv"
    while process.poll() is None and not (log.exists() and len(rows(tmp_path / "run")) > 1):
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Traceback" not in said and "--resume goes on from here" in said
    meta = checkpoint.read_meta(tmp_path / "run" / CHECKPOINT)
    assert meta["step"] == rows(tmp_path / "run")[-1]["step"]


def test_the_time_limit_leaves_a_checkpoint(source, tmp_path):
    run = train(settings(), [source], tmp_path / "run", device=CPU, max_minutes=0.0)
    assert run.step == 1
    assert checkpoint.read_meta(tmp_path / "run" / CHECKPOINT)["step"] == 1


# --- several processes


@pytest.mark.parametrize("stage", [1, 2])
def test_two_processes_are_one_at_the_same_global_batch(source, tmp_path, stage):
    more = ["--steps", 4, "--batch", 4]
    if stage == 2:
        train(settings(steps=1, batch=4), [source], tmp_path / "first", device=CPU)
        more += ["--stage", 2, "--from", tmp_path / "first"]
    one, two = command(source, tmp_path / "one", *more), command(source, tmp_path / "two", *more)
    two[1:3] = "-m torch.distributed.run --standalone --nproc_per_node 2 -m hfx.train".split()
    subprocess.run(one, env=ONE_THREAD, check=True)
    subprocess.run(two, env=ONE_THREAD, check=True, timeout=300)
    for a, b in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert a.keys() == b.keys()
        assert b == pytest.approx(a, rel=1e-2, abs=1e-4)  # Muon enlarges the last bit


def test_a_batch_that_cannot_be_shared_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "join", lambda device: (CPU, 0, 2))
    with pytest.raises(HfxError, match="shared evenly by 2"):
        train(settings(batch=3), [source], tmp_path)


# --- stages


def test_stage_2_changes_the_pictures_and_not_the_files(source, tmp_path):
    train(settings(steps=2), [source], tmp_path / "1", device=CPU)
    how = settings(steps=4, stage=2)
    train(how, [source], tmp_path / "2", device=CPU, start_from=tmp_path / "1")
    before, after = run_of(), run_of(stage=2)
    before.load(tmp_path / "1" / CHECKPOINT)
    after.load(tmp_path / "2" / CHECKPOINT)
    batch = batch_of(before)
    for second in (after.model, after.average):
        with torch.inference_mode():
            a = before.average(batch.x, batch.tier.float())
            b = second(batch.x, batch.tier.float())
        assert torch.equal(a.bits, b.bits) and torch.equal(a.y_hat, b.y_hat)
        assert not torch.equal(a.x_hat, b.x_hat)


def test_joint_training_changes_the_files_too(source, tmp_path):
    train(settings(steps=2), [source], tmp_path / "1", device=CPU)
    how = settings(steps=2, stage=2, joint=True)
    run = train(how, [source], tmp_path / "2", device=CPU, start_from=tmp_path / "1")
    before = run_of()
    before.load(tmp_path / "1" / CHECKPOINT)
    assert not torch.equal(before.average.encoder.head.weight, run.model.encoder.head.weight)


def test_it_learns(source, tmp_path, monkeypatch):
    """Eq. 5 on a picture that it never trains on, at every tier: the crops of a step differ."""
    monkeypatch.setattr("hfx.train.find_lpips", lambda *args: None)
    whole = folder(tmp_path / "whole", count=1, height=256, width=256)
    losses = replace(NO_LPIPS, zeta_a=(2.0,) * 3, zeta_b=(1.999,) * 3)  # a fixed rate weight
    how = settings(steps=60, lr=1e-3, decay=10, losses=losses)
    out = tmp_path / "run"
    train(how, [source], out, device=CPU, evaluate=whole, evaluate_minutes=1e9)
    table = csv.DictReader((out / "evaluations.csv").read_text().splitlines())
    cost = [
        2.0 * float(row["bpp"]) + losses.k_M * 255**2 * 10 ** (-float(row["psnr"]) / 10)
        for row in table
    ]
    assert len(cost) == 6  # three tiers, at the first step and at the last
    assert all(after < 0.97 * before for before, after in zip(cost[:3], cost[3:], strict=True))


# --- the command


def test_a_resumed_run_may_be_longer_and_otherwise_changed(source, tmp_path):
    arguments = ["--data", str(source), "--out", str(tmp_path / "run"), *TINY]
    assert main([*arguments, "--steps", "2"]) == 0
    changed = "--steps 4 --decay 1 --lr 0.001 --batch 2 --zeta-a 9 9 9 --resume".split()
    assert main([*arguments[:4], *changed]) == 0
    meta = checkpoint.read_meta(tmp_path / "run" / CHECKPOINT)
    assert meta["step"] == 4
    kept = meta["settings"]
    assert (kept["preset"], kept["crop"], kept["bf16"]) == ("tiny", 64, False)
    assert (kept["lr"], kept["batch"], kept["losses"]["zeta_a"]) == (0.001, 2, [9.0] * 3)


def test_what_a_user_can_do_wrong_is_one_line_and_code_2(source, tmp_path, capsys):
    arguments = ["--data", str(source), "--out", str(tmp_path / "run"), *TINY, "--steps", "1"]
    assert main([*arguments, "--resume"]) == 2
    assert main([*arguments, "--stage", "2"]) == 2
    assert main([*arguments, "--crop", "100"]) == 2
    assert main([*arguments, "--crop", "512"]) == 2
    assert main([*arguments, "--zeta-a", "1", "2"]) == 2
    assert main([*arguments, "--evaluate", str(tmp_path / "nowhere")]) == 2
    assert main(["--data", str(tmp_path / "nowhere"), *arguments[2:]]) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if not line.startswith("evaluations go without")]
    assert len(lines) == 7 and all(line.startswith("hfx train: ") for line in lines)
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "--resume to go on" in capsys.readouterr().err
    assert main([*arguments, "--resume", "--stage", "2"]) == 2
    assert "stage 1, not 2" in capsys.readouterr().err
    (tmp_path / "run" / CHECKPOINT).write_bytes(b"damaged")
    assert main([*arguments, "--resume"]) == 2


def test_evaluations_and_samples(source, tmp_path, monkeypatch):
    monkeypatch.setattr("hfx.train.find_lpips", lambda *args: None)
    whole = folder(tmp_path / "whole", count=1, height=256, width=256)
    arguments = {"device": CPU, "evaluate": whole, "evaluate_minutes": 0.0}
    train(settings(steps=2), [source], tmp_path / "run", **arguments)
    table = (tmp_path / "run" / "evaluations.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    samples = sorted(p.name for p in (tmp_path / "run" / "samples").iterdir())
    assert samples == ["0000001.png", "0000002.png"]
    train(settings(steps=3), [source], tmp_path / "run", resume=True, **arguments)
    table = (tmp_path / "run" / "evaluations.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[-3:]] == ["3"] * 3 and len(table) == 13


def test_with_lpips_and_bfloat16(source, tmp_path):
    if not os.environ.get("HFX_WEIGHTS"):
        pytest.skip("HFX_WEIGHTS is not set: it names the folder with LPIPS's backbone")
    how = settings(steps=2, bf16=True, losses=replace(NO_LPIPS, k_P=2.0))
    train(how, [source], tmp_path / "run", device=CPU, log_every=1)
    assert all(0 < row["lpips"] < 1.5 for row in rows(tmp_path / "run"))


def test_lpips_may_be_missing_only_where_nothing_is_trained_with_it(source, tmp_path, monkeypatch):
    def missing(self, net="alex"):
        raise WeightsError("alexnet unavailable")

    monkeypatch.setattr(LPIPS, "__init__", missing)
    with pytest.raises(WeightsError):
        train(settings(losses=replace(NO_LPIPS, k_P=1.0)), [source], tmp_path / "a", device=CPU)
    whole = folder(tmp_path / "whole", count=1, height=256, width=256)
    train(settings(steps=1), [source], tmp_path / "b", device=CPU, evaluate=whole)
    assert "nan" in (tmp_path / "b" / "evaluations.csv").read_text()


def test_compiled_networks_train_alike(source, tmp_path, monkeypatch):
    """Traced and run as they are: generating code for them would take a minute."""
    compile_with, compiled = torch.nn.Module.compile, []

    def traced(self):
        compiled.append(type(self).__name__)
        compile_with(self, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    for name in ("a", "b"):
        how = {"device": CPU, "log_every": 1, "compiled": name == "b"}
        train(settings(steps=2), [source], tmp_path / name, **how)
    assert compiled == ["LadderEncoder", "LadderGenerator"]  # and LPIPS, where it is trained with
    for a, b in zip(rows(tmp_path / "a"), rows(tmp_path / "b"), strict=True):
        assert b == pytest.approx(a, rel=1e-3)
    assert checkpoint.read_meta(tmp_path / "b" / CHECKPOINT)["step"] == 2

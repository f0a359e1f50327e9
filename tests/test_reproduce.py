"""A release: what is done goes on, what is better ships, and nothing else does."""

import json

import pytest

from tools import reproduce

SHIPPED = [{"bpp": "0.15", "lpips": "0.2"}, {"bpp": "0.3", "lpips": "0.15"}]


@pytest.mark.parametrize(
    "bpp, lpips, better",
    [
        ([0.15, 0.3], [0.19, 0.14], True),
        ([0.15, 0.3], [0.19, 0.15], False),  # the same at one tier
        ([0.15, 0.3], [0.21, 0.10], False),  # worse at one tier
        ([0.18, 0.36], [0.19, 0.14], False),  # better for more bytes only
        ([0.12, 0.24], [0.2, 0.15], True),  # the same for fewer bytes
    ],
)
def test_better_is_lower_at_the_same_rate_at_every_tier(bpp, lpips, better):
    assert reproduce.lower(bpp, lpips, SHIPPED) is better


def rows(first, second):
    named = {"hfx, realism 0": first, "hfx, realism 1": second}
    return [{"codec": name, "fid768": str(f)} for name, fids in named.items() for f in fids]


def test_the_dial_has_to_help_at_every_tier():
    assert reproduce.dial_helps(rows([1, 0.7, 0.5], [0.9, 0.6, 0.4]))
    assert not reproduce.dial_helps(rows([1, 0.7, 0.5], [0.9, 0.6, 0.5]))
    assert not reproduce.dial_helps([{"codec": "hfx", "fid768": "1"}])


@pytest.fixture
def done(monkeypatch):
    """What was asked of hfx; a run makes ten steps a minute."""
    asked = []

    def do(*command):
        asked.append(list(command))
        run = command[command.index("--out") + 1]
        spent = float(command[command.index("--max-minutes") + 1])
        run.mkdir(exist_ok=True)
        before = reproduce.last(run)[1] if (run / "log.csv").exists() else 0
        (run / "log.csv").write_text(
            f"step,minutes\n{int(10 * (before + spent))},{before + spent}\n"
        )

    monkeypatch.setattr(reproduce, "do", do)
    return asked


def test_the_pace_of_the_first_minutes_says_how_many_steps(done, tmp_path):
    run = tmp_path / "run"
    reproduce.train(run, 60, ["--data", "here"], ["--k-M", 1])
    probe, rest = done
    assert probe[probe.index("--max-minutes") + 1] == 3 and "--k-M" in probe
    assert "--resume" in rest and "--k-M" not in rest and "--data" in rest
    assert rest[rest.index("--steps") + 1] == 570 and rest[rest.index("--decay") + 1] == 95
    assert rest[rest.index("--max-minutes") + 1] == 57
    reproduce.train(run, 60, ["--data", "here"], ["--k-M", 1])
    assert len(done) == 2  # it has had its minutes


def test_an_interrupted_run_goes_on_to_the_same_end(done, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.csv").write_text("step,minutes\n70,20\n")  # a slower hour than the first minutes
    (run / "plan.json").write_text(json.dumps({"steps": 600}))
    reproduce.train(run, 60, [], [])
    (rest,) = done
    assert rest[rest.index("--steps") + 1] == 600 and rest[rest.index("--max-minutes") + 1] == 40


def test_shipping_replaces_weights_neighbours_and_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "results")
    out = tmp_path / "out"
    for folder in ("weights", "results/old", "out/stage1", "out/stage2"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "results/old/evaluations.csv").touch()
    for name in ("compact", "compact.xgb", "compact.knn"):
        (tmp_path / "weights" / f"{name}.safetensors").write_text("old")
        (out / f"{name}.safetensors").write_text(name)
    for run in ("stage1", "stage2"):
        for name in ("log.csv", "evaluations.csv"):
            (out / run / name).write_text(run)
    reproduce.ship(out / "compact.safetensors", [out / "stage1", out / "stage2"])
    assert (tmp_path / "weights/compact.xgb.safetensors").read_text() == "compact.xgb"
    assert (tmp_path / "weights/compact.safetensors").read_text() == "compact"
    kept = {
        p.relative_to(tmp_path / "results").as_posix()
        for p in (tmp_path / "results").rglob("*.csv")
    }
    assert kept == {"stage1/log.csv", "stage1/evaluations.csv", "stage2/log.csv"}

"""`hfx fit-neighbours`: a model beside the weights and a report, or one line and nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xgboost
from synthetic import folder
from typer.testing import CliRunner

import hfx
from hfx import checkpoint
from hfx.cli import app
from hfx.codec import load
from hfx.neighbours import command
from hfx.neighbours.chain import DECISIONS

FEW = ("--windows", "2000", "--pictures", "4")


@pytest.fixture
def weights(tiny_file, tmp_path):
    (tmp_path / "w").mkdir()
    return Path(shutil.copy(tiny_file, tmp_path / "w"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("pictures"), count=3, held=1, height=96, width=96)


@pytest.fixture
def run(weights, monkeypatch):
    """Run the command in this process, with tiny weights."""
    monkeypatch.setenv("HFX_MODEL", str(weights))
    with xgboost.config_context(nthread=1):  # where others work, two threads wait for each other
        yield lambda *arguments: CliRunner().invoke(app, ["fit-neighbours", *map(str, arguments)])


def beside(weights):
    return sorted(path.name for path in weights.parent.iterdir())


def refused(result, weights, *causes, code=2):
    """One line on stderr that names the cause, and no file."""
    assert result.exit_code == code, result.output
    assert result.stdout == "" and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("hfx: ")
    for cause in causes:
        assert cause in result.stderr
    assert beside(weights) == ["tiny.safetensors"]


def coded(weights, photo):
    """What the model beside the weights does to a picture."""
    codec = load(weights)
    kind = codec.models.kinds()[-1]
    data = codec.compress(photo, neighbours=kind)
    plain = codec.compress(photo, neighbours="none")
    assert codec.decompress(data).tobytes() == codec.decompress(plain).tobytes()
    assert hfx.info(data)["neighbours"] == kind
    return kind


def test_trees_beside_the_weights(run, weights, pictures, photo):
    result = run("--data", pictures, *FEW, "--rounds", "3", "--depth", "2", "--seed", "7")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert beside(weights) == ["tiny.safetensors", "tiny.xgb.safetensors"]
    for word in (*DECISIONS, "bits before", "all", "1 held-out pictures", "tiny.xgb.safetensors"):
        assert word in result.stdout
    about = checkpoint.read_meta(weights.with_name("tiny.xgb.safetensors"))["about"]
    assert about["pictures"] == 3 and about["seed"] == 7
    assert 1000 < about["report"]["windows"] <= 2000
    assert max(about["report"]["rounds"]) == 3
    assert coded(weights, photo) == "xgb"


def test_knn_beside_the_weights(run, weights, pictures, photo):
    result = run("--data", pictures, *FEW, "--kind", "knn", "-k", "4")
    assert result.exit_code == 0, result.output
    assert beside(weights) == ["tiny.knn.safetensors", "tiny.safetensors"]
    assert coded(weights, photo) == "knn"
    assert load(weights).models.preferred == "none"  # only trees are used unasked


def test_options_reach_the_model(run, weights, pictures, tmp_path):
    target = tmp_path / "new" / "mine.safetensors"
    result = run(
        "--data", pictures, *FEW, "--rounds", 1, "--window", 3, "--gamma", 1e9, "--eta", 0.3,
        "--lambda", 2, "--weights", weights, "-o", target,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert beside(weights) == ["tiny.safetensors"] and target.is_file()
    assert checkpoint.read_meta(target)["plan"]["window"] == 3


def test_knobs(run, weights, pictures, monkeypatch):
    """Each option of Eq. 2-4 arrives under its name; what is not given keeps its default."""
    from hfx.neighbours import fit

    class Seen(Exception):
        pass

    def spy(tables, plan, seen, unseen, knobs, step, cluster):
        raise Seen(knobs, len(seen), cluster)

    monkeypatch.setattr(fit, "fit_boosted", spy)
    given = ("--rounds", 5, "--depth", 3, "--eta", 0.2, "--gamma", 4, "--lambda", 6, "--seed", 8)
    for options, knobs in (
        (given, fit.Knobs(rounds=5, depth=3, eta=0.2, gamma=4.0, lambda_=6.0, seed=8)),
        ((), fit.Knobs()),
    ):
        result = run("--data", pictures, *FEW, *options)
        assert f"Seen: ({knobs!r}, " in result.stderr and result.exit_code == 1
        assert result.stderr.count("\n") == 1 and "None)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "causes"),
    [
        (("--kind", "svm"), ["no neighbour model 'svm' to fit", "xgb, knn"]),
        (("--kind", "none"), ["no neighbour model 'none' to fit"]),
        (("--kind", "knn", "--dask", "tcp://x:1"), ["only --kind xgb", "Dask"]),
        (("--kind", "knn", "-k", "9999"), ["9999"]),
        (("--window", "4"), ["odd side"]),
        (("--weights", "none.safetensors"), ["none.safetensors"]),
    ],
    ids=str,
)
def test_wishes_that_are_refused(run, weights, pictures, arguments, causes):
    refused(run("--data", pictures, *FEW, *arguments), weights, *causes)


@pytest.mark.parametrize(
    "arguments",
    ["--eta=-1", "--eta=1.5", "--gamma=-1", "--lambda=-1", "--rounds=-1", "--windows=0", "-k=0"],
)
def test_numbers_out_of_range(run, weights, pictures, arguments):
    result = run("--data", pictures, *FEW, arguments)
    assert result.exit_code == 2 and arguments.split("=")[0] in result.stderr
    assert "Traceback" not in result.stderr and beside(weights) == ["tiny.safetensors"]


def test_pictures_that_are_refused(run, weights, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(run("--data", tmp_path / "empty"), weights, "no pictures of at least 64", "empty")
    refused(run("--data", tmp_path / "none"), weights, "none does not exist")
    small = folder(tmp_path / "small", count=2, held=1, height=40, width=90)
    refused(run("--data", small), weights, "no pictures of at least 64 pixels")
    no_held = folder(tmp_path / "one", count=2, height=70, width=70)
    refused(run("--data", no_held), weights, "one photograph in 24 is held out, here none")


def test_an_old_model_stays_when_fitting_fails(run, weights, pictures):
    old = weights.with_name("tiny.xgb.safetensors")
    old.write_bytes(b"mine")
    assert run("--data", pictures, "--window", "2").exit_code == 2
    assert old.read_bytes() == b"mine"
    assert run("--data", pictures, *FEW, "--rounds", "1").exit_code == 0  # even if it is bad
    assert load(weights).models.preferred == "xgb"


def test_chosen_are_some_in_their_order():
    pictures = [np.full((1, 1, 3), i) for i in range(30)]
    few = [int(p[0, 0, 0]) for p in command.chosen(pictures, 10, 0)]
    assert len(few) == 10 and few == sorted(set(few))
    assert few != [int(p[0, 0, 0]) for p in command.chosen(pictures, 10, 1)]
    assert len(command.chosen(pictures, 99, 0)) == 30


def test_settings_are_those_given():
    assert command.settings({"a": 0, "b": None, "c": 0.0}) == {"a": 0, "c": 0.0}

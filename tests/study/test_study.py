"""`hfx study`: from a folder of photographs to a study, and from votes to a table."""

import csv

import pytest
from PIL import Image
from studies import answer, made
from synthetic import picture
from typer.testing import CliRunner

from hfx.cli import app
from hfx.study import manifest, votes


@pytest.fixture
def run(tiny_file, monkeypatch):
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    return lambda *arguments: CliRunner().invoke(app, ["study", *map(str, arguments)])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for i in range(2):
        Image.fromarray(picture(i, 112, 128)).save(folder / f"{i}.png")
    return folder


def refused(result, cause):
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("hfx: ") and result.stderr.count("\n") == 1
    assert cause in result.stderr


def test_prepare(run, photographs, tmp_path):
    options = ("--codec", "hfx", "--codec", "JPEG", "--codec", "original", "--tier", "high")
    more = ("--pairs", 3, "--catches", 1, "--side", 80, "--title", "Mine")
    result = run("prepare", photographs, "-o", tmp_path / "new" / "one", *options, *more)
    assert result.exit_code == 0, result.output
    study = manifest.read(tmp_path / "new" / "one")
    assert f"code {study.code}, 2 photographs, 6 comparisons" in result.stdout
    assert study.codecs == ("hfx", "JPEG", "original") and study.title == "Mine"
    assert (study.tier, study.pairs, study.catches, study.reference) == ("high", 3, 1, False)
    assert {(p.width, p.height) for p in study.photographs} == {(80, 80)}


def test_prepare_where_the_dashboard_looks(run, photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("HFX_STUDIES", str(tmp_path / "studies"))
    few = ("--codec", "hfx", "--codec", "WebP", "--pairs", 2, "--reference")
    assert run("prepare", photographs, *few).exit_code == 0
    (study,) = manifest.studies(tmp_path / "studies")
    assert study.reference and study.codecs == ("hfx", "WebP")
    assert study.folder.name == study.code


def test_prepare_refuses(run, photographs, tmp_path):
    refused(run("prepare", tmp_path / "none"), "is not a folder")
    refused(run("prepare", photographs, "--codec", "hfx", "-o", tmp_path / "a"), "two different")
    refused(run("prepare", photographs, "--tier", "huge", "-o", tmp_path / "a"), "no tier 'huge'")
    assert list(tmp_path.iterdir()) == []


def test_results(run, tmp_path):
    pytest.importorskip("choix", reason="the dashboard's extra is not installed")
    study = made(tmp_path / "one")
    for catches in (True, True, False):
        answer(study, votes.join(study), lambda a, b: min(a, b), catches)
    result = run("results", study.folder, "-o", tmp_path / "new" / "votes.csv")
    assert result.exit_code == 0, result.output
    assert "30 votes; 3 joined, 3 finished, 1 failed a catch trial\n" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines if line and line[0] in study.codecs] == [
        "AVIF", "JPEG", "hfx",
    ]  # fmt: skip
    assert "two participants agree on 100%" in result.stdout
    with open(tmp_path / "new" / "votes.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 36

    result = run("results", study.folder, "--without-flagged")
    assert (
        "20 votes; 3 joined, 3 finished, 1 failed a catch trial and are left out" in result.stdout
    )


def test_results_before_the_first_vote_and_of_nothing(run, tmp_path):
    study = made(tmp_path / "one")
    result = run("results", study.folder)
    assert result.exit_code == 0 and "0 votes; 0 joined" in result.stdout
    refused(run("results", tmp_path), "no study in")

"""The measuring commands: files where they were asked for, a summary, one line of trouble."""

import csv
from dataclasses import replace

import pytest
from PIL import Image
from typer.testing import CliRunner

from hfx import panel, sets
from hfx.classical import CODECS
from hfx.cli import app
from hfx.errors import WeightsError


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """JPEG only; no networks: they may be absent, and time is short."""

    def unavailable(*_):
        raise WeightsError("no network here")

    monkeypatch.setattr("hfx.benchmark.CODECS", CODECS[:1])
    monkeypatch.setattr(sets, "Inception", unavailable)
    for name in ("lpips", "lpips_squeeze", "dists"):
        monkeypatch.setitem(panel.PANEL, name, replace(panel.PANEL[name], of=unavailable))


@pytest.fixture
def hfx_(tiny_file, monkeypatch):
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def folder(portrait, tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    Image.fromarray(portrait[:180, 100:290]).save(root / "a.png")
    Image.fromarray(portrait[200:264, :80]).save(root / "b.png")
    return root


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_evaluate(hfx_, folder, tmp_path):
    out, page = tmp_path / "new" / "e.csv", tmp_path / "new" / "e.html"
    result = hfx_("evaluate", folder, "-o", out, "--tier", "low", "--quality", "60",
                  "--neighbours", "none", "--html", page)  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = table(out)
    assert [(row["image"], row["setting"]) for row in rows] == [
        (name, setting) for name in ("a.png", "b.png") for setting in ("low", "quality 60")
    ]
    summary = table(tmp_path / "new" / "e_summary.csv")
    assert [line["images"] for line in summary] == ["2", "2"]
    assert len(table(tmp_path / "new" / "e_sets.csv")) == 2
    assert "quality 60" in result.stdout and page.read_text().startswith("<!doctype html>")
    assert result.stderr.count("left blank: dists: no network here") == 1


def test_benchmark(hfx_, folder, tmp_path):
    out = tmp_path / "r.csv"
    result = hfx_("benchmark", folder, "-o", out, "--anchor", "JPEG", "--no-sets")
    assert result.exit_code == 0, result.output
    assert {row["codec"] for row in table(out)} == {"hfx", "JPEG"}
    assert not (tmp_path / "r_sets.csv").exists()
    delta = {row["measure"]: row for row in table(tmp_path / "r_bd.csv")}
    assert delta["psnr"]["codec"] == "hfx" and delta["psnr"]["anchor"] == "JPEG"
    assert "BD-rate against JPEG" in result.stdout


@pytest.mark.parametrize(
    "arguments, cause",
    [
        (["evaluate", "none"], "not a folder"),
        (["evaluate", "in", "--tier", "huge"], "no tier 'huge'"),
        (["evaluate", "in", "--quality", "101"], "0 to 100"),
        (["evaluate", "in", "--neighbours", "svm"], "no neighbour model 'svm'"),
        (["evaluate", "in", "--dask", "nowhere"], "no Dask scheduler answers at nowhere"),
        (["benchmark", "in", "--anchor", "PNG"], "no codec 'PNG'; use one of hfx, JPEG"),
        (["profile", "--size", "768"], "'768' is no size"),
        (["profile", "--preset", "huge"], "no preset 'huge'"),
        (["profile", "--picture", "none.png"], "none.png"),
    ],
)
def test_trouble_is_one_line(hfx_, folder, monkeypatch, arguments, cause):
    monkeypatch.chdir(folder.parent)
    before = set(folder.parent.iterdir())
    result = hfx_(*arguments)
    assert result.exit_code == 2 and result.stdout == "", result.output
    assert result.stderr.count("\n") == 1 and cause in result.stderr
    assert set(folder.parent.iterdir()) == before


def test_profile(hfx_, tmp_path):
    out = tmp_path / "p.csv"
    result = hfx_("profile", "--size", "128x64", "--size", "64x64", "-o", out)
    assert result.exit_code == 0, result.output
    rows = table(out)
    assert [(row["width"], row["stage"]) for row in rows][:2] == [("64", "E"), ("64", "h_a")]
    assert len(rows) == 2 * 5 and {row["source"] for row in rows} == {"measured"}
    assert "128x64" in result.stdout and "GMAC" in result.stdout
    result = hfx_("profile", "--preset", "tiny", "--size", "64x64", "-o", out)
    assert result.exit_code == 0 and {row["preset"] for row in table(out)} == {"tiny"}


def test_help_names_them(hfx_):
    shown = hfx_("--help").stdout
    for name in ("evaluate", "benchmark", "tables", "profile"):
        assert name in shown

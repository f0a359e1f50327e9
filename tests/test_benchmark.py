"""The benchmark: ours decoded from real bytes, theirs no larger, and nothing measured twice."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hfx import benchmark, metrics, panel
from hfx.bench import pictures_of
from hfx.benchmark import run
from hfx.classical import CODECS
from hfx.codec import Codec
from hfx.errors import WeightsError
from hfx.results import load, save

TIERS = ("low", "medium", "high")


@pytest.fixture
def few(monkeypatch):
    """One classical codec; no networks: they may be absent, and time is short."""

    def unavailable(x, x_hat):
        raise WeightsError("no network here")

    monkeypatch.setattr(benchmark, "CODECS", CODECS[:1])
    for name in ("lpips", "lpips_squeeze", "dists"):
        monkeypatch.setitem(panel.PANEL, name, replace(panel.PANEL[name], of=unavailable))


@pytest.fixture
def pictures(portrait, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(portrait[:180, 100:290]).save(folder / "a.png")
    Image.fromarray(portrait[300:364, :80]).save(folder / "sub" / "b.png")
    return pictures_of(folder)


def test_rows(few, tiny_codec, pictures, tmp_path):
    told, steps = [], []
    rows = run(tiny_codec, pictures, tmp_path / "r.csv", tell=told.append,
               step=lambda: steps.append(1))  # fmt: skip
    assert len(rows) == 2 * 3 * 2 and len(steps) == 2
    assert {row.key for row in load(tmp_path / "r.csv")} == {row.key for row in rows}
    table = {row.key: row for row in rows}

    x = np.asarray(Image.open(pictures["a.png"]))
    data = tiny_codec.compress(x, "high")
    x_hat = np.asarray(tiny_codec.decompress(data))
    ours = table["a.png", "hfx", "high"]
    bpp = pytest.approx(8 * len(data) / (180 * 190), rel=1e-5)
    assert ours.bytes == len(data) and ours.bpp == bpp
    assert ours.psnr == pytest.approx(metrics.psnr(x, x_hat), rel=1e-5)
    assert ours.ms_ssim is not None and ours.encode_s > 0 and ours.decode_s > 0

    for name in pictures:
        for tier in TIERS:
            jpeg, ours = table[name, "JPEG", tier], table[name, "hfx", tier]
            part = jpeg.bytes / ours.bytes
            wanted = "larger" if part > 1 else "yes" if part >= 0.97 else "smaller"
            assert jpeg.matched == wanted and ours.matched == ""
    assert {row.matched for row in rows if row.image == "a.png"} == {"", "yes"}
    assert all(row.lpips is None and "lpips: no network here" in row.note for row in rows)
    assert told.count("left blank: lpips: no network here") == 1
    small = table["sub/b.png", "hfx", "low"]
    assert small.ms_ssim is None and "ms_ssim: not defined for 80 x 64 pixels" in small.note


def test_a_second_run_measures_only_what_is_missing(few, tiny_codec, pictures, tmp_path):
    path = tmp_path / "r.csv"
    rows = run(tiny_codec, pictures, path)
    marked = [replace(row, encode_s=99.0) for row in rows if row.tier != "low"]
    save(path, marked)
    again = {row.key: row for row in run(tiny_codec, pictures, path)}
    assert again.keys() == {row.key for row in rows}
    assert {row.tier for row in again.values() if row.encode_s == 99} == {"medium", "high"}
    assert all(row.encode_s < 99 for row in again.values() if row.tier == "low")


def test_other_weights_are_measured_anew(few, tiny_codec, pictures, tmp_path):
    path = tmp_path / "r.csv"
    run(tiny_codec, pictures, path)
    save(path, [replace(row, encode_s=99.0) for row in load(path)])
    other = replace(tiny_codec.weights, log2_degain=tiny_codec.weights.log2_degain + 0.01)
    assert all(row.encode_s < 99 for row in run(Codec(other), pictures, path))


def test_sweep(few, tiny_codec, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SWEEP", (10, 90))
    one = {"sub/b.png": pictures["sub/b.png"]}
    rows = run(tiny_codec, one, tmp_path / "r.csv", sweep=True)
    swept = [row for row in rows if not row.tier]
    assert len(swept) == 2 + len(CODECS[0].swept)
    assert not any(row.matched for row in swept)
    sizes = [row.bytes for row in swept if row.codec == "hfx"]
    assert sizes[0] < sizes[1]
    again = run(tiny_codec, one, tmp_path / "r.csv", sweep=True)
    assert again == load(tmp_path / "r.csv")


def test_a_codec_that_cannot_is_left_out(few, tiny_codec, pictures, tmp_path, monkeypatch):
    broken = replace(CODECS[0], name="Broken", options=lambda value: {"qtables": "no"})
    monkeypatch.setattr(benchmark, "CODECS", (broken, CODECS[0]))
    monkeypatch.setattr(broken.__class__, "missing", lambda self: None)
    told = []
    rows = run(tiny_codec, pictures, tmp_path / "r.csv", tell=told.append)
    assert {row.codec for row in rows} == {"hfx", "JPEG"}
    assert any("a.png: Broken cannot encode" in line for line in told)


def test_codecs_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(CODECS[0].__class__, "missing", lambda self: "not here")
    told = []
    assert benchmark.installed(told.append) == []
    assert "JPEG XL is left out: not here" in told

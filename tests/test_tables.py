"""Table 1: true bytes of the same symbols coded three ways, nothing measured twice."""

import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hfx import image, tables
from hfx.bench import pictures_of
from hfx.cli import app
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.neighbours import samples, store
from hfx.neighbours.chain import Chain
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.models import Models
from hfx.neighbours.plan import Plan
from hfx.tables import KINDS, load, published, save, summary, table1

TIERS = ("low", "medium", "high")


@pytest.fixture(scope="module")
def model(tiny_codec, portrait):
    """A few trees, fitted on the very pictures below."""
    analysis = tiny_codec.analyse(image.load(np.ascontiguousarray(portrait[:128, 100:260])))
    latents = [tiny_codec.quantize(analysis, level) for level in (0, 256, 512)]
    prior, plan = tiny_codec.weights.prior.tables_y, Plan(first=16)
    windows = samples.windows_of(latents, prior, plan, Chain.of(prior), 2000)
    return fit_boosted(prior, plan, windows, windows, Knobs(rounds=3, depth=3, eta=0.5))[0]


@pytest.fixture
def codec(tiny_codec, model):
    models = Models(None, tiny_codec.weights.fingerprint, tiny_codec.weights.prior.tables_y)
    models.loaded["xgb"] = (model, b"1234")
    return Codec(tiny_codec.weights, models)


@pytest.fixture
def folder(portrait, tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    Image.fromarray(portrait[:128, 100:260]).save(root / "a.png")
    Image.fromarray(portrait[300:364, :80]).save(root / "b.png")
    return root


def test_rows_are_true_bytes(codec, folder, tmp_path):
    told, steps = [], []
    rows = table1(codec, pictures_of(folder), tmp_path / "t.csv", told.append,
                  lambda: steps.append(1))  # fmt: skip
    assert [row.key for row in rows] == [
        (name, tier, kind)
        for name in ("a.png", "b.png")
        for tier in TIERS
        for kind in ("HiFi", "HiFi + XGBoost")
    ]
    assert len(steps) == 2
    assert len(told) == 1 and "HiFi + KNN is left out" in told[0] and "--kind knn" in told[0]
    for row in rows:
        kind = next(k for k, name in KINDS.items() if name == row.kind)
        data = codec.compress(folder / row.image, row.tier, neighbours=kind)
        assert row.bytes == len(data)
        assert row.bpp == 8 * len(data) / {"a.png": 128 * 160, "b.png": 64 * 80}[row.image]
    by_key = {row.key: row.bytes for row in rows}
    assert by_key["a.png", "high", "HiFi + XGBoost"] < by_key["a.png", "high", "HiFi"]
    again = load(tmp_path / "t.csv")
    assert [row.key for row in again] == [row.key for row in rows]
    assert [row.bytes for row in again] == [row.bytes for row in rows]


def test_a_second_run_codes_only_what_is_missing(codec, folder, tmp_path, monkeypatch):
    path, pictures = tmp_path / "t.csv", pictures_of(folder)
    rows = table1(codec, pictures, path)
    coded = []
    honest = tables.coded
    monkeypatch.setattr(
        tables, "coded", lambda *args: coded.append(args[3]) or honest(*args)
    )  # the kinds
    save(path, [replace(row, bytes=1) for row in rows if row.key != ("b.png", "low", "HiFi")])
    again = table1(codec, pictures, path)
    assert coded == ["none"]
    assert sum(row.bytes == 1 for row in again) == len(rows) - 1

    # another neighbour model: its rows are made again, HiFi's are kept
    coded.clear()
    codec.models.loaded["xgb"] = (codec.models.loaded["xgb"][0], b"5678")
    again = table1(codec, pictures, path)
    assert coded == ["xgb"] * 6
    assert {row.kind for row in again if row.bytes == 1} == {"HiFi"}


def test_files_that_hold_other_symbols_are_refused(codec, folder, tmp_path, monkeypatch):
    def astray(stream):
        latents = Codec.read(codec, stream)
        return replace(latents, y=latents.y + (stream.header.neighbours == "xgb"))

    monkeypatch.setattr(codec, "read", astray)
    with pytest.raises(HfxError, match="HiFi \\+ XGBoost file decodes to other symbols"):
        table1(codec, pictures_of(folder), tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_bad_pictures_and_bad_tables(codec, folder, tmp_path):
    (folder / "0.png").write_bytes(b"no picture")
    told = []
    rows = table1(codec, pictures_of(folder), tmp_path / "t.csv", told.append)
    assert {row.image for row in rows} == {"a.png", "b.png"}
    assert any("0.png is left out" in line for line in told)
    (tmp_path / "t.csv").write_text("image,bytes\n")
    with pytest.raises(HfxError, match="no Table 1 of ours"):
        table1(codec, pictures_of(folder), tmp_path / "t.csv")


def test_the_papers_numbers():
    printed = published()
    if not printed:
        pytest.skip("data/results/published_table1.csv was not installed")
    assert set(printed) == {(tier, kind) for tier in TIERS for kind in KINDS.values()}
    # its seven pictures, high: 2.8 + 1.9 + 3.4 + 2.3 + 1.0 + 2.6 + 2.5
    assert printed["high", "HiFi"] == pytest.approx(16.5 / 7)


def test_the_command(tiny_file, tiny_codec, model, folder, tmp_path, monkeypatch):
    """The models lie beside the weights; the summary names ratios."""
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(tiny_file.read_bytes())
    store.save(
        model, tmp_path / "tiny.xgb.safetensors", tiny_codec.weights.fingerprint, {"report": {}}
    )
    out = tmp_path / "out" / "tables"
    monkeypatch.setenv("COLUMNS", "120")

    def refuse(url, timeout):
        raise OSError("no connection")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))  # no networks: what needs them is blank
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    arguments = ["tables", str(folder), "-o", str(out), "--weights", str(weights)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = load(out / "table1.csv")
    assert len(rows) == 12 and {row.kind for row in rows} == {"HiFi", "HiFi + XGBoost"}
    assert "HiFi + KNN is left out" in result.stderr
    high = [row.bytes for row in rows if row.tier == "high"]
    ratio = (high[1] + high[3]) / (high[0] + high[2])
    assert f"{ratio:.3f}" in result.stdout and "Table 1" in result.stdout
    assert summary(rows).row_count == 6
    for name in ("table2.png", "table3.csv", "audit.csv"):
        assert (out / name).exists()
    assert "Table 2" in result.stdout and "Table 3" in result.stdout
    assert "kid against fid" in result.stdout
    assert result.stderr.count("left blank: fid and kid: FID-768 unavailable") == 1

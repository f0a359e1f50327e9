"""The benchmark: ours decoded from real bytes, theirs no larger, and nothing measured twice."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hfx import benchmark, metrics
from hfx.benchmark import measure, model_of, pictures_of, run
from hfx.classical import CODECS
from hfx.codec import Codec
from hfx.errors import HfxError, WeightsError
from hfx.results import load, save

TIERS = ("low", "medium", "high")


@pytest.fixture
def few(monkeypatch):
    """One classical codec, no LPIPS: its network may be absent, and time is short."""

    def unavailable(x, x_hat):
        raise WeightsError("no network here")

    monkeypatch.setattr(benchmark, "CODECS", CODECS[:1])
    monkeypatch.setitem(benchmark.MEASURES, "lpips", unavailable)


@pytest.fixture
def pictures(portrait, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(portrait[:180, 100:290]).save(folder / "a.png")
    Image.fromarray(portrait[300:364, :80]).save(folder / "sub" / "b.png")
    return pictures_of(folder)


def test_pictures_of_a_folder(pictures, tmp_path):
    assert list(pictures) == ["a.png", "sub/b.png"]
    with pytest.raises(HfxError, match="not a folder"):
        pictures_of(pictures["a.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(HfxError, match="no pictures"):
        pictures_of(tmp_path / "empty")


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
    assert ours.bytes == len(data) and ours.bpp == 8 * len(data) / (180 * 190)
    assert ours.psnr == pytest.approx(metrics.psnr(x, x_hat))
    assert ours.ms_ssim is not None and ours.encode_s > 0 and ours.decode_s > 0

    for name in pictures:
        for tier in TIERS:
            jpeg, ours = table[name, "JPEG", tier], table[name, "hfx", tier]
            assert jpeg.bytes <= ours.bytes or "smallest" in jpeg.setting
    assert all(row.lpips is None for row in rows)
    assert sum("lpips is left blank: no network here" in line for line in told) == 1
    assert table["sub/b.png", "hfx", "low"].ms_ssim is None
    assert any("ms_ssim is blank" in line for line in told)


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


def test_a_digest_of_all_weights(tiny_codec):
    """The fingerprint in files leaves the generator out; the digest of results must not."""
    other = replace(tiny_codec.weights, log2_degain=tiny_codec.weights.log2_degain + 0.01)
    assert other.fingerprint == tiny_codec.weights.fingerprint
    assert model_of(Codec(other)) != model_of(tiny_codec) == model_of(tiny_codec)


def test_sweep(few, tiny_codec, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SWEEP", (10, 90))
    one = {"sub/b.png": pictures["sub/b.png"]}
    rows = run(tiny_codec, one, tmp_path / "r.csv", sweep=True)
    swept = [row for row in rows if not row.tier]
    assert len(swept) == 2 + len(CODECS[0].swept)
    sizes = [row.bytes for row in swept if row.codec == "hfx"]
    assert sizes[0] < sizes[1]
    again = run(tiny_codec, one, tmp_path / "r.csv", sweep=True)
    assert again == load(tmp_path / "r.csv")


def test_bad_pictures_are_left_out_with_the_reason(few, tiny_codec, pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no")
    told = []
    rows = run(tiny_codec, {"bad.png": bad, **pictures}, tmp_path / "r.csv", tell=told.append)
    assert {row.image for row in rows} == set(pictures)
    assert any("bad.png is left out" in line for line in told)


def test_rows_get_their_lpips_once_it_can_be_had(few, tiny_codec, pictures, tmp_path, monkeypatch):
    one, path = {"a.png": pictures["a.png"]}, tmp_path / "r.csv"
    run(tiny_codec, one, path)
    monkeypatch.setitem(benchmark.MEASURES, "lpips", lambda x, x_hat: 0.5)
    assert all(row.lpips == 0.5 for row in run(tiny_codec, one, path))


def test_equal_pictures_measure_perfect(few, photo):
    values = measure(photo, photo, lambda line: None)
    assert values["psnr"] == float("inf") and values["ssim"] == pytest.approx(1)

"""Table 3: quality of every picture and tier, blanks with a reason, nothing measured twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import distribution, metrics, panel, table3
from hfx.bench import pictures_of
from hfx.errors import HfxError, WeightsError
from hfx.table3 import load, published, save, summary


class Colours(torch.nn.Module):
    """768 averages of each patch, for want of Inception's features."""

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x.float() / 255, 16).flatten(1)


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    monkeypatch.setattr(table3, "Inception", Colours)
    monkeypatch.setitem(
        panel.PANEL, "lpips", replace(panel.PANEL["lpips"], of=lambda x, x_hat: 0.25)
    )


@pytest.fixture
def pictures(portrait, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(portrait).save(folder / "a.png")
    Image.fromarray(portrait[:64, :80]).save(folder / "small.png")
    (folder / "bad.png").write_bytes(b"no picture")
    return pictures_of(folder)


def test_rows(tiny_codec, pictures, portrait, tmp_path):
    told, steps = [], []
    path = tmp_path / "table3.csv"
    rows = table3.table3(tiny_codec, pictures, path, told.append, lambda: steps.append(1))
    assert [(row.tier, row.image) for row in rows] == [
        (tier, name) for tier in ("low", "medium", "high") for name in ("a.png", "small.png")
    ]
    assert len(steps) == 3 and any("bad.png is left out" in line for line in told)
    row, small = rows[0], rows[1]
    x_hat = np.asarray(tiny_codec.decompress(tiny_codec.compress(portrait, "low")))
    assert row.psnr == pytest.approx(metrics.psnr(portrait, x_hat), rel=1e-5) and row.lpips == 0.25
    assert row.mse == pytest.approx(np.square(portrait.astype(float) - x_hat).mean(), rel=1e-5)
    before, after = (distribution.Features(Colours()) for _ in range(2))
    before.add(portrait)
    after.add(x_hat)
    assert row.fid == pytest.approx(distribution.fid768(before, after), rel=1e-5) and row.whole
    assert small.fid is None and small.kid is None and not small.whole
    assert "fid and kid: a picture of 80 x 64 pixels holds no patch" in small.note
    assert [(row.image, row.tier) for row in load(path)] == [(r.image, r.tier) for r in rows]


def test_a_second_run_measures_only_what_is_missing(tiny_codec, pictures, tmp_path, monkeypatch):
    path, one = tmp_path / "t.csv", {"a.png": pictures["a.png"]}
    rows = table3.table3(tiny_codec, one, path)
    measured, honest = [], table3.compared
    monkeypatch.setattr(
        table3, "compared", lambda *args: measured.append(args[1]) or honest(*args)
    )
    save(path, [row for row in rows if row.tier != "low"])
    again = table3.table3(tiny_codec, one, path)
    assert measured == ["low"] and len(again) == 3
    save(path, [replace(row, model="0123") for row in rows])
    table3.table3(tiny_codec, one, path)
    assert measured == ["low", "low", "medium", "high"]


def test_blanks_are_filled_once_the_network_is_there(tiny_codec, pictures, tmp_path, monkeypatch):
    def nowhere():
        raise WeightsError("FID-768 unavailable")

    path, one, told = tmp_path / "t.csv", {"a.png": pictures["a.png"]}, []
    with monkeypatch.context() as without:
        without.setattr(table3, "Inception", nowhere)
        rows = table3.table3(tiny_codec, one, path, told.append)
    assert all(row.fid is None and row.psnr for row in rows)
    assert told == ["left blank: fid and kid: FID-768 unavailable"]
    assert all(row.whole for row in table3.table3(tiny_codec, one, path))


def test_the_papers_numbers():
    rows = published()
    if not rows:
        pytest.skip("data/results/published_table3.csv was not installed")
    assert len(rows) == 21 and {row["tier"] for row in rows} == {"low", "medium", "high"}
    first = rows[0]
    assert (first["fid"], first["kid"], first["lpips"]) == (78.454, 5.53026, 4.60286)
    assert (first["psnr"], first["mse"], first["ssim"]) == (32.413, 50.30, 0.87)


def test_other_tables_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("image,fid\na,1\n")
    with pytest.raises(HfxError, match="no Table 3 of ours"):
        load(tmp_path / "t.csv")


def test_summary(tiny_codec, pictures, tmp_path):
    rows = table3.table3(tiny_codec, pictures, tmp_path / "t.csv")
    lines = 6 if published() else 3
    assert summary(rows).row_count == lines

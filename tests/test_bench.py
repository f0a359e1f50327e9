"""What measurements share: what a row says of a file, and what a CSV keeps."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hfx import panel
from hfx.bench import Rows, matched, model_of, over, pictures_of, row_of
from hfx.codec import Codec
from hfx.errors import HfxError, WeightsError
from hfx.results import load, save
from hfx.stopwatch import Spent


@pytest.fixture(autouse=True)
def no_networks(monkeypatch):
    """They may be absent, and time is short."""

    def unavailable(x, x_hat):
        raise WeightsError("no network here")

    for name in ("lpips", "lpips_squeeze", "dists"):
        monkeypatch.setitem(panel.PANEL, name, replace(panel.PANEL[name], of=unavailable))


@pytest.fixture
def row(photo):
    data, x_hat = bytes(300), np.clip(photo.astype(int) + 5, 0, 255).astype(np.uint8)
    return row_of("a.png", "X", "quality 3", "low", photo, Spent(data, 0.5, 10.0),
                  Spent(x_hat, 0.25, 20.0), "0123", bound=305)  # fmt: skip


def test_a_row(row, photo):
    assert row.bytes == 300 and row.matched == "yes"
    assert row.bpp == pytest.approx(8 * 300 / (96 * 128), rel=1e-5)
    assert row.encode_s == 0.5 and row.decode_s == 0.25 and row.memory_mb == 20
    assert row.mse == pytest.approx(25, rel=0.05) and row.psnr == pytest.approx(34.2, abs=0.3)
    assert row.ms_ssim is None and row.lacks == {"lpips", "lpips_squeeze", "dists"}
    assert "ms_ssim: not defined for 128 x 96 pixels" in row.note
    assert "dists: no network here" in row.note


def test_memory_that_is_unknown_is_blank(photo):
    row = row_of("a", "X", "q", "", photo, Spent(b"", 1, None), Spent(photo, 1, 3.0), "0")
    assert row.memory_mb is None and "memory_mb: peak memory is read from" in row.note
    assert row.matched == ""


@pytest.mark.parametrize(
    "size, mark", [(1001, "larger"), (1000, "yes"), (970, "yes"), (969, "smaller")]
)
def test_the_same_bytes_are_never_more_and_at_most_3_percent_less(size, mark):
    assert matched(size, 1000) == mark


def test_pictures_of_a_folder(tmp_path, photo):
    (tmp_path / "sub").mkdir()
    for name in ("sub/b.png", "a.png"):
        Image.fromarray(photo).save(tmp_path / name)
    assert list(pictures_of(tmp_path)) == ["a.png", "sub/b.png"]
    with pytest.raises(HfxError, match="not a folder"):
        pictures_of(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HfxError, match="no pictures"):
        pictures_of(tmp_path / "empty")


def test_rows_of_other_weights_go(row, tmp_path):
    path = tmp_path / "r.csv"
    save(path, [row, replace(row, image="b.png", model="4567")])
    assert set(Rows(path, "0123").rows) == {row.key}


def test_rows_go_once_their_blanks_can_be_had(row, tmp_path, monkeypatch):
    path = tmp_path / "r.csv"
    save(path, [row])
    assert Rows(path, "0123").rows  # MS-SSIM can be had, but not for pictures so small
    monkeypatch.setitem(
        panel.PANEL, "dists", replace(panel.PANEL["dists"], of=lambda x, x_hat: 0.5)
    )
    assert not Rows(path, "0123").rows


def test_reasons_are_told_once(row, tmp_path):
    told = []
    rows = Rows(tmp_path / "r.csv", "0123", told.append)
    rows.add([row, replace(row, image="b.png")])
    rows.add([])
    assert told.count("left blank: dists: no network here") == 1
    assert len(load(tmp_path / "r.csv")) == 2


def test_bad_pictures_are_left_out_with_the_reason(row, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no")
    told, steps = [], []
    rows = over(pictures_of(tmp_path), tmp_path / "r.csv", "0123",
                lambda name, rgb, done: [replace(row, image=name)],
                told.append, lambda: steps.append(1))  # fmt: skip
    assert [row.image for row in rows] == ["good.png"] and len(steps) == 2
    assert any("bad.png is left out" in line for line in told)


def test_a_digest_of_all_weights(tiny_codec):
    """The fingerprint in files leaves the generator out; the digest of results must not."""
    other = replace(tiny_codec.weights, log2_degain=tiny_codec.weights.log2_degain + 0.01)
    assert other.fingerprint == tiny_codec.weights.fingerprint
    assert model_of(Codec(other)) != model_of(tiny_codec) == model_of(tiny_codec)

"""Sets: the pictures of rows, made again, as a crowd; measured anew only where rows changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import distribution, panel, sets
from hfx.bench import over, pictures_of
from hfx.benchmark import theirs
from hfx.classical import CODECS
from hfx.errors import HfxError, WeightsError
from hfx.evaluate import Wish, ours


class Projection(torch.nn.Module):
    """768 numbers of each patch, for want of Inception's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(3 * 16 * 16, 768)

    def forward(self, x):
        return self.linear(torch.nn.functional.adaptive_avg_pool2d(x.float() / 255, 16).flatten(1))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sets, "Inception", Projection)
    for name in set(panel.PANEL) - {"mse"}:
        monkeypatch.setitem(
            panel.PANEL, name, replace(panel.PANEL[name], of=lambda x, x_hat: None)
        )


@pytest.fixture
def pictures(portrait, tmp_path):
    Image.fromarray(portrait).save(tmp_path / "a.png")
    Image.fromarray(portrait[:80, :64]).save(tmp_path / "small.png")
    return pictures_of(tmp_path)


@pytest.fixture
def rows(tiny_codec, pictures, tmp_path):
    def work(name, rgb, done):
        mine = list(ours(tiny_codec, name, rgb, [Wish("low"), Wish("high")], "0123"))
        yield from mine
        yield from theirs(CODECS[0], name, rgb, {"low": mine[0].bytes}, False, {}, "0123")

    return over(pictures, tmp_path / "r.csv", "0123", work)


def test_sets_of_rows(tiny_codec, pictures, rows, portrait, tmp_path):
    steps = []
    found = sets.run(tiny_codec, pictures, rows, tmp_path / "s.csv", step=lambda: steps.append(1))
    table = {row.key: row for row in found}
    assert set(table) == {("hfx", "low"), ("hfx", "high"), ("JPEG", "low")} and len(steps) == 3
    assert all(row.images == 1 and row.patches == 5 for row in found)  # small.png has no patch
    assert 0 < table["hfx", "high"].fid768 < table["hfx", "low"].fid768

    # the same pictures by hand
    before, after = (distribution.Features(Projection()) for _ in range(2))
    before.add(portrait)
    after.add(np.asarray(tiny_codec.decompress(tiny_codec.compress(portrait, "low"))))
    assert table["hfx", "low"].fid768 == pytest.approx(distribution.fid768(before, after))
    kid, spread = distribution.kid768(before, after)
    assert table["hfx", "low"].kid768 == pytest.approx(kid)
    assert table["hfx", "low"].kid768_std == pytest.approx(spread)


def test_pictures_of_classical_rows_are_made_again(portrait, rows, tiny_codec, pictures):
    (row,) = (row for row in rows if row.codec == "JPEG" and row.image == "a.png")
    (again,) = sets.decoded(tiny_codec, pictures, [row])
    mse = np.square(again.astype(float) - portrait).mean()
    assert mse == pytest.approx(row.mse, rel=1e-5)  # rows keep six digits


def test_a_second_run_measures_only_what_changed(
    tiny_codec, pictures, rows, tmp_path, monkeypatch
):
    path, seen = tmp_path / "s.csv", []
    first = sets.run(tiny_codec, pictures, rows, path)
    honest = sets.decoded
    monkeypatch.setattr(
        sets, "decoded", lambda codec, p, r: seen.append(r[0].key[1:]) or honest(codec, p, r)
    )
    again = sets.run(tiny_codec, pictures, rows, path)
    assert not seen and [row.key for row in again] == [row.key for row in first]
    other = [replace(row, model="4567") if row.codec == "JPEG" else row for row in rows]
    sets.run(tiny_codec, pictures, other, path)
    assert seen == [("JPEG", "low")]


def test_blank_with_the_reason_where_there_is_no_network(
    tiny_codec, pictures, rows, tmp_path, monkeypatch
):
    def nowhere():
        raise WeightsError("FID-768 unavailable")

    path, told = tmp_path / "s.csv", []
    monkeypatch.setattr(sets, "Inception", nowhere)
    found = sets.run(tiny_codec, pictures, rows, path, tell=told.append)
    assert all(row.fid768 is None and "unavailable" in row.note for row in found)
    assert told == ["FID-768 and KID-768 are left blank: FID-768 unavailable"]
    monkeypatch.setattr(sets, "Inception", Projection)
    again = sets.run(tiny_codec, pictures, rows, path)
    assert all(row.fid768 is not None for row in again)


def test_sets_without_a_patch_are_blank(tiny_codec, pictures, rows, tmp_path):
    small = [row for row in rows if row.image == "small.png"]
    found = sets.run(tiny_codec, pictures, small, tmp_path / "s.csv")
    assert all(row.fid768 is None and "no patches" in row.note for row in found)


def test_other_tables_are_refused(tmp_path):
    (tmp_path / "s.csv").write_text("codec,x\na,b\n")
    with pytest.raises(HfxError, match="no table of sets"):
        sets.load(tmp_path / "s.csv")

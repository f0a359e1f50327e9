"""Our codec on pictures: rows of true files, every wish once, the same on a cluster."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hfx import panel
from hfx.bench import pictures_of
from hfx.errors import HfxError
from hfx.evaluate import Wish, ours, run, wishes_of
from hfx.results import load

TIMES = ("encode_s", "decode_s", "memory_mb")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Two measures: networks may be absent, and time is short."""
    for name in set(panel.PANEL) - {"mse", "psnr"}:
        monkeypatch.setitem(
            panel.PANEL, name, replace(panel.PANEL[name], of=lambda x, x_hat: None)
        )


@pytest.fixture
def pictures(portrait, tmp_path):
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        Image.fromarray(portrait[:80, 64 * number : 64 * number + 64]).save(tmp_path / name)
    return pictures_of(tmp_path)


def test_wishes(tiny_codec):
    assert [w.setting for w in wishes_of(tiny_codec)] == ["low", "medium", "high"]
    some = wishes_of(tiny_codec, ["low"], [35.0], [0.0, 0.5])
    assert [(w.codec, w.setting) for w in some] == [
        ("hfx, realism 0", "low"), ("hfx, realism 0.5", "low"),
        ("hfx, realism 0", "quality 35"), ("hfx, realism 0.5", "quality 35"),
    ]  # fmt: skip
    assert [w.setting for w in wishes_of(tiny_codec, qualities=[5])] == ["quality 5"]
    for wrong in ({"tiers": ["huge"]}, {"qualities": [101.0]}):
        with pytest.raises(HfxError):
            wishes_of(tiny_codec, **wrong)


def test_rows_are_of_true_files(tiny_codec, photo):
    wishes = [Wish("low"), Wish(quality=60)]
    rows = list(ours(tiny_codec, "a", photo, wishes, "0123"))
    for row, how in zip(rows, ({"tier": "low"}, {"quality": 60}), strict=True):
        data = tiny_codec.compress(photo, **how)
        assert row.bytes == len(data) and row.matched == ""
        x_hat = np.asarray(tiny_codec.decompress(data))
        mse = np.square(photo.astype(float) - x_hat).mean()
        assert row.mse == pytest.approx(mse, rel=1e-5)  # rows keep six digits
        assert row.encode_s > 0 and row.decode_s > 0
    assert [Wish.of(row) for row in rows] == wishes


def test_realism_is_the_decoders(tiny_codec, photo, monkeypatch):
    """One file, decoded as often as there are realisms."""
    asked, made = [], []
    compress, decompress = tiny_codec.compress, tiny_codec.decompress
    monkeypatch.setattr(
        tiny_codec, "compress", lambda *a, **k: made.append(1) or compress(*a, **k)
    )
    monkeypatch.setattr(
        tiny_codec, "decompress", lambda data, realism: asked.append(realism) or decompress(data)
    )
    wishes = wishes_of(tiny_codec, ["low"], realisms=[0.0, 1.0])
    rows = list(ours(tiny_codec, "a", photo, wishes, "0123"))
    assert asked == [0.0, 1.0] and len(made) == 1
    assert [Wish.of(row) for row in rows] == wishes


def test_a_second_run_measures_only_what_is_missing(tiny_codec, pictures, tmp_path):
    path, steps = tmp_path / "r.csv", []
    first = run(tiny_codec, pictures, path, [Wish("low")])
    both = run(tiny_codec, pictures, path, [Wish("low"), Wish("high")],
               step=lambda: steps.append(1))  # fmt: skip
    assert len(first) == 3 and len(both) == 6 and len(steps) == 3
    seconds = {row.key: row.encode_s for row in both}
    for row in first:
        assert seconds[row.key] == pytest.approx(row.encode_s, rel=1e-4)  # of a CSV's 6 digits
    assert load(path) == run(tiny_codec, pictures, path, [Wish("low"), Wish("high")])


def test_a_cluster_measures_the_same(tiny_codec, pictures, tmp_path):
    pytest.importorskip("distributed", reason='pip install "hfx[dask]"')
    from distributed import LocalCluster

    (tmp_path / "d.png").write_bytes(b"no picture")
    pictures = pictures_of(tmp_path)
    wishes, told, steps = wishes_of(tiny_codec), [], []
    here = run(tiny_codec, pictures, tmp_path / "here.csv", wishes)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://",
        dashboard_address=":0", scheduler_kwargs={"dashboard": False},
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        there = run(tiny_codec, pictures, tmp_path / "there.csv", wishes, tell=told.append,
                    step=lambda: steps.append(1), cluster=address)  # fmt: skip
        again = run(tiny_codec, pictures, tmp_path / "there.csv", wishes, cluster=address)
    assert any("d.png is left out" in line for line in told) and len(steps) == 4

    def timeless(rows):
        return {row.key: replace(row, **dict.fromkeys(TIMES, 0)) for row in rows}

    assert timeless(there) == timeless(here) and len(there) == 9
    assert {row.key for row in again} == {row.key for row in there}

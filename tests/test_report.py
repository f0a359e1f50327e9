"""The report: one file that fetches nothing, with every number, picture and reason."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from hfx import deltas, panel, report
from hfx.bench import over, pictures_of
from hfx.benchmark import theirs
from hfx.classical import CODECS
from hfx.contact import busiest
from hfx.errors import WeightsError
from hfx.evaluate import Wish, ours
from hfx.results import summarise
from hfx.sets import SetRow

TIERS = ("low", "medium", "high")


@pytest.fixture
def made(tiny_codec, portrait, tmp_path, monkeypatch):
    """A report of two pictures, ours and JPEG; its text and what it was made of."""

    def unavailable(x, x_hat):
        raise WeightsError("<no> network")

    for name in ("lpips", "lpips_squeeze", "dists"):
        monkeypatch.setitem(panel.PANEL, name, replace(panel.PANEL[name], of=unavailable))
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(portrait[:180, 100:290]).save(folder / "a&b.png")
    Image.fromarray(portrait[200:380, 100:290]).save(folder / "c.png")
    pictures = pictures_of(folder)

    def work(name, rgb, done):
        mine = list(ours(tiny_codec, name, rgb, [Wish(tier) for tier in TIERS], "0123"))
        yield from mine
        bounds = {row.tier: row.bytes for row in mine}
        yield from theirs(CODECS[0], name, rgb, bounds, False, {}, "0123")

    rows = over(pictures, tmp_path / "r.csv", "0123", work)
    lines = summarise(rows, tmp_path / "r.csv")
    groups = [
        SetRow("hfx", tier, 2, 10, fid, 0.01, 0.001, "", "x")
        for tier, fid in zip(TIERS, (9.0, 6.0, 4.0), strict=True)
    ]
    groups.append(SetRow("JPEG", "low", 0, 0, None, None, None, "no patches", "x"))
    found = deltas.against(lines, "JPEG")
    path = tmp_path / "r.html"
    report.write(path, tiny_codec, pictures, rows, lines, groups, found)
    return path.read_text("utf-8"), rows, pictures


def test_nothing_is_fetched(made):
    text, _, _ = made
    assert "<script" not in text and "http" not in text
    assert all(s.startswith("data:image/webp") for s in re.findall(r"src='([^']*)", text))


def test_tags_are_closed(made):
    opened = []

    class Check(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br"):
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Check().feed(made[0])
    assert not opened


def test_curves_numbers_and_reasons(made):
    text, rows, _ = made
    assert text.count("<svg") == 5  # MSE, PSNR, SSIM, MS-SSIM, FID-768
    row = next(r for r in rows if r.codec == "hfx" and r.tier == "medium")
    assert f"{row.bytes:,} bytes" in text and "BD-rate" in text and "9.00" in text
    assert "dists: &lt;no&gt; network (12 rows)" in text and "no patches (1 rows)" in text
    assert "<no>" not in text and "a&amp;b.png" in text


def test_pictures_are_what_was_decoded(made, tiny_codec):
    text, _, pictures = made
    shown = re.findall(r"data:image/webp;base64,([^']*)", text)
    assert len(shown) == 2 * 3  # original, ours, JPEG
    x = np.asarray(Image.open(pictures["a&b.png"]))
    cut = busiest(x)
    x_hat = np.asarray(tiny_codec.decompress(tiny_codec.compress(x, "medium")))[cut]
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[1]))).convert("RGB"))
    assert np.abs(seen.astype(int) - x_hat).mean() < 4
    assert np.abs(seen.astype(int) - x[cut]).mean() > np.abs(seen.astype(int) - x_hat).mean()

"""The page "The paper": live code, the networks as they are, printed numbers beside measured."""

import csv
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import paper, paper_charts, paper_tables, resources  # noqa: E402
from dashboard.paper import PARTS  # noqa: E402
from hfx import losses, table3, tables  # noqa: E402
from hfx.config import COMPACT, PAPER  # noqa: E402
from hfx.errors import HfxError  # noqa: E402
from hfx.paper import elements  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "paper.py"


# --- code


def test_every_element_is_in_one_part():
    shown = [element for part in PARTS for element in paper.of_part(part)]
    assert sorted(e.key for e in shown) == sorted(e.key for e in elements())


def test_docstrings_become_markdown():
    assert paper.doc_of(losses.rate_distortion) == (
        r"Eq. 5, $E[\zeta r(y) + d(x, x')]$; inputs (N,), a scalar out."
    )
    for element in elements():
        for thing in element.resolve():
            said = paper.doc_of(thing)
            assert said and ":math:" not in said and "\n" not in said


def test_source_is_the_live_one():
    for element in elements():
        for thing in element.resolve():
            assert paper.source_of(thing) == inspect.getsource(thing)


def test_tests_show_their_source():
    for element in elements():
        for name in element.tests:
            function = name.partition("::")[2]
            assert f"def {function}(" in paper.source_of_test(name)
    with_decorator = paper.source_of_test("tests/test_rate.py::test_it_brings_a_run_to_its_target")
    assert with_decorator.startswith("@pytest.mark")
    assert paper.source_of_test("tests/test_rate.py::test_nothing") == ""
    assert paper.source_of_test("tests/test_nothing.py::test_nothing") == ""


# --- Figure 1


def texts(column):
    return [text for text, _ in column.boxes]


def test_figure_1_has_hific_s_widths():
    e, p, g, d = paper_charts.columns(PAPER)
    assert texts(e) == [
        "x", "Conv60 7×7 · ChannelNorm · ReLU", "Conv120 ↓2 · ChannelNorm · ReLU",
        "Conv240 ↓2 · ChannelNorm · ReLU", "Conv480 ↓2 · ChannelNorm · ReLU",
        "Conv960 ↓2 · ChannelNorm · ReLU", "Conv220", "y",
    ]  # fmt: skip
    assert texts(g)[:4] == [
        "ŷ", "Conv960 · ChannelNorm", "9 × residual block 960", "Conv480 ↑2 · ChannelNorm · ReLU"
    ]  # fmt: skip
    assert "Conv320 5×5 ↓2" in texts(p) and "NN ↑16, beside the picture" in texts(d)
    convolutions = [text for text in texts(d) if text.startswith("Conv")]
    assert len(convolutions) == 6 and all("SpectralNorm" in text for text in convolutions)
    millions = [float(c.title.partition("</b>, ")[2].rstrip(" M")) for c in (e, p, g)]
    assert sum(millions) == pytest.approx(181, abs=1)  # as HiFiC counts


def test_the_linear_path_of_version_1_0_0_is_drawn_too():
    e, *_ = paper_charts.columns(replace(COMPACT, ladder=False, linear_path=True))
    assert texts(e)[-2] == f"+ linear: Conv{COMPACT.latent} 16×16 ↓16"


def test_figure_1_is_drawn_from_the_code():
    e, _, g, _ = paper_charts.columns(COMPACT)
    assert "unshuffle ↓4" in texts(e) and "shuffle ↑4" in texts(g)
    assert texts(e)[-2] == f"Conv{COMPACT.latent} 1×1"
    assert texts(g)[-2] == "+ at half size: Conv32, Conv12"
    figure = paper_charts.figure1([e, g])
    drawn = [annotation.text for annotation in figure.layout.annotations]
    assert set(texts(e)) | set(texts(g)) <= set(drawn)
    assert len(figure.layout.shapes) == len(e.boxes) + len(g.boxes)


# --- tables


@pytest.fixture(scope="module")
def printed():
    if not tables.PUBLISHED.exists():
        pytest.skip("data/results/published_table1.csv was not installed")
    return paper.printed1()


def test_table_1_stands_beside_what_was_measured(printed):
    sizes = {"HiFi": 1000, "HiFi + KNN": 900, "HiFi + XGBoost": 800}
    measured = [
        {"image": name, "tier": "low", "kind": kind, "bytes": size * times, "bpp": 0.1 * times}
        for kind, size in sizes.items() for name, times in (("a", 1), ("b", 3))
    ]  # fmt: skip
    shown = paper.table1(printed, measured)
    assert len(shown) == 9
    row = next(r for r in shown if (r["tier"], r["coded by"]) == ("low", "HiFi + XGBoost"))
    published = tables.published()
    assert row["printed: MB"] == f"{published['low', 'HiFi + XGBoost']:.2f}"
    share = published["low", "HiFi + XGBoost"] / published["low", "HiFi"]
    assert row["to HiFi"] == f"{share:.3f}"
    assert (row["measured: bytes"], row["bpp "], row["to HiFi "]) == ("1,600", "0.200", "0.800")
    high = next(r for r in shown if r["tier"] == "high")
    assert high["measured: bytes"] == "–" and high["to HiFi "] == "–"


def test_printed_sizes_are_no_bitstream_s(printed):
    """The reading of Table 1: by resolution and size, 3 to 8 bits per pixel in the mean."""
    first = next(r for r in printed if (r["image"], r["tier"], r["kind"]) == ("1", "low", "HiFi"))
    assert first["bpp"] == pytest.approx(8 * 2.5e6 / (2048 * 1366))
    means = [float(row["bpp"]) for row in paper.table1(printed, [])]
    assert 3 < min(means) and max(means) < 8


def test_table_3_compares_like_with_like():
    rows = [
        {"tier": "low", "image": "a", "fid": 1.0, "kid": 0.1, "lpips": 0.2, "psnr": 30.0,
         "mse": 65.0, "ssim": 0.8},
        {"tier": "low", "image": "b", "fid": None, "kid": 0.3, "lpips": 0.4, "psnr": 32.0,
         "mse": 41.0, "ssim": 0.9},
    ]  # fmt: skip
    (one,) = paper.compared3([], rows)
    assert (one[""], one["pictures"], one["FID"], one["PSNR"]) == ("measured", "2", "–", "31.00")
    assert paper.findings("few", rows) == []


def test_the_audit_speaks_plainly():
    rows = table3.published()
    if not rows:
        pytest.skip("data/results/published_table3.csv was not installed")
    kid, lpips, psnr = map(paper.in_words, paper.findings("printed", rows))
    assert kid.startswith("KID = 0.06667 · FID + 0.2999 in all 21 rows")
    assert lpips.startswith("LPIPS = 0.05590 · FID + 0.2174") and "computed from it" in lpips
    assert psnr.startswith("PSNR and MSE disagree by up to 3.4 dB")
    draw = np.random.default_rng(0)
    honest = [
        {"tier": "low", "image": str(i), "fid": draw.uniform(), "kid": draw.uniform(),
         "lpips": draw.uniform(), "ssim": 0.9, "mse": mse, "psnr": 10 * np.log10(255**2 / mse)}
        for i, mse in enumerate(draw.uniform(20, 80, 12))
    ]  # fmt: skip
    kid, _, psnr = map(paper.in_words, paper.findings("measured", honest))
    assert kid.startswith("KID is no line of FID") and "12 rows" in kid
    assert psnr.startswith("PSNR is 10 log₁₀(255² / MSE) to within 0.0000 dB")


def test_columns_are_drawn_over_each_other():
    rows = [{"tier": "low", "image": str(i), "fid": i, "kid": 2 * i + 1, "mse": 10.0 * i + 10,
             "psnr": 30.0} for i in range(4)]  # fmt: skip
    line, points = paper_charts.pair(rows, "fid", "kid").data
    assert list(points.x) == [0, 1, 2, 3] and list(points.y) == [1, 3, 5, 7]
    assert np.allclose(line.y, 2 * np.array(line.x) + 1)
    law, _ = paper_charts.pair(rows, "mse", "psnr").data
    assert np.allclose(law.y, 10 * np.log10(255**2 / np.array(law.x)))


# --- the page


@pytest.fixture
def app():
    return AppTest.from_file(PAGE, default_timeout=120)


def fine(app):
    assert not app.exception and not app.error
    return app


@pytest.mark.parametrize("part", PARTS)
def test_every_element_is_shown_with_its_code(app, part):
    app.query_params["part"] = part
    fine(app.run())
    wanted = paper.of_part(part)
    assert [h.value for h in app.subheader if "audit" not in h.value] == [
        element.title if element.kind == "figure" else f"{element.name}: {element.title}"
        for element in wanted
    ]
    codes = {code.value for code in app.code}
    for element in wanted:
        assert all(paper.source_of(thing).strip() in codes for thing in element.resolve())
    assert [latex.value.strip("$\n ") for latex in app.get("latex")] == [
        element.tex for element in wanted if element.tex
    ]


def test_printed_tables_stand_beside_measured_ones(app, printed):
    app.query_params["part"] = "Tables"
    fine(app.run())
    one, three = (table.value for table in app.table)
    assert len(one) == 9 and "measured: bytes" in one.columns
    assert list(three.iloc[:, 1])[:2] == ["printed", "measured"]
    assert len(app.get("plotly_chart")) == 6
    said = " ".join(line.value for line in app.markdown)
    assert "computed from it" in said and "disagree by up to 3.4 dB" in said
    with open(paper.FOLDER / "table1.csv", newline="") as file:
        own = [r for r in csv.DictReader(file) if (r["tier"], r["kind"]) == ("low", "HiFi")]
    mean = sum(int(row["bytes"]) for row in own) / len(own)
    assert one["measured: bytes"].iloc[0] == f"{mean:,.0f}"


def test_without_measured_tables_it_says_what_makes_them(app, printed, tmp_path, monkeypatch):
    monkeypatch.setattr(paper.measured1, "__defaults__", (tmp_path,))
    monkeypatch.setattr(paper.measured3, "__defaults__", (tmp_path,))
    app.query_params["part"] = "Tables"
    fine(app.run())
    assert sum("hfx tables KODAK" in line.value for line in app.info) == 2
    assert len(app.get("plotly_chart")) == 3  # of the printed columns


def test_damaged_tables_are_one_clear_line(app, tmp_path, monkeypatch):
    (tmp_path / "table1.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(paper.measured1, "__defaults__", (tmp_path,))
    app.query_params["part"] = "Tables"
    app.run()
    assert not app.exception
    assert len(app.error) == 1 and "no Table 1 of ours" in app.error[0].value
    with pytest.raises(HfxError):
        paper.measured1()


def test_table_2_is_drawn_of_bundled_photographs(app, tiny_codec, monkeypatch):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    if (paper.FOLDER / "table2.png").exists():
        monkeypatch.setattr(paper_tables, "FOLDER", Path("nowhere"))
    monkeypatch.setattr(resources, "codec", lambda: tiny_codec)
    app.query_params["part"] = "Tables"
    before = len(fine(app.run()).get("image"))
    app.button(key="draw").click()
    assert len(fine(app.run()).get("image")) == before + 1
    made = resources.shelf().find(("table2", tiny_codec.weights.fingerprint))
    assert made.png.startswith(b"\x89PNG") and made.nbytes == len(made.png)

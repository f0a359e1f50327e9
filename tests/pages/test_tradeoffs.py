"""The page "Trade-offs": its curves are the tables', and its points are measured files."""

import csv
import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the photographs come with scikit-image")

from streamlit.testing.v1 import AppTest  # noqa: E402

import hfx  # noqa: E402
from dashboard import tradeoffs, tradeoffs_charts, tradeoffs_live, work  # noqa: E402
from dashboard.panes import CLASSICAL  # noqa: E402
from dashboard.resources import Shelf  # noqa: E402
from dashboard.tradeoffs import AXES, OURS  # noqa: E402
from dashboard.tradeoffs_live import Survey, Surveys, box_of, cut, fitting  # noqa: E402
from hfx import classical, deltas, image, metrics, weights  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "tradeoffs.py"


# --- measured curves


@pytest.fixture(scope="module")
def benchmark():
    if not (tradeoffs.FOLDER / "kodak.csv").exists():
        pytest.skip("data/results/kodak.csv was not installed")
    return tradeoffs.benchmark()


def test_curves_are_the_committed_means(benchmark):
    with open(tradeoffs.FOLDER / "kodak_summary.csv", newline="") as file:
        committed = {(row["codec"], row["tier"]): row for row in csv.DictReader(file)}
    with open(tradeoffs.FOLDER / "kodak_sets.csv", newline="") as file:
        crowds = {(row["codec"], row["setting"]): row for row in csv.DictReader(file)}
    assert {(one["codec"], one["tier"]) for one in benchmark.lines} == set(committed)
    for line in benchmark.lines:
        row = committed[line["codec"], line["tier"]]
        for name in ("bpp", "psnr", "ms_ssim", "lpips"):
            assert line[name] == pytest.approx(float(row[name]), rel=1e-5)
        crowd = crowds.get((line["codec"], line["tier"]))
        assert line["fid768"] == (float(crowd["fid768"]) if crowd else None)


def test_published_codecs_are_known_as_means_only(benchmark):
    assert tradeoffs.published(benchmark.lines) == {"HiFiC", "MS-ILLM"}
    assert tradeoffs.codecs(benchmark.lines)[0] == OURS
    one = benchmark.of(benchmark.pictures[3])
    assert not tradeoffs.published(one) and {Path(r["image"]).stem for r in one} == {"kodim04"}
    assert benchmark.of("all 24, means") is benchmark.lines
    assert "fid768" in tradeoffs.measures(benchmark.lines)
    assert "fid768" not in tradeoffs.measures(one)


def test_without_a_benchmark_it_says_what_makes_one(tmp_path):
    with pytest.raises(hfx.HfxError, match="hfx benchmark KODAK"):
        tradeoffs.benchmark(tmp_path)


# --- how far apart


LINE = [(0.1, 26.0), (0.3, 29.0), (0.5, 31.0)]


def compared(test, axis=AXES["psnr"], base=LINE):
    points = {"A": base, "B": test}
    (one,) = tradeoffs.compare(points, ["A", "B"], "A", axis)
    return one


def test_rates_are_those_of_the_committed_table(benchmark):
    """Of the same curves as `kodak_bd.csv`."""
    found = {(one.codec, one.measure): one for one in deltas.against(benchmark.lines, "AVIF")}
    names = tradeoffs.codecs(benchmark.lines)
    for measure in ("psnr", "lpips"):
        points = tradeoffs.curves(benchmark.lines, measure, names)
        for one in tradeoffs.compare(points, names, "AVIF", AXES[measure]):
            whole = found[one.codec, measure]
            assert (one.rate, one.difference) == (whole.rate, whole.difference)
            assert (one.rate is None) == one.qualities.startswith("none: ")


def test_twice_the_rate():
    one = compared([(2 * bpp, value) for bpp, value in LINE])
    assert one.rate == pytest.approx(100) and one.overlap == 1
    assert one.qualities == "26.00 to 31.00" and one.rates == "0.200 to 0.500"


def test_blanks_have_a_reason():
    better = compared([(bpp, value + 10) for bpp, value in LINE])
    assert better.rate is None and better.difference == pytest.approx(10)
    assert better.qualities == "none: 36.00 to 41.00, A 26.00 to 31.00"
    dearer = compared([(10 * bpp, value) for bpp, value in LINE])
    assert dearer.difference is None and dearer.rates == "none: 1.000 to 5.000, A 0.100 to 0.500"
    assert compared([(0.1, 25.0)]).qualities == "B has only one PSNR"
    assert compared([]).rates == "B has no PSNR"
    assert compared(LINE, AXES["lpips"], []).qualities == "A has no LPIPS"


def test_the_table_reads(benchmark):
    axis = AXES["psnr"]
    half = compared([(bpp / 2, value) for bpp, value in LINE])
    (row,) = tradeoffs.table([half], axis)
    assert row["bits at equal PSNR"] == "−50.0 %" and row["over PSNR"].endswith("(100%)")
    assert tradeoffs.signed(None, 2) == "–" and tradeoffs.signed(0.5, 2) == "+0.50"


# --- the dial


TURNS = """set,codec,tier,realism,pictures,patches,bpp,psnr,lpips,dists,fid768,kid768,kid768_std
kodak,hfx,low,1,24,192,0.14,25,0.2,,0.8,0.001,0.0001
kodak,hfx,low,0,24,192,0.14,26,0.3,,1.1,0.002,0.0001
kodak,AVIF,low,,24,192,0.14,27,0.4,,0.9,0.002,0.0001
"""


def test_the_dial_is_read_and_drawn_in_order(tmp_path):
    assert tradeoffs.turns(tmp_path) == []
    (tmp_path / "realism_sets.csv").write_text(TURNS)
    rows = tradeoffs.turns(tmp_path)
    assert rows[2]["realism"] is None and rows[0]["dists"] is None
    ours, theirs = tradeoffs_charts.plane(rows).data
    assert list(ours.x) == [26, 25] and list(ours.y) == [1.1, 0.8]
    assert list(ours.text) == ["low, realism 0", "low, realism 1"] and list(theirs.text) == ["low"]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", TURNS.replace("26", "x")])
def test_other_tables_are_refused(tmp_path, text):
    (tmp_path / "realism_sets.csv").write_text(text)
    with pytest.raises(hfx.HfxError, match="no table of the realism dial"):
        tradeoffs.turns(tmp_path)


def test_csv_holds_what_is_shown():
    rows = [{"codec": "A", "bpp": 1 / 3, "psnr": None, "more": 1}]
    (row,) = csv.DictReader(io.StringIO(tradeoffs.csv_of(rows, ["codec", "bpp", "psnr"]).decode()))
    assert row == {"codec": "A", "bpp": "0.333333", "psnr": ""}


# --- charts


def test_published_curves_are_marked():
    figure = tradeoffs_charts.curves({OURS: LINE, "HiFiC": LINE}, AXES["psnr"], {"HiFiC"})
    ours, theirs = figure.data
    assert list(ours.x) == [0.1, 0.3, 0.5] and list(ours.y) == [26, 29, 31]
    assert theirs.name == "HiFiC (published)" and theirs.line.dash == "dash"
    assert theirs.marker.symbol.endswith("-open") and not ours.marker.symbol.endswith("-open")
    assert figure.layout.yaxis.title.text == "PSNR / dB, higher is better"


def test_every_codec_looks_different():
    looks = [tradeoffs_charts.look(name) for name in (OURS, *CLASSICAL, "HiFiC", "MS-ILLM")]
    assert len({color for color, _ in looks}) == len({mark for _, mark in looks}) == len(looks)
    assert tradeoffs_charts.look("hfx, realism 1") == tradeoffs_charts.look(OURS)


# --- one's own picture


@pytest.fixture(scope="module")
def original(portrait):
    return fitting(
        work.open_picture("face.png", work.png_of(Image.fromarray(portrait[:192, :256])))
    )


@pytest.fixture
def shelf():
    return Shelf(64 << 20)


@pytest.fixture
def survey(tiny_codec, original, shelf):
    made = Survey(tiny_codec, original, [OURS, "JPEG"], shelf)
    made.wait(120)
    yield made
    made.stop()


def test_points_are_measured_files(survey, original, tiny_codec):
    assert not survey.running and not survey.stopped and survey.done == survey.total == 7 + 11
    assert [p.codec for p in survey.points[:8]] == [OURS] * 7 + ["JPEG"]
    for point in survey.points:
        if point.codec == OURS:
            decoded = np.asarray(tiny_codec.decompress(point.data))
        else:
            decoded = classical.decode(point.data)
        assert np.array_equal(point.rgb, decoded)
        assert point.bpp == 8 * len(point.data) / (192 * 256)
        assert point.values["psnr"] == pytest.approx(metrics.psnr(original.picture.rgb, decoded))
        assert point.row["bytes"] == len(point.data)
    ours = [p for p in survey.points if p.codec == OURS]
    assert [p.setting for p in ours[:3]] == ["quality 20", "quality 50", "quality 80"]


def test_a_curve_ends_somewhat_beyond_our_largest_file(survey):
    ours = max(p.bpp for p in survey.points if p.codec == OURS)
    theirs = [p.bpp for p in survey.points if p.codec == "JPEG"]
    assert theirs == sorted(theirs)
    assert all(bpp <= tradeoffs_live.BEYOND * ours for bpp in theirs[:-1])


def test_the_same_again_is_on_the_shelf(survey, tiny_codec, original, shelf, monkeypatch):
    monkeypatch.setattr(Survey, "_point", None)  # nothing can be measured any more
    again = Survey(tiny_codec, original, survey.chosen, shelf)
    again.wait(60)
    assert again.points == survey.points and not again.notes


def test_crops_are_cut_from_every_picture(survey, original):
    box = box_of((original.width, original.height), 100, 0)
    assert box == (96, 0, 256, 160) and box_of((100, 300), 50, 50) == (0, 70, 100, 230)
    crops = survey.crops(box)
    assert len(crops) == len(survey.points)
    for png, point in zip(crops, survey.points, strict=True):
        assert np.array_equal(image.load(png).rgb, point.rgb[0:160, 96:256])
    assert image.load(cut(original.picture.rgb, box)).rgb.shape == (160, 160, 3)


def test_hovering_finds_the_crop(survey):
    figure = tradeoffs_charts.live(survey.points, "psnr")
    for line in figure.data:
        assert list(line.x) == sorted(line.x)
        for bpp, value, (number, setting, size) in zip(
            line.x, line.y, line.customdata, strict=True
        ):
            point = survey.points[number]
            assert (line.name, bpp, value) == (point.codec, point.bpp, point.values["psnr"])
            assert (setting, size) == (point.setting, len(point.data))


def test_both_realisms_are_curves(tiny_gan_codec, original, shelf):
    made = Survey(tiny_gan_codec, original, [OURS], shelf)
    made.wait(120)
    faithful, real = made.points[:2]
    assert (faithful.codec, real.codec) == (OURS, "hfx, realism 1")
    assert faithful.data == real.data and faithful.png != real.png
    assert made.done == made.total == 14


def test_it_stops_when_told_to(tiny_codec, original, shelf):
    with shelf.my_turn():  # another visitor's
        made = Survey(tiny_codec, original, [OURS], shelf)
        time.sleep(0.1)
        assert made.running and not made.points
        made.stop()
        made.wait(30)
    assert made.stopped and not made.running


def test_it_stops_when_nobody_looks(tiny_codec, original, shelf, monkeypatch):
    monkeypatch.setattr(tradeoffs_live, "AWAY", 0.2)
    with shelf.my_turn():
        made = Survey(tiny_codec, original, [OURS], shelf)
        made.wait(30)
    assert made.stopped and not made.running


def test_what_cannot_be_coded_is_a_note(tiny_codec, original, shelf, monkeypatch):
    monkeypatch.setattr(classical.Classical, "missing", lambda self: "not here")
    made = Survey(tiny_codec, original, ["JPEG"], shelf)
    made.wait(30)
    assert made.notes == ["JPEG is left out: not here"] and made.done == made.total


def test_a_server_bounds_them(tiny_codec, original, shelf, monkeypatch):
    monkeypatch.setattr(tradeoffs_live, "MANY", 2)
    server = Surveys()
    with shelf.my_turn():
        first, second = (server.begin(tiny_codec, original, [OURS], shelf) for _ in range(2))
        with pytest.raises(hfx.HfxError, match="try in a minute"):
            server.begin(tiny_codec, original, [OURS], shelf)
        third = server.begin(tiny_codec, original, [OURS], shelf, last=first)
        first.wait(30)
        assert first.stopped and third.running
        second.stop()
        third.stop()


def test_large_pictures_are_reduced(original):
    big = work.open_picture("big.png", work.png_of(Image.new("RGB", (1600, 1200), "teal")))
    small = fitting(big)
    assert small.width * small.height <= tradeoffs_live.PIXELS < 1.01 * small.width * small.height
    assert "Reduced from 1600 × 1200" in small.notes[0] and fitting(original) is original


# --- the page


@pytest.fixture
def app(benchmark):
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    return AppTest.from_file(PAGE, default_timeout=240)


def fine(app):
    assert not app.exception and not app.error
    return app


def tables(app):
    return [table.value.reset_index(drop=True) for table in app.table]


def test_it_opens_with_both_charts(app):
    fine(app.run())
    left, right = tables(app)
    assert list(left.columns)[1] == "bits at equal PSNR"
    assert list(right.columns)[1] == "bits at equal LPIPS"
    assert "AVIF" not in set(left["codec"]) and {"hfx", "HiFiC"} <= set(left["codec"])
    blank = right[right["codec"] == "HiFiC"].iloc[0]
    assert blank.iloc[1] == "–" and blank.iloc[2].startswith("none: ")
    assert len(app.get("plotly_chart")) >= 2


def test_a_link_chooses(app):
    app.query_params.update({"photographs": "kodim05", "anchor": "WebP", "first_measure": "SSIM"})
    fine(app.run())
    left, right = tables(app)
    assert list(left.columns)[1] == "bits at equal SSIM"
    assert set(left["codec"]) == {"hfx", "JPEG", "AVIF", "JPEG 2000", "JPEG XL"}


def test_without_tables_it_says_what_makes_them(app, tmp_path, monkeypatch):
    monkeypatch.setattr(tradeoffs.benchmark, "__defaults__", (tmp_path,))
    monkeypatch.setattr(tradeoffs.turns, "__defaults__", (tmp_path,))
    fine(app.run())
    said = " ".join(line.value for line in app.info)
    assert "hfx benchmark KODAK" in said and "experiments/realism.py" in said
    assert not app.table


def test_one_s_own_picture_is_measured(app):
    app.session_state["live_codecs"] = ["JPEG"]
    fine(app.run())
    app.button(key="live_begin").click()
    fine(app.run())
    survey = app.session_state["survey"]
    survey.wait(120)
    fine(app.run())
    assert survey.points and {p.codec for p in survey.points} == {"JPEG"}
    assert len(app.get("plotly_chart")) >= 3 and len(app.get("bidi_component")) == 1
    app.selectbox(key="live_sample").set_value("Cat")
    fine(app.run())
    assert not app.get("bidi_component")  # those points are of another picture

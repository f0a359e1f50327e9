"""The page "Where the bits go": its numbers are the file's, its charts show those numbers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import bitstream, weights
from hfx.codec import Codec
from hfx.neighbours.chain import WHOLE
from hfx.neighbours.models import Models

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the samples come with scikit-image")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import bits, bits_charts, resources, work  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "bits.py"


def png_of(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


# --- what is computed


@pytest.fixture(scope="module")
def codec(tiny_codec, tiny_trees):
    models = Models(None, tiny_codec.weights.fingerprint, tiny_codec.weights.prior.tables_y)
    models.loaded["xgb"] = (tiny_trees, b"test")
    models.preferred = "xgb"
    return Codec(tiny_codec.weights, models)


@pytest.fixture(scope="module")
def original(portrait):
    """A picture whose sides are no multiples of 64."""
    return work.open_picture("face.png", png_of(np.ascontiguousarray(portrait[:150, 150:360])))


@pytest.fixture(scope="module")
def anatomy(codec, original):
    return bits.dissect(codec, bits.compress(codec, original, 80, "xgb"))


@pytest.mark.parametrize("kind", ["none", "xgb"])
def test_the_bits_of_all_places_are_the_file(codec, original, kind):
    found = bits.dissect(codec, bits.compress(codec, original, 80, kind))
    assert found.kind == kind and found.grid == (12, 16)
    stream = bitstream.read(found.data)
    sizes = [len(b) for b in (stream.y, stream.z, stream.escapes_y, stream.escapes_z)]
    assert found.coded == sum(sizes)
    # each of the two streams is rounded up to whole bytes, a little beyond the last bit
    assert 0 <= found.coded - (found.y + found.z).sum() / 8 < 4
    assert abs(found.z.sum() / 8 - sizes[1] - sizes[3]) < 2
    every = bits.Box.over((0, 99, 0, 99), found.grid)
    size, share, area = found.share(every)
    assert (share, area) == (1, 1) and size == pytest.approx((found.y + found.z).sum() / 8)


def test_saved_is_the_difference_of_two_files(codec, original, anatomy):
    """Of the same symbols, in two files: the map of the saving adds up to their difference."""
    plain = bits.dissect(codec, bits.compress(codec, original, 80, "none"))
    assert np.array_equal(plain.latents.y, anatomy.latents.y)
    assert anatomy.saving_kinds == plain.saving_kinds == ("none", "xgb")
    assert np.allclose(plain.saved, anatomy.saved)
    spared = plain.coded - anatomy.coded
    assert spared > 0 and anatomy.saved.sum() / 8 == pytest.approx(spared, abs=3)


def test_parts_of_the_picture_add_up(anatomy):
    h, w = anatomy.grid
    halves = [bits.Box(0, 5, 0, w), bits.Box(5, h, 0, w)]
    parts = [anatomy.share(box) for box in halves]
    assert sum(share for _, share, _ in parts) == pytest.approx(1)
    assert [area for *_, area in parts] == pytest.approx([5 / h, (h - 5) / h])


@pytest.mark.parametrize(
    ("edges", "box"),
    [
        ((2, 5, 3, 9), (2, 5, 3, 9)),
        ((5, 2, 9, 3), (5, 6, 9, 10)),
        ((-4, 99, 20, 20), (0, 12, 15, 16)),
        ((12, 12, 0, 0), (11, 12, 0, 1)),
    ],
)
def test_a_box_lies_in_the_picture_and_is_never_empty(edges, box):
    assert bits.Box.over(edges, (12, 16)).edges == box


def test_it_begins_where_most_is_to_be_seen(anatomy):
    box = bits.dearest_box(anatomy)
    _, share, area = anatomy.share(box)
    assert area == 0.25 and share > area
    h, w = anatomy.grid
    others = [bits.Box(t, t + h // 2, le, le + w // 2) for t in (0, h // 2) for le in (0, w // 2)]
    assert share >= max(anatomy.share(other)[1] for other in others)

    none, xgb = (anatomy.bits[kind].y for kind in ("none", "xgb"))
    saved, misled, dear = (
        f(anatomy).index for f in (bits.saved_most, bits.misled_most, bits.dearest)
    )
    assert (none - xgb)[saved] == (none - xgb).max()
    assert (xgb - none)[misled] == (xgb - none).max()
    assert xgb[dear] == xgb.max()
    shown = bits.worth_a_look(anatomy).index
    assert none[shown] < bits.ORDINARY and none[shown] > xgb[shown]
    channel = bits.dearest_channel(anatomy, *dear[1:])
    assert channel == dear[0]


def test_a_symbol_tells_what_its_neighbours_were(codec, anatomy):
    place = bits.worth_a_look(anatomy)
    told = bits.story(codec, anatomy, place)
    assert told.asked and told.symbol.value == anatomy.latents.y[place.index]
    known = ~np.isnan(told.symbol.window)
    assert np.array_equal(told.truth[known], told.symbol.window[known])
    assert told.truth[3, 3] == told.symbol.value and not known[3, 3]
    assert sum(cut.bits for cut in told.cuts) == pytest.approx(
        anatomy.bits["xgb"].y[place.index], abs=1e-9
    )
    corner = bits.story(codec, anatomy, bits.Place(place.channel, 0, 0))
    assert np.isnan(corner.truth[:3]).all() and np.isnan(corner.truth[:, :3]).all()


def test_large_photos_are_reduced_and_large_files_refused(codec, original, anatomy, monkeypatch):
    monkeypatch.setattr(bits, "MAX_PIXELS", 10_000)
    small = bits.fitting(original)
    assert small.width * small.height <= 10_000
    assert small.width / small.height == pytest.approx(original.width / original.height, rel=0.02)
    assert small.picture.rgb.shape == (small.height, small.width, 3)
    assert "Reduced from 210 × 150" in small.notes[-1]
    with pytest.raises(hfx.BitstreamError, match="210 x 150 pixels.*upload the photo itself"):
        bits.dissect(codec, anatomy.data)
    monkeypatch.undo()
    assert bits.fitting(original) is original


# --- what is drawn


def test_the_bar_holds_every_byte(anatomy):
    figure = bits_charts.file_bar(anatomy.info["chunks"])
    assert sum(bar.x[0] for bar in figure.data) == len(anatomy.data)


@pytest.mark.parametrize("boxes", [True, False])
def test_the_map_lies_on_the_picture(anatomy, boxes):
    box, place = bits.Box(1, 4, 2, 8), bits.Place(0, 5, 6)
    figure = bits_charts.heat(anatomy, anatomy.y, "bits", 0.4, box, place, boxes)
    heat, marks = figure.data
    assert np.array_equal(heat.z, anatomy.y) and heat.opacity == 0.4
    assert len(marks.x) == 12 * 16 and marks.marker.opacity == 0
    (picture,) = figure.layout.images  # one place is 16 pixels; the rest is padding
    assert (picture.sizex, picture.sizey) == (210 / 16, 150 / 16)
    assert picture.source.startswith("data:image/webp;base64,")
    dashed, square = figure.layout.shapes
    assert (dashed.y0, dashed.y1, dashed.x0, dashed.x1) == (0.5, 3.5, 1.5, 7.5)
    assert (square.y0, square.y1, square.x0, square.x1) == (4.5, 5.5, 5.5, 6.5)
    assert figure.layout.dragmode == ("select" if boxes else False)


def test_colours_part_at_zero_where_something_is_lost(anatomy):
    place, box = bits.Place(0, 0, 0), bits.Box(0, 1, 0, 1)
    saved = bits_charts.heat(anatomy, anatomy.saved, "bits", 1, box, place, True).data[0]
    assert (anatomy.saved < 0).any() and saved.zmin == -saved.zmax
    cost = bits_charts.heat(anatomy, anatomy.y, "bits", 1, box, place, True).data[0]
    assert cost.zmin == 0 < cost.zmax


def test_channels_add_up(anatomy):
    none, xgb = (anatomy.bits[kind].y.sum((1, 2)) for kind in ("none", "xgb"))
    figure = bits_charts.channels(none, xgb, ("alone", "helped"), 3)
    before, after = figure.data
    assert sum(after.y) == pytest.approx(anatomy.y.sum() / 8)
    assert sum(before.y) - sum(after.y) == pytest.approx(anatomy.saved.sum() / 8)


def test_one_symbol_is_drawn_as_it_was_coded(codec, anatomy):
    told = bits.story(codec, anatomy, bits.worth_a_look(anatomy))
    heat, later, here = bits_charts.window(told).data
    known = ~np.isnan(told.symbol.window)
    assert (np.array(heat.text) == "").sum() == 49 - known.sum()
    assert len(later.x) == (~known & ~np.isnan(told.truth)).sum() - 1
    assert here.text == ("<b>?</b>",)

    alone, helped = bits_charts.laws(told, "XGBoost").data
    at = list(alone.x).index(told.symbol.value)
    assert -np.log2(alone.y[at]) == pytest.approx(told.symbol.bits_before, abs=1e-6)
    assert -np.log2(helped.y[at]) == pytest.approx(told.symbol.bits_after, abs=1e-6)

    bars = bits_charts.cuts(told.cuts).data
    assert len(bars) == len(told.cuts)
    for bar, cut in zip(bars, told.cuts, strict=True):
        assert sum(bar.x) == pytest.approx(1)
        assert bar.marker.color[cut.taken] == bits_charts.ORANGE
        assert bar.base[cut.taken] == cut.low / WHOLE


def test_without_neighbours_one_cut_is_drawn(codec, original):
    plain = bits.dissect(codec, bits.compress(codec, original, 80, "none"))
    told = bits.story(codec, plain, bits.dearest(plain))
    assert not told.asked and len(told.cuts) == 1
    (alone,) = bits_charts.laws(told, "nobody").data
    assert max(alone.y) == told.symbol.hyperprior.max()
    (bar,) = bits_charts.cuts(told.cuts).data
    assert len(bar.x) == len(told.cuts[0].parts)


# --- the page


@pytest.fixture
def app():
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    return AppTest.from_file(PAGE, default_timeout=240)


@pytest.fixture
def small(app, photo):
    """The page with a small upload."""
    app.run()
    app.file_uploader[0].set_value(("face.png", png_of(photo), "image/png"))
    return fine(app.run())


def fine(app):
    assert not app.exception and not app.error
    return app


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def test_the_page_works_with_no_upload(app):
    shown = cards(fine(app.run()))
    assert 0 < float(shown["of all bytes"].rstrip("%")) < 100
    assert float(shown["With XGBoost"].split()[0]) < float(shown["Hyperprior"].split()[0])
    assert not any("Traceback" in line.value for line in app.markdown)


def test_a_region_and_a_symbol_are_priced(small, photo):
    codec = resources.codec()
    data = codec.compress(photo, quality=50, neighbours="xgb")
    found = bits.dissect(codec, data)
    assert any(f"**{len(data):,} bytes**" in line.value for line in small.markdown)
    for key, value in zip(("y0", "y1", "x0", "x1"), (1, 3, 0, 5), strict=True):
        small.number_input(key=key).set_value(value)
    for key, value in zip(("channel", "row", "column"), (2, 3, 4), strict=True):
        small.number_input(key=key).set_value(value)
    shown = cards(fine(small.run()))
    size, share, area = found.share(bits.Box(1, 3, 0, 5))
    assert shown["Bytes in the box"] == f"{size:,.0f}"
    assert shown["of all bytes"] == f"{share:.1%}" and shown["of the area"] == f"{area:.1%}"
    assert shown["Symbol s"] == f"{found.latents.y[2, 3, 4]:+d}"
    assert shown["Hyperprior"] == f"{found.bits['none'].y[2, 3, 4]:.2f} bits"


def test_another_model_changes_bits_and_says_so(small):
    kinds = resources.codec().models.kinds()
    sizes = []
    for kind in kinds:
        small.segmented_control(key="coder").set_value(kind)
        fine(small.run())
        line = next(m.value for m in small.markdown if "bits per pixel" in m.value)
        sizes.append(line.split(" bytes")[0])
    assert len(set(sizes)) == len(kinds)
    small.segmented_control(key="coder").set_value("none")
    fine(small.run())
    assert "With XGBoost" not in cards(small)
    assert any("without a neighbour model" in info.value for info in small.info)


@pytest.mark.parametrize("kind", ["All bits", "y", "z", "One channel", "Saved"])
def test_every_map_opens(small, kind):
    small.selectbox(key="map").set_value(kind)
    fine(small.run())


def test_the_buttons_lead_to_symbols(small, photo):
    codec = resources.codec()
    found = bits.dissect(codec, codec.compress(photo, quality=50, neighbours="xgb"))
    for label, choose in (("Dearest", bits.dearest), ("Misled most", bits.misled_most)):
        next(button for button in small.button if button.label == label).click()
        fine(small.run())
        at = tuple(small.number_input(key=key).value for key in ("channel", "row", "column"))
        assert at == choose(found).index


def test_a_file_is_opened_as_it_is(app, photo):
    data = resources.codec().compress(photo, "low", neighbours="none")
    app.run()
    app.file_uploader[0].set_value(("face.hfx", data, "application/octet-stream"))
    fine(app.run())
    assert any(f"**{len(data):,} bytes**" in line.value for line in app.markdown)
    assert "rate" not in [slider.key for slider in app.slider]


def test_a_bad_file_is_one_clear_line(app):
    app.run()
    app.file_uploader[0].set_value(("a.hfx", b"HFX\x01 broken", "application/octet-stream"))
    app.run()
    assert not app.exception and len(app.error) == 1
    assert "\n" not in app.error[0].value


def test_a_link_chooses(app):
    app.query_params.update({"sample": "Cat", "channel": "3", "row": "2", "column": "7"})
    fine(app.run())
    assert app.selectbox(key="sample").value == "Cat"
    assert [app.number_input(key=k).value for k in ("channel", "row", "column")] == [3, 2, 7]

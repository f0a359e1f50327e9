import io

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import image

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard import panes, stages  # noqa: E402


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_the_picture_shown_is_the_one_the_file_decodes_to(tiny_codec, photo, mode):
    source = Image.fromarray(photo).convert(mode)
    if "A" in mode:
        source.putalpha(Image.linear_gradient("L").resize(source.size))
    analysed = stages.analyse(tiny_codec, image.load(source))
    view = stages.view(tiny_codec, analysed, level=0)
    coded = stages.write(tiny_codec, analysed, 0, "none")
    stages.check(view, coded)
    assert coded.data == tiny_codec.compress(source, "low")
    shown = Image.open(io.BytesIO(view.png))
    assert shown.mode == mode
    assert shown.tobytes() == tiny_codec.decompress(coded.data).tobytes()


def test_another_file_than_the_one_shown_is_refused(tiny_codec, photo):
    analysed = stages.analyse(tiny_codec, image.load(photo))
    view = stages.view(tiny_codec, analysed, level=0)
    other = stages.analyse(tiny_codec, image.load(photo[::-1].copy()))
    for coded in (
        stages.write(tiny_codec, analysed, 256, "none"),
        stages.write(tiny_codec, other, 0, "none"),
    ):
        with pytest.raises(hfx.BitstreamError, match="other symbols"):
            stages.check(view, coded)


def test_a_size_is_met_as_the_package_meets_it(tiny_codec, photo):
    steps = []
    analysed = stages.analyse(tiny_codec, image.load(photo))
    middle = len(tiny_codec.compress(photo, "medium"))
    coded = stages.fit(tiny_codec, analysed, middle + 3, "none", lambda: steps.append(1))
    assert coded.data == tiny_codec.compress(photo, target_bytes=middle + 3)
    assert middle <= len(coded.data) <= middle + 3
    assert len(steps) > 3
    with pytest.raises(hfx.HfxError, match="the smallest file"):
        stages.fit(tiny_codec, analysed, 1, "none")


def test_a_search_ends_when_no_one_waits_for_it(tiny_codec, photo):
    analysed = stages.analyse(tiny_codec, image.load(photo))

    class Gone(BaseException):
        pass

    def gone():
        raise Gone

    with pytest.raises(Gone):
        stages.fit(tiny_codec, analysed, 900, "none", gone)
    ladder = stages.Steps(panes.CLASSICAL["JPEG"], photo, tick=gone)
    with pytest.raises(Gone):
        stages.largest_within(ladder, 3000)


@pytest.mark.parametrize("name", panes.CLASSICAL)
def test_a_classical_file_is_as_large_as_it_may_be(name, photo):
    codec = panes.CLASSICAL[name]
    if codec.missing():
        pytest.skip(codec.missing())
    ladder = stages.Steps(codec, photo)
    found = stages.largest_within(ladder, 3000)
    assert 2500 < len(found.data) <= 3000
    assert found.setting == codec.describe(found.level)
    assert ladder.nbytes == photo.nbytes + sum(len(data) for data, _ in ladder.files.values())
    decoded = np.asarray(Image.open(io.BytesIO(found.data)).convert("RGB"))
    assert np.array_equal(pixels(found.png), decoded)


def test_where_all_are_too_large_the_smallest_is_taken(photo):
    ladder = stages.Steps(panes.CLASSICAL["JPEG"], photo)
    assert stages.largest_within(ladder, 10).data == ladder.at(0)[0]


def test_what_lies_on_the_shelf_knows_its_size(tiny_codec, photo):
    analysed = stages.analyse(tiny_codec, image.load(photo))
    y, z = analysed.analysis.y, analysed.analysis.z
    assert analysed.nbytes == photo.nbytes + 4 * (y.numel() + z.numel())
    view = stages.view(tiny_codec, analysed, 0)
    assert view.nbytes == len(view.png)

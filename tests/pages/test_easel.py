import io

import pytest
from PIL import Image

import hfx

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard import easel as easels  # noqa: E402
from dashboard import stages, work  # noqa: E402
from dashboard.easel import Easel, Make  # noqa: E402
from dashboard.panes import CLASSICAL, ORIGINAL, OURS, Choice  # noqa: E402
from dashboard.resources import Shelf  # noqa: E402
from dashboard.work import Wish  # noqa: E402


class PlainDesk:
    """A desk without a page: it lists what had to be made."""

    def __init__(self):
        self.shelf, self.items, self.made = Shelf(limit=99_000_000), {}, []

    def find(self, key):
        return self.items.get(key)

    def get(self, key, make, doing, share=True):
        if key not in self.items:
            self.items[key] = make()
            self.made.append(doing)
        return self.items[key]

    def clear(self, key):
        del self.items[key]

    def say(self, doing):
        pass


@pytest.fixture
def original(photo):
    out = io.BytesIO()
    Image.fromarray(photo).save(out, format="PNG")
    return work.open_picture("face.png", out.getvalue())


@pytest.fixture
def easel(tiny_codec, original):
    return Easel(tiny_codec, original, PlainDesk())


def ours(**wish):
    return Choice(OURS, Wish(**wish or {"tier": "low"}))


def test_the_picture_comes_before_its_file(easel, monkeypatch):
    monkeypatch.setattr(stages, "write", lambda *_: pytest.fail("a file was written"))
    left, right = easel.frames([Choice(ORIGINAL), ours()], True, Make.QUICK)
    assert left.complete and left.png == easel.original.png
    assert right.png and not right.complete and right.coded is None


def test_told_to_make_it_the_file_is_there(easel, tiny_codec, photo):
    _, right = easel.frames([Choice(ORIGINAL), ours()], True, Make.ALL)
    assert right.coded.data == tiny_codec.compress(photo, "low")
    assert right.file_bytes == len(right.coded.data)
    assert easel.frames([Choice(ORIGINAL), ours()], True, Make.QUICK)[1].complete


def test_only_what_changed_is_made_anew(easel):
    choices = [Choice("JPEG"), ours(quality=30)]
    easel.frames(choices, True, Make.ALL)
    easel.desk.made.clear()
    easel.frames(choices, True, Make.ALL)
    assert easel.desk.made == []
    easel.frames([choices[0], ours(quality=31)], False, Make.QUICK)
    assert len(easel.desk.made) == 1  # G alone: neither E again, nor a file


def test_a_tier_and_its_quality_are_one_thing(easel):
    easel.frames([ours(tier="low"), Choice(ORIGINAL)], True, Make.ALL)
    easel.desk.made.clear()
    easel.frames([ours(quality=20.0), Choice(ORIGINAL)], True, Make.ALL)
    assert easel.desk.made == []


@pytest.mark.parametrize("name", CLASSICAL)
def test_equal_bytes(easel, name):
    if CLASSICAL[name].missing():
        pytest.skip(CLASSICAL[name].missing())
    size = len(easel.frames([Choice(ORIGINAL), ours()], True, Make.ALL)[1].coded.data)
    theirs, mine = easel.frames([Choice(name), ours()], True, Make.ALL)
    assert mine.file_bytes == size
    ladder = easel.ladder(name, lambda: None)
    if theirs.over:  # there is none so small: then the smallest
        assert theirs.coded.data == ladder.at(0)[0]
    else:
        assert len(theirs.coded.data) == theirs.file_bytes <= size
        assert theirs.coded.level == ladder.largest_within(size)


def test_two_classical_codecs_are_equal_too(easel):
    left, right = easel.frames([Choice("JPEG", rung=200), Choice("WebP")], True, Make.ALL)
    assert 0.8 * left.file_bytes < right.file_bytes <= left.file_bytes


def test_without_the_lock_the_rung_is_the_visitor_s(easel):
    left, _ = easel.frames([Choice("JPEG", rung=100), ours()], False, Make.ALL)
    assert left.coded.level == 100 and not left.over


def test_a_size_wished_for_is_searched_when_there_is_time(easel, tiny_codec, photo):
    size = len(tiny_codec.compress(photo, "medium"))
    choices = [Choice(ORIGINAL), ours(target_bytes=size)]
    assert easel.frames(choices, True, Make.QUICK)[1] is None
    right = easel.frames(choices, True, Make.PICTURES)[1]
    assert right.complete and right.file_bytes <= size
    assert easel.frames(choices, True, Make.QUICK)[1].complete
    with pytest.raises(hfx.HfxError, match="smallest"):
        easel.frames([Choice(ORIGINAL), ours(target_bytes=1)], True, Make.PICTURES)


def test_a_large_picture_is_not_waited_for(easel, monkeypatch):
    monkeypatch.setattr(easels, "KEEP_PIXELS", 100)
    choices = [Choice("JPEG"), ours()]
    assert easel.frames(choices, True, Make.QUICK) == [None, None]
    left, right = easel.frames(choices, True, Make.PICTURES)
    assert left is None and right.png and not right.complete
    assert all(frame.complete for frame in easel.frames(choices, True, Make.ALL))


def test_a_codec_that_is_not_here_is_one_clear_line(easel, monkeypatch):
    monkeypatch.setattr(type(CLASSICAL["AVIF"]), "missing", lambda codec: "no such thing")
    with pytest.raises(hfx.HfxError, match="AVIF is not available here: no such thing"):
        easel.frames([Choice("AVIF"), ours()], True, Make.ALL)


def test_distances_and_why_there_are_none(easel, monkeypatch):
    why = hfx.WeightsError("LPIPS unavailable: it rains")
    monkeypatch.setattr(easels.resources, "lpips_network", lambda: why)
    _, right = easel.frames([Choice(ORIGINAL), ours()], True, Make.ALL)
    assert easel.measure("PSNR", right).value == work.distance(
        "PSNR", easel.original, right.png, None
    )
    assert easel.measure("LPIPS", right) == easels.Value(None, "LPIPS unavailable: it rains")


def test_a_large_picture_s_latents_are_put_away(easel, monkeypatch):
    def latents():
        return [v for v in easel.desk.items.values() if isinstance(v, stages.Analysed)]

    easel.frames([Choice(ORIGINAL), ours()], True, Make.ALL)
    easel.rest()
    assert len(latents()) == 1
    monkeypatch.setattr(easels, "KEEP_PIXELS", 100)
    easel.rest()
    assert latents() == []


def test_realism_changes_the_picture_and_not_the_file(tiny_gan_codec, original):
    easel, pictures = Easel(tiny_gan_codec, original, PlainDesk()), []
    for realism in (0.0, 0.5, 1.0):
        choice = Choice(OURS, Wish("low"), realism=realism)
        _, right = easel.frames([Choice(ORIGINAL), choice], True, Make.ALL)
        shown = Image.open(io.BytesIO(right.png))
        decoded = tiny_gan_codec.decompress(right.coded.data, realism=realism)
        assert shown.tobytes() == decoded.tobytes()
        assert right.setting == f"quality 20, realism {realism:g}"
        pictures.append(right.png)
    assert len(set(pictures)) == 3
    assert easel.desk.made.count("Writing the file (neighbour model: none)") == 1

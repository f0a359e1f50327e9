import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard import panes  # noqa: E402
from dashboard.panes import ORIGINAL, OURS, Choice, Frame  # noqa: E402
from dashboard.stages import Coded  # noqa: E402


def coded(size, setting="quality 50"):
    return Coded(bytes(size), setting, encode_seconds=0.5, decode_seconds=0.25, level=3)


@pytest.mark.parametrize(
    ("left", "right", "led"),
    [
        (ORIGINAL, OURS, None),
        (OURS, OURS, None),
        (ORIGINAL, "JPEG", None),
        ("JPEG", ORIGINAL, None),
        ("JPEG", OURS, 0),
        (OURS, "AVIF", 1),
        ("JPEG", "AVIF", 1),
    ],
)
def test_the_classical_pane_follows(left, right, led):
    assert panes.follower(left, right) == led


@pytest.mark.parametrize("name", panes.CLASSICAL)
def test_every_setting_of_a_codec_has_a_name_of_its_own(name):
    settings = panes.settings(name)
    assert len(set(settings)) == len(settings) == len(panes.CLASSICAL[name].ladder)


def test_every_codec_has_an_ending():
    assert set(panes.ENDINGS) == set(panes.CLASSICAL)


def test_the_table_holds_what_is_known():
    ours = Frame(Choice(OURS), b"png", 3000, coded(3000), 0.75)
    original = Frame(Choice(ORIGINAL), b"png", 9000)
    table = panes.table([original, ours], 8000, [{}, {"PSNR": 30.126, "LPIPS": None}])
    assert list(table.index) == ["Left: Original", "Right: hfx"]
    assert dict(table.loc["Right: hfx"]) == {
        "Bytes": "3,000",
        "bpp": "3.000",
        "Of 24 bit": "1 : 8.0",
        "Encode": "0.50 s",
        "Decode": "0.75 s",
        "PSNR ↑": "30.13 dB",
        "SSIM ↑": "…",
        "LPIPS ↓": "–",
        "Setting": "quality 50",
    }
    assert table.loc["Left: Original", "Bytes"] == "9,000"
    assert set(table.loc["Left: Original", "Encode":]) == {"–"}


def test_what_is_not_made_yet_is_left_open():
    table = panes.table([Frame(Choice("JPEG")), Frame(Choice(OURS), b"png")], 99, [{}, {}])
    assert set(table.to_numpy().ravel()) == {"…"}


def test_labels_say_what_is_seen():
    assert Frame(Choice(ORIGINAL), b"", 5).label == "Original"
    assert Frame(Choice("AVIF"), b"", 12345, coded(12345)).label == "AVIF · 12,345 bytes"
    assert Frame(Choice(OURS), b"").label == "hfx · …"


def test_downloads_are_named_after_their_kind():
    assert panes.file_name("cup", Choice(OURS)) == "cup.hfx"
    assert panes.png_name("cup", Choice(OURS)) == "cup.png"
    assert panes.file_name("cup", Choice("JPEG XL")) == "cup.jxl"
    assert panes.png_name("cup", Choice("JPEG XL")) == "cup.jxl.png"

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard import text  # noqa: E402


def test_numbers_are_worded():
    assert text.number(None, 2) == "–"
    assert text.number(float("inf"), 2, " dB") == "∞ dB"
    assert text.number(31.256, 2, " dB") == "31.26 dB"
    assert text.ratio(55.57) == "1 : 55.6"
    assert text.ratio(0.5) == "1 : 0.5"
    assert text.ratio(123.4) == "1 : 123"


def test_weights_are_described():
    about = text.about({"step": 4250, "minutes": 21.2, "hardware": "two cores"}, b"\x01\x02")
    assert about == "Weights `0102`: 4,250 training steps, 21 minutes, on two cores."
    assert "no record" in text.about({}, b"\x01")


def test_bytes_are_accounted_for():
    assert text.chunks({"chunks": {"y": 1234, "z": 56, "alpha": 0}}) == (
        "the picture (y) 1,234 · what to expect of it (z) 56"
    )

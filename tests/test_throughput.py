"""The forecast for a million pictures: sums that can be checked by hand."""

import pytest

from experiments.throughput import MARKS, Row, encoding, forecast, page, seconds_of


def profile(path):
    """One megapixel takes 1 + 2 + (4 + 6 + 8) / 2 seconds to encode, ten megapixels ten times."""
    seconds = {"E": 1, "h_a": 2, "h_s": 4, "coder": 6, "neighbours": 8, "G": 16}
    lines = ["megapixels,stage,seconds,source"]
    for size, source in ((1, "measured"), (10, "extrapolated")):
        lines += [f"{size},{stage},{size * s},{source}" for stage, s in seconds.items()]
    path.write_text("\n".join(lines) + "\n")
    return encoding(path)


def test_seconds_are_the_encoders(tmp_path):
    known = profile(tmp_path / "profile.csv")
    assert known == {1.0: (12.0, "measured"), 10.0: (120.0, "extrapolated")}
    assert seconds_of(0.5, known) == (6.0, "measured")
    assert seconds_of(12.0, known) == (144.0, "extrapolated")


def test_hours_and_how_far_the_model_is_off(tmp_path):
    rows = [
        Row(0, 1, 2, 4, 2.0, 1, 40.0, 0.1, 0.05),
        Row(0, 2, 2, 4, 2.0, 1, 20.0, 0.2, 0.1),  # 5 s a picture of half a megapixel; model: 6
        Row(2, 1, 2, 4, 2.0, 1, 20.0, 0.2, 0.1),
    ]
    lines = forecast(profile(tmp_path / "profile.csv"), rows)
    small = [line for line in lines if line.megapixels == 0.4]
    assert [line.machines for line in small] == [1, 10, 100]
    assert small[0].hours == pytest.approx(4.8e6 / 3600) == 10 * small[1].hours
    assert all(line.model_error == pytest.approx(0.2) for line in lines)
    text = page(rows, lines)
    assert "| 2 workers of one thread | 0.20 | 0.10 |" in text and "1,333.3 h | 133.3 h" in text
    old = "a\n<!-- forecast -->\nold\n<!-- end -->\nb\n"
    assert MARKS.sub(lambda m: m[1] + "new\n" + m[2], old) == old.replace("old", "new")

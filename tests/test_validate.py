import math

import numpy as np
import pytest
import torch
from PIL import Image

from hfx.errors import HfxError
from hfx.validate import pictures_in, sample_grid, validate, whole
from tests.synthetic import CPU, folder, picture, run_of


@pytest.fixture(scope="module")
def run():
    return run_of()


def test_whole_cuts_to_multiples_of_64():
    p = picture(0, 130, 200)
    x = whole(p, CPU)
    assert x.shape == (1, 3, 128, 192)
    assert np.array_equal((x[0] * 255).round().byte().permute(1, 2, 0).numpy(), p[:128, :192])


def test_it_measures_what_it_says(run, tmp_path):
    source = folder(tmp_path, count=1, held=1)
    expected = []
    with torch.inference_mode():
        for p in pictures_in(source, 64):
            x = whole(p, CPU)
            out = run.average(x, torch.ones(1))
            eight_bit = (out.x_hat.clamp(0, 1) * 255).round()
            mse = float((eight_bit - x * 255).square().mean())
            expected.append((float(out.bits) / x[0, 0].numel(), 10 * math.log10(255**2 / mse)))
    rows = validate(run.average, source, None)
    assert [row[0] for row in rows] == ["low", "medium", "high"]
    assert rows[1][1:3] == pytest.approx(np.mean(expected, axis=0), rel=1e-4)
    assert all(math.isnan(row[3]) for row in rows)


def test_tiers_are_in_order(run, tmp_path):
    rows = validate(run.average, folder(tmp_path, count=2), None)
    assert rows[0][1] < rows[1][1] < rows[2][1]
    assert rows[0][2] < rows[1][2] < rows[2][2]


def test_held_out_pictures_count_too(tmp_path):
    assert len(pictures_in(folder(tmp_path, count=2, held=1), 64)) == 3
    assert len(pictures_in(folder(tmp_path / "held", count=0, held=2), 64)) == 2


def test_nothing_to_measure_is_said(run, tmp_path):
    with pytest.raises(HfxError, match="no picture"):
        validate(run.average, tmp_path, None)
    with pytest.raises(HfxError, match="does not exist"):
        validate(run.average, tmp_path / "nowhere", None)


def test_a_sample_grid_shows_originals_beside_each_tier(run, tmp_path):
    source = folder(tmp_path / "p", count=2, height=300, width=271)
    sample_grid(run.average, source, tmp_path / "new" / "grid.png")
    grid = np.asarray(Image.open(tmp_path / "new" / "grid.png"))
    assert grid.shape == (2 * 256, 4 * 256, 3)
    first = pictures_in(source, 64)[0]
    assert np.array_equal(grid[:256, :256], first[22:278, 7:263])


def test_pictures_too_small_for_a_grid_are_said(run, tmp_path):
    with pytest.raises(HfxError, match="256"):
        sample_grid(run.average, folder(tmp_path / "p", count=1), tmp_path / "grid.png")

import copy
import math

import numpy as np
import pytest
import torch
from PIL import Image

from hfx.errors import HfxError
from hfx.validate import (
    aliveness,
    grids,
    pictures_in,
    sample_grid,
    validate,
    whole,
    wholes,
)
from tests.synthetic import CPU, folder, loud, picture, run_of


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
    rows = validate(run.average, wholes(source, CPU), None)
    assert [row[0] for row in rows] == ["low", "medium", "high"]
    assert rows[1][1:3] == pytest.approx(np.mean(expected, axis=0), rel=1e-4)
    assert all(math.isnan(row[3]) for row in rows)


def test_tiers_are_in_order(run, tmp_path):
    rows = validate(run.average, wholes(folder(tmp_path, count=2), CPU), None)
    assert rows[0][1] < rows[1][1] < rows[2][1]
    assert rows[0][2] < rows[1][2] < rows[2][2]


def test_held_out_pictures_count_too(tmp_path):
    assert len(pictures_in(folder(tmp_path, count=2, held=1), 64)) == 3
    assert len(pictures_in(folder(tmp_path / "held", count=0, held=2), 64)) == 2


def test_nothing_to_measure_is_said(run, tmp_path):
    with pytest.raises(HfxError, match="no picture"):
        wholes(tmp_path, CPU)
    with pytest.raises(HfxError, match="does not exist"):
        wholes(tmp_path / "nowhere", CPU)


def test_silent_blocks_are_dead_and_loud_ones_alive(run):
    x = [whole(picture(3), CPU)]
    model = copy.deepcopy(run.average)
    quiet = aliveness(model, x)
    assert 0 < quiet.e < 0.1 and 0 < quiet.g < 0.1  # as they start
    for network in (model.encoder, model.generator):
        loud(network)
    alive = aliveness(model, x)
    assert alive.e > 0.15 and alive.g > 5 * quiet.g
    deviation = float(model(x[0], torch.zeros(1)).x_hat.std())
    assert alive.grey == pytest.approx(alive.g * 255 * deviation)
    for network in (model.encoder, model.generator):
        for name, p in network.named_parameters():
            if ".last." in name:
                p.zero_()
    assert aliveness(model, x) == (0, 0, 0)


def test_measuring_leaves_the_model_as_it_was(run):
    before = [p.clone() for p in run.average.parameters()]
    aliveness(run.average, [whole(picture(3), CPU)])
    assert all(torch.equal(a, b) for a, b in zip(before, run.average.parameters(), strict=True))


def test_grids_see_dots_at_their_period():
    x = [whole(picture(seed, 256, 256), CPU) for seed in range(3)]
    clean = grids(x)
    assert all(share < 0.1 for share in clean)
    dotted = []
    for one in x:
        other = one.clone()
        other[..., 3::8, 5::8] += 0.1
        dotted.append(other)
    four, eight, sixteen = grids(dotted)
    assert eight > 3 * clean[1] and sixteen > 2 * clean[2]
    assert four < eight  # spread over more dots, each fainter


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

"""The scale table: log-spaced, invertible, and no index is ever stuck outside."""

import numpy as np
import torch

from hfx.entropy.scales import (
    SCALE_MAX,
    SCALE_MIN,
    SCALES,
    index_of_sigma,
    scale_table,
    sigma_of_index,
)


def test_table_runs_from_min_to_max_in_equal_ratios():
    table = scale_table()
    assert table.shape == (SCALES,) == (64,)
    np.testing.assert_allclose(table[[0, -1]], [SCALE_MIN, SCALE_MAX], rtol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(table)), np.log(256 / 0.11) / 63, rtol=1e-10)


def test_training_and_coding_share_the_table():
    t = torch.arange(SCALES, dtype=torch.float64)
    np.testing.assert_allclose(sigma_of_index(t).numpy(), scale_table(), rtol=1e-12)


def test_index_inverts_sigma():
    t = torch.linspace(0, 63, 200, dtype=torch.float64)
    torch.testing.assert_close(index_of_sigma(sigma_of_index(t)), t)


def test_outside_is_clamped():
    t = torch.tensor([-5.0, 70.0])
    torch.testing.assert_close(sigma_of_index(t), torch.tensor([SCALE_MIN, SCALE_MAX]))


def test_gradient_is_exact_inside():
    t = torch.rand(20, dtype=torch.float64).mul_(63).requires_grad_()
    assert torch.autograd.gradcheck(sigma_of_index, t)


def test_gradient_outside_passes_only_inwards():
    for sign, expected in ((1.0, [False, True]), (-1.0, [True, False])):
        t = torch.tensor([-1.0, 64.0], requires_grad=True)
        (sign * sigma_of_index(t)).sum().backward()  # sign +1: descent lowers t
        assert t.grad is not None
        assert (t.grad != 0).tolist() == expected

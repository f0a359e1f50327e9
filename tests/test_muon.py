"""Muon: every update of a matrix has singular values near 1."""

import pytest
import torch

from hfx.muon import COEFFICIENTS, Muon, orthogonal


def newton_schulz(matrix, rounds=5):
    """The iteration as it is published, in float64, on the matrix itself."""
    a, b, c = COEFFICIENTS
    x = matrix.double()
    x = x / x.norm()
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (32, 32)])
def test_it_is_the_published_iteration(shape):
    matrices = torch.randn(3, *shape)
    for ours, m in zip(orthogonal(matrices), matrices, strict=True):
        expected = newton_schulz(m) if shape[0] <= shape[1] else newton_schulz(m.mT).mT
        torch.testing.assert_close(ours.double(), expected, rtol=0, atol=1e-4)


def test_directions_stay_and_lengths_become_one():
    u, _, v = torch.linalg.svd(torch.randn(20, 90), full_matrices=False)
    lengths = torch.logspace(0, -1.5, 20)
    made = orthogonal((u * lengths @ v)[None])[0]
    found = (u.T @ made @ v.T).diagonal()
    assert 0.6 < found.min() and found.max() < 1.25
    rest = made - u * found @ v
    assert rest.abs().max() < 1e-4


@pytest.mark.parametrize("weight", [torch.zeros(4, 4, 3, 3), 1e-30 * torch.ones(4, 4, 3, 3)])
def test_a_gradient_of_nothing_moves_nothing_far(weight):
    assert torch.isfinite(orthogonal(weight.flatten(1)[None])).all()


def test_an_update_is_as_large_as_adam_s():
    p = torch.nn.Parameter(torch.zeros(64, 64, 3, 3))
    optimizer = Muon([p], lr=0.01)
    p.grad = torch.randn_like(p)
    optimizer.step()
    # of 64 rows all turn by one: 0.2 sqrt(576) sqrt(64 / (64 x 576)) = 0.2 a weight
    assert float(p.detach().square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.3)


def test_momentum_looks_ahead():
    p = torch.nn.Parameter(torch.zeros(2, 8))
    optimizer, first, second = Muon([p], lr=1.0, beta=0.5), torch.randn(2, 8), torch.randn(2, 8)
    p.grad = first.clone()
    optimizer.step()
    before = p.detach().clone()
    p.grad = second.clone()
    optimizer.step()
    momentum = 0.5 * first + second
    move = 0.2 * 8**0.5 * orthogonal((second + 0.5 * momentum)[None])[0]
    torch.testing.assert_close(p.detach(), before - move)


def test_weights_of_one_shape_do_not_mix():
    weights = [torch.nn.Parameter(torch.zeros(4, 4, 3, 3)) for _ in range(3)]
    gradients = [torch.randn(4, 4, 3, 3) for _ in weights]
    for p, g in zip(weights, gradients, strict=True):
        p.grad = g.clone()
    Muon(weights, lr=0.1).step()
    for p, g in zip(weights, gradients, strict=True):
        alone = torch.nn.Parameter(torch.zeros(4, 4, 3, 3))
        alone.grad = g.clone()
        Muon([alone], lr=0.1).step()
        torch.testing.assert_close(p, alone)


def test_memory_layout_does_not_matter():
    gradient = torch.randn(8, 8, 3, 3)
    made = []
    for layout in (torch.contiguous_format, torch.channels_last):
        p = torch.nn.Parameter(torch.zeros(8, 8, 3, 3).to(memory_format=layout))
        p.grad = gradient.to(memory_format=layout)
        Muon([p], lr=0.1).step()
        made.append(p.detach())
    torch.testing.assert_close(*made)


def test_it_fits_a_matrix_that_adam_s_rate_would_fit():
    target, x = torch.randn(16, 16), torch.randn(256, 16)
    p = torch.nn.Parameter(torch.zeros(16, 16))
    optimizer, losses = Muon([p], lr=0.05), []
    for _ in range(200):
        loss = (x @ (p - target).T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from hfx.config import PAPER, TINY
from hfx.networks import Discriminator


@pytest.fixture
def judge():
    return Discriminator(TINY)


def convolutions(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def test_every_convolution_carries_spectral_norm(judge):
    assert len(convolutions(judge)) == len(TINY.discriminator) + 2
    assert all(parametrize.is_parametrized(m, "weight") for m in convolutions(judge))


def test_spectral_norm_holds_sigma_at_one(judge):
    with torch.no_grad():
        for conv in convolutions(judge):
            conv.parametrizations.weight.original.mul_(7)
        for _ in range(60):  # each forward in training is one power iteration
            judge(torch.rand(1, 3, 32, 32), torch.randn(1, TINY.latent, 2, 2))
        for conv in convolutions(judge):
            sigma = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
            assert 0.9 < sigma <= 1.02


def test_widths_and_stride_are_hific_s():
    assert PAPER.discriminator == (64, 128, 256, 512)
    assert PAPER.condition == 12
    judge = Discriminator(PAPER)
    assert [c.out_channels for c in convolutions(judge)] == [12, 64, 128, 256, 512, 1]
    assert [c.stride[0] for c in convolutions(judge.stack)] == [2, 2, 2, 1, 1]
    assert {m.negative_slope for m in judge.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


def seen(judge, x, y_hat):
    """What the convolutions of D are shown."""
    inputs = []
    hook = judge.stack.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    judge(x, y_hat)
    hook.remove()
    return inputs[0]


def test_each_latent_stands_over_its_own_sixteen_by_sixteen_pixels(judge):
    judge.eval()
    x, y_hat = torch.rand(1, 3, 48, 64), torch.randn(1, TINY.latent, 3, 4)
    s = judge.condition(y_hat)
    shown = seen(judge, x, y_hat)
    torch.testing.assert_close(shown[:, :3], x * 2 - 1)
    for row in range(3):
        for column in range(4):
            cell = shown[0, 3:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            assert torch.equal(cell, s[0, :, row, column, None, None].expand_as(cell))


def test_a_pair_is_judged_alone_or_in_a_batch_alike(judge):
    judge.eval()
    x, y_hat = torch.rand(3, 3, 32, 32), torch.randn(3, TINY.latent, 2, 2)
    together = judge(torch.cat([x, 1 - x]), torch.cat([y_hat, y_hat]))
    apart = [judge(v[n : n + 1], y_hat[n : n + 1]) for v in (x, 1 - x) for n in range(3)]
    torch.testing.assert_close(together, torch.cat(apart))


def test_the_judgement_depends_on_the_latents(judge):
    judge.eval()
    x, y_hat = torch.rand(1, 3, 32, 32), torch.randn(1, TINY.latent, 2, 2)
    assert not torch.equal(judge(x, y_hat), judge(x, -y_hat))


def test_without_its_condition_it_judges_pictures_alone():
    judge = Discriminator(replace(TINY, conditional=False)).eval()
    x, y_hat = torch.rand(1, 3, 32, 32), torch.randn(1, TINY.latent, 2, 2)
    assert torch.equal(judge(x, y_hat), judge(x, -y_hat))
    assert seen(judge, x, y_hat).shape == x.shape
    assert not [n for n, _ in judge.named_parameters() if n.startswith("condition")]


def test_without_spectral_norm_convolutions_are_plain():
    judge = Discriminator(replace(TINY, spectral=False))
    assert len(convolutions(judge)) == len(TINY.discriminator) + 2
    assert not any(parametrize.is_parametrized(m) for m in judge.modules())


def test_a_second_scale_sees_half_the_picture_and_weighs_as_much():
    judge = Discriminator(replace(TINY, scales=2)).eval()
    x, y_hat = torch.rand(2, 3, 64, 64), torch.randn(2, TINY.latent, 4, 4)
    shown = []
    judge.coarse.register_forward_pre_hook(lambda module, args: shown.append(args[0]))
    logits = judge(x, y_hat)
    assert [t.shape[2:] for t in shown] == [(32, 32)]
    torch.testing.assert_close(shown[0][:, :3], torch.nn.functional.avg_pool2d(x, 2) * 2 - 1)
    assert logits.shape[:2] == (2, 2)
    widths = [[c.out_channels for c in convolutions(d)] for d in (judge.stack, judge.coarse)]
    assert widths[0] == widths[1]
    plain = Discriminator(replace(TINY, scales=2, spectral=False))
    with torch.no_grad():  # each scale has one opinion, and their mean is the mean of two
        for stack, opinion in ((plain.stack, 1.0), (plain.coarse, 5.0)):
            convolutions(stack)[-1].weight.zero_()
            convolutions(stack)[-1].bias.fill_(opinion)
    torch.testing.assert_close(plain(x, y_hat).mean(), torch.tensor(3.0))


def test_two_scales_judge_pairs_apart_from_each_other():
    judge = Discriminator(replace(TINY, scales=2)).eval()
    x, y_hat = torch.rand(2, 3, 64, 64), torch.randn(2, TINY.latent, 4, 4)
    real, fake = judge(torch.cat([x, 1 - x]), torch.cat([y_hat, y_hat])).chunk(2)
    torch.testing.assert_close(real, judge(x, y_hat))
    torch.testing.assert_close(fake, judge(1 - x, y_hat))


def test_autocast_keeps_the_power_iteration_in_float32(judge):
    with torch.autocast("cpu", torch.bfloat16):
        judge(torch.rand(1, 3, 32, 32), torch.randn(1, TINY.latent, 2, 2))
    assert {b.dtype for b in judge.buffers()} == {torch.float32}

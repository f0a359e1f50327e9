import pytest

from hfx.config import Losses, Training
from hfx.train_options import LOSSES, SETTINGS, bf16_pays, parser, settings_of

NEEDED = ["--data", "d", "--out", "o"]


def settings(*arguments, base=None):
    given = vars(parser().parse_args([*NEEDED, "--precision", "fp32", *arguments]))
    return settings_of(given, base)


def test_what_is_not_given_is_the_default():
    assert settings() == Training(bf16=False)


def test_every_setting_has_an_option():
    line = (
        "--preset tiny --tier low --stage 2 --joint --steps 7 --batch 2 --crop 64 --lr 0.5 "
        "--lr-d 0.25 --warmup 3 --decay 4 --clip 2 --ema 0.5 --seed 9 --k-M 0.1 --k-P 0 "
        "--k-S 0.3 --alpha 0.2 --rate-memory 0 --zeta-a 3 --zeta-b 1 --rate-targets 0.2"
    )
    losses = Losses(
        0.1, 0.0, 0.3, 0.2, zeta_a=(3.0,), zeta_b=(1.0,), rate_targets=(0.2,), rate_memory=0
    )
    assert settings(*line.split()) == Training(
        "tiny", 2, True, "low", 7, 2, 64, 0.5, 0.25, 3, 4, 2.0, 0.5, 9, False, losses
    )


def test_a_resumed_run_keeps_what_is_not_given():
    base = Training(preset="tiny", batch=3, lr=0.1, bf16=True, losses=Losses(k_P=0.5))
    given = vars(parser().parse_args([*NEEDED, "--resume", "--steps", "50", "--alpha", "1"]))
    resumed = settings_of(given, base)
    assert (resumed.preset, resumed.batch, resumed.lr, resumed.bf16) == ("tiny", 3, 0.1, True)
    assert (resumed.steps, resumed.losses) == (50, Losses(k_P=0.5, alpha=1.0))


def test_the_help_shows_every_default():
    text = " ".join(parser().format_help().split())
    for name in (*SETTINGS, *LOSSES):
        assert f"--{name.replace('_', '-')}" in text
    assert "(0.14 0.3 0.45)" in text and "(10000)" in text and "(0.0004)" in text


@pytest.mark.parametrize("wrong", [["--steps", "many"], ["--preset", "huge"], ["--stage", "3"]])
def test_nonsense_ends_with_code_2(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([*NEEDED, *wrong])
    assert caught.value.code == 2


def test_precision_auto_measures():
    assert bf16_pays() in (True, False)

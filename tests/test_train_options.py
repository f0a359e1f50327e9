import pytest

from hfx.config import Losses, Training
from hfx.errors import HfxError
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
        "--k-S 0.3 --k-G 0.6 --alpha 0.2 --rate-memory 0 --zeta-a 3 --zeta-b 1 --rate-targets 0.2 "
        "--perceptual alex --scratch --change norm=none"
    )
    losses = Losses(
        0.1, 0.0, 0.3, 0.6, 0.2, zeta_a=(3.0,), zeta_b=(1.0,), rate_targets=(0.2,), rate_memory=0
    )
    assert settings(*line.split()) == Training(
        "tiny", 2, True, "low", 7, 2, 64, 0.5, 0.25, 3, 4, 2.0, 0.5, 9, False, "alex", losses,
        warm=False, changes={"norm": "none"},
    )  # fmt: skip


def test_changes_are_read_as_their_fields_types():
    line = "norm=instance generator_blocks=0,0,2 spectral=False linear_path=false deblock=false"
    given = [word for change in line.split() for word in ("--change", change)]
    assert settings("--preset", "tiny", *given).changes == {
        "norm": "instance",
        "generator_blocks": (0, 0, 2),
        "spectral": False,
        "linear_path": False,
        "deblock": False,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("depth=3", "fields are .*generator_blocks"),
        ("tiers=low", "fields are"),
        ("norm", "norm must be one of"),
        ("norm=layer", "norm must be one of channel, instance"),
        ("scales=two", "scales takes a value like 1, not 'two'"),
        ("spectral=maybe", "spectral takes a value like true, not 'maybe'"),
        ("widths=16,big", "widths takes a value like 96,160,256, not '16,big'"),
        ("widths=16,24", "unshuffle"),
    ],
)
def test_a_change_that_is_none_is_refused(change, said):
    with pytest.raises(HfxError, match=said):
        settings("--change", change)


def test_a_resumed_run_keeps_its_changes():
    base = Training(preset="tiny", changes={"norm": "batch"})
    assert settings("--resume", base=base).changes == {"norm": "batch"}
    more = settings("--resume", "--change", "hyper=16", base=base)
    assert more.changes == {"norm": "batch", "hyper": 16}


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

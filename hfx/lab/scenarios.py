"""Runs of the laboratory that teach something, and what to look at in each."""

from dataclasses import dataclass, replace

from hfx.lab.settings import NAMES, Settings, differing, playable, shown


@dataclass(frozen=True)
class Scenario:
    """Settings that teach something.

    Attributes:
        name: In a few words.
        settings: What to set.
        watch: What to look at.
    """

    name: str
    settings: Settings
    watch: str


PLAIN = Scenario(
    "a plain run",
    Settings(),
    "The loss falls, the blocks melt away, and the rate climbs to r_t, where ζ′ begins to switch.",
)
SCENARIOS = (
    PLAIN,
    Scenario(
        "r_t too low",
        Settings(r_t=0.1, zeta_a=16.0),
        "ζ(a) presses the rate down to r_t, and fine detail goes with it: PSNR ends lower than it "
        "began.",
    ),
    Scenario(
        "ζ(a) = ζ(b)",
        Settings(zeta_a=0.1),
        "Nothing holds the rate at r_t any more: it goes past it, to where these weights balance.",
    ),
    Scenario(
        "k_P = 0",
        Settings(k_P=0.0),
        "Without LPIPS the MSE alone decides: compare PSNR and the texture of hair with a plain "
        "run.",
    ),
    Scenario(
        "InstanceNorm",
        Settings(norm="instance"),
        "Compare it with a plain run: after 400 steps there is hardly a difference to "
        "ChannelNorm. Give both more steps, or another width.",
    ),
    Scenario(
        "learning rate too high",
        Settings(lr=0.3),
        "The gradients' norm shoots up, the picture turns grey, and the run says that it "
        "diverged. At 0.05 it finds back, slowly.",
    ),
    Scenario(
        "stage 2: G against D",
        Settings(stage=2, alpha=1.5),
        "After some hundred steps D's two scores part: D tells photographs apart, and G's "
        "gradient grows with what D says. PSNR pays for it.",
    ),
    Scenario(
        "stage 2, α too large",
        Settings(stage=2, alpha=50.0),
        "G listens to D alone: gradients in the hundreds, scores that swing, and a picture that "
        "loses decibels and finds them again.",
    ),
)


def named(name: str) -> Scenario:
    """Return a scenario by its name, the plain one where there is none such."""
    return next((one for one in SCENARIOS if one.name == name), PLAIN)


def title_of(settings: Settings) -> str:
    """Say what is particular about settings: a scenario's name, or what no plain run has."""
    for scenario in SCENARIOS:
        if replace(settings, seed=0) == playable(scenario.settings):
            return f"{scenario.name}, seed {settings.seed}" if settings.seed else scenario.name
    plain = playable(replace(PLAIN.settings, stage=settings.stage))
    told = [f"{NAMES[n]} {shown(getattr(settings, n))}" for n in differing([settings, plain])]
    return ", ".join([f"stage {settings.stage}", *told] if settings.stage == 2 else told)

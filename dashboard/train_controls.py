"""The controls of the page "Train lab": what a new run is told."""

from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from dashboard.train_room import KEYS
from hfx.errors import HfxError
from hfx.lab import scenarios
from hfx.lab.folder import DONE, LabRun
from hfx.lab.settings import CROPS, FIRST, WIDTHS, Settings, shown, without_lpips

SHORT = ""  # a stage 2 that begins with a stage 1 of its own
STAGES = {1: "E, G and the hyperprior learn: Eq. 5.", 2: "G learns against D: Eq. 6."}
NORMS = {
    "channel": "ChannelNorm",
    "instance": "InstanceNorm",
    "batch": "BatchNorm",
    "none": "none",
}
RATES = (0.05, 0.1, 0.14, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.8, 1.0, 1.5)
ZETAS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
K_MS = (0.0, 0.0003, 0.0006, 0.0012, 0.0023, 0.0046, 0.01, 0.02)
K_PS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
ALPHAS = (0.0, 0.05, 0.15, 0.5, 1.5, 5.0, 15.0, 50.0)
LRS = (0.0003, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02, 0.05, 0.1, 0.3)
STEPS = (50, 100, 200, 400, 800, 1500, 3000, 5000)
PLAIN = scenarios.PLAIN.settings


def choose_scenario() -> None:
    """Let the visitor fill the controls with what is worth trying."""
    name = st.selectbox(
        "Try this",
        [one.name for one in scenarios.SCENARIOS],
        key="try",
        bind="query-params",
        on_change=lambda: fill(scenarios.named(st.session_state["try"]).settings),
        help="Fills the controls below; change whatever you like before you press Start.",
    )
    st.caption(f":material/visibility: {scenarios.named(name).watch}")


def fill(settings: Settings) -> None:
    """Set the controls."""
    offered = {
        "r_t": RATES, "zeta_a": ZETAS, "zeta_b": ZETAS, "k_M": K_MS, "k_P": K_PS,
        "alpha": ALPHAS, "lr": LRS, "steps": STEPS,
    }  # fmt: skip
    for name, value in settings.to_dict().items():
        if name in offered:  # whoever wrote the settings may know others
            value = offered[name][int(np.abs(np.subtract(offered[name], value)).argmin())]
        st.session_state[KEYS[name]] = value


def link_of(address: str, settings: Settings) -> str:
    """Return the address that opens the page with these settings, in the words of its controls."""
    values = {KEYS[name]: shown(value) for name, value in settings.to_dict().items()}
    values["norm"] = NORMS[settings.norm]
    return f"{address.partition('?')[0]}?{urlencode(values)}"


def choose(runs: list[LabRun]) -> tuple[Settings, str | None]:
    """Return what a new run is told, and the run that a stage 2 starts from.

    Raises:
        HfxError: the settings contradict each other.
    """
    stage = st.segmented_control(
        "Stage", list(STAGES), default=1, required=True, key=KEYS["stage"], bind="query-params",
        width="stretch",
        help="Stage 1 minimises ζ′ r + k_M MSE + k_P LPIPS (Eq. 5). Stage 2 keeps the files as "
        "they are and adds −α log D(x′, y) to G's loss (Eq. 6).",
    )  # fmt: skip
    st.caption(STAGES[stage])
    start = choose_start(runs) if stage == 2 else None
    r_t = slider("r_t", "Target rate r_t", RATES, "Bits per pixel that the rate is held at.")
    with st.container(horizontal=True):
        zeta_a = slider("zeta_a", "ζ(a)", ZETAS, "ζ′, the weight of the rate, while that is above "
                        "r_t. In the paper far larger than ζ(b).")  # fmt: skip
        zeta_b = slider("zeta_b", "ζ(b)", ZETAS, "ζ′ while the rate is not above r_t.")
    missing = without_lpips()
    with st.container(horizontal=True):
        k_M = slider("k_M", "k_M", K_MS, "Weight of the MSE, on the 0 to 255 scale.")
        k_P = slider("k_P", "k_P", K_PS, "Weight of LPIPS with AlexNet's features.",
                     disabled=missing is not None)  # fmt: skip
    if missing is not None:
        st.caption(f":material/info: {missing}.")
    alpha = slider("alpha", "α", ALPHAS, "Weight of −log D(x′, y) in G's loss. In stage 1 there "
                   "is no D.", disabled=stage == 1)  # fmt: skip
    lr = slider("lr", "Learning rate", LRS, "Of Adam, for all networks. It rises over the first "
                "20 steps and falls to zero over the last quarter.")  # fmt: skip
    steps = slider("steps", "Steps", STEPS, "Length of the run.")
    with st.expander("Networks and crops"):
        norm = st.selectbox(
            "Normalisation", list(NORMS), key="norm", bind="query-params",
            format_func=NORMS.__getitem__, disabled=start is not None,
            help="What follows E's and G's convolutions. ChannelNorm is the paper's.",
        )  # fmt: skip
        width = st.segmented_control(
            "Width", WIDTHS, default=PLAIN.width, required=True, key="width", bind="query-params",
            width="stretch", disabled=start is not None,
            help="Channels of E's and G's finest stage; the others grow in proportion.",
        )  # fmt: skip
        crop = st.segmented_control(
            "Crop", CROPS, default=PLAIN.crop, required=True, key="crop", bind="query-params",
            width="stretch", help="Side of the crops to train on, in pixels. Larger: slower.",
        )  # fmt: skip
        batch = st.slider(
            "Batch", 1, 16, PLAIN.batch, key="batch", bind="query-params", help="Crops a step.",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 9999, PLAIN.seed, key="seed", bind="query-params",
            help="Of crops, noise and first weights: the same seed gives the same run.",
        )  # fmt: skip
    if start is not None:  # its weights fit no other networks
        first = next(run.settings for run in runs if run.id == start)
        norm, width = first.norm, first.width
        st.caption(f":material/info: {NORMS[norm]} and width {width}, as run {int(start)} has.")
    settings = Settings(
        stage=int(stage), r_t=r_t, zeta_a=zeta_a, zeta_b=zeta_b, k_M=k_M,
        k_P=k_P if missing is None else 0.0, alpha=alpha, norm=norm, width=int(width), lr=lr,
        crop=int(crop), batch=int(batch), steps=int(steps), seed=int(seed),
    )  # fmt: skip
    unused = replace(settings, alpha=PLAIN.alpha)  # so that equal runs have equal settings
    return (settings if stage == 2 else unused), start


def choose_start(runs: list[LabRun]) -> str | None:
    """Return the finished run of stage 1 that a stage 2 starts from; None: it does its own."""
    done = [run for run in runs if run.settings.stage == 1 and run.state.name == DONE]
    names = {SHORT: f"a short stage 1 first ({FIRST} steps)"} | {run.id: run.name for run in done}
    if st.session_state.get("from_run") not in names:  # deleted meanwhile
        st.session_state.pop("from_run", None)
    chosen = st.selectbox(
        "Start from", list(names), key="from_run", format_func=names.__getitem__,
        help="Stage 2 begins with the weights of a finished run of stage 1.",
    )  # fmt: skip
    return None if chosen == SHORT else chosen


def slider(
    name: str, label: str, options: tuple[float, ...], help_text: str, disabled: bool = False
) -> float:
    """Return one of a few values that lie octaves apart."""
    return st.select_slider(
        label, options, getattr(PLAIN, name), key=name, bind="query-params",
        format_func="{:g}".format, disabled=disabled, help=help_text,
    )  # fmt: skip


def chosen_or_why_not(runs: list[LabRun]) -> tuple[Settings | None, str | None, str]:
    """Return what `choose` returns, and what is wrong with it."""
    try:
        settings, start = choose(runs)
    except HfxError as error:
        return None, None, str(error)
    return settings, start, ""

"""A run of the page "Train lab" as it goes: how it is, its buttons, its curves, its pictures."""

import streamlit as st

from dashboard import train_charts, train_room
from dashboard.steady import steady_chart
from dashboard.train_charts import Curve
from dashboard.train_room import PROBLEM, keeper
from hfx.errors import HfxError
from hfx.lab.folder import DONE, FAILED, PAUSED, RUNNING, STARTING, WAITING, LabRun, State
from hfx.lab.keeper import RUN, STEP
from hfx.step import DISCRIMINATOR, GENERATOR

EVERY = 1.0  # seconds between two looks at a run
SIDE = 192  # pixels of a picture in the strip, one of the screen's for each


def show(run: LabRun, beside: list[LabRun]) -> None:
    """Show a run, every second anew while it goes on, under others' curves."""
    live = changing(run)
    st.fragment(watch, run_every=EVERY if live else None)(run, beside, live)


def changing(run: LabRun) -> bool:
    """Say whether a run will be another in a moment."""
    return run.state.active or keeper().pending(run)


def watch(run: LabRun, beside: list[LabRun], live: bool) -> None:
    """Show how a run is and all that it left."""
    if changing(run) != live:
        st.rerun(scope="app")  # to look every second from now on, or no more
    state = run.state
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        show_state(run, state)
    with right:
        transport(run, state)
    curves = [train_room.curve_of(one) for one in (run, *beside)]
    show_strip(run, curves[0])
    if len(curves[0].log.get("step", ())) > 1:
        show_charts(curves)


def show_state(run: LabRun, state: State) -> None:
    """Say how a run is."""
    done, all_of_them = state.step, run.settings.steps
    words = {
        WAITING: waits_for(run),
        STARTING: "Starting: reads the photographs and makes the networks",
        RUNNING: f"Training: step {done:,} of {all_of_them:,}",
        PAUSED: f"Paused at step {done:,} of {all_of_them:,}",
        DONE: f"Done: {done:,} steps",
        FAILED: f"Ended at step {done:,}",
    }[state.name]
    if state.seconds:
        words += f", {state.seconds:.0f} s"
    st.progress(min(1.0, done / all_of_them), words)
    if state.reason and state.name == FAILED:
        st.error(f"{state.reason}.", icon=":material/error:")
    elif state.reason:
        st.caption(f":material/info: {state.reason}.")


def waits_for(run: LabRun) -> str:
    """Say what a run waits for."""
    busy, before = keeper().training, keeper().place(run)
    if busy is not None and busy.id == run.start:
        done = f"step {busy.state.step:,} of {busy.settings.steps:,}"
        return f"Waits for its stage 1, run {int(busy.id)}: {done}"
    return f"Waits: {before} more before it" if before else "Waits: it is next"


def transport(run: LabRun, state: State) -> None:
    """Offer to pause, to resume, and to step."""
    over = state.name in (DONE, FAILED)
    going = state.active
    with st.container(horizontal=True):
        if going:
            st.button(
                "Pause", icon=":material/pause:", key="pause", on_click=press, args=(run, None),
                help="After this step; a checkpoint is kept.",
            )  # fmt: skip
        else:
            st.button(
                "Resume", icon=":material/play_arrow:", key="resume", disabled=over,
                on_click=press, args=(run, RUN), help="Go on to the very step it would have done.",
            )  # fmt: skip
        still = going or over
        if run.settings.stage == 1:
            st.button(
                "Step", icon=":material/skip_next:", key="step", disabled=still, on_click=press,
                args=(run, STEP), help="One step of E, G and the hyperprior, while paused.",
            )  # fmt: skip
        for label, word, learner in (
            ("D step", DISCRIMINATOR, "D learns to tell; G is only measured."),
            ("G step", GENERATOR, "G learns to fool; D is only measured."),
        ):
            if run.settings.stage == 2:
                st.button(
                    label, icon=":material/skip_next:", key=f"step_{word}", disabled=still,
                    on_click=press, args=(run, word), help=f"{learner} While paused.",
                )  # fmt: skip


def press(run: LabRun, word: str | None) -> None:
    """Tell a run what to do; None: to pause."""
    try:
        if word is None:
            keeper().pause(run)
        else:
            keeper().ask(run, word)
    except HfxError as error:
        st.session_state[PROBLEM] = str(error)


def show_charts(curves: list[Curve]) -> None:
    """Draw the curves of a run, or of several."""
    one, charts = curves[0], train_charts
    shown = [
        ("Loss", charts.loss, "loss"),
        ("Rate against r_t, and ζ′", charts.rate, charts.BPP),
        ("PSNR of the face", charts.quality, "psnr"),
        ("Norms of the gradients", charts.norms, "grad_norm"),
    ]
    if any(curve.settings.stage == 2 for curve in curves):
        shown.insert(2, ("D's scores: positive means “photograph”", charts.scores, "d_fake"))
    for pair in range(0, len(shown), 2):
        for place, (title, draw, column) in zip(
            st.columns(2), shown[pair : pair + 2], strict=False
        ):
            with place:
                st.markdown(f"**{title}**")
                steady_chart(draw(curves), draw.__name__, charts.in_words(title, one, column))


def show_strip(run: LabRun, curve: Curve) -> None:
    """Show a photograph and what the run made of it, then and now."""
    chosen = train_room.strip_of(run.shots())
    if not chosen:
        return
    try:
        pictures = [run.shot(None), *map(run.shot, chosen)]
    except HfxError as error:
        st.caption(str(error))
        return
    captions = ["original", *(caption_of(step, curve) for step in chosen)]
    captions[-1] = f"now, {captions[-1]}"
    with st.container(horizontal=True, gap="xsmall", key="strip"):
        for png, caption in zip(pictures, captions, strict=True):
            st.html(train_room.figure(png, caption, "A woman's face"), width=SIDE)


def caption_of(step: int, curve: Curve) -> str:
    """Say what a picture took and how near it came."""
    shots = curve.measures
    at = list(shots.get("step", ())).index(step) if step in shots.get("step", ()) else None
    measured = "" if at is None else f": {shots['bpp'][at]:.2f} bpp, {shots['psnr'][at]:.1f} dB"
    return f"step {step:,}{measured}"

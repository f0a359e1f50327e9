"""The page Compress: a photo in, a small file out, and the picture that comes back from it."""

from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import hfx
from dashboard import controls, panes, resources, text, work
from dashboard.components import Pane, swipe
from dashboard.desk import Desk
from dashboard.easel import Easel, Make
from dashboard.panes import MEASURES, ORIGINAL, OURS, SIDES, Choice, Frame
from dashboard.work import Original, Result

LAST = "last_frames"  # session state: what was shown last, and of which picture
REFUSED = "refused"  # session state: a wish that cannot be met, and why
Measured = list[dict[str, float | None]]  # of each pane, by the measure's name


class Stage(NamedTuple):
    """Where things stand, from top to bottom: the pictures first, whatever is known first."""

    pictures: DeltaGenerator
    busy: DeltaGenerator
    numbers: DeltaGenerator
    notes: DeltaGenerator
    downloads: DeltaGenerator


def main() -> None:
    """Lay out the page."""
    st.title("Compress", anchor=False)
    st.markdown("A photo in, a small file out, and the picture that comes back from it.")
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    left, right = st.columns([1, 3], gap="large")
    with left, st.container(key="controls"):
        with st.container(key="subject"):
            subject = controls.choose_subject()
            data = subject.read()
        with st.container(key="settings"):
            if work.is_hfx(subject.name, data):
                realism = controls.choose_realism("realism", codec)
            else:
                choices, lock = controls.choose_panes(codec)
    with right, st.container(key="stage"):
        stage = Stage(
            st.container(),
            st.container(key="busy").empty(),
            st.container(key="numbers").empty(),
            st.container(),
            st.container(key="downloads", horizontal=True),
        )
        desk = Desk(resources.shelf(), stage.busy)
        try:
            if work.is_hfx(subject.name, data):
                show_file(codec, subject.name, data, realism, stage, desk)
            else:
                show_photo(codec, subject.name, data, choices, lock, stage, desk)
        except hfx.HfxError as error:
            stage.busy.error(str(error), icon=":material/error:")
        except MemoryError:
            line = "This machine has not enough memory for it."
            stage.busy.error(line, icon=":material/error:")
    st.divider()
    st.markdown(text.HALLUCINATION)
    st.caption(text.about(codec.weights.about, codec.weights.fingerprint))


# --- a photo


def show_photo(
    codec: hfx.Codec,
    name: str,
    data: bytes,
    choices: list[Choice],
    lock: bool,
    stage: Stage,
    desk: Desk,
) -> None:
    """Show what the panes are to show of a photo, as soon as each thing is known.

    A run of the page shows what is there or quickly made, then makes the rest; the next run shows
    that. A change of any control ends a run between two pieces of work.
    """
    digest = work.digest_of(data)
    original = desk.get(digest, lambda: work.open_picture(name, data), "Reading the picture")
    easel, wanted = Easel(codec, original, desk), (digest, tuple(choices), lock)
    refused: dict[object, hfx.HfxError] = st.session_state.get(REFUSED, {})
    if wanted in refused:
        show_pictures(original, [Pane(original.png, ORIGINAL, f"{name}, the original")], stage)
        raise refused[wanted]
    found = easel.frames(choices, lock, Make.QUICK)
    show_pictures(original, panes_of(original, choices, found), stage)
    frames = [frame or Frame(choice) for frame, choice in zip(found, choices, strict=True)]
    measured: Measured = [{}, {}]
    show_numbers(original, frames, measured, stage)
    show_downloads(Path(name).stem, frames, stage)
    if not all(frame.complete for frame in frames):
        painted = all(frame.png for frame in frames if frame.choice.codec == OURS)
        try:
            easel.frames(choices, lock, Make.ALL if painted else Make.PICTURES)
        except hfx.HfxError as error:
            st.session_state[REFUSED] = {wanted: error}
        st.rerun()
    st.session_state[LAST] = (digest, frames)
    controls.remember(frames)
    show_notes(original, frames, stage)
    easel.rest()
    measure(easel, frames, measured, stage)


def measure(easel: Easel, frames: list[Frame], measured: Measured, stage: Stage) -> None:
    """Fill in the distances, one by one."""
    missing = {}
    for name in MEASURES:
        for frame, values in zip(frames, measured, strict=True):
            if frame.coded is not None:
                distance = easel.measure(name, frame)
                values[name] = distance.value
                if distance.why is not None:
                    missing[name] = distance.why
                show_numbers(easel.original, frames, measured, stage)
    for why in missing.values():
        note(why, stage)


def panes_of(original: Original, choices: list[Choice], frames: list[Frame | None]) -> list[Pane]:
    """Return the pictures to show; what was there before stands in for one that is not ready."""
    digest, last = st.session_state.get(LAST, ("", []))
    shown = []
    for i, (choice, frame) in enumerate(zip(choices, frames, strict=True)):
        label = frame.label if frame else f"{ORIGINAL}, {choice.codec} follows"
        if frame is None and digest == original.digest and last[i].choice.codec == choice.codec:
            frame = last[i]
            label = f"{frame.label}, another follows"
        png = frame.png if frame else original.png
        shown.append(Pane(png, label, f"{original.name}: {label}"))
    return shown


def show_pictures(original: Original, shown: list[Pane], stage: Stage) -> None:
    """Show one or two pictures."""
    with stage.pictures:
        size = (original.width, original.height)
        swipe(shown, size, subject=original.digest, key="compare")


def show_numbers(
    original: Original, frames: list[Frame], measured: Measured, stage: Stage
) -> None:
    """Show what each pane costs, and how far it is from the original."""
    pixels = original.width * original.height
    what = "Bytes, times and distances of both panes"
    stage.numbers.table(panes.table(frames, pixels, measured), border="horizontal", alt=what)


def show_notes(original: Original, frames: list[Frame], stage: Stage) -> None:
    """Say what a visitor might not expect."""
    for line in original.notes:
        note(line, stage)
    for frame in frames:
        name, coded = frame.choice.codec, frame.coded
        if coded is not None and frame.over:
            note(f"Not equal: {len(coded.data):,} bytes is the smallest {name} there is.", stage)
        if coded is not None and name == OURS:
            info = hfx.info(coded.data)
            note(f"Of hfx's {info['bytes']:,} bytes: {text.chunks(info)}.", stage)
            if info["chunks"]["alpha"]:
                note("Only hfx keeps the transparency here, without loss.", stage)


def note(line: str, stage: Stage) -> None:
    """Say something in passing."""
    stage.notes.caption(f":material/info: {line}")


def show_downloads(stem: str, frames: list[Frame], stage: Stage) -> None:
    """Offer each pane's file and the picture decoded from it."""
    with stage.downloads:
        for side, frame in zip(SIDES, frames, strict=True):
            choice = frame.choice
            if choice.codec != ORIGINAL:
                of = f" ({side})" if frames[0].choice.codec == frames[1].choice.codec else ""
                file, png = panes.file_name(stem, choice), panes.png_name(stem, choice)
                download(f"{file}{of}", file, frame.coded.data if frame.coded else b"", side)
                download(f"{png}{of}", png, frame.png, f"{side}_png")
        explain()


# --- an .hfx file


def show_file(
    codec: hfx.Codec, name: str, data: bytes, realism: float | None, stage: Stage, desk: Desk
) -> None:
    """Decode a `.hfx` file and say what it holds."""
    digest = work.digest_of(data)
    key = (digest, codec.weights.fingerprint, realism)
    result: Result = desk.get(key, lambda: work.decode(codec, data, realism), "Decoding")
    info = result.info
    with stage.pictures:
        pane = Pane(result.png, f"From {len(data):,} bytes", f"The picture in {name}")
        swipe([pane], (info["width"], info["height"]), subject=digest, key="decoded")
    stage.numbers.table(panes.facts(info, result.decode_seconds), border="horizontal")
    note(
        f"Format {info['version']}, written with weights `{info['model']}`, neighbour model "
        f"{info['neighbours']}. Bytes: {text.chunks(info)}.",
        stage,
    )
    with stage.downloads:
        png = f"{Path(name).stem}.png"
        download(png, png, result.png, "png")


# --- both


def download(label: str, name: str, data: bytes, key: str) -> None:
    """Offer a file; greyed out as long as it has no bytes."""
    ours = name.endswith(".hfx")
    kind = "image/png" if name.endswith(".png") else "application/octet-stream"
    st.download_button(
        label,
        data,
        name,
        kind,
        key=f"get_{key}",
        on_click="ignore",
        disabled=not data,
        type="primary" if ours else "secondary",
        icon=":material/download:",
        help="The compressed file. Upload it here, or `hfx decompress` it anywhere."
        if ours
        else "The decoded picture, without further loss."
        if kind == "image/png"
        else "The compressed file.",
    )


def explain() -> None:
    """Explain the numbers to those who ask."""
    with st.popover("What the numbers mean", icon=":material/help:", type="tertiary"):
        st.markdown(text.NUMBERS)


if __name__ == "__main__":
    main()

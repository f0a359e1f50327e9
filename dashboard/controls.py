"""The controls of the page Compress: which picture, and what each pane shows of it."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

import hfx
from dashboard import panes, work
from dashboard.panes import CLASSICAL, NAMES, ORIGINAL, OURS, SIDES, Choice, Frame
from dashboard.work import Wish

UPLOAD_HELP = (
    f"PNG, JPEG, WebP, AVIF, TIFF or BMP of up to {work.MAX_PIXELS // 1_000_000} megapixels, "
    "or files this page wrote; several if you like. They go to the machine that runs this page "
    "and no further."
)
PANE_HELP = (
    "**Original**: the picture as it came. **hfx**: what our file decodes to. The others: what "
    "JPEG, WebP, AVIF, JPEG 2000 and JPEG XL make of it, as Pillow has them."
)
NEIGHBOURS = {"none": "None", "knn": "KNN", "xgb": "XGBoost"}
SEEN = "pictures_seen"  # session state: uploads and shots that were there before
RUNGS = "rungs"  # session state: the classical rung each pane shows


@dataclass(frozen=True)
class Subject:
    """A file to work on."""

    name: str
    read: Callable[[], bytes]


def choose_subject() -> Subject:
    """Return the file to work on: an upload, a shot, or one of the samples."""
    uploads = st.file_uploader(
        "Your photos, or .hfx files",
        type=[*work.TYPES, "hfx"],
        accept_multiple_files=True,
        key="upload",
        help=UPLOAD_HELP,
    )
    choices: dict[str, Subject] = {}
    newest: dict[str, str] = {}  # id of an upload or a shot -> its name in the list
    camera = st.toggle(
        "Use the camera", key="camera", help="Take a photo with this device's camera."
    )
    if camera:
        shot = st.camera_input(
            "Camera", key="shot", label_visibility="collapsed", resolution="720p"
        )
        if shot is not None:
            choices["Camera"] = Subject("camera.jpg", shot.getvalue)
            newest[shot.file_id] = "Camera"
    for upload in uploads:
        name, count = upload.name, 2
        while name in choices:  # two files of one name
            name, count = f"{upload.name} ({count})", count + 1
        choices[name] = Subject(upload.name, upload.getvalue)
        newest[upload.file_id] = name
    for sample in work.SAMPLES:
        path = work.sample_path(sample)
        choices[sample] = Subject(path.name, path.read_bytes)

    state = st.session_state
    for key in [key for key in newest if key not in state.get(SEEN, {})]:
        state["picture"] = newest[key]  # what just came is what is wanted
    state[SEEN] = newest
    if state.get("picture") not in choices:
        state.pop("picture", None)  # it was removed
    name = st.selectbox(
        "Picture",
        list(choices),
        index=len(newest),
        key="picture",
        bind="query-params",
        help="Your pictures, and public-domain photographs that come with scikit-image.",
    )
    return choices[name]


def choose_panes(codec: hfx.Codec) -> tuple[list[Choice], bool]:
    """Return what the two panes are to show, and whether bytes are to be equal."""
    boxes = [st.container(key=f"settings_{side}") for side in SIDES]
    defaults = (ORIGINAL, OURS)
    names = []
    for box, side, default in zip(boxes, SIDES, defaults, strict=True):
        with box:
            names.append(choose_codec(side, default))
    can_follow = panes.follower(*names)
    lock = st.toggle(
        "Equal bytes",
        value=True,
        key="lock",
        bind="query-params",
        disabled=can_follow is None,
        on_change=release,
        help="JPEG, WebP, AVIF, JPEG XL or JPEG 2000 gets the best setting whose file is not "
        "larger than the other pane's. Without it you choose the setting.",
    )
    choices = []
    for i, (box, side, name) in enumerate(zip(boxes, SIDES, names, strict=True)):
        with box:
            if name == OURS:
                choices.append(choose_ours(side, codec))
            elif name == ORIGINAL or (lock and i == can_follow):
                choices.append(Choice(name))
            else:
                choices.append(Choice(name, rung=choose_rung(side, name)))
    return choices, lock


def choose_codec(side: str, default: str) -> str:
    """Return what makes a pane's picture."""
    return st.selectbox(
        f"{side.capitalize()} pane",
        NAMES,
        index=NAMES.index(default),
        key=side,
        bind="query-params",
        help=PANE_HELP,
    )


def choose_ours(side: str, codec: hfx.Codec) -> Choice:
    """Return the settings of our codec."""
    wish = choose_wish(side, codec.weights.arch.tiers)
    kinds = codec.models.kinds()
    kind = st.segmented_control(
        "Neighbour model",
        kinds,
        default=codec.models.preferred,
        format_func=lambda kind: NEIGHBOURS[kind],
        required=True,
        key=f"{side}_neighbours",
        bind="query-params",
        width="stretch",
        help="What foretells each symbol from those around it. It changes the bytes, never the "
        "picture.",
    )
    return Choice(OURS, wish, kind, choose_realism(f"{side}_realism", codec))


def choose_realism(key: str, codec: hfx.Codec) -> float | None:
    """Return how realistic the decoder is to paint; None where there is no choice."""
    if codec.weights.gan is None:
        return None
    return st.slider(
        "Realism",
        0.0,
        1.0,
        codec.weights.realism,
        0.05,
        key=key,
        bind="query-params",
        help="Of the decoder: 0 paints the most faithful picture, 1 the most realistic one, "
        "from the same file.",
    )


def choose_wish(side: str, tiers: tuple[str, ...]) -> Wish:
    """Return how large or how good our file is to be."""
    by = st.segmented_control(
        "Choose by",
        ["Tier", "Quality", "Size"],
        default="Tier",
        required=True,
        key=f"{side}_by",
        bind="query-params",
        width="stretch",
        label_visibility="collapsed",
        help="Three named tiers, any quality between them, or the largest file you can take.",
    )
    if by == "Quality":
        quality = st.slider(
            "Quality",
            0,
            100,
            50,
            key=f"{side}_quality",
            bind="query-params",
            help="low is 20, medium 50, high 80",
        )
        return Wish(quality=float(quality))
    if by == "Size":
        size = st.number_input(
            "At most, in bytes",
            min_value=1,
            value=10_000,
            step=1_000,
            key=f"{side}_bytes",
            bind="query-params",
            help="The best file of at most so many bytes. The search writes about a dozen files.",
        )
        return Wish(target_bytes=int(size))
    tier = st.segmented_control(
        "Tier",
        tiers,
        default="medium" if "medium" in tiers else tiers[0],
        required=True,
        key=f"{side}_tier",
        bind="query-params",
        width="stretch",
        label_visibility="collapsed",
        help="About 0.14, 0.30 and 0.48 bits per pixel on Kodak.",
    )
    return Wish(tier=tier)


def choose_rung(side: str, name: str) -> int:
    """Return a classical codec's rung."""
    settings = panes.settings(name)
    setting = st.select_slider(
        f"{name}'s setting",
        settings,
        value=settings[len(settings) // 2],
        key=rung_key(side, name),
        bind="query-params",
        help="The codec's own dial, from the smallest file to the largest.",
    )
    return settings.index(setting)


def rung_key(side: str, name: str) -> str:
    """Return the key of a classical codec's slider: no two have the same settings."""
    return f"{side}_{panes.ENDINGS[name]}"


def release() -> None:
    """Let a codec that is free to move start from where it was held."""
    if not st.session_state["lock"]:
        for side, (name, rung) in st.session_state.get(RUNGS, {}).items():
            st.session_state[rung_key(side, name)] = panes.settings(name)[rung]


def remember(frames: list[Frame]) -> None:
    """Note the classical rungs that are shown, for `release`."""
    st.session_state[RUNGS] = {
        side: (frame.choice.codec, frame.coded.level)
        for side, frame in zip(SIDES, frames, strict=True)
        if frame.coded and frame.choice.codec in CLASSICAL
    }

"""The controls of the page "Where the bits go": which file, coded how, and which map of it."""

import streamlit as st

import hfx
from dashboard import bits, work

ALL, Y, Z, CHANNEL, SAVED = "All bits", "y", "z", "One channel", "Saved"
MAPS = (ALL, Y, Z, CHANNEL, SAVED)  # in the words of links
REGION, SYMBOL = "Region", "Symbol"


def choose_subject() -> tuple[str, bytes]:
    """Return the name and the bytes of the file to open: an upload, or else a sample."""
    upload = st.file_uploader(
        "Your photo, or an .hfx file",
        type=[*work.TYPES, "hfx"],
        key="bits_upload",
        help=f"A photo of over {bits.MAX_PIXELS / 1e6:g} megapixels is reduced to that. "
        "It goes to the machine that runs this page and no further.",
    )
    sample = st.selectbox(
        "or a sample",
        list(work.SAMPLES),
        key="sample",
        bind="query-params",
        disabled=upload is not None,
        help="Public-domain photographs that come with scikit-image.",
    )
    if upload is not None:
        return upload.name, upload.getvalue()
    path = work.sample_path(sample)
    return path.name, path.read_bytes()


def choose_wish(codec: hfx.Codec) -> tuple[float, str]:
    """Return the quality and the neighbour model of the file."""
    quality = st.slider(
        "Quality", 0, 100, 50, 5, key="rate", bind="query-params",
        help="The named tiers lie at 20 (low), 50 (medium) and 80 (high).",
    )  # fmt: skip
    kinds = codec.models.kinds()
    kind = st.segmented_control(
        "Neighbour model",
        kinds,
        default=codec.models.preferred,
        required=True,
        format_func={"none": "None", "knn": "KNN", "xgb": "XGBoost"}.__getitem__,
        key="coder",
        bind="query-params",
        width="stretch",
        help="What corrects the hyperprior's expectation by the symbols coded before. It changes "
        "the bits, never the picture.",
    )
    return float(quality), str(kind)


def choose_map() -> tuple[str, float, bool]:
    """Return what the map shows, how opaque it is, and whether a box is drawn on it."""
    kind = st.selectbox(
        "Map", MAPS, key="map", bind="query-params",
        help="**y** is the picture, **z** what says what to expect of it. **One channel**: of the "
        "symbol further down. **Saved**: the hyperprior's bits less those with a neighbour model; "
        "red where it misled.",
    )  # fmt: skip
    opacity = st.slider(
        "Opacity", 0, 100, 65, 5, format="%d %%", key="opacity", bind="query-params",
        help="Of the map over the picture, which is shown in greys as the file holds it.",
    )  # fmt: skip
    pick = st.segmented_control(
        "Pick on the map", (REGION, SYMBOL), default=REGION, required=True, key="pick",
        bind="query-params", width="stretch",
        help="Drag a box around a region to price it, or click a place to look into its symbols.",
    )  # fmt: skip
    return kind, opacity / 100, pick == REGION

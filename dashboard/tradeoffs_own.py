"""Trade-offs of the visitor's own picture: a section of the page "Trade-offs"."""

from typing import Any

import streamlit as st

import hfx
from dashboard import resources, tradeoffs, tradeoffs_charts, tradeoffs_live, work
from dashboard.components import asset, component, url_of
from dashboard.panes import CLASSICAL
from dashboard.tradeoffs import AXES, OURS
from dashboard.tradeoffs_live import CROP, MEASURES, Point, Survey
from dashboard.work import Original

SURVEY = "survey"  # session state: this visitor's latest
EVERY = 1.0  # seconds between two looks at a survey that goes on
FIRST = 1  # the point shown first: ours at the middle tier
CHART = "live_chart"  # its key
COLUMNS = ("codec", "setting", "bytes", "bpp", *MEASURES)

_crops = component("hfx_crops", ["crops.js"], html=asset("crops.html"), css=asset("crops.css"))


def show(codec: hfx.Codec) -> None:
    """Lay out the section."""
    st.subheader("Your picture", anchor=False)
    controls, stage = st.columns([1, 3], gap="large")
    with controls, st.container(key="controls"):
        name, data = choose_picture()
        chosen = choose_codecs()
        try:
            original = opened(name, data)
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")
            return
        begin(codec, original, chosen)
        measure = st.selectbox(
            "Measure", MEASURES, MEASURES.index("lpips"), key="live_measure", bind="query-params",
            format_func=lambda name: AXES[name].title,
            help="Of the decoded picture against the original; over bits per pixel.",
        )  # fmt: skip
        box = choose_crop(original)
        for note in original.notes:
            st.caption(f":material/info: {note}")
    survey: Survey | None = st.session_state.get(SURVEY)
    with stage, st.container(key="stage"):
        if survey is None or survey.original.digest != original.digest:
            st.info(
                "**Measure** codes the picture at many settings, a second or two each, and draws "
                "each point as it comes. Everything stays on the machine that runs this page.",
                icon=":material/show_chart:",
            )
            return
        every = EVERY if survey.running else None
        st.fragment(watch, run_every=every)(survey, str(measure), box, every is not None)


# --- controls


def choose_picture() -> tuple[str, bytes]:
    """Return the name and the bytes of a picture: an upload, or else a sample."""
    upload = st.file_uploader(
        "Your photo",
        type=list(work.TYPES),
        key="live_upload",
        help=f"One of over {tradeoffs_live.PIXELS / 1e6:g} megapixels is reduced to that. It goes "
        "to the machine that runs this page and no further.",
    )
    sample = st.selectbox(
        "or a sample", list(work.SAMPLES), key="live_sample", bind="query-params",
        disabled=upload is not None,
        help="Public-domain photographs that come with scikit-image.",
    )  # fmt: skip
    if upload is not None:
        return upload.name, upload.getvalue()
    path = work.sample_path(sample)
    return path.name, path.read_bytes()


def choose_codecs() -> list[str]:
    """Return the codecs to measure."""
    there = [name for name, one in CLASSICAL.items() if one.missing() is None]
    chosen = st.pills(
        "Codecs", [OURS, *there], default=[OURS, *there], selection_mode="multi",
        key="live_codecs", bind="query-params",
        help="Ours at seven qualities, the others at their fixed sweep, up to somewhat more than "
        "our largest file.",
    )  # fmt: skip
    return list(chosen)


def opened(name: str, data: bytes) -> Original:
    """Return a picture, small enough."""
    if work.is_hfx(name, data):
        raise hfx.HfxError("that is a compressed file; this page needs the photograph itself")
    key = ("surveyed", work.digest_of(data))
    with st.spinner("Reading the picture"):
        return resources.shelf().get(
            key, lambda: tradeoffs_live.fitting(work.open_picture(name, data))
        )


def begin(codec: hfx.Codec, original: Original, chosen: list[str]) -> None:
    """Let the visitor start measuring."""
    pressed = st.button(
        "Measure", key="live_begin", type="primary", icon=":material/show_chart:",
        width="stretch", disabled=not chosen,
        help="Instead of what is being measured, if anything is.",
    )  # fmt: skip
    if pressed:
        try:
            st.session_state[SURVEY] = tradeoffs_live.surveys().begin(
                codec, original, chosen, resources.shelf(), st.session_state.get(SURVEY)
            )
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")


def choose_crop(original: Original) -> tuple[int, int, int, int]:
    """Return which part of the picture the crops show."""
    places = []
    for label, start, key in (("Crop, from the left", 45, "cx"), ("Crop, from the top", 15, "cy")):
        places.append(
            st.slider(
                label,
                0,
                100,
                start,
                5,
                format="%d %%",
                key=key,
                bind="query-params",
                help=f"Where the {CROP} × {CROP} pixels lie that are shown beside the chart.",
            )  # fmt: skip
        )
    return tradeoffs_live.box_of((original.width, original.height), *places)


# --- results


def watch(survey: Survey, measure: str, box: tuple[int, int, int, int], began: bool) -> None:
    """Show how far a survey is, and what it has found; run every second while it goes on.

    Args:
        survey: The visitor's.
        measure: What is drawn.
        box: Of the crops.
        began: Whether it was running as the page was laid out.
    """
    survey.look()
    running = survey.running
    if began and not running:
        st.rerun(scope="app")  # draw once more, and no more every second
    points = list(survey.points)
    progress(survey, running)
    if not points:
        return
    chart, crops = st.columns([2, 1], gap="medium")
    with chart:
        st.plotly_chart(
            tradeoffs_charts.live(points, measure),
            config=tradeoffs_charts.config(f"tradeoffs-{measure}"),
            key=CHART,
            alt=f"{AXES[measure].title} over bits per pixel of {survey.original.name}: "
            f"{len(points)} points of {len({p.codec for p in points})} codecs.",
        )
    with crops:
        show_crops(survey, points, measure, box)
    for reason in dict.fromkeys(p.reasons[measure] for p in points if measure in p.reasons):
        st.caption(f":material/info: {AXES[measure].name}: {reason}")
    st.download_button(
        "Points as CSV",
        # made when asked for: one that grows with every point would be gone before it is fetched
        lambda: tradeoffs.csv_of([one.row for one in points], COLUMNS),
        "tradeoffs.csv",
        "text/csv",
        key="live_csv",
        on_click="ignore",
        icon=":material/download:",
        help="Every file measured so far, with every measure. The camera above the chart "
        "saves it as a PNG.",
    )


def progress(survey: Survey, running: bool) -> None:
    """Show how far it is, or what stopped it."""
    if running:
        bar, button = st.columns([5, 1], vertical_alignment="center")
        done = survey.done / max(1, survey.total)
        bar.progress(done, f"Measuring: {survey.done} of {survey.total} settings")
        if button.button("Stop", key="live_stop", icon=":material/close:", width="stretch"):
            survey.stop()
    elif survey.stopped:
        st.caption(f"Stopped after {len(survey.points)} points; **Measure** goes on from there.")
    for note in list(survey.notes):
        st.caption(f":material/info: {note}")


def show_crops(
    survey: Survey, points: list[Point], measure: str, box: tuple[int, int, int, int]
) -> None:
    """Show the crop of the point under the pointer, below that of the original."""
    original = tradeoffs_live.cut(survey.original.picture.rgb, box)
    shown: list[dict[str, Any]] = [
        {"url": url_of(png, f"live.{number}"), "label": label(point, measure)}
        for number, (png, point) in enumerate(zip(survey.crops(box), points, strict=False))
    ]
    data = {
        "chart": CHART,
        "original": url_of(original, "live.original"),
        "alt": f"Crop of {survey.original.name}",
        "points": shown,
        "first": min(FIRST, len(shown) - 1),
    }
    _crops(data=data, key="live_crops")


def label(point: Point, measure: str) -> str:
    """Say what a crop is of."""
    value, axis = point.values[measure], AXES[measure]
    measured = "" if value is None else f", {axis.name} {value:.{axis.digits}f}"
    return f"{point.codec}, {point.setting}: {point.bpp:.3f} bpp{measured}"

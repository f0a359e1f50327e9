"""Setting up a study: who competes, on what, how often; and how far its making is."""

from pathlib import Path

import streamlit as st

import hfx
from dashboard import resources, study_room, work
from dashboard.study_taking import TITLE
from hfx.errors import HfxError
from hfx.study import manifest
from hfx.study.prepare import SIDE, Setup, check, possible_codecs

MINE = "study_work"  # session state: the work that this visitor began
MADE = "study_made"  # session state: the code of a study that has just become ready


def set_up() -> None:
    """Let the instructor decide what is shown to whom, and start the work."""
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    tiers = codec.weights.arch.tiers
    known = possible_codecs(codec)
    missing = {name: reason for name, reason in known.items() if reason}
    with st.form("setup"):
        left, right = st.columns(2, gap="large")
        with left:
            title = st.text_input("Title", TITLE, max_chars=80, key="title")
            codecs = st.pills(
                "Codecs",
                [name for name in known if name not in missing],
                default=[n for n in known if n in Setup.codecs and n not in missing],
                selection_mode="multi",
                key="codecs",
                help="All of them may spend the bytes of our file, photograph by photograph, and "
                "not one more; several realisms of ours are pictures of one file. The original "
                "competes without a limit.",
            )
            tier = st.segmented_control(
                "Our tier",
                tiers,
                default="medium" if "medium" in tiers else tiers[0],
                required=True,
                key="study_tier",
                help="Sets the bytes that all may spend: the lower, the easier to tell apart.",
            )
            reference = st.toggle(
                "Participants may look at the original",
                key="reference",
                help="Then they are asked which picture is closer to it; without it, which looks "
                "more like a real photograph.",
            )
        with right:
            samples = st.multiselect(
                "Photographs",
                list(work.SAMPLES),
                default=list(work.SAMPLES),
                key="photographs",
                help="Public-domain photographs that come with scikit-image.",
            )
            uploads = st.file_uploader(
                "and your own",
                type=list(work.TYPES),
                accept_multiple_files=True,
                key="own",
                help=f"Their middle is shown, {SIDE} pixels wide and high at most.",
            )
            numbers = st.columns(2)
            pairs = numbers[0].number_input(
                "Pairs each", 1, 100, 10, key="pairs", help="Blind pairs that each person judges."
            )
            catches = numbers[1].number_input(
                "Checks each",
                0,
                20,
                2,
                key="catches",
                help="Pairs more, of the original and a ruined picture: who fails one does not "
                "look, or does not see.",
            )
        for name, reason in missing.items():
            st.caption(f":material/info: {name} is not available: {reason}")
        wanted = st.form_submit_button("Prepare", type="primary", icon=":material/photo_library:")
    if not wanted:
        return
    pictures: dict[str, Path | bytes] = {name: work.sample_path(name) for name in samples}
    pictures |= {upload.name: upload.getvalue() for upload in uploads}
    setup = Setup(
        title=title.strip() or TITLE,
        codecs=tuple(codecs),
        tier=str(tier),
        pairs=int(pairs),
        catches=int(catches),
        reference=reference,
    )
    try:
        check(setup, codec)
        if not pictures:
            raise HfxError("choose photographs, or bring your own")
        st.session_state[MINE] = study_room.workshop().begin(
            pictures, setup, codec, manifest.studies_folder()
        )
    except HfxError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.rerun()


@st.fragment(run_every=1.0)
def watch_work() -> None:
    """Show how far the work on a study is."""
    running = study_room.workshop().work
    if running is None or not running.running:
        own = st.session_state.get(MINE)
        if own is not None and own.study is not None:  # others go on with what they look at
            st.session_state[MADE] = st.session_state.pop(MINE).study.code
        st.rerun(scope="app")
    st.progress(
        running.done / max(1, running.total),
        f"Preparing “{running.title}”: {running.done} of {running.total} photographs coded",
    )
    for note in running.notes:
        st.caption(f":material/info: {note}")
    if st.button("Stop", key="stop", icon=":material/close:"):
        running.stop()
        st.caption("Stopping after this photograph.")

"""Taking part in a study: a word of welcome, the ballot, a word of thanks."""

from collections.abc import Sequence

import streamlit as st

from dashboard import study_ballot
from hfx.errors import HfxError
from hfx.study import manifest, votes
from hfx.study.manifest import Study
from hfx.study.votes import Asked

TITLE = "Which is real?"
STUDY, ME = "study", "me"  # in the address: which study, and a participant's random token


def ask_for_code() -> None:
    """Let a visitor type the code of a study."""
    with st.form("join", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        code = st.text_input(
            "Code of the study",
            key="code",
            max_chars=12,
            width=260,
            placeholder="six letters and digits",
            help="Whoever holds the study shows it. No name is asked for.",
        )
        asked = st.form_submit_button("Join", type="primary")
    if asked and code.strip():
        try:
            study = manifest.find(manifest.studies_folder(), code)
        except HfxError as error:
            st.error(str(error), icon=":material/error:")
        else:
            st.query_params[STUDY] = study.code
            st.rerun()
    st.caption(
        "No code? Whoever runs this server can set a study up in the instructor's view, in a "
        "minute or two, with the photographs that are here."
    )


def take_part(code: str) -> None:
    """Lead a participant through a study.

    Args:
        code: From the address, so anything.

    Raises:
        HfxError: there is no such study, or it cannot be read.
    """
    study = manifest.find(manifest.studies_folder(), code)
    token = st.query_params.get(ME, "")
    if token:
        study_ballot.keep(study, token)
    asked = votes.trials_of(study, token) if token else []
    if not asked:
        welcome(study)
    elif any(one.side is None for one in asked):
        ballot(study, token)
    else:
        thank(asked)


@st.fragment
def ballot(study: Study, token: str) -> None:
    """Show the trials that are left, and keep each vote.

    A fragment: it runs again where the page runs, one vote after the other. Two runs of the whole
    page, which fast fingers bring about, may overlap and then break each other's state.
    """
    study_ballot.keep(study, token)
    asked = votes.trials_of(study, token)
    if all(one.side is not None for one in asked):
        st.rerun()
    study_ballot.show(study, token, asked)


def welcome(study: Study) -> None:
    """Say what will happen, and draw the participant's trials when wanted."""
    st.title(study.title, anchor=False)
    total = study.pairs + study.catches
    minutes = "a minute" if total < 12 else f"{round(total / 8)} minutes"
    look = (
        "The original of both may be looked at: hold ↑, or press the button below the pictures."
        if study.reference
        else "You will not be shown the original."
    )
    st.markdown(
        f"You will see **{total} pairs** of pictures. Each time: **{study.question.lower()}** "
        "Press **←** for picture A and **→** for picture B, or click the one you choose. "
        f"If you cannot tell, guess. {look} It takes about {minutes}."
    )
    st.caption(
        "Anonymous: your answers are kept under a random number, without name, address or time."
    )
    if st.button("Start", type="primary", key="start", icon=":material/play_arrow:"):
        st.query_params[ME] = votes.join(study)
        st.rerun()


def thank(asked: Sequence[Asked]) -> None:
    """Thank a participant, and say how the catch trials went."""
    st.title("Thank you", anchor=False)
    catches = [one for one in asked if one.trial.catch]
    pairs = len(asked) - len(catches)
    st.success(
        f"Your {pairs} answers are saved. You may close this page.", icon=":material/check:"
    )
    if catches:
        right = sum(not one.caught for one in catches)
        st.markdown(
            f"Among the pairs were {len(catches)} checks: the untouched original beside a picture "
            f"compressed until it fell apart. You chose the original in **{right} of "
            f"{len(catches)}**."
            + ("" if right == len(catches) else " That happens; the instructor may set it aside.")
        )
    st.caption("Which codec was which, the instructor's view tells when all have voted.")

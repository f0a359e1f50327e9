"""The ballot: blind pairs in the browser, and what it sends back."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.components import asset, component, url_of
from hfx.errors import HfxError
from hfx.study import votes
from hfx.study.manifest import ORIGINAL, Study
from hfx.study.pairs import LEFT, RIGHT
from hfx.study.votes import Asked

AHEAD = 6  # trials whose pictures a browser has before they are due
PLACES = 8  # of pictures kept for a browser to fetch: more than are ahead
SLOWEST = 3600.0  # seconds; longer, and somebody was away

_ballot = component(
    "hfx_ballot", ["ballot.js"], html=asset("ballot.html"), css=asset("ballot.css")
)


def key_of(token: str) -> str:
    """Return the key of a participant's ballot.

    The token's digits: as letters it may hold two underscores in a row, which Streamlit refuses.
    """
    return f"ballot-{token.encode().hex()}"


def show(study: Study, token: str, asked: Sequence[Asked]) -> None:
    """Show a participant the trials that are left.

    Nothing that reaches the browser tells which codec made a picture: addresses are digests of
    pixels, and alternative texts are "Picture A" and "Picture B".
    """
    trials = []
    for one in [one for one in asked if one.side is None][:AHEAD]:
        sides = {LEFT: one.trial.left, RIGHT: one.trial.right}
        if study.reference:
            sides["original"] = ORIGINAL
        urls = {
            side: url_of(
                study.png(one.trial.photograph, codec), f"study.{one.number % PLACES}.{side}"
            )
            for side, codec in sides.items()
        }
        trials.append({"number": one.number, **urls})
    data = {
        "participant": token,
        "question": study.question,
        "reference": study.reference,
        "total": len(asked),
        "done": [one.number for one in asked if one.side is not None],
        "trials": trials,
    }
    _ballot(data=data, key=key_of(token), on_votes_change=lambda: None)


def record(study: Study, token: str, sent: object) -> int:
    """Keep the votes that a browser sent, and return how many were new.

    The browser sends all its answers each time, and a vote that is kept already stays as it is:
    so one that was lost on the way arrives with the next, and none counts twice.

    Args:
        study: The study.
        token: The participant's.
        sent: From a browser, so anything: what is no answer is passed over.

    Raises:
        HfxError: the votes cannot be written.
    """
    answers = sent.get("answers") if isinstance(sent, dict) else None
    if not isinstance(answers, dict):
        return 0
    open_ = {one.number for one in votes.trials_of(study, token) if one.side is None}
    new = 0
    for name, answer in answers.items():
        number, side, seconds = _parsed(name, answer)
        if number in open_ and side is not None:
            new += votes.vote(study, token, number, side, seconds)
    return new


def _parsed(name: object, answer: Any) -> tuple[int, str | None, float | None]:  # noqa: ANN401
    """Read one answer; its side is None where it is none."""
    try:
        side, seconds = answer
        number, spent = int(str(name)), float(seconds)
    except (TypeError, ValueError):
        return -1, None, None
    if side not in (LEFT, RIGHT):
        return number, None, None
    return number, side, spent if 0 <= spent <= SLOWEST else None


def keep(study: Study, token: str) -> None:
    """Keep what the browser has sent so far; does nothing before it sent anything."""
    state = st.session_state.get(key_of(token))
    if state is not None:
        try:
            record(study, token, state.get("votes"))
        except HfxError as error:
            st.error(f"Your last answer is not saved yet: {error}", icon=":material/error:")

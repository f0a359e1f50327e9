"""The instructor's view: behind a passcode, a study's code and its results as they come in."""

import tempfile
import time
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import study_charts, study_room
from dashboard.study_setup import MADE, set_up, watch_work
from hfx.errors import HfxError
from hfx.study import manifest, outcome
from hfx.study.manifest import Study
from hfx.study.outcome import Outcome

RESULTS, NEW = "Results", "New study"
EVERY = 2.0  # seconds between two looks at the votes
SHOW = "results"  # in the address: whose results are shown
IN = "instructor"  # session state: the passcode was right
LOCAL = ("127.0.0.1", "localhost", "[::1]")


def teach(row: DeltaGenerator) -> None:
    """Show the instructor's view to whoever knows the passcode.

    Args:
        row: Where controls for the whole page stand.
    """
    if not st.session_state.get(IN):
        ask_for_passcode()
        return
    found = list(manifest.studies(manifest.studies_folder()))
    if made := st.session_state.pop(MADE, None):
        st.session_state["teach"], st.session_state["which"] = RESULTS, made
    with row:
        tab = st.segmented_control(
            "What to do",
            [RESULTS, NEW],
            default=RESULTS if found else NEW,
            required=True,
            key="teach",
            label_visibility="collapsed",
        )
    latest = study_room.workshop().work
    if latest is not None and latest.running:
        watch_work()
    elif latest is not None and latest.error:
        st.error(f"“{latest.title}” was not prepared: {latest.error}", icon=":material/error:")
    if tab == NEW:
        set_up()
    elif found:
        show_results(found)
    else:
        st.info("There is no study yet: set one up.", icon=":material/info:")


def ask_for_passcode() -> None:
    """Let the instructor in."""
    study_room.passcode()  # where it is a new one, it appears on the console now
    with (
        st.form("passcode_form", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        typed = st.text_input(
            "Passcode",
            type="password",
            key="passcode",
            width=260,
            help=f"It stands on the console that serves this page, unless {study_room.PASSCODE} "
            "was set there.",
        )
        asked = st.form_submit_button("Open", type="primary")
    if asked and study_room.opens(typed):
        st.session_state[IN] = True
        st.rerun()
    elif asked:
        time.sleep(1)  # so that nobody tries them all
        st.error("That is not the passcode; see the server's console.", icon=":material/error:")


# --- results


def show_results(found: list[Study]) -> None:
    """Show one study: how to join on the left, what came of it on the right."""
    left, right = st.columns([1, 3], gap="large")
    with left, st.container(key="controls"):
        study = choose(found)
        share(study)
        without = st.toggle(
            "Leave out who failed a check",
            key="without",
            help="Everyone who took a ruined picture for the original.",
        )
        st.download_button(
            "Votes as CSV",
            lambda: csv_of(study),
            f"study-{study.code}.csv",
            "text/csv",
            key="csv",
            on_click="ignore",
            icon=":material/download:",
            help="Every vote, with the bytes of both pictures' files; participants are numbers.",
        )
        latest = study_room.workshop().work
        for note in latest.notes if latest is not None and latest.study == study else ():
            st.caption(f":material/info: {note}")
    with right, st.container(key="stage"):
        live(study, without)


def choose(found: list[Study]) -> Study:
    """Return the study to show, the newest unless the address or the instructor says other."""
    if len(found) == 1:
        return found[0]
    titles = {study.code: f"{study.code}: {study.title}" for study in found}
    codes = list(titles)
    wanted = st.session_state.get("which", st.query_params.get(SHOW))
    st.session_state["which"] = wanted if wanted in codes else codes[0]
    code = st.selectbox(
        "Study",
        codes,
        format_func=lambda c: titles[c],
        key="which",
        help="The newest first.",
    )
    st.query_params[SHOW] = code
    return next(study for study in found if study.code == code)


def share(study: Study) -> None:
    """Show how to join."""
    address = (st.context.url or "").partition("?")[0]
    st.caption("Join with the code")
    st.markdown(f"## :primary[{study.code}]")
    st.caption("or at")
    st.code(f"{address}?study={study.code}", language=None, wrap_lines=True)
    if any(f"//{host}" in address for host in LOCAL):
        st.caption(
            ":material/info: Only this machine can open that. For a class, serve with "
            '`make app ARGS="--server.address 0.0.0.0"` and open this page under the machine\'s '
            "name or address."
        )


@st.fragment(run_every=EVERY)
def live(study: Study, without: bool) -> None:
    """Show the results so far, every two seconds anew."""
    try:
        found = study_room.outcome_of(study, without)
    except HfxError as error:
        st.error(str(error), icon=":material/error:")
        return
    cards(found)
    if not found.standings:
        st.info("No vote yet. Results appear here as they come in.", icon=":material/how_to_vote:")
        return
    st.markdown(f"**{study.question}** At equal bytes, photograph by photograph:")
    st.plotly_chart(
        study_charts.ranking(found.standings),
        key=f"ranking-{study.code}",
        config={"displayModeBar": False},
        alt=study_charts.in_words(found.standings),
    )
    st.caption(
        "Bradley and Terry's model of the votes; lines are 95% intervals, from drawing the "
        "participants again."
        + (" From fewer than five people they are too narrow." if found.joined < 5 else "")
    )
    with st.expander("Numbers"):
        st.dataframe(table(found), hide_index=True, width="stretch", key=f"table-{study.code}")


def cards(found: Outcome) -> None:
    """Show who voted, and whether they agree."""
    share_ = found.agreement.share
    agree = "–" if share_ is None else f"{share_:.0%}"
    shown = {
        "Joined": (f"{found.joined}", "People who started."),
        "Finished": (f"{found.finished}", "People who answered everything."),
        "Votes": (f"{found.votes}", "Votes counted below; checks are not among them."),
        "Failed a check": (
            f"{len(found.flagged)}",
            "People who took a ruined picture for the original.",
        ),
        "Agreement": (
            agree,
            f"How often two people chose the same of the same two pictures "
            f"({found.agreement.twos} cases). By coin 50%.",
        ),
    }
    with st.container(horizontal=True):
        for label, (value, help_text) in shown.items():
            st.metric(label, value, help=help_text, border=True)


def table(found: Outcome) -> list[dict[str, object]]:
    """Return the ranking as a table to read."""
    return [
        {
            "codec": at.codec,
            "preferred to an average rival": f"{at.chance:.0%}",
            "95% interval": "–" if at.low is None else f"{at.low:.0%} to {at.high:.0%}",
            "votes for it": at.wins,
            "of": at.shown,
            "strength": f"{at.strength:+.2f}",
            "bytes / ours": "–" if at.budget_share is None else f"{at.budget_share:.3f}",
        }
        for at in found.standings
    ]


def csv_of(study: Study) -> bytes:
    """Return every vote as a CSV file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "votes.csv")
        outcome.export(study, path)
        return path.read_bytes()

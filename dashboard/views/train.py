"""The page "Train lab": start, pause and step through small training runs, and compare them."""

import streamlit as st

from dashboard import train_live, train_room
from dashboard.train_charts import COLORS
from dashboard.train_controls import choose_scenario, chosen_or_why_not, fill, link_of
from dashboard.train_room import PROBLEM, keeper
from hfx.errors import HfxError
from hfx.lab import folder
from hfx.lab.folder import LabRun
from hfx.lab.scenarios import title_of
from hfx.lab.settings import Settings

PURPOSE = (
    "Train a tiny codec from its first step, turn every weight of Eq. 5 and Eq. 6, and see what "
    "the rate, the gradients and a face make of it."
)
MOST = len(COLORS)  # runs in one chart


def main() -> None:
    """Lay out the page."""
    st.title("Train lab", anchor=False)
    st.markdown(PURPOSE)
    runs = folder.runs_in(keeper().root)
    controls, stage = st.columns([1, 3], gap="large")
    with controls, st.container(key="controls"):
        choose_scenario()
        button = st.container()
        settings, start, problem = chosen_or_why_not(runs)
        with button:
            offer_start(settings, start, problem)
    with stage, st.container(key="stage"):
        if error := st.session_state.pop(PROBLEM, ""):
            st.error(error, icon=":material/error:")
        chosen = choose_runs(runs)
        if chosen is None:
            invite()
            return
        shown, beside = chosen
        train_live.show(shown, beside)
        compare(shown, beside)


def invite() -> None:
    """Say what will be seen, where nothing is to be seen yet."""
    st.info(
        "No run yet. Press **Start**: within seconds the loss falls, and the picture sharpens.",
        icon=":material/play_arrow:",
    )
    try:
        *learned, face = train_room.thumbnails()
    except HfxError as error:
        st.error(str(error), icon=":material/error:")
        return
    alt = [f"Photograph {number} to train on" for number in range(1, len(learned) + 1)]
    st.image(learned, width=92, alt=alt, output_format="PNG")
    st.image(face, width=92, alt="The face to judge by", output_format="PNG")
    st.caption(
        "Runs learn from crops of eight photographs, and are judged by a face that they never "
        "saw. All are of public domain or CC0 and come with scikit-image: nothing is downloaded."
    )


# --- which run


def offer_start(settings: Settings | None, start: str | None, problem: str) -> None:
    """Offer to start a new run, and say what else is going on."""
    busy = keeper().training
    st.button(
        "Start", type="primary", width="stretch", icon=":material/play_arrow:", key="begin",
        disabled=settings is None, on_click=begin, args=(settings, start),
        help="A new run with the settings below. It goes on when you leave the page, and ends "
        "with the server.",
    )  # fmt: skip
    if problem:
        st.caption(f":material/error: {problem}")
    elif busy is not None:
        waiting = len(keeper().queue)
        more = f", and {waiting} more wait" if waiting else ""
        st.caption(
            f":material/hourglass: Run {busy.name} is training{more}. A new run waits until it is "
            "done, or you pause it."
        )


def begin(settings: Settings, start: str | None) -> None:
    """Start a run and show it."""
    try:
        run = keeper().start(title_of(settings), settings, start)
    except HfxError as error:
        st.session_state[PROBLEM] = str(error)
    else:
        st.session_state["run"] = run.id


def choose_runs(runs: list[LabRun]) -> tuple[LabRun, list[LabRun]] | None:
    """Return the run to show, and those that are laid over it; None where there is none.

    Before anybody chose one, it is what is training, or the newest.
    """
    if not runs:
        return None
    by_id = {run.id: run for run in runs}
    if st.session_state.get("run") not in by_id:
        busy, linked = keeper().training, st.query_params.get("run")
        first = linked if linked in by_id else busy.id if busy is not None else runs[0].id
        st.session_state["run"] = first
    left, middle, right = st.columns([7, 7, 6], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Run", list(by_id), key="run", format_func=lambda id: by_id[id].name,
            help="All runs of this server, the newest first.",
        )  # fmt: skip
        st.query_params["run"] = chosen
    shown = by_id[chosen]
    with middle:
        beside = choose_beside(runs, shown)
    with right, st.container(horizontal=True):
        share(shown)
    return shown, beside


def share(run: LabRun) -> None:
    """Offer a run's settings, as a link and in the controls, and its end."""
    with st.popover("Link", icon=":material/link:", help="A link that fills the controls."):
        st.caption("Whoever opens this finds the controls as they were for this run.")
        address = link_of(st.context.url or "", run.settings)
        st.code(address, language=None, wrap_lines=True)
        st.button("Fill the controls here", on_click=fill, args=(run.settings,), key="refill")
    with st.popover("Delete", icon=":material/delete:", help="Delete this run."):
        st.markdown(f"Delete run **{run.name}**, its curves, its pictures and its weights?")
        st.button("Delete it", on_click=remove, args=(run,), key="remove", type="primary")


def remove(run: LabRun) -> None:
    """Delete a run."""
    try:
        keeper().delete(run)
    except HfxError as error:
        st.session_state[PROBLEM] = str(error)
    else:
        st.session_state.pop("run", None)


def choose_beside(runs: list[LabRun], shown: LabRun) -> list[LabRun]:
    """Return the runs that are laid over the one shown."""
    others = {run.id: run for run in runs if run.id != shown.id}
    linked = st.query_params.get("beside", "").split(" ")
    kept = [id for id in st.session_state.get("beside", linked) if id in others]
    st.session_state["beside"] = kept[: MOST - 1]
    chosen = st.multiselect(
        "Compare with", list(others), key="beside", format_func=lambda id: others[id].name,
        max_selections=MOST - 1, placeholder="other runs", disabled=not others,
        help="Their curves are laid over this run's, and a table says where they differ.",
    )  # fmt: skip
    if chosen:
        st.query_params["beside"] = " ".join(chosen)
    else:
        st.query_params.pop("beside", None)
    return [others[id] for id in chosen]


# --- several runs


def compare(shown: LabRun, beside: list[LabRun]) -> None:
    """Compare runs in a table."""
    if beside:
        st.markdown("**Side by side: where their settings differ, and what came of it**")
        st.table(train_room.side_by_side([shown, *beside]))
        st.caption("Losses with other weights are on other scales; compare PSNR at its bpp.")


if __name__ == "__main__":
    main()

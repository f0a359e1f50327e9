"""The page "XGBoost lab": grow the trees that foretell symbols, and see what they save."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import hfx
from dashboard import boosting, boosting_charts, resources
from dashboard.bits_symbol import STILL
from dashboard.boosting import HYPERPRIOR, KNN, SHIPPED, YOURS, Bench, Fit, Settings
from hfx.neighbours import trees
from hfx.neighbours.chain import DECISIONS
from hfx.neighbours.fit import Knobs

PURPOSE = (
    "Grow the boosted trees that correct the hyperprior by a symbol's neighbours (Eq. 2 to 4 of "
    "the paper) on a few photographs, and see what they save on photographs they never saw."
)
AMOUNTS = (120, 240, 480, 960, 3_000, 10_000, 30_000, 100_000)
SIDES = (1, 3, 5, 7, 9)
START = Settings()


def main() -> None:
    """Lay out the page."""
    st.title("XGBoost lab", anchor=False)
    st.markdown(PURPOSE)
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    controls, stage = st.columns([1, 3], gap="large")
    with controls, st.container(key="controls"):
        settings = choose()
        busy = st.empty()
    with stage, st.container(key="stage"):
        try:
            bench, fit = fitted(codec, settings, busy)
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")
            return
        show_savings(fit)
        show_rounds(fit)
        show_held(fit)
        show_importance(fit)
        show_tree(fit)
    st.divider()
    st.caption(
        f"Learned from {', '.join(boosting.TRAIN)}; stopped by {', '.join(boosting.STOP)}; judged "
        f"on {', '.join(boosting.HELD)}: {sum(map(count_of, bench.train)):,} symbols to draw "
        "windows from. Photographs of public domain or CC0 that come with scikit-image, at the "
        "medium tier. The shipped trees learned from hundreds of photographs."
    )


def count_of(latents: hfx.codec.Latents) -> int:
    """Return how many symbols a picture has."""
    return int(latents.y.size)


# --- controls


def choose() -> Settings:
    """Return what is to be fitted, once the button is pressed."""
    knobs = START.knobs
    with st.form("knobs", border=False):
        windows = st.select_slider(
            "Windows to learn from (Y)", AMOUNTS, START.windows, key="windows",
            bind="query-params", format_func="{:,}".format,
            help="The paper takes 120, 240, 480 or 960.",
        )  # fmt: skip
        side = st.segmented_control(
            "Window", SIDES, default=START.side, required=True, key="side", bind="query-params",
            format_func=lambda side: f"{side}×{side}", width="stretch",
            help="Neighbours looked at, in the symbol's own channel. The paper takes 7×7; 1×1 "
            "leaves only what earlier channels say.",
        )  # fmt: skip
        rounds = st.slider(
            "Rounds", 1, 60, knobs.rounds, key="rounds", bind="query-params",
            help="Trees for each of the six decisions, at most: fitting stops early once "
            f"{knobs.patience} more have not helped on a photograph kept aside.",
        )  # fmt: skip
        depth = st.slider(
            "Depth", 1, 6, knobs.depth, key="depth", bind="query-params",
            help="Questions from the root to a leaf.",
        )  # fmt: skip
        eta = st.slider(
            "Learning rate η", 0.05, 1.0, knobs.eta, 0.05, key="eta", bind="query-params",
            help="How much of each tree's correction is used.",
        )  # fmt: skip
        gamma = st.slider(
            "γ, the price of a leaf", 0.0, 20.0, knobs.gamma, 0.5, key="gamma",
            bind="query-params",
            help="As xgboost counts it; the γ of Eq. 4 is half of it. More: smaller trees.",
        )  # fmt: skip
        lambda_ = st.slider(
            "λ, the price of large scores", 0.0, 100.0, knobs.lambda_, 1.0, key="lambda",
            bind="query-params", help="Of Eq. 4. More: more cautious leaves.",
        )  # fmt: skip
        k = st.slider(
            "k of KNN", 1, 64, START.k, key="k", bind="query-params",
            help="Reference points that vote in the KNN that the trees are compared with.",
        )  # fmt: skip
        st.form_submit_button("Fit", type="primary", width="stretch")
    chosen = Knobs(rounds, depth, eta, gamma, lambda_)
    return Settings(int(windows), int(side), chosen, int(k))


# --- results


def fitted(codec: hfx.Codec, settings: Settings, busy: DeltaGenerator) -> tuple[Bench, Fit]:
    """Return the photographs' latents and a fit on them, fitting where it was not done yet."""
    shelf, mark = resources.shelf(), codec.weights.fingerprint

    def counted(label: str, steps: int) -> boosting.Step:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            busy.progress(min(1.0, done / steps), label)

        return step

    photos = len(boosting.TRAIN) + len(boosting.STOP) + len(boosting.HELD)
    bench: Bench = shelf.get(
        ("bench", mark),
        lambda: boosting.gather(codec, counted("Analysing photographs", photos)),
    )
    fit: Fit = shelf.get(
        ("fit", mark, settings),
        lambda: boosting.fit(codec, bench, settings, counted("Boosting", settings.steps)),
    )
    busy.caption(
        f"{sum(fit.report.rounds)} trees grown on {fit.report.windows:,} windows in "
        f"{fit.seconds:.1f} s."
    )
    return bench, fit


def show_savings(fit: Fit) -> None:
    """Show what each kind saves on the held-out photographs, in bytes of their files."""
    kinds = next(iter(fit.bytes.values()))
    with st.container(horizontal=True):
        for kind, why in (
            (YOURS, "With the settings on the left."),
            (KNN, "The k nearest reference points, from the same windows."),
            (SHIPPED, "Those that hfx codes with, from hundreds of photographs."),
        ):
            if kind in kinds:
                st.metric(
                    f"Bytes saved by {kind}", f"{fit.saved(kind):.1%}", border=True,
                    help=why + " Of the bytes of y of both held-out photographs, against the "
                    "hyperprior alone.",
                )  # fmt: skip


def show_rounds(fit: Fit) -> None:
    """Show Eq. 2 round by round."""
    left, right = st.columns(2)
    first, last = fit.rounds[0], fit.rounds[-1]
    with left:
        st.markdown("**Obj = L + Ω, on what is learned from**")
        st.plotly_chart(
            boosting_charts.objective(fit.rounds), config=STILL, key="objective",
            alt=f"From {first.objective:.3f} bits a window to {last.objective:.3f} after "
            f"{last.number} rounds, {last.penalty:.3f} of them penalty.",
        )  # fmt: skip
    with right:
        st.markdown("**Bits saved**")
        st.plotly_chart(
            boosting_charts.saved(fit.rounds, fit.knn), config=STILL, key="saved",
            alt=f"After {last.number} rounds {last.train:.1%} of the bits learned from are saved, "
            f"{last.held:.1%} of held-out ones; KNN saves {fit.knn:.1%}.",
        )  # fmt: skip
    st.caption(
        "Where the two lines on the right part, the trees learn their photographs by heart: give "
        "them more windows, or raise γ and λ. Decisions that stopped early stay as they were."
    )


def show_held(fit: Fit) -> None:
    """Show the bytes of each held-out photograph."""
    kinds = [
        kind
        for kind in (HYPERPRIOR, KNN, YOURS, SHIPPED)
        if kind in fit.bytes[next(iter(fit.bytes))]
    ]
    rows = [
        {"held out": name} | {
            kind: f"{row[kind]:,} ({row[kind] / row[HYPERPRIOR] - 1:+.1%})"
            if kind != HYPERPRIOR else f"{row[kind]:,}"
            for kind in kinds
        }
        for name, row in fit.bytes.items()
    ]  # fmt: skip
    st.markdown("**Bytes of y in the file**")
    st.table(rows)


def show_importance(fit: Fit) -> None:
    """Show what the trees look at."""
    found, side = fit.importance, fit.settings.side
    best = next(iter(found.gain))
    left, right = st.columns(2)
    with left:
        st.markdown("**Importance on the window**")
        st.plotly_chart(
            boosting_charts.window(found), config=STILL, key="importance",
            alt=f"Gain of each cell of the {side} by {side} window around a symbol.",
        )  # fmt: skip
    with right:
        st.markdown("**and of all that is known**")
        st.plotly_chart(
            boosting_charts.features(found), config=STILL, key="features",
            alt=f"Gain by feature; most comes from {best}.",
        )  # fmt: skip
    st.caption(
        "Gain: by how much all splits on it lowered the objective. Sums over several cells are "
        "shared out among them. A ratio is how many times larger than the hyperprior expected "
        "the neighbours are: in a ring of the window, in earlier channels, or in the last ones."
    )


def show_tree(fit: Fit) -> None:
    """Draw one of the trees."""
    st.subheader("One tree", anchor=False)
    grown = {
        name: count for name, count in zip(DECISIONS, fit.report.rounds, strict=True) if count
    }
    if not grown:
        st.info(
            "Not a single tree helped on the photograph kept aside, so none was kept: the file is "
            "coded as by the hyperprior.",
            icon=":material/info:",
        )
        return
    state = st.session_state
    if state.get("decision") not in grown:  # it had trees before, or a link names none
        state.pop("decision", None)
    with st.container(horizontal=True):
        decision = st.selectbox(
            "Decision", list(grown), key="decision", bind="query-params",
            help="A symbol is coded as a chain of yes-or-no decisions, each with its own trees.",
        )  # fmt: skip
        most = grown[decision]
        if state.get("tree", 1) > most:
            state["tree"] = most
        number = st.number_input(
            "Tree", 1, most, 1, key="tree", bind="query-params",
            help=f"1 to {most}; each corrects those before it.",
        )  # fmt: skip
    one = trees.trees_of(fit.model, DECISIONS.index(decision))[int(number) - 1]
    st.plotly_chart(
        boosting_charts.tree(one, trees.features_of(fit.model)), config=STILL, key="one_tree",
        alt=f"Tree {number} of {most} for the decision {decision}, with {len(one.scores)} leaves.",
    )  # fmt: skip
    st.caption(
        f"Asked of a symbol: {decision}? From the root on the left; if the answer is yes, up. "
        "What is not known yet goes where more was gained. A leaf adds its nats to the margin of "
        "yes: orange for yes, blue for no; none adds more than η / 2."
    )


if __name__ == "__main__":
    main()

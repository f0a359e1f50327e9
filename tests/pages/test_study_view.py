"""The page "Which is real?", without a browser: AppTest runs it, and helpers stand alone."""

import csv
import io
import time
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("choix", reason="the dashboard's extra is not installed")

import streamlit as st  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402
from studies import answer, made  # noqa: E402
from synthetic import picture  # noqa: E402

from dashboard import (  # noqa: E402
    resources,
    study_ballot,
    study_charts,
    study_room,
    study_setup,
    study_teaching,
)
from hfx.errors import HfxError  # noqa: E402
from hfx.study import manifest, outcome, votes  # noqa: E402
from hfx.study.prepare import Setup  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "study.py"
PASSCODE = "open sesame"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Where studies lie."""
    monkeypatch.setenv("HFX_STUDIES", str(tmp_path))
    monkeypatch.setenv("HFX_INSTRUCTOR", PASSCODE)
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


@pytest.fixture
def app(root):
    """Open the page at an address."""

    def opened(**query):
        app = AppTest.from_file(PAGE, default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return opened


def fine(app):
    assert not app.exception and not app.error
    return app


def words(app):
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.title, *app.success))


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def inside(app):
    """Pass the instructor's gate."""
    app.text_input(key="passcode").set_value(PASSCODE)
    return fine(click(app, "Open"))


def click(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def ballots(app):
    return app.get("bidi_component")


# --- taking part


def test_a_code_leads_to_the_study(app, root):
    made(root / "one", code="CODE22")
    page = fine(app())
    page.text_input(key="code").set_value("code22")
    page = fine(click(page, "Join"))
    assert page.query_params["study"] == "CODE22"
    assert "You will see **12 pairs**" in words(page)
    assert "which looks more like a real photograph?" in words(page)


@pytest.mark.parametrize("code", ["NONE22", "../one", ""])
def test_a_wrong_code_is_one_clear_line(app, root, code):
    made(root / "one", code="CODE22")
    page = app(study=code or " ")
    assert not page.exception
    assert [line.value for line in page.error] == [
        "no study has this code; check it with whoever gave it to you"
    ]
    assert page.text_input(key="code")


def test_looking_does_not_join_and_starting_does(app, root):
    study = made(root / "one", code="CODE22", reference=True)
    page = fine(app(study="CODE22"))
    assert votes.count(study) == (0, 0) and not ballots(page)
    assert "may be looked at" in words(page)
    page = fine(click(page, "Start"))
    assert votes.count(study) == (1, 0) and len(ballots(page)) == 1
    token = page.query_params["me"]
    assert len(votes.trials_of(study, token)) == 12
    fine(page.run())
    assert votes.count(study) == (1, 0)


def test_a_token_may_hold_two_underscores_in_a_row(app, root, monkeypatch):
    study = made(root / "one", code="CODE22")
    monkeypatch.setattr(votes.secrets, "token_urlsafe", lambda _: "a__b-c_____d_eFG")
    page = fine(app(study="CODE22", me=votes.join(study)))
    assert len(ballots(page)) == 1


def test_a_token_of_nobody_is_a_newcomer(app, root):
    made(root / "one", code="CODE22")
    page = fine(app(study="CODE22", me="x' OR 1"))
    assert page.button(key="start")


@pytest.mark.parametrize("catches, told", [(True, "**2 of 2**"), (False, "**0 of 2**")])
def test_thanks_say_how_the_checks_went(app, root, catches, told):
    study = made(root / "one", code="CODE22")
    token = votes.join(study)
    answer(study, token, lambda a, b: a, catches)
    page = fine(app(study="CODE22", me=token))
    assert "Your 10 answers are saved" in words(page) and told in words(page)
    assert ("may set it aside" in words(page)) is not catches
    assert not ballots(page)


def test_without_checks_nothing_is_said_of_them(app, root):
    study = made(root / "one", code="CODE22", catches=0)
    token = votes.join(study)
    answer(study, token, lambda a, b: a)
    page = fine(app(study="CODE22", me=token))
    assert "Thank you" in words(page) and "checks" not in words(page)


# --- what browsers send


def test_answers_are_kept_once_whatever_is_sent_again(root):
    study = made(root / "one")
    token = votes.join(study)
    sent = {"answers": {"0": ["left", 1.25], "3": ["right", 2]}, "tries": 1}
    assert study_ballot.record(study, token, sent) == 2
    assert study_ballot.record(study, token, sent) == 0
    sent["answers"] |= {"0": ["right", 9], "4": ["left", 1]}
    assert study_ballot.record(study, token, sent) == 1
    kept = {a.number: (a.side, a.seconds) for a in votes.trials_of(study, token) if a.side}
    assert kept == {0: ("left", 1.25), 3: ("right", 2), 4: ("left", 1)}


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "left",
        {"answers": None},
        {"answers": ["left"]},
        {"answers": {"x": ["left", 1]}},
        {"answers": {"0": "left"}},
        {"answers": {"0": ["middle", 1]}},
        {"answers": {"0": ["left", "long"]}},
        {"answers": {"0": [["left"], 1]}},
        {"answers": {"99": ["left", 1], "-1": ["left", 1], "1e3": ["left", 1]}},
    ],
)
def test_what_is_no_answer_is_passed_over(root, sent):
    study = made(root / "one")
    token = votes.join(study)
    assert study_ballot.record(study, token, sent) == 0
    assert votes.count(study) == (1, 0)


@pytest.mark.parametrize("seconds", [-1, 1e9, float("nan")])
def test_impossible_times_are_left_out_but_the_vote_counts(root, seconds):
    study = made(root / "one")
    token = votes.join(study)
    assert study_ballot.record(study, token, {"answers": {"0": ["left", seconds]}}) == 1
    assert votes.trials_of(study, token)[0].seconds is None


# --- the instructor


def test_the_gate(app, root, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    made(root / "one", code="CODE22")
    page = fine(app(view="instructor"))
    assert not page.metric
    page.text_input(key="passcode").set_value("wrong")
    page = click(page, "Open")
    assert [line.value for line in page.error] and not page.metric
    assert cards(inside(page))["Joined"] == "0"


def test_without_a_setting_the_console_shows_the_passcode(root, monkeypatch, capsys):
    monkeypatch.delenv("HFX_INSTRUCTOR")
    made_ = study_room.passcode()
    assert len(made_) == 6 and study_room.passcode() == made_
    assert capsys.readouterr().out.count(made_) == 1
    assert study_room.opens(f" {made_} ") and not study_room.opens("")


def test_results_of_the_study_that_is_wanted(app, root):
    one, two = made(root / "one", code="CNE222"), made(root / "two", code="TWQ222")
    for study, people in ((one, 2), (two, 3)):
        for _ in range(people):
            answer(study, votes.join(study), lambda a, b: min(a, b))
    page = inside(app(view="instructor", results="CNE222"))
    shown = cards(page)
    assert (shown["Joined"], shown["Votes"], shown["Agreement"]) == ("2", "20", "100%")
    assert "study=CNE222" in page.code[0].value
    page.selectbox(key="which").set_value("TWQ222")
    page = fine(page.run())
    assert cards(page)["Joined"] == "3" and page.query_params["results"] == "TWQ222"
    assert page.get("plotly_chart") and "too narrow" in words(page)
    assert list(page.dataframe[0].value["codec"]) == ["AVIF", "JPEG", "hfx"]


def test_a_study_made_meanwhile_takes_nobody_away(app, root):
    """What the list shows is what the results are of, also when a newer study stands above it."""
    made(root / "one", code="CNE222"), made(root / "two", code="TWQ222")
    page = inside(app(view="instructor", results="CNE222"))
    made(root / "three", code="THREE2")
    page = fine(page.run())
    assert page.selectbox(key="which").value == "CNE222" and "study=CNE222" in page.code[0].value
    page.session_state[study_setup.MADE] = "THREE2"
    page = fine(page.run())
    assert page.selectbox(key="which").value == "THREE2" and "study=THREE2" in page.code[0].value


def test_who_failed_a_check_can_be_left_out(app, root):
    study = made(root / "one")
    for catches in (True, True, False):
        answer(study, votes.join(study), lambda a, b: min(a, b), catches)
    page = inside(app(view="instructor"))
    assert (cards(page)["Failed a check"], cards(page)["Votes"]) == ("1", "30")
    page.toggle(key="without").set_value(True)
    page = fine(page.run())
    assert (cards(page)["Failed a check"], cards(page)["Votes"]) == ("1", "20")


def test_results_are_counted_anew_only_where_votes_are_new(root, monkeypatch):
    study = made(root / "one")
    counted = []
    real = outcome.outcome
    monkeypatch.setattr(outcome, "outcome", lambda *a: counted.append(a) or real(*a))
    answer(study, votes.join(study), lambda a, b: a)
    first = study_room.outcome_of(study, False)
    assert study_room.outcome_of(study, False) == first and len(counted) == 1
    answer(study, votes.join(study), lambda a, b: a)
    assert study_room.outcome_of(study, False).votes == 20 and len(counted) == 2


def test_the_csv(root):
    study = made(root / "one")
    answer(study, votes.join(study), lambda a, b: a)
    lines = list(csv.DictReader(io.StringIO(study_teaching.csv_of(study).decode())))
    assert len(lines) == 12 and {line["participant"] for line in lines} == {"1"}


# --- a new study


@pytest.fixture
def ours(tiny_codec, monkeypatch):
    monkeypatch.setattr(resources, "codec", lambda: tiny_codec)
    return tiny_codec


def test_there_is_no_study_yet(app, ours):
    page = inside(app(view="instructor"))
    assert page.button and page.number_input(key="pairs").value == 10


def test_a_setup_that_makes_no_study_is_refused_at_once(app, ours, root):
    page = inside(app(view="instructor"))
    page.multiselect(key="photographs").set_value([])
    page = click(page, "Prepare")
    assert [line.value for line in page.error] == ["choose photographs, or bring your own"]
    assert study_room.workshop().work is None


def test_a_study_is_made_in_the_background(ours, root):
    pictures = {f"noise {i}": picture(i, 112, 128) for i in range(2)}
    setup = Setup(title="Mine", codecs=("hfx", "WebP"), pairs=2, side=64)
    work = study_room.workshop().begin(pictures, setup, ours, root / "new")
    work.wait(60)
    assert not work.running and (work.done, work.total) == (2, 2)
    assert work.error is None and work.notes == []
    assert list(manifest.studies(root / "new")) == [work.study]
    assert work.study.folder.name == work.study.code


def test_one_at_a_time_and_it_can_be_stopped(ours, root):
    pictures = {f"noise {i}": picture(i, 112, 128) for i in range(9)}
    setup = Setup(codecs=("hfx", "WebP"), pairs=2, side=64)
    shop = study_room.workshop()
    with resources.shelf().turn:  # somebody else's picture is being coded
        work = shop.begin(pictures, setup, ours, root)
        with pytest.raises(HfxError, match="is being prepared"):
            shop.begin(pictures, setup, ours, root)
        assert work.running and work.done == 0
        work.stop()
    work.wait(60)
    assert work.done == 1 and work.study is None and "nothing was kept" in work.error
    assert list(root.iterdir()) == []
    shop.begin(pictures, setup, ours, root).stop()


def test_what_goes_wrong_is_said(ours, root):
    work = study_room.workshop().begin({"bad": b""}, Setup(), ours, root)
    work.wait(60)
    assert "no photograph is left" in work.error and len(work.notes) == 1


def test_the_page_tells_how_far_it_is_and_then_shows_the_study(app, ours, root):
    pictures = {"noise": picture(0, 112, 128)}
    setup = Setup(title="Mine", codecs=("hfx", "WebP"), pairs=1, side=64)
    page = inside(app(view="instructor"))
    with resources.shelf().turn:
        work = study_room.workshop().begin(pictures, setup, ours, root)
        page = fine(page.run())
        assert page.button(key="stop") and page.get("progress")
    work.wait(60)
    page.session_state[study_setup.MADE] = work.study.code
    page = fine(page.run())
    assert cards(page)["Joined"] == "0" and work.study.code in words(page)


# --- the chart


def test_the_chart_of_a_ranking(root):
    study = made(root / "one", codecs=("hfx", "JPEG", "original"))
    for _ in range(3):
        answer(study, votes.join(study), lambda a, b: max(a, b))
    standings = outcome.outcome(study).standings
    figure = study_charts.ranking(standings)
    assert [trace.y[0] for trace in figure.data] == [at.codec for at in standings]
    assert [trace.x[0] for trace in figure.data] == [100 * at.chance for at in standings]
    for trace, at in zip(figure.data, standings, strict=True):
        assert trace.x[0] + trace.error_x.array[0] == pytest.approx(100 * at.high)
        assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(100 * at.low)
        assert f"{at.wins} of {at.shown} votes" in trace.hovertemplate
    assert figure.layout.yaxis.categoryarray[-1] == standings[0].codec  # on top
    assert len({trace.marker.color for trace in figure.data}) == 3
    spoken = study_charts.in_words(standings)
    assert f"{standings[0].codec} {standings[0].chance:.0%} (" in spoken


def test_a_chart_without_intervals(root):
    study = made(root / "one")
    answer(study, votes.join(study), lambda a, b: a)
    standings = outcome.outcome(study).standings
    assert all(trace.error_x.array is None for trace in study_charts.ranking(standings).data)
    assert "%)" not in study_charts.in_words(standings)


def test_colours_by_kind():
    kinds = {
        study_charts.color_of(n) for n in ("hfx", "hfx realism 1", "original", "AVIF", "JPEG")
    }
    assert len(kinds) == 3

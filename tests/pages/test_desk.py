import contextlib

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard import desk as desks  # noqa: E402
from dashboard.desk import Desk  # noqa: E402
from dashboard.resources import Shelf  # noqa: E402


class Picture:
    nbytes = 10


class Place(contextlib.nullcontext):
    """Stands for a place on the page."""


@pytest.fixture
def session(monkeypatch):
    """A visitor's state, and what is said to him."""
    said = []

    @contextlib.contextmanager
    def spinner(text, show_time):
        said.append(text)
        yield

    monkeypatch.setattr(desks.st, "session_state", {})
    monkeypatch.setattr(desks.st, "spinner", spinner)
    monkeypatch.setattr(desks.st, "caption", said.append)
    return said


def desk(shelf):
    return Desk(shelf, Place())


def test_what_the_shelf_drops_stays_on_the_desk(session):
    shelf = Shelf(limit=15)
    first = desk(shelf)
    pictures = [first.get(name, Picture, "working") for name in "abc"]
    assert "a" not in shelf
    again = desk(shelf)
    assert [again.find(name) for name in "abc"] == pictures
    assert session == ["working"] * 3


def test_what_is_out_of_use_leaves_the_desk(session):
    shelf = Shelf(limit=5)
    desk(shelf).get("a", Picture, "")
    for _ in range(3):
        desk(shelf).get("b", Picture, "")
    last = desk(shelf)
    assert last.find("a") is None and last.find("b") is not None
    assert "b" in desks.st.session_state[desks.ITEMS]
    assert "a" not in desks.st.session_state[desks.ITEMS]


def test_what_is_not_shared_lies_on_the_desk_alone(session):
    shelf = Shelf(limit=99)
    place = desk(shelf)
    mine = place.get("a", Picture, "", share=False)
    assert place.find("a") is mine and "a" not in shelf
    assert desk(shelf).find("a") is mine
    place.clear("a")
    assert place.find("a") is None


def test_others_results_are_found(session):
    shelf = Shelf(limit=99)
    theirs = shelf.get("a", Picture)
    assert desk(shelf).find("a") is theirs
    assert desk(shelf).get("a", Picture, "") is theirs
    assert session == []


def test_waiting_is_said(session):
    desk(Shelf(limit=1)).wait()
    assert "Waiting for another visitor" in session[0]

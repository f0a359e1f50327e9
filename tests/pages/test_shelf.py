import threading

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard.resources import Shelf  # noqa: E402


class Piece:
    """Something of a size."""

    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_the_shelf_keeps_what_was_used_last():
    shelf = Shelf(limit=25)
    first = shelf.get("a", lambda: Piece(10))
    shelf.get("b", lambda: Piece(10))
    assert shelf.get("a", lambda: Piece(99)) is first
    shelf.get("c", lambda: Piece(10))
    assert "a" in shelf and "c" in shelf and "b" not in shelf


def test_the_shelf_hands_out_what_is_too_large_for_it():
    shelf = Shelf(limit=5)
    assert shelf.get("a", lambda: Piece(10)).nbytes == 10
    shelf.get("b", lambda: Piece(10))
    assert "a" not in shelf and "b" in shelf


def test_what_grows_on_the_shelf_is_weighed_anew():
    shelf = Shelf(limit=25)
    growing = shelf.get("a", lambda: Piece(5))
    shelf.get("b", lambda: Piece(5))
    growing.nbytes = 21
    shelf.get("c", lambda: Piece(1))
    assert "a" not in shelf and "b" in shelf


def test_what_lies_on_the_shelf_waits_for_no_one():
    shelf = Shelf(limit=99)
    first = shelf.get("a", lambda: Piece(1))
    reader = threading.Thread(target=lambda: seen.append(shelf.get("a", lambda: Piece(2))))
    seen = []

    def slow():
        reader.start()
        reader.join(30)
        return Piece(3)

    shelf.get("b", slow)
    assert seen == [first]


def test_the_same_thing_is_made_once():
    shelf, made = Shelf(limit=99), []
    start = threading.Barrier(4)

    def visit():
        start.wait()
        shelf.get("a", lambda: made.append(1) or Piece(1))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert made == [1]


def test_whoever_waits_can_say_so_and_give_up():
    shelf, busy, done = Shelf(limit=99), threading.Event(), threading.Event()

    def occupy():
        with shelf.my_turn():
            busy.set()
            done.wait(30)

    class Leave(Exception):
        pass

    def leave():
        raise Leave

    other = threading.Thread(target=occupy)
    other.start()
    busy.wait(30)
    try:
        with pytest.raises(Leave):
            shelf.get("a", lambda: Piece(1), leave)
        assert "a" not in shelf
    finally:
        done.set()
        other.join()
    assert shelf.get("a", lambda: Piece(1), leave).nbytes == 1


def test_a_failure_gives_the_turn_back():
    shelf = Shelf(limit=99)
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: 1 / 0)
    threading.Thread(target=lambda: shelf.get("b", lambda: Piece(1))).start()
    assert shelf.get("a", lambda: Piece(2)).nbytes == 2

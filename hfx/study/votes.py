"""Votes in SQLite: any number of threads and processes, none lost, none counted twice.

Nothing is kept of a participant but a random token: no name, no address, no time of day.
"""

import random
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hfx.errors import HfxError
from hfx.study.manifest import Study
from hfx.study.pairs import LEFT, RIGHT, Trial, draw

PATIENCE = 30.0  # seconds to wait while others write; each takes milliseconds

# A vote belongs to a trial that was given out, and a trial has one vote at most: the tables say
# so themselves, whoever writes to them.
_TABLES = """
CREATE TABLE participants (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE trials (
    participant INTEGER NOT NULL REFERENCES participants,
    number INTEGER NOT NULL,
    photograph INTEGER NOT NULL,
    left TEXT NOT NULL,
    right TEXT NOT NULL,
    PRIMARY KEY (participant, number)
) WITHOUT ROWID;
CREATE TABLE votes (
    participant INTEGER NOT NULL,
    number INTEGER NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('left', 'right')),
    seconds REAL,
    PRIMARY KEY (participant, number),
    FOREIGN KEY (participant, number) REFERENCES trials
) WITHOUT ROWID;
"""
_ASKED = """
SELECT participant, number, photograph, left, right, side, seconds
FROM trials LEFT JOIN votes USING (participant, number)
"""


@dataclass(frozen=True)
class Asked:
    """A trial given to a participant, and the answer.

    Attributes:
        participant: A number, counting from 1 in the order of joining.
        number: Which of the participant's trials it is, counting from 0.
        trial: What was shown.
        side: "left" or "right"; None while it is unanswered.
        seconds: From the pictures' appearance to the answer, as the browser took it.
    """

    participant: int
    number: int
    trial: Trial
    side: str | None
    seconds: float | None

    @property
    def chosen(self) -> str | None:
        """The codec that was preferred."""
        return self.trial.left if self.side == LEFT else self.trial.right if self.side else None

    @property
    def caught(self) -> bool:
        """Whether a catch trial was answered wrongly."""
        return self.trial.catch and self.side not in (None, self.trial.answer)


def create(path: Path) -> None:
    """Create the tables of a study that nobody takes part in yet.

    Raises:
        HfxError: they cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as base:
            base.execute("PRAGMA journal_mode = WAL")  # who reads never waits for who writes
            base.executescript(_TABLES)
    except sqlite3.Error as error:
        raise HfxError(f"cannot create {path}: {error}; name another folder") from error


@contextmanager
def _opened(study: Study, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the votes for one transaction: nothing of it is kept where an error ends it."""
    try:
        uri = f"{study.votes.resolve().as_uri()}?mode=rw"  # never create an empty file instead
        with closing(sqlite3.connect(uri, PATIENCE, isolation_level=None, uri=True)) as base:
            base.execute("PRAGMA foreign_keys = ON")
            base.execute("PRAGMA synchronous = FULL")  # kept even when the power goes
            base.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield base
            base.execute("COMMIT")
    except sqlite3.IntegrityError as error:
        raise HfxError("this vote belongs to no trial of this participant") from error
    except sqlite3.Error as error:
        raise HfxError(f"cannot use {study.votes}: {error}") from error


def join(study: Study, seed: int | None = None) -> str:
    """Let one more person take part: draw the trials, and return the random token.

    Drawing and keeping are one step that only one can take at a time, so the balance of
    comparisons holds however many join at once.

    Args:
        study: The study.
        seed: Makes the draw repeatable; by default chance is the system's own.
    """
    chance = random.Random(seed) if seed is not None else random.SystemRandom()
    token = secrets.token_urlsafe(12)
    with _opened(study, write=True) as base:
        given = [_asked(row).trial for row in base.execute(_ASKED)]
        row = base.execute("INSERT INTO participants (token) VALUES (?)", (token,))
        base.executemany(
            "INSERT INTO trials VALUES (?, ?, ?, ?, ?)",
            [
                (row.lastrowid, number, trial.photograph, trial.left, trial.right)
                for number, trial in enumerate(draw(study, given, chance))
            ],
        )
    return token


def vote(study: Study, token: str, number: int, side: str, seconds: float | None = None) -> bool:
    """Keep a vote, and say whether it is new: the first answer to a trial is the one that counts.

    When this returns, the vote is on the disk; sending it again does no harm.

    Raises:
        HfxError: there is no such trial or side, or the votes cannot be written.
    """
    if side not in (LEFT, RIGHT):
        raise HfxError(f"a vote is for the {LEFT} or the {RIGHT} picture, not {side!r}")
    with _opened(study, write=True) as base:
        found = base.execute("SELECT id FROM participants WHERE token = ?", (token,)).fetchone()
        kept = base.execute(
            "INSERT INTO votes VALUES (?, ?, ?, ?) ON CONFLICT (participant, number) DO NOTHING",
            (found[0] if found else None, number, side, seconds),
        )
        return kept.rowcount == 1


def trials_of(study: Study, token: str) -> list[Asked]:
    """Return a participant's trials in order; none where nobody has this token."""
    where = "WHERE participant = (SELECT id FROM participants WHERE token = ?) ORDER BY number"
    with _opened(study) as base:
        return [_asked(row) for row in base.execute(_ASKED + where, (token,))]


def everything(study: Study) -> list[Asked]:
    """Return all trials given out, by participant."""
    with _opened(study) as base:
        return [_asked(row) for row in base.execute(_ASKED + "ORDER BY participant, number")]


def count(study: Study) -> tuple[int, int]:
    """Return how many people joined and how many votes there are, catch trials included."""
    with _opened(study) as base:
        people, kept = (
            base.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("participants", "votes")
        )
        return int(people), int(kept)


def _asked(row: tuple) -> Asked:
    participant, number, photograph, left, right, side, seconds = row
    return Asked(participant, number, Trial(photograph, left, right), side, seconds)

"""CSV files of any size, with a count of our own of what an import is to make of them."""

import csv
import io
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from profiles.models import EXTERNAL_ID_LIMIT
from profiles.stores import RefusedRow

HEADER: Final = (
    "external_id,email,first_name,Surname,country,language,phone,plan,visits,is_member,since,prefs,note,internal code"
)
PLANS: Final = ("free", "gold", "team", "大人")
#: Users who are there before the import; the file names some of them.
KNOWN: Final = 1_000
#: Types of columns are guessed from the first rows, so these are without fault.
_SOUND_ROWS: Final = 100
_NOTHING: Final = -1
_NOTES: Final = (
    "likes long walks and short texts, and answers most letters within a day or two",
    'says "hello", and means it',
    "two\nlines",
    "日本語のメモ 🎈",
    "‫שלום‬",
    "back\\slash and \\N",
    "",
)
Reason = RefusedRow.Reason
Cells = list[Any]


@dataclass
class Planned:
    """What an import of the file is to come to.

    ``refused`` has a reason for each line of a bad row; ``visits`` and ``plans`` a value for each user, known ones
    first, by the number in the external id; ``points`` are the data points.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    points: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    visits: "array[int]" = field(default_factory=lambda: array("q", [_NOTHING] * KNOWN))
    plans: "array[int]" = field(default_factory=lambda: array("b", [_NOTHING] * KNOWN))

    def note(self, user: int, cells: Cells) -> None:
        """A good row about ``user``: empty cells change nothing."""
        if user == len(self.visits):
            self.created += 1
            self.visits.append(_NOTHING)
            self.plans.append(_NOTHING)
        else:
            self.updated += 1
        if cells[8] != "":
            self.visits[user] = cells[8]
        if cells[7]:
            self.plans[user] = PLANS.index(cells[7])
        self.points += sum(cell != "" for cell in cells[1:-1])

    def users(self) -> Iterator[tuple[str, str | None, str | None]]:
        """All users as they are to be: external id, visits, plan."""
        for number, (visits, plan) in enumerate(zip(self.visits, self.plans, strict=True)):
            yield f"user-{number}", None if visits < 0 else str(visits), None if plan < 0 else PLANS[plan]


def write_users(path: Path, size: int, seed: int = 1) -> Planned:
    """A file of about ``size`` bytes: most rows are about new users, some about known or earlier ones, and one in
    twenty cannot be used, for any of a dozen reasons.
    """
    draw = random.Random(seed)
    planned = Planned()
    line, written = 2, 0
    with path.open("wb") as file:
        file.write(HEADER.encode() + b"\r\n")
        while written < size:
            user = _whom(draw, len(planned.visits))
            cells = _cells(draw, user, is_new=user == len(planned.visits))
            if planned.rows >= _SOUND_ROWS and draw.random() < 0.05:
                row, planned.refused[line] = _spoiled(draw, cells)
            else:
                row = _line(cells)
                planned.note(user, cells)
            file.write(row)
            planned.rows += 1
            written += len(row)
            line += row.count(b"\n")
    return planned


def _whom(draw: random.Random, users: int) -> int:
    return users if draw.random() < 0.97 else draw.randrange(users)


def _cells(draw: random.Random, user: int, *, is_new: bool) -> Cells:
    country, language = draw.choice((("JP", "ja"), ("Germany", "de"), ("us", "en"), ("BR", "pt-BR")))
    return [
        f"user-{user}",
        f"user-{user}@example.com",
        f"First {draw.randrange(5_000)}",
        f"Last {draw.randrange(50_000)}",
        country,
        language,
        f"+8190{user % 10**8:08}",
        draw.choice(PLANS) if is_new or draw.random() < 0.5 else "",
        draw.randrange(100_000) if is_new or draw.random() < 0.5 else "",
        draw.choice(("true", "FALSE", "1")),
        f"2025-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}T10:00:00+09:00",
        f'{{"theme": "dark", "level": {draw.randrange(9)}}}',
        draw.choice(_NOTES),
        draw.randrange(10**9),
    ]


def _spoiled(draw: random.Random, cells: Cells) -> tuple[bytes, str]:
    """The row with one thing wrong, and the reason for which it is to be refused."""
    place, cell, reason = draw.choice(_FAULTS)
    if place is not None:
        cells[place] = cell
    elif cell == "less":
        cells.pop()
    else:
        cells.append("more")
    row = _line(cells)
    return (row.replace(b"\xef\xbf\xbd", b"\xff") if cell == "�" else row), reason.label


_FAULTS: Final[tuple[tuple[int | None, str, Reason], ...]] = (
    (0, "", Reason.NO_ID),
    (0, "   ", Reason.NO_ID),
    (0, "x" * (EXTERNAL_ID_LIMIT + 1), Reason.BAD_ID),
    (1, "nonsense", Reason.BAD_VALUE),
    (2, "�", Reason.ENCODING),
    (3, "nul \x00", Reason.ENCODING),
    (8, "many", Reason.NO_NUMBER),
    (8, "1e999", Reason.NO_NUMBER),
    (9, "perhaps", Reason.NO_BOOLEAN),
    (10, "2025-02-30", Reason.NO_DATE),
    (11, '{"theme": ', Reason.NO_OBJECT),
    (12, "x" * 10_001, Reason.TOO_LONG),
    (None, "less", Reason.CELLS),
    (None, "more", Reason.CELLS),
)


def _line(cells: Cells) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()

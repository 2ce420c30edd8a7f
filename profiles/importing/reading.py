"""A CSV file, read from any row on: each row comes with the byte at which the next one begins."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from django.conf import settings

PREVIEW_ROWS: Final = 3
#: Rows that types of columns are guessed from.
SAMPLE_ROWS: Final = 100
#: The form for the columns has three fields for each, and Django takes no more than a thousand.
COLUMNS_LIMIT: Final = 300
#: A line without an end is no CSV.
LINE_LIMIT: Final = 1_000_000
_DELIMITERS: Final = (",", ";", "\t")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class UnreadableError(Exception):
    """From some row on the file is no CSV."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the number of its first line, its cells, and the byte behind it."""

    line: int
    cells: list[str]
    end: int
    lines: int = 1

    @property
    def is_clean(self) -> bool:
        """Whether all of it is text that can be stored: what was not UTF-8 is there as lone surrogates."""
        joined = "".join(self.cells)
        try:
            joined.encode()
        except UnicodeEncodeError:
            return False
        return "\x00" not in joined


@dataclass(frozen=True)
class Beginning:
    """How a file begins: its delimiter, its headings, where the first row begins, and some rows.

    ``foreign``: how many of the first rows are left out, for they are no text in UTF-8.
    """

    delimiter: str
    header: list[str]
    position: int
    line: int
    rows: list[list[str]]
    foreign: int


def path_of(stored_as: str) -> Path:
    """Where the file of an import lies."""
    return Path(settings.IMPORT_DIR) / stored_as


def read_beginning(path: Path) -> Beginning:
    """Look at the header and the first rows. Raises UnreadableError for what is no CSV in UTF-8 with a header."""
    with path.open("rb") as file:
        start = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
        file.seek(start)
        first = file.readline(LINE_LIMIT)
    delimiter = max(_DELIMITERS, key=lambda one: first.count(one.encode()))
    rows = read_rows(path, start, 1, delimiter)
    head = next(rows, None)
    if head is None or not head.is_clean or not any(head.cells):
        raise UnreadableError
    sample: list[list[str]] = []
    foreign = 0
    try:
        for row in islice(rows, SAMPLE_ROWS):
            if row.is_clean:
                sample.append(row.cells)
            else:
                foreign += 1
    except UnreadableError:
        # The rows before are fine; the import tells the line.
        if not sample:
            raise
    return Beginning(delimiter, [one.strip() for one in head.cells], head.end, 1 + head.lines, sample, foreign)


def read_rows(path: Path, position: int, line: int, delimiter: str) -> Iterator[Row]:
    """The rows from the byte ``position`` on, which is in line ``line``; empty lines are left out.

    Raises UnreadableError where the file is no CSV, FileNotFoundError when it is gone.
    """
    with path.open("rb") as file:
        file.seek(position)
        lines = _Lines(file, position, line - 1)
        reader: Any = csv.reader(lines, delimiter=delimiter)
        before = line
        try:
            for cells in reader:
                if cells:
                    yield Row(before, cells, lines.position, lines.number + 1 - before)
                before = lines.number + 1
        except csv.Error:
            raise UnreadableError from None


class _Lines:
    """The lines of a file for ``csv.reader``, which takes as many as a row has: so we know where the row ended."""

    def __init__(self, file: BinaryIO, position: int, number: int) -> None:
        self._file = file
        self.position = position
        self.number = number

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        if len(line) >= LINE_LIMIT:
            raise UnreadableError
        self.position += len(line)
        self.number += 1
        return line.decode("utf-8", "surrogateescape")

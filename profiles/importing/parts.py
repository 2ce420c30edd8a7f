"""What one transaction of an import takes in: a part of the file, read and checked.

Reading the next part is Python's work and writing this one PostgreSQL's, so that the two are done at once.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from profiles.importing import mapping
from profiles.importing.converting import BadRowError, Converter, Reason, Record, Refusal
from profiles.importing.reading import Row, UnreadableError, path_of, read_rows
from profiles.importing.writing import Chunk, each_user_once
from profiles.models import SubscriptionGroup
from profiles.stores import UserImport

#: What a transaction takes in: it lasts about a second at most.
CHUNK_ROWS: Final = 5_000
CHUNK_BYTES: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """The users and the refused rows (by line) of a part, and where the next one begins."""

    chunk: Chunk
    refused: Sequence[tuple[int, Refusal]]
    position: int
    line: int
    is_last: bool


class Ahead:
    """The part that was read while the one before it was written."""

    def __init__(self) -> None:
        self._key: Any = None
        self._part: Part | None = None
        self._groups: Collection[uuid.UUID] = ()

    def part(self, one: UserImport) -> Part:
        """The next part of the import, as its row has it now. Raises UnreadableError, FileNotFoundError."""
        # Here, for while PostgreSQL is at work on a part nothing can be asked for the next one.
        self._groups = _groups_of(one)
        part = self._part if self._key == _key(one, one.position, one.line) else None
        self._key = self._part = None
        return part or read_part(one, one.position, one.line, self._groups)

    def prepare(self, one: UserImport, before: Part) -> None:
        """Read the part behind ``before``, unless that is done. What cannot be read is told to whoever needs it."""
        key = _key(one, before.position, before.line)
        if before.is_last or self._key == key:
            return
        try:
            self._part = read_part(one, before.position, before.line, self._groups)
        except (UnreadableError, FileNotFoundError):
            return
        self._key = key


def _key(one: UserImport, position: int, line: int) -> tuple[Any, ...]:
    """Everything that a part is made from: people can start an import again with other columns."""
    return one.pk, one.stored_as, position, line, one.delimiter, one.header, one.mapping, one.update_only


def _groups_of(one: UserImport) -> Collection[uuid.UUID]:
    """The subscription groups that the file can name; a file that names none has nobody ask for them."""
    if all(column.target != mapping.GROUP_ID for column in mapping.from_json(one.mapping)):
        return ()
    groups = SubscriptionGroup.objects.filter(workspace_id=one.workspace_id)
    return frozenset(groups.values_list("api_id", flat=True))


def read_part(one: UserImport, position: int, line: int, groups: Collection[uuid.UUID]) -> Part:
    """The part that begins there; its rows can name ``groups``. Raises UnreadableError, FileNotFoundError.

    Where the file becomes unreadable, the rows before are taken first: they were fine.
    """
    rows, start, is_last = _next_rows(one, position, line)
    converter = Converter(one.header, mapping.from_json(one.mapping), groups)
    records, refused = _checked(converter, rows)
    chunk = Chunk(
        one.workspace_id,
        converter.columns,
        converter.custom_types,
        each_user_once(records),
        one.update_only,
        converter.sets_groups,
    )
    end = (rows[-1].end, rows[-1].line + rows[-1].lines) if rows else start
    return Part(chunk, refused, *end, is_last)


def _next_rows(one: UserImport, position: int, line: int) -> tuple[list[Row], tuple[int, int], bool]:
    """The rows of the part, where they begin (behind the header), and whether they are the last."""
    rows: list[Row] = []
    reader = read_rows(path_of(one.stored_as), position, line, one.delimiter)
    if position == 0:
        head = next(reader, None)
        if head is None:
            raise UnreadableError
        position, line = head.end, head.line + head.lines
    start = (position, line)
    try:
        for row in reader:
            rows.append(row)
            if len(rows) >= CHUNK_ROWS or row.end - position >= CHUNK_BYTES:
                return rows, start, False
    except UnreadableError:
        if not rows:
            raise
        return rows, start, False
    return rows, start, True


def _checked(converter: Converter, rows: Sequence[Row]) -> tuple[list[Record], list[tuple[int, Refusal]]]:
    records: list[Record] = []
    refused: list[tuple[int, Refusal]] = []
    for row in rows:
        try:
            if not row.is_clean:
                raise BadRowError(Reason.ENCODING)
            records.append(converter.record(row.cells))
        except BadRowError as error:
            refused.append((row.line, error.refusal))
    return records, refused

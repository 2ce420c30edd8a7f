"""Taking a list in: the external ids in a CSV file or in a text, checked."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from profiles.models import EXTERNAL_ID_LIMIT
from segments.lists.stores import UserList
from workspaces.models import User, Workspace

MAX_IDS: Final = 1_000_000
#: What a file may have: so many ids, and a little beside each.
MAX_MEGABYTES: Final = 50
MAX_BYTES: Final = MAX_MEGABYTES * 1024 * 1024
#: Names of the column that the ids are in, in lower case and without spaces or underscores.
_COLUMNS: Final = ("externalid", "userid", "externaluserid", "id")
_DELIMITERS: Final = ",;\t"


class ListError(ValueError):
    """A list that cannot be taken; the text is for people and says what to do."""


def take(workspace: Workspace, user: User, data: bytes, name: str = "") -> UserList:
    """The list of the ids in ``data``; ``name`` is that of a CSV file, "" for a pasted text. Raises ListError.

    A file has its ids in the column that is called so (``external_id``, ``user_id``), or else in the first. In a pasted
    text every line, and every part of a line between commas, semicolons or tabs, is an id. White space around an id is
    dropped, and each counts once. Nothing is left out silently: it is refused, or said in the ``note`` of the list.
    """
    if len(data) > MAX_BYTES:
        message = _("The file is larger than %(most)s MB. Leave out other columns, or divide it into several lists.")
        raise ListError(message % {"most": MAX_MEGABYTES})
    if b"\x00" in data:
        raise ListError(_("The file holds the character NUL: it is no CSV file."))
    # Decoded as it is read: the text as a whole would take four times the room.
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="" if name else None)
    try:
        file = _File(lines) if name else None
        ids = _checked(_of_text(lines) if file is None else file.ids())
    except UnicodeDecodeError:
        raise ListError(_("The file is not encoded in UTF-8. Save it as CSV in UTF-8.")) from None
    digest = hashlib.sha256()
    for one in sorted(ids):
        digest.update(one.encode() + b"\n")
    made, _is_new = UserList.objects.defer("ids").get_or_create(
        workspace=workspace,
        name=name[-255:],
        digest=digest.digest(),
        defaults={"ids": ids, "count": len(ids), "made_by": user},
    )
    made.note = file.note() if file else ""
    return made


def _checked(found: Iterator[tuple[int, str]]) -> list[str]:
    ids: dict[str, None] = {}
    for line, one in found:
        if not (stripped := one.strip()):
            continue
        if len(stripped) > EXTERNAL_ID_LIMIT:
            message = _("Line %(line)s: an external id has at most %(most)s characters.")
            raise ListError(message % {"line": line, "most": EXTERNAL_ID_LIMIT})
        ids[stripped] = None
        if len(ids) > MAX_IDS:
            raise ListError(_("A list has at most 1,000,000 ids. Divide it into several lists, joined by OR."))
    if not ids:
        raise ListError(_("There is no id in it. Give external ids, one a line."))
    return list(ids)


def _of_text(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    table = str.maketrans(dict.fromkeys(_DELIMITERS, ","))
    for number, line in enumerate(lines, 1):
        if line.lstrip()[:1] in (",", ";"):
            raise _no_id(number)
        for one in line.translate(table).split(","):
            if len(one.split()) > 1:
                message = _(
                    "Line %(line)s: “%(id)s” holds a space. Write each id on a line of its own or put commas between"
                    " them; ids that hold spaces can be uploaded in a CSV file."
                )
                raise ListError(message % {"line": number, "id": one.strip()[:60]})
            yield number, one


def _no_id(line: int) -> ListError:
    message = _("Line %(line)s begins with a separator: its first id is missing. Add the id or remove the separator.")
    return ListError(message % {"line": line})


class _File:
    """A CSV file that is read once, by ``ids``; then ``note`` says what was taken of it."""

    def __init__(self, lines: Iterator[str]) -> None:
        head = next(lines, "")
        self._rows = csv.reader(chain([head], lines), delimiter=max(_DELIMITERS, key=head.count))
        self._named = ""
        self._widest = 0
        self._without = 0

    def ids(self) -> Iterator[tuple[int, str]]:
        """Line and id of every row that has one."""
        try:
            first = next(self._rows, [])
            column = _column(first)
            if column is None:
                yield from self._first_cell(first)
            else:
                self._named, self._widest = first[column].strip(), len(first)
            for row in self._rows:
                yield from self._first_cell(row) if column is None else self._cell(row, column)
        except csv.Error as error:
            message = _("Line %(line)s cannot be read as CSV: a quotation mark may be missing.")
            raise ListError(message % {"line": self._rows.line_num}) from error

    def note(self) -> str:
        """Which of several columns the ids were taken from, and how many lines had none in it."""
        if self._widest < 2:
            return ""
        if not self._named:
            return _("The file has no column external_id or user_id: the ids in its first column were taken.")
        said = _("The ids in the column “%(name)s” were taken.") % {"name": self._named[:60]}
        if self._without:
            left = ngettext("%(count)s line has no id in it.", "%(count)s lines have no id in it.", self._without)
            said = f"{said} {left % {'count': self._without}}"
        return said

    def _first_cell(self, row: list[str]) -> Iterable[tuple[int, str]]:
        self._widest = max(self._widest, len(row))
        if row and not row[0].strip() and any(cell.strip() for cell in row):
            raise _no_id(self._rows.line_num)
        return self._cell(row, 0)

    def _cell(self, row: list[str], column: int) -> Iterable[tuple[int, str]]:
        found = row[column] if column < len(row) else ""
        if not found.strip():
            self._without += any(cell.strip() for cell in row)
            return []
        return [(self._rows.line_num, found)]


def _column(header: list[str]) -> int | None:
    names = [cell.strip().casefold().replace("_", "").replace(" ", "") for cell in header]
    return next((names.index(one) for one in _COLUMNS if one in names), None)

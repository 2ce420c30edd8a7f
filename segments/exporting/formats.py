"""How users are written to a file: a beginning, a part for each chunk of users, an end. All is only ever appended."""

import gzip
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, ClassVar, Final

from django.utils import timezone

from segments.exporting import zips
from segments.exporting.fields import heading, only_chosen, value_of
from segments.stores import SegmentExport
from workspaces.csvs import BYTE_ORDER_MARK, csv_line
from workspaces.json_out import dump

User = Mapping[str, Any]


class Format(ABC):
    """A kind of file."""

    extension: ClassVar[str]
    content_type: ClassVar[str]

    def begin(self, fields: Sequence[str]) -> bytes:
        """How the file begins."""
        return b""

    @abstractmethod
    def part(self, number: int, users: Sequence[User], fields: Sequence[str]) -> bytes:
        """Some users (see ``profiles.exporting``); ``number`` counts the parts of the file from 1 on."""

    def end(self, file: BinaryIO, size: int) -> bytes:
        """How the file ends, behind ``size`` bytes of it."""
        return b""


class Csv(Format):
    """A line for each user; lists and objects are JSON in their cell."""

    extension = "csv"
    content_type = "text/csv; charset=utf-8"

    def begin(self, fields: Sequence[str]) -> bytes:
        return (BYTE_ORDER_MARK + csv_line(heading(name) for name in fields)).encode()

    def part(self, number: int, users: Sequence[User], fields: Sequence[str]) -> bytes:
        return "".join(csv_line(_cell(value_of(user, name)) for name in fields) for user in users).encode()


class Zip(Format):
    """JSON lines in a file for each part. Braze: a ZIP of files with 5,000 users each."""

    extension = "zip"
    content_type = "application/zip"

    def part(self, number: int, users: Sequence[User], fields: Sequence[str]) -> bytes:
        return zips.entry(f"{number:06}.json", _lines(users, fields), timezone.now())

    def end(self, file: BinaryIO, size: int) -> bytes:
        return zips.directory(file, size)


class Gzip(Format):
    """JSON lines in one file, of as many members as there are parts (RFC 1952, 2.2)."""

    extension = "gz"
    content_type = "application/gzip"

    def part(self, number: int, users: Sequence[User], fields: Sequence[str]) -> bytes:
        return gzip.compress(_lines(users, fields), 6)

    def end(self, file: BinaryIO, size: int) -> bytes:
        return b"" if size else gzip.compress(b"")


FORMATS: Final[Mapping[str, Format]] = {
    SegmentExport.Format.CSV: Csv(),
    SegmentExport.Format.ZIP: Zip(),
    SegmentExport.Format.GZIP: Gzip(),
}


def _lines(users: Sequence[User], fields: Sequence[str]) -> bytes:
    return b"".join(dump(user) + b"\n" for user in only_chosen(users, fields))


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return dump(value).decode() if isinstance(value, dict | list) else value

"""CSV that spreadsheets open without harm: UTF-8 with a byte order mark, and no cell that would be run as a formula."""

import csv
from collections.abc import Iterable
from typing import Any, Final

BYTE_ORDER_MARK: Final = "\ufeff"
#: What a spreadsheet would take for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file for ``csv.writer`` that returns each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV with its end. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    writer: Any = csv.writer(_Line())
    return str(writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells]))


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell

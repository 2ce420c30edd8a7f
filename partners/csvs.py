"""The unmatched identifiers of a cohort as CSV, row by row."""

import csv
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from partners.changes import KIND_NAMES
from partners.models import Cohort

#: What a spreadsheet would take for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file for ``csv.writer`` that returns each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def unmatched_csv(cohort: Cohort) -> Iterator[str]:
    """Lines of CSV after a byte order mark: kind, alias label, identifier and since when it waits (ISO 8601)."""
    writer: Any = csv.writer(_Line())
    yield "\ufeff"
    yield writer.writerow([_("Kind"), _("Alias label"), _("Identifier"), _("Since")])
    rows = cohort.unmatched.filter(cancelled=False).order_by("pk").values_list("kind", "label", "value", "since")
    for kind, label, value, since in rows.iterator(chunk_size=2_000):
        cells = (str(KIND_NAMES.get(kind, kind)), label, value)
        yield writer.writerow([*map(_harmless, cells), since.isoformat(timespec="seconds")])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell

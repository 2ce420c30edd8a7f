"""The unmatched identifiers of a cohort as CSV, row by row."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from partners.changes import KIND_NAMES
from partners.models import Cohort
from workspaces.csvs import BYTE_ORDER_MARK, csv_line


def unmatched_csv(cohort: Cohort) -> Iterator[str]:
    """Lines of CSV after a byte order mark: kind, alias label, identifier and since when it waits (ISO 8601)."""
    yield BYTE_ORDER_MARK
    yield csv_line([_("Kind"), _("Alias label"), _("Identifier"), _("Since")])
    rows = cohort.unmatched.filter(cancelled=False).order_by("pk").values_list("kind", "label", "value", "since")
    for kind, label, value, since in rows.iterator(chunk_size=2_000):
        yield csv_line([str(KIND_NAMES.get(kind, kind)), label, value, since.isoformat(timespec="seconds")])

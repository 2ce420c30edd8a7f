"""Things that leaves name by their ids (``api_id``), which may be anything that somebody typed."""

import uuid
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def by_api_id(rows: QuerySet[Row], given: Iterable[Any]) -> dict[str, Row]:
    """Those of ``rows`` that have these ids, by each id as it was given; what is no id is left out. One query."""
    named: dict[uuid.UUID, set[str]] = {}
    for one in given:
        try:
            named.setdefault(uuid.UUID(one), set()).add(one)
        except (ValueError, AttributeError, TypeError):
            continue
    found: list[Any] = list(rows.filter(api_id__in=named))
    return {one: row for row in found for one in named[row.api_id]}

"""The raw change lists of cohorts: their stored form, and the arrival order that they are appended in.

Every way in (partner cohort API, webhook, pull) turns what it receives into groups: ``(kind, remove, values)``, applied
one after the other. The values of aliases are ``[label, name]``, all others are strings.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort, CohortChange
from partners.wakeup import wake_up

ID_LIMIT = 512

EXTERNAL_ID = "external_id"
ALIAS = "alias"
DEVICE = "device"
EMAIL = "email"
#: A member that came without any identifier: it is counted as unmatched, and cannot wait for anybody.
NOBODY = "nobody"

KIND_NAMES = {
    EXTERNAL_ID: _("external id"),
    ALIAS: _("alias"),
    DEVICE: _("device"),
    EMAIL: _("email"),
}


class Identifier(NamedTuple):
    """How a partner names one user. ``label`` is the label of an alias, else empty."""

    kind: str
    label: str
    value: str


class Group(NamedTuple):
    """Identifiers of one kind to be added, or removed."""

    kind: str
    remove: bool
    values: Sequence[Any]


def count(groups: Sequence[Group]) -> int:
    """How many identifiers there are in ``groups``."""
    return sum(len(group.values) for group in groups)


def encode(groups: Sequence[Group]) -> bytes:
    """The stored form of a change list."""
    return orjson.dumps([[*group] for group in groups if group.values])


def decode(changes: bytes | memoryview) -> list[Group]:
    """The groups of a stored change list, in the order they came in."""
    return [Group(kind, remove, values) for kind, remove, values in orjson.loads(changes)]


def identifier_of(group: Group, place: int) -> Identifier:
    """The identifier at ``place`` of ``group``."""
    value = group.values[place]
    return Identifier(group.kind, *value) if group.kind == ALIAS else Identifier(group.kind, "", value)


def append(cohort_id: int, source: Cohort.Source, groups: Sequence[Group], session_id: str = "") -> None:
    """Append one request's differences to the cohort's change log; after the commit a worker is told.

    This is all that a request costs, whatever the size of its cohort (architecture: changes are logged, then folded).
    """
    CohortChange.objects.create(
        cohort_id=cohort_id,
        source=source,
        session_id=session_id,
        identifiers=count(groups),
        changes=encode(groups),
    )
    transaction.on_commit(lambda: fold_soon(cohort_id))


def fold_soon(cohort_id: int) -> None:
    """Tell a worker that the cohort has changes waiting. If the message is lost, beat finds them."""
    wake_up("partners.fold_cohort", cohort_id)

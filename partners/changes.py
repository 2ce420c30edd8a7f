"""The raw change lists of cohorts: their stored form, and the arrival order that they are appended in.

Every way in (partner cohort API, webhook, pull) turns what it receives into groups: ``(kind, remove, values)``, applied
one after the other. The values of aliases are ``[label, name]``, all others are strings.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort
from partners.wakeup import wake_up_once
from workspaces.binary import binary_cursor

ID_LIMIT = 512
#: The name of the task that folds one cohort.
FOLD_TASK = "partners.fold_cohort"

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
    _append("id = %s", [cohort_id], source, groups, session_id)


def append_pushed(integration_id: int, cohort_id: str, groups: Sequence[Group]) -> bool:
    """``append`` for a request that names the cohort as its partner does; False if there is no such cohort."""
    return _append("integration_id = %s AND cohort_id = %s", [integration_id, cohort_id], Cohort.Source.PUSH, groups)


def _append(
    where: str, named: Sequence[Any], source: Cohort.Source, groups: Sequence[Group], session_id: str = ""
) -> bool:
    # One statement, and not the ORM's: with it this would be half of what a request costs.
    with binary_cursor() as cursor:
        cursor.execute(
            "INSERT INTO partners_cohortchange (cohort_id, source, session_id, identifiers, changes)"  # noqa: S608
            f" SELECT id, %s::text, %s::text, %s, %s FROM partners_cohort WHERE {where} RETURNING cohort_id",
            [str(source), session_id, count(groups), encode(groups), *named],
        )
        found = cursor.fetchone()
    if found is None:
        return False
    transaction.on_commit(lambda: fold_soon(found[0]))
    return True


def fold_soon(cohort_id: int) -> None:
    """Tell a worker that the cohort has changes waiting. If the message is lost, beat finds them."""
    wake_up_once(FOLD_TASK, cohort_id)

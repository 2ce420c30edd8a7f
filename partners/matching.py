"""Finding the users that identifiers name: a fixed number of queries, whatever the number of identifiers.

Braze: partner cohort import. External ids, aliases and emails are compared exactly, case and white space included;
a device names anonymous profiles only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection

from partners.changes import ALIAS, DEVICE, EMAIL, EXTERNAL_ID, Identifier

#: From so many identifiers of one kind on, they are joined as an analysed table instead of probing an index for each.
JOIN_FROM = 20_000

_JOINS = {
    EXTERNAL_ID: """
        SELECT w.label, w.value, p.id FROM {wanted} JOIN profiles_profile p
        ON p.workspace_id = %(workspace)s AND p.external_id IS NOT NULL AND p.external_id = w.value""",
    ALIAS: """
        SELECT w.label, w.value, a.profile_id FROM {wanted} JOIN profiles_alias a
        ON a.workspace_id = %(workspace)s AND a.label = w.label AND a.name = w.value""",
    DEVICE: """
        SELECT w.label, w.value, d.profile_id FROM {wanted} JOIN profiles_device d
        ON d.workspace_id = %(workspace)s AND d.device_id = w.value
        JOIN profiles_profile p ON p.id = d.profile_id AND p.external_id IS NULL""",
    EMAIL: """
        SELECT w.label, w.value, p.id FROM {wanted} JOIN profiles_profile p
        ON p.workspace_id = %(workspace)s AND p.email <> '' AND p.email = w.value""",
}
_FEW = "unnest(%(labels)s::text[], %(values)s::text[]) AS w (label, value)"
_MANY = "partners_wanted AS w"


def find_profiles(workspace_id: int, identifiers: Iterable[Identifier]) -> dict[Identifier, list[int]]:
    """The ids of the profiles that each identifier names; an identifier that names nobody is not in the answer.

    An email or a device can name several profiles. Kinds that cannot name anybody are passed over. Must run in a
    transaction.
    """
    by_kind: dict[str, set[Identifier]] = defaultdict(set)
    for identifier in identifiers:
        by_kind[identifier.kind].add(identifier)
    found: dict[Identifier, list[int]] = defaultdict(list)
    for kind, query in _JOINS.items():
        if by_kind[kind]:
            for label, value, profile_id in _join(workspace_id, query, by_kind[kind]):
                found[Identifier(kind, label, value)].append(profile_id)
    return dict(found)


def _join(workspace_id: int, query: str, wanted: Collection[Identifier]) -> list[tuple[str, str, int]]:
    # Sorted, so that neighbours in the index are probed one after the other.
    ordered = sorted(wanted)
    with connection.cursor() as cursor:
        if len(ordered) < JOIN_FROM:
            labels, values = [one.label for one in ordered], [one.value for one in ordered]
            parameters: dict[str, Any] = {"workspace": workspace_id, "labels": labels, "values": values}
            cursor.execute(query.format(wanted=_FEW), parameters)
        else:
            cursor.execute("DROP TABLE IF EXISTS pg_temp.partners_wanted")
            cursor.execute("CREATE TEMPORARY TABLE partners_wanted (label text, value text) ON COMMIT DROP")
            with cursor.copy("COPY partners_wanted FROM STDIN") as copy:
                for one in ordered:
                    copy.write_row((one.label, one.value))
            cursor.execute("ANALYZE partners_wanted")
            cursor.execute(query.format(wanted=_MANY), {"workspace": workspace_id})
        rows: list[tuple[str, str, int]] = cursor.fetchall()
    return rows

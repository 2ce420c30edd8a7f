"""What becomes of users, as ``profiles`` does it; and looks at what is stored of a cohort."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction

from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from tests.partners.conftest import Partner
from workspaces.models import DataPoints

Kind = IdentityChange.Kind


def merge(loser: Profile, survivor: Profile) -> None:
    """What the profiles' own merge does to the tables and to the log."""
    with transaction.atomic():
        log_identity(loser.workspace_id, Kind.MERGED, [loser.pk], [survivor.pk])
        loser.delete()


def delete(*profiles: Profile) -> None:
    with transaction.atomic():
        log_identity(profiles[0].workspace_id, Kind.DELETED, [one.pk for one in profiles])
        Profile.objects.filter(pk__in=[one.pk for one in profiles]).delete()


def waiting(partner: Partner, cohort_id: str = "c1") -> set[str]:
    return set(partner.cohort(cohort_id).unmatched.filter(cancelled=False).values_list("value", flat=True))


def stored(partner: Partner, cohort_id: str = "c1") -> set[int]:
    """The members as stored, with nothing folded and nobody left out."""
    return set(partner.cohort(cohort_id).members)


def data_points(partner: Partner) -> int:
    return sum(DataPoints.objects.filter(workspace=partner.integration.workspace).values_list("count", flat=True))


@contextmanager
def other_transaction() -> Iterator[psycopg.Connection]:
    """A transaction of another session that has written, and stays open for the block."""
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if given.get(name)}
    with psycopg.connect(**wanted) as session:
        session.execute("SELECT pg_current_xact_id()")
        yield session


def insert_elsewhere(session: psycopg.Connection, workspace_id: int, external_id: str) -> int:
    """Insert a profile as ``profiles`` does, in another session's transaction; returns its id."""
    row = session.execute(
        "INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket)"
        " VALUES (%s, 'elsewhere', %s, 0) RETURNING id",
        [workspace_id, external_id],
    ).fetchone()
    assert row
    session.execute(
        "INSERT INTO profiles_identitychange (workspace_id, kind, profile_ids) VALUES (%s, 'created', %s)",
        [workspace_id, [row[0]]],
    )
    return int(row[0])


def fail(*args: Any, **kwargs: Any) -> None:
    """Stands in for what is to break."""
    raise RuntimeError("killed")

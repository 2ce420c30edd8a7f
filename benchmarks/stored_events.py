"""A log full of events of mixed types, and a Current that has them all before it."""

import random
import uuid
from collections.abc import Iterator
from itertools import islice

import orjson
from django.db import connection, transaction

from currents.catalogue import offered
from currents.examples import example_properties
from currents.log import shard_of
from currents.models import SHARDS, Current, Cursor, EventSelection
from workspaces.models import Workspace

START = 1_700_000_000
USERS = 50_000
_CHUNK = 20_000
#: So many different payloads take turns: far more than fit in the compressor's window of 32 KB.
_PAYLOADS = 5_000
COPY = "COPY currents_event (workspace_id, shard, event_id, event_type, time, external_user_id, payload) FROM STDIN"
COLUMNS = ("int8", "int2", "text", "text", "int8", "text", "text")
Row = tuple[int, int, str, str, int, str, str]


def fill(workspace: Workspace, number: int) -> None:
    """Append ``number`` events, many transactions' worth, by COPY; then let PostgreSQL look at what it has."""
    ready = _rows(workspace.pk, number, random.Random(1))
    for _start in range(0, number, _CHUNK):
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(COLUMNS)
            for row in islice(ready, _CHUNK):
                copy.write_row(row)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE currents_event")


def rows(workspace_id: int, number: int, *, seed: int) -> list[Row]:
    """``number`` rows of the log, for COPY."""
    return list(_rows(workspace_id, number, random.Random(seed)))


def empty() -> None:
    """Forget all events."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE currents_event")


def make_current(workspace: Workspace) -> Current:
    """An active Current of every type to Mixpanel's region Sandbox."""
    current = Current.objects.create(
        workspace=workspace,
        name="Benchmark",
        contact_email="contact@example.com",
        destination="mixpanel",
        options={"region": "sandbox"},
        secrets={"api_secret": "sandbox-api-secret", "token": "sandbox-project-token"},
        event_types=sorted(offered()),
        status=Current.Status.ACTIVE,
    )
    EventSelection.objects.create(current=current, from_xid=0, event_types=current.event_types)
    Cursor.objects.bulk_create(Cursor(current=current, shard=shard) for shard in range(SHARDS))
    return current


def rewind(current: Current) -> None:
    """Put all its cursors before the first event."""
    uncounted = {"counted": 0, "counted_xid": None, "counted_event": None}
    current.cursors.update(xid=0, event=0, lease=None, leased_until=None, attempt=0, batch_limit=0, **uncounted)


def _rows(workspace_id: int, number: int, chance: random.Random) -> Iterator[Row]:
    types = sorted(offered())
    pool = [_payload(types[index % len(types)], chance) for index in range(_PAYLOADS)]
    users = [(user, shard_of(user, None)) for user in (f"user-{one:06d}" for one in range(USERS))]
    for index in range(number):
        event_type, payload = chance.choice(pool)
        user, shard = users[index * 7919 % USERS]
        event_id = f"00000000-0000-4000-8000-{index:012d}"
        yield workspace_id, shard, event_id, event_type, START + index // 100, user, payload


def _payload(event_type: str, chance: random.Random) -> tuple[str, str]:
    properties = {
        name: str(uuid.UUID(int=chance.getrandbits(128))) if name.endswith("_id") else value
        for name, value in example_properties(event_type).items()
    }
    user = {"user_id": f"{chance.getrandbits(96):024x}", "device_id": str(uuid.UUID(int=chance.getrandbits(128)))}
    return event_type, orjson.dumps({"user": {**user, "timezone": "Asia/Tokyo"}, "properties": properties}).decode()

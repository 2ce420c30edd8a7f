"""A log full of events of mixed types, and a Current that has them all before it."""

import random
import uuid
from collections.abc import Iterator

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
_COPY = "COPY currents_event (workspace_id, shard, event_id, event_type, time, external_user_id, payload) FROM STDIN"


def fill(workspace: Workspace, number: int) -> None:
    """Append ``number`` events, many transactions' worth, by COPY; then let PostgreSQL look at what it has."""
    rows = _rows(workspace.pk, random.Random(1))
    users = [(f"user-{one:06d}", shard_of(f"user-{one:06d}", None)) for one in range(USERS)]
    for start in range(0, number, _CHUNK):
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(("int8", "int2", "text", "text", "int8", "text", "text"))
            for index, (event_type, payload) in zip(range(start, min(start + _CHUNK, number)), rows, strict=False):
                user, shard = users[index * 7919 % USERS]
                event_id = f"00000000-0000-4000-8000-{index:012d}"
                copy.write_row((workspace.pk, shard, event_id, event_type, START + index // 100, user, payload))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE currents_event")


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
    current.cursors.update(xid=0, event=0, lease=None, leased_until=None, attempt=0, batch_limit=0)


def _rows(workspace_id: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    types = sorted(offered())
    pool = [_payload(types[index % len(types)], chance) for index in range(_PAYLOADS)]
    while True:
        yield from chance.sample(pool, len(pool))


def _payload(event_type: str, chance: random.Random) -> tuple[str, str]:
    properties = {
        name: str(uuid.UUID(int=chance.getrandbits(128))) if name.endswith("_id") else value
        for name, value in example_properties(event_type).items()
    }
    user = {"user_id": f"{chance.getrandbits(96):024x}", "device_id": str(uuid.UUID(int=chance.getrandbits(128)))}
    return event_type, orjson.dumps({"user": {**user, "timezone": "Asia/Tokyo"}, "properties": properties}).decode()

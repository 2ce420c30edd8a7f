"""A reader first lets what other systems sent be counted, when it is little (architecture: logged, then folded).

Events that came in by ``POST /currents/events`` are counted every few seconds (``profiles.received``); whoever reads
what is made from them asks here before. Readers of others, and the task, count too: never two at once.
"""

import logging
import time
from collections.abc import Collection
from typing import Final, NamedTuple

import orjson
from django.conf import settings
from django.db import DatabaseError, connection

from currents.log import HORIZON_SQL
from profiles.behaviours import CUSTOM_EVENT, PURCHASE
from profiles.received import BATCH, CURSOR, count_received
from profiles.rows import MovedError
from profiles.versions import Kind

log = logging.getLogger(__name__)

#: The kinds of data that are made from what came in.
COUNTED: Final = frozenset({Kind.COUNTERS, Kind.ENGAGEMENT, Kind.DEVICES, Kind.USE, Kind.ATTRIBUTION})
#: A reader waits so long in all for another one who is counting, and for transactions that hold the log back.
PATIENCE_SECONDS: Final = 0.25
#: One that must not miss anything waits longer, and counts up to so many times the usual limit.
FRESH_SECONDS: Final = 2.0
_MORE: Final = 10
_LOOK_SECONDS: Final = 0.02
_LAST: Final = 2**63 - 1
#: The property that holds the name of what an event of the type is about.
_MEMBERS: Final = {CUSTOM_EVENT: "name", PURCHASE: "product_id"}

#: What came in and is not counted: everything behind the cursor. The index ``event_from_outside`` has it in this order.
_WAITS: Final = """
    e.from_outside AND (e.xid, e.id) > (
        coalesce((SELECT xid FROM profiles_logcursor WHERE name = %(cursor)s), 0),
        coalesce((SELECT event FROM profiles_logcursor WHERE name = %(cursor)s), 0))"""


class _Waiting(NamedTuple):
    """What waits: ``ready`` events of anybody that can be counted now; ``mine`` of the workspace, up to ``last``."""

    ready: int
    mine: int
    last: int


def count_for_read(workspace_id: int, *, fresh: bool = False) -> int:
    """Let a reader of the workspace see what was accepted before: have it counted while few events wait.

    Returns how many events of the workspace still wait: 0, or those above the setting COUNT_ON_READ_LIMIT, or held back
    by an open transaction. ``fresh``: a reader with more patience. Counting that fails does not fail the reader, who
    sees what is stored; neither does it run in a reader's own transaction, whose locks would last.
    """
    limit = settings.COUNT_ON_READ_LIMIT
    found = _look(workspace_id, limit * _MORE)
    last, patience = found.last, FRESH_SECONDS if fresh else PATIENCE_SECONDS
    while found.mine and not connection.in_atomic_block and (fresh or found.ready <= limit):
        if not (found.ready and _counted(min(BATCH, found.ready))):
            if patience <= 0:
                break
            patience -= _LOOK_SECONDS
            time.sleep(_LOOK_SECONDS)
        # What came in meanwhile is for the next reader.
        found = _look(workspace_id, limit * _MORE, last)
    return found.mine


def arriving(workspace_id: int, event_type: str, names: Collection[str]) -> set[str]:
    """Those of ``names`` of custom events, or ids of products, that events tell of which are not counted yet."""
    if not names:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.payload::text FROM (
                SELECT e.workspace_id, e.event_type, e.payload FROM currents_event e WHERE {_WAITS}
                ORDER BY e.xid, e.id LIMIT %(most)s
            ) e WHERE e.workspace_id = %(workspace)s AND e.event_type = %(type)s
            """,  # noqa: S608 - a constant
            {
                "cursor": CURSOR,
                "most": settings.COUNT_ON_READ_LIMIT * _MORE,
                "workspace": workspace_id,
                "type": event_type,
            },
        )
        told = [orjson.loads(payload).get("properties") for (payload,) in cursor.fetchall()]
    return {
        name
        for one in told
        if isinstance(one, dict) and isinstance(name := one.get(_MEMBERS[event_type]), str) and name in names
    }


def _look(workspace_id: int, most: int, last: int = _LAST) -> _Waiting:
    """What waits among the first ``most`` events behind the cursor, of transactions up to ``last``. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE xid < {HORIZON_SQL}), count(*) FILTER (WHERE workspace_id = %(workspace)s),
                   coalesce(max(xid) FILTER (WHERE workspace_id = %(workspace)s), 0)
            FROM (SELECT e.xid, e.workspace_id FROM currents_event e WHERE {_WAITS} AND e.xid <= %(last)s
                  ORDER BY e.xid, e.id LIMIT %(most)s) waiting
            """,  # noqa: S608 - constants
            {"workspace": workspace_id, "cursor": CURSOR, "most": most, "last": last},
        )
        return _Waiting(*cursor.fetchone())


def _counted(batch: int) -> int:
    try:
        return count_received(batch, most=1)
    except (DatabaseError, MovedError):
        log.exception("What came in could not be counted for a reader")
        return 0

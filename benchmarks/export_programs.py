"""What ``benchmarks.currents_export`` compares, each run as a process: a worker, the bare loops, the official library.

    python -m benchmarks.export_programs <program> <Current> <events>

Says "ready", waits for a line, works, and tells what it did as JSON.
"""

import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
import orjson
from isal import igzip

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")
django.setup()

from django.db import connection  # noqa: E402

from currents import batches, delivery, log, outcomes  # noqa: E402
from currents.destinations import Account, Request, destination  # noqa: E402
from currents.log import Position  # noqa: E402
from currents.models import SHARDS, Current  # noqa: E402
from currents.sending import send  # noqa: E402

TOKEN = "sandbox-project-token"
Stages = dict[str, float]
IN_FLIGHT = 10
PAGE = 2_000


def worker(current: Current, events: int, stages: Stages) -> int:
    """What a Celery worker does, message after message, until nothing waits. Other workers may share the Current."""
    _watch(stages, log, "read", "read")
    _watch(stages, batches.BatchBuilder, "build", "build")
    _watch(stages, outcomes, "settle", "settle")
    _watch(stages, type(destination("mixpanel")), "request", "compress")
    _watch(stages, delivery, "send", "send")
    done = 0
    land = delivery.Run._land

    def counting(run: Any, flight: Any, *rest: Any) -> None:
        nonlocal done
        land(run, flight, *rest)
        done += len(flight.batch.events)

    delivery.Run._land = counting  # type: ignore[method-assign]
    while not _all_is_sent():
        if not delivery.deliver(current.pk, flush=True):
            time.sleep(0.01)  # another worker has the shards: Celery would call again
    return done


def _all_is_sent() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT NOT EXISTS (
                SELECT 1 FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
                 WHERE EXISTS (SELECT 1 FROM currents_event e
                                WHERE e.workspace_id = k.workspace_id AND e.shard = c.shard
                                  AND (e.xid, e.id) > (c.xid, c.event)))
            """
        )
        return bool(cursor.fetchone()[0])


def bare(current: Current, events: int, stages: Stages) -> int:
    """Read, decode, encode, compress, send: shard after shard, page after page."""

    def encode(rows: list[tuple[Any, ...]]) -> bytes:
        found = []
        for _id, _xid, event_id, event_type, moment, user, payload in rows:
            properties = orjson.loads(payload)["properties"]
            properties |= {"token": TOKEN, "time": moment, "distinct_id": user, "$insert_id": event_id}
            found.append({"event": event_type, "properties": properties})
        return orjson.dumps(found)

    return _bare(current, encode)


def bare_splicing(current: Current, events: int, stages: Stages) -> int:
    """The same with the worker's own way to make a Mixpanel event."""
    target, account = destination("mixpanel"), Account.of(current)
    assert target is not None

    def encode(rows: list[tuple[Any, ...]]) -> bytes:
        made = [
            target.encode(log.LoggedEvent(one, xid, event_id, event_type, moment, user, 0.0, payload), account)
            for one, xid, event_id, event_type, moment, user, payload in rows
        ]
        return b"[" + b",".join([one for one in made if isinstance(one, bytes)]) + b"]"

    return _bare(current, encode)


def library(current: Current, events: int, stages: Stages) -> int:
    """The official client, the same events from memory."""
    import mixpanel

    logging.getLogger("mixpanel").setLevel(logging.ERROR)  # it warns of each call's form of credentials

    url = os.environ["MIXPANEL_SANDBOX_URL"]
    client = mixpanel.Mixpanel(TOKEN, consumer=mixpanel.BufferedConsumer(import_url=f"{url}/import"))
    ready = []
    for page in _pages(current.workspace_id):
        for _id, _xid, event_id, event_type, moment, user, payload in page:
            properties = orjson.loads(payload)["properties"]
            ready.append((user, event_type, moment, {**properties, "$insert_id": event_id}))
        if len(ready) >= events:
            break
    say_ready()
    for user, event_type, moment, properties in ready[:events]:
        client.import_data("", user, event_type, moment, properties, api_secret="sandbox-api-secret")
    client._consumer.flush()
    return events


def _bare(current: Current, encode: Callable[[list[tuple[Any, ...]]], bytes]) -> int:
    sent = 0
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        under_way: list[Any] = []
        for page in _pages(current.workspace_id):
            under_way.append(pool.submit(_post, encode(page)))
            sent += len(page)
            if len(under_way) >= IN_FLIGHT:
                under_way.pop(0).result()
        for one in under_way:
            one.result()
    return sent


def _post(body: bytes) -> None:
    url = os.environ["MIXPANEL_SANDBOX_URL"] + "/import"
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert send(Request(url, igzip.compress(body, 1), headers)).status == 200


def _pages(workspace_id: int) -> Iterator[list[tuple[Any, ...]]]:
    with log.raw_cursor() as cursor:
        for shard in range(SHARDS):
            place = Position(0, 0)
            while True:
                cursor.execute(
                    """
                    SELECT id, xid, event_id, event_type, time, external_user_id, payload FROM currents_event
                     WHERE workspace_id = %s AND shard = %s AND (xid, id) > (%s, %s) ORDER BY xid, id LIMIT %s
                    """,
                    [workspace_id, shard, *place, PAGE],
                )
                rows = cursor.fetchall()
                if not rows:
                    break
                place = Position(rows[-1][1], rows[-1][0])
                yield rows


def _watch(stages: Stages, owner: Any, name: str, label: str) -> None:
    """Add up the CPU seconds that a function takes in its thread."""
    real = getattr(owner, name)
    stages[label] = 0.0

    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.thread_time()
        try:
            return real(*arguments, **named)
        finally:
            stages[label] += time.thread_time() - started

    setattr(owner, name, timed)


def _warm_up(current: Current) -> None:
    """Meet every form of events once, as a worker has that runs for long; nothing is sent."""
    target = destination("mixpanel")
    assert target is not None
    builder = batches.BatchBuilder(current, target, Account.of(current))
    for shard in range(SHARDS):
        builder.build(shard, Position(0, 0))


def say_ready() -> None:
    """Tell that everything is prepared, and wait for the start."""
    global _started_cpu
    if not _started_cpu:
        print("ready", flush=True)
        sys.stdin.readline()
        _started_cpu = time.process_time()


_started_cpu = 0.0


def main() -> None:
    program, current_id, events = globals()[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    current = Current.objects.get(pk=current_id)
    stages: Stages = {}
    if program is not library:
        _warm_up(current)
        say_ready()
    done = program(current, events, stages)
    print(
        orjson.dumps(
            {
                "events": done,
                "ended": time.monotonic(),
                "cpu": time.process_time() - _started_cpu,
                "stages": stages,
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        ).decode()
    )


if __name__ == "__main__":
    main()

"""How fast events come in: ``POST /currents/events`` and ``/users/track``, beside a bare COPY of the same rows.

    python -m benchmarks.event_ingest
    python -m benchmarks.event_ingest --events 20000 --rounds 1

Requests go through the whole of Django, without a socket, from one thread: what a core of the web server can do. The
bare COPY writes the same rows into the same table, in transactions of the same size, and does nothing else.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks import harness

#: Events in one request: of a Currents connector, and what ``/users/track`` takes.
BATCH = 1_000
TRACKED = 75
USERS = 5_000


class Bench:
    """A workspace with an API key, and the test client that posts to it."""

    def __init__(self, events: int) -> None:
        from django.test import Client

        from workspaces.models import ApiKey, Workspace

        self.events = events
        self.workspace = Workspace.objects.create(name="Benchmark")
        permissions = ["currents.events", "users.track"]
        key = ApiKey.make(workspace=self.workspace, name="Benchmark", permissions=permissions)[1].secret
        self.headers = {"Authorization": f"Bearer {key}"}
        self.client = Client()
        self.round = 0

    def copy(self) -> float:
        """Events a second of a bare COPY."""
        from django.db import connection, transaction

        from benchmarks.stored_events import COLUMNS, COPY, rows

        self.round += 1
        ready = rows(self.workspace.pk, self.events, seed=self.round)

        def write(start: int) -> None:
            with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(COLUMNS)
                for row in ready[start : start + BATCH]:
                    copy.write_row(row)

        return self._rate(write, self.events, BATCH)

    def currents_events(self) -> float:
        """Events a second of ``POST /currents/events``."""
        from benchmarks.stored_events import rows

        self.round += 1
        ready = [_as_posted(row, self.round) for row in rows(self.workspace.pk, self.events, seed=self.round)]
        bodies = [orjson.dumps({"events": ready[start : start + BATCH]}) for start in range(0, self.events, BATCH)]
        return self._rate(lambda start: self._post("/currents/events", bodies[start // BATCH]), self.events, BATCH)

    def track(self) -> float:
        """Events a second of ``POST /users/track``, users included."""
        self.round += 1
        number = self.events // 10 // TRACKED * TRACKED
        moment = datetime.now(UTC).isoformat()
        events = [
            {
                "external_id": f"user-{index * 7919 % USERS}",
                "name": f"Event {index % 20}",
                "time": moment,
                "properties": {"amount": index, "color": "blue", "round": self.round},
            }
            for index in range(number)
        ]
        bodies = [orjson.dumps({"events": events[start : start + TRACKED]}) for start in range(0, number, TRACKED)]
        return self._rate(lambda start: self._post("/users/track", bodies[start // TRACKED]), number, TRACKED)

    def _post(self, path: str, body: bytes) -> None:
        answer = self.client.post(path, body, content_type="application/json", headers=self.headers, secure=True)
        assert answer.status_code in (200, 201), answer.content

    def _rate(self, write: Callable[[int], None], number: int, step: int) -> float:
        from benchmarks.stored_events import empty

        empty()
        started = time.monotonic()
        for start in range(0, number, step):
            write(start)
        return number / (time.monotonic() - started)


def _as_posted(row: tuple[Any, ...], salt: int) -> dict[str, Any]:
    _workspace, _shard, event_id, event_type, moment, user, payload = row
    content = orjson.loads(payload)
    return {
        "event_type": event_type,
        "id": f"{salt:08d}{event_id[8:]}",
        "time": moment,
        "user": {**content["user"], "external_user_id": user},
        "properties": content["properties"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(harness.machine())
    with harness.throw_away_servers():
        bench = Bench(options.events)
        found: dict[str, list[float]] = {"bare COPY": [], "/currents/events": [], "/users/track": []}
        for _round in range(options.rounds):
            for label, measure in zip(found, (bench.copy, bench.currents_events, bench.track), strict=True):
                found[label].append(measure())
                print(f"  {label:<20}{found[label][-1]:>10,.0f} events/s", flush=True)
    print(f"\n{'':<20}{'events/s':>10}{'of bare COPY':>14}")
    for label, rates in found.items():
        share = statistics.median(rate / copied for rate, copied in zip(rates, found["bare COPY"], strict=True))
        print(f"{label:<20}{statistics.median(rates):>10,.0f}{share:>14.2f}")


if __name__ == "__main__":
    main()

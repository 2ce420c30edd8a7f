"""The sandbox's state in memory, journaled so that a restart keeps it.

Everything here runs in the server's one event loop: no method awaits, so no lock is needed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from sandbox import clock
from sandbox.journal import Journal
from sandbox.models import Cohort, Connection, Export, Properties, StoredEvent
from sandbox.validation import Accepted


class Store:
    """Events, cohorts, the connection and the exports. Without a folder nothing outlives the process."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load what ``folder`` keeps. Raises JournalError if the folder is in use or damaged."""
        self.events: list[StoredEvent] = []
        self.by_name: Counter[str] = Counter()
        self.duplicates = 0
        self.rejected = 0
        self.cohorts: dict[int, Cohort] = {}
        self.exports: dict[int, Export] = {}
        self.connection: Connection | None = None
        self.version = 0
        """Grows with every change."""
        self._places: dict[tuple[str, int, str, str], int] = {}
        """Where in ``events`` each deduplication key stands."""
        self._last_cohort = 0
        self._journal = Journal(folder) if folder else None
        self.is_new = not self._load()

    def close(self) -> None:
        """Release the journal."""
        if self._journal:
            self._journal.close()

    # --- events

    def ingest(self, accepted: list[Accepted], rejected: int) -> int:
        """Keep each event once by Mixpanel's deduplication key, as it came last. Returns how many came again."""
        received = clock.iso(clock.now()) or ""
        duplicates = len(accepted) - sum([self._keep(event, received) for event in accepted])
        self.duplicates += duplicates
        self.rejected += rejected
        if self._journal:
            self._journal.append(_events_entry(accepted, received, duplicates, rejected))
        self.version += 1
        return duplicates

    def _keep(self, event: Accepted, received: str) -> bool:
        place = self._places.setdefault(event.key, len(self.events))
        if place < len(self.events):
            self.events[place] = StoredEvent(event, received)
            return False
        self.events.append(StoredEvent(event, received))
        self.by_name[event.event] += 1
        return True

    def clear_events(self) -> None:
        """Forget all events and their counts; cohorts and the connection stay."""
        self.events, self._places, self.by_name = [], {}, Counter()
        self.duplicates = self.rejected = 0
        self.version += 1
        if self._journal:
            self._journal.rewrite(self._snapshot())

    # --- cohorts

    def create_cohort(self, name: str, description: str, members: dict[str, Properties]) -> Cohort:
        """A new cohort with the next id."""
        self._last_cohort += 1
        return self.save_cohort(Cohort(self._last_cohort, name, description, members))

    def save_cohort(self, cohort: Cohort) -> Cohort:
        """Keep a new or changed cohort."""
        cohort.modified = clock.now()
        self.cohorts[cohort.id] = cohort
        self._write({"op": "cohort", **cohort.as_entry()})
        return cohort

    def delete_cohort(self, cohort_id: int) -> None:
        """Forget a cohort and its export. What was pushed stays where it was pushed to."""
        del self.cohorts[cohort_id]
        self.exports.pop(cohort_id, None)
        self._write({"op": "cohort_deleted", "id": cohort_id})

    # --- exports

    def set_connection(self, connection: Connection | None) -> None:
        """Connect the project to Braze, or reconnect it; None takes the connection away."""
        self.connection = connection
        self._write({"op": "connection", "is": connection.as_entry() if connection else None})

    def save_export(self, cohort_id: int, export: Export) -> None:
        """Keep an export's state, without its pushed members."""
        self.exports[cohort_id] = export
        self._write({"op": "export", "id": cohort_id, **export.as_entry()})

    def reset_pushed(self, cohort_id: int, pushed: dict[str, Properties]) -> None:
        """The destination now has exactly ``pushed``."""
        self.exports[cohort_id].pushed = dict(pushed)
        self._write({"op": "pushed", "id": cohort_id, "all": pushed})

    def change_pushed(self, cohort_id: int, added: dict[str, Properties], removed: Iterable[str]) -> None:
        """The destination has acknowledged a difference."""
        entry = {"op": "pushed", "id": cohort_id, "add": added, "remove": list(removed)}
        _apply_pushed(self.exports[cohort_id], entry)
        self._write(entry)

    # --- the journal

    def _write(self, entry: dict[str, Any]) -> None:
        self.version += 1
        if self._journal:
            self._journal.append(entry)

    def _load(self) -> bool:
        entries = 0
        for entry in self._journal.replay() if self._journal else ():
            self._replay(entry.pop("op"), entry)
            entries += 1
        return entries > 0

    def _replay(self, operation: str, entry: dict[str, Any]) -> None:
        if operation == "events":
            self._replay_events(entry)
        elif operation == "cohort":
            self.cohorts[entry["id"]] = Cohort.from_entry(entry)
            self._last_cohort = max(self._last_cohort, entry["id"])
        elif operation == "cohort_deleted":
            self.cohorts.pop(entry["id"])
            self.exports.pop(entry["id"], None)
        elif operation == "connection":
            self.connection = Connection(**entry["is"]) if entry["is"] else None
        elif operation == "export":
            self.exports.setdefault(entry["id"], Export("one_time", 0)).update(entry)
        elif operation == "pushed":
            _apply_pushed(self.exports[entry["id"]], entry)
        elif operation == "last_cohort":
            self._last_cohort = entry["id"]

    def _replay_events(self, entry: dict[str, Any]) -> None:
        self.duplicates += entry["duplicates"]
        self.rejected += entry["rejected"]
        for name, time, distinct_id, insert_id, properties in entry["events"]:
            event = Accepted(name, time, distinct_id, insert_id, orjson.dumps(properties))
            self._keep(event, entry["received"])

    def _snapshot(self) -> Iterator[dict[str, Any]]:
        """Entries that make the present state, events left out (only clearing them asks for this)."""
        yield {"op": "last_cohort", "id": self._last_cohort}
        if self.connection:
            yield {"op": "connection", "is": self.connection.as_entry()}
        for cohort_id, cohort in self.cohorts.items():
            yield {"op": "cohort", **cohort.as_entry()}
            export = self.exports.get(cohort_id)
            if export:
                yield {"op": "export", "id": cohort_id, **export.as_entry()}
                yield {"op": "pushed", "id": cohort_id, "all": export.pushed}


def _apply_pushed(export: Export, entry: dict[str, Any]) -> None:
    if "all" in entry:
        export.pushed = entry["all"]
        return
    export.pushed.update(entry["add"])
    for key in entry["remove"]:
        export.pushed.pop(key, None)


def _events_entry(accepted: list[Accepted], received: str, duplicates: int, rejected: int) -> dict[str, Any]:
    rows = [
        (event.event, event.time, event.distinct_id, event.insert_id, orjson.Fragment(event.properties))
        for event in accepted
    ]
    counts = {"duplicates": duplicates, "rejected": rejected}
    return {"op": "events", "received": received, **counts, "events": rows}

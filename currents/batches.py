"""The next batch of a shard: read from the log, put into the destination's words, cut at its limits."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext_noop

from currents import log as event_log
from currents.destinations import Account, Destination, Skipped, Unsendable
from currents.log import LoggedEvent, Position
from currents.models import Current, Outcome
from currents.selections import Selections, load_selections

logger = logging.getLogger(__name__)

#: How many pages of the log are read for one batch when most of what they hold is not selected.
PAGES = 10


@dataclass
class Batch:
    """What one request delivers, and what is done with besides.

    Once its request is acknowledged, everything up to ``upto`` is done with (None: nothing was read). ``is_full`` says
    that more waits behind it. ``oldest`` is when its first event was received (seconds since 1970).
    """

    events: list[LoggedEvent] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    upto: Position | None = None
    oldest: float | None = None
    is_full: bool = False
    skipped: Counter[Outcome] = field(default_factory=Counter)
    examples: dict[Outcome, str] = field(default_factory=dict)
    unsendable: list[tuple[LoggedEvent, Unsendable]] = field(default_factory=list)
    size: int = 0


class BatchBuilder:
    """Builds the batches of one Current for one worker."""

    def __init__(self, current: Current, destination: Destination, account: Account) -> None:
        self.current = current
        self.destination = destination
        self.account = account
        self.selections: Selections = load_selections(current.pk)

    def build(self, shard: int, after: Position, limit: int = 0) -> Batch:
        """The batch that follows ``after``: at most ``limit`` events (0: as many as the destination takes).

        Two statements for a page of the log, and one page unless hardly anything of it is selected.
        """
        limit = limit or self.destination.max_events
        batch = Batch()
        for _page in range(PAGES):
            events = self.read(shard, batch.upto or after, limit)
            # Only what is read after the events can be trusted to hold for them.
            self.refresh()
            batch.is_full = not self._add(batch, events, limit) or len(events) == limit
            if not events or len(events) < limit or len(batch.events) >= limit or not self._may_go_on(batch, events):
                break
        return batch

    def read(self, shard: int, after: Position, limit: int) -> list[LoggedEvent]:
        """A page of the log, with the payloads of what was ever selected."""
        return event_log.read(self.current.workspace_id, shard, after, limit, self.selections.all_types)

    def refresh(self) -> None:
        """Take note of what was edited while the run goes on: the selection, and what is done to fields."""
        self.selections = load_selections(self.current.pk)
        if self.selections.transformations != self.account.transformations:
            self.account = replace(self.account, transformations=self.selections.transformations)

    def encode(self, event: LoggedEvent) -> bytes | Skipped | Unsendable:
        """One event for the destination; a defect of ours makes it a dead letter, and does not stop its shard."""
        try:
            return self.destination.encode(event, self.account)
        except Exception:
            return self._defect(event)

    def _defect(self, event: LoggedEvent) -> Unsendable:
        logger.exception("The event %s of the Current %s cannot be encoded", event.event_id, self.current.pk)
        return Unsendable(gettext_noop("The event could not be put into the destination's form."), "event")

    def _may_go_on(self, batch: Batch, page: list[LoggedEvent]) -> bool:
        """Whether the whole page went in, so that the next can follow."""
        return batch.upto == page[-1].position

    def _add(self, batch: Batch, page: list[LoggedEvent], limit: int) -> bool:
        """Add events until the batch is full; False: some of the page are left for the next."""
        encode, account = self.destination.encode, self.account
        events, bodies, room = batch.events, batch.bodies, self.destination.max_bytes - 1
        passed, complete = None, False
        for event, is_selected in zip(page, self._selected_on(page), strict=True):
            if not is_selected:
                self._skip(batch, event, Outcome.NOT_SELECTED)
            elif not event.payload:
                break  # selected since the page was read, or there was no room for it: it is read with the next page
            else:
                try:
                    encoded = encode(event, account)
                except Exception:
                    encoded = self._defect(event)
                if isinstance(encoded, bytes):
                    size = batch.size + len(encoded) + 1
                    if bodies and (len(bodies) >= limit or size > room):
                        break
                    batch.size = size
                    events.append(event)
                    bodies.append(encoded)
                elif isinstance(encoded, Unsendable):
                    batch.unsendable.append((event, encoded))
                else:
                    self._skip(batch, event, encoded.outcome)
            passed = event
        else:
            complete = True
        if passed is not None:
            batch.upto = passed.position
            batch.oldest = batch.oldest or page[0].received_at
        return complete

    def _selected_on(self, page: list[LoggedEvent]) -> list[bool]:
        """Whether each event of a page was selected at its time; asked once for each type, if it can be."""
        includes = self.selections.includes
        if not page or not self.selections.is_one_between(page[0].xid, page[-1].xid):
            return [includes(event.xid, event.event_type) for event in page]
        names = [event.event_type for event in page]
        verdicts = {name: includes(page[0].xid, name) for name in set(names)}
        return [verdicts[name] for name in names]

    @staticmethod
    def _skip(batch: Batch, event: LoggedEvent, outcome: Outcome) -> None:
        batch.skipped[outcome] += 1
        batch.examples[outcome] = event.event_id

"""Events and purchases that come again: a client that got no answer sends its request once more.

Attributes can be set twice without harm. An event cannot be counted twice, so one may carry an ``id`` of its own, which
Braze does not know: of the same user, name and id, the first one counts, for as long as events are kept.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import orjson

from currents.ingest import claim_ids
from profiles.objects import EventObject, PurchaseObject
from profiles.rows import Row

Deed = TypeVar("Deed", EventObject, PurchaseObject)
Named = tuple[Row, Deed, uuid.UUID | None]

#: Ours alone, so that no id of an event from elsewhere is one of these.
_NAMESPACE: Final = uuid.UUID("5b3c1f0e-7a57-4c39-9b0c-6c1d8a0f2e47")


def first_times(workspace_id: int, deeds: Sequence[tuple[Row, Deed]]) -> list[Named[Deed]]:
    """Those of ``deeds`` that have not come before, with the name that each goes by (None: without an id).

    The caller has locked the users: who sends the same deed waits until it is known whether this one was stored. One
    statement; none where no deed has an id.
    """
    named = [(row, deed, _name(workspace_id, deed) if deed.id else None) for row, deed in deeds]
    new = claim_ids(workspace_id, [str(name) for name in {name for _, _, name in named} if name])
    return list(_once(named, new))


def _once(named: Sequence[Named[Deed]], new: set[str]) -> Iterator[Named[Deed]]:
    """Without an id: all; with one: those in ``new``, each once."""
    for row, deed, name in named:
        if name is None:
            yield row, deed, None
        elif str(name) in new:
            new.discard(str(name))
            yield row, deed, name


def _name(workspace_id: int, deed: EventObject | PurchaseObject) -> uuid.UUID:
    what = deed.name if isinstance(deed, EventObject) else deed.product_id
    who = deed.identity
    parts = [type(deed).__name__, workspace_id, who.kind, who.name, who.label, what, deed.id]
    return uuid.uuid5(_NAMESPACE, orjson.dumps(parts).decode())


def event_id(name: uuid.UUID | None, piece: int = 0) -> str:
    """The id in the event log of a deed that goes by ``name``, or of one of its pieces: the same each time."""
    return str(uuid.uuid5(name, str(piece)) if name else uuid.uuid4())

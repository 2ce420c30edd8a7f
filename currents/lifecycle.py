"""A Current's life: draft, launched, paused and resumed, edited while it runs, stopped, started again.

Launch, edits and restarts take effect for events from that moment on: what was logged before stays as it was.
"""

from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from currents.destinations import Destination, destination
from currents.log import Position, needs_rebase
from currents.models import SHARDS, Current, Cursor, Replay
from currents.selections import select_from_now

State = Current.Status


class LifecycleError(Exception):
    """The Current cannot do that now; ``reason`` tells people why and what to do."""

    def __init__(self, reason: str | Promise) -> None:
        super().__init__(str(reason))
        self.reason = reason


def target_of(current: Current) -> Destination:
    """The destination of a Current. Raises LifecycleError when it is not registered (any more)."""
    found = destination(current.destination)
    if found is None:
        raise LifecycleError(_("This destination does not exist any more."))
    return found


def launch(current: Current) -> None:
    """Start a draft, or start a stopped Current again: events from now on are delivered.

    Raises LifecycleError when something is missing: events, a contact, a credential.
    """
    _check_complete(current)
    if needs_rebase():
        raise LifecycleError(_("The database was restored from a dump: first run manage.py currents_rebase."))
    with transaction.atomic():
        _change(current, {State.DRAFT, State.STOPPED}, State.ACTIVE, launched_at=Now(), failed_at=None, failure="")
        current.cursors.all().delete()
        current.selections.all().delete()
        start = Position(select_from_now(current.pk, current.event_types), 0)
        Cursor.objects.bulk_create(
            Cursor(current=current, shard=shard, xid=start.xid, event=start.event) for shard in range(SHARDS)
        )


def select(current: Current, event_types: Iterable[str]) -> None:
    """Choose the events. For a Current that runs (or is paused) the new choice counts for events from now on.

    Raises LifecycleError for a type that the destination does not take, and for none at all while it runs.
    """
    chosen = sorted(set(event_types))
    unknown = set(chosen) - set(target_of(current).types())
    if unknown:
        raise LifecycleError(format_lazy(_("The destination does not take the event {name}."), name=sorted(unknown)[0]))
    with transaction.atomic():
        now = Current.objects.select_for_update().get(pk=current.pk)
        if now.status in Current.KEEPS:
            if not chosen:
                raise LifecycleError(_("Select at least one event, or stop the Current."))
            if set(now.event_types) != set(chosen):
                select_from_now(current.pk, chosen)
        Current.objects.filter(pk=current.pk).update(event_types=chosen, updated_at=Now())
    current.event_types = chosen


def credentials_changed(current: Current) -> None:
    """After new credentials: a Failed Current tries them at once."""
    Current.objects.filter(pk=current.pk, status=State.FAILED).update(probe_at=Now())


def pause(current: Current) -> None:
    """Stop sending for now; events that come meanwhile are kept and sent after Resume."""
    _change(current, {State.ACTIVE, State.FAILED}, State.PAUSED, failed_at=None, failure="", probe_at=None)


def resume(current: Current) -> None:
    """Send again, from where it was paused."""
    _change(current, {State.PAUSED}, State.ACTIVE)


def stop(current: Current) -> None:
    """End it: what was not delivered is not kept for it, and Launch would begin from then."""
    with transaction.atomic():
        _change(current, Current.KEEPS, State.STOPPED, failed_at=None, failure="", probe_at=None)
        current.cursors.all().delete()
        current.replays.filter(state=Replay.State.RUNNING).update(state=Replay.State.CANCELLED, finished_at=Now())


def _check_complete(current: Current) -> None:
    if not current.event_types:
        raise LifecycleError(_("Select at least one event."))
    missing: list[str | Promise] = [] if current.contact_email else [_("Contact Email")]
    for field in target_of(current).fields():
        values = current.secrets if field.secret else current.options
        if not values.get(field.name):
            missing.append(field.label)
    if missing:
        raise LifecycleError(format_lazy(_("Fill in: {fields}."), fields=", ".join(map(str, missing))))


def _change(current: Current, before: Iterable[str], after: str, **values: object) -> None:
    """Go from one state to another if it still is in the first; two people who click at once do it once."""
    changed = Current.objects.filter(pk=current.pk, status__in=list(before)).update(status=after, **values)
    if not changed:
        raise LifecycleError(_("Somebody has changed the state of this Current meanwhile. Look at it again."))
    current.refresh_from_db()

"""Dead letters: retried or discarded by hand, kept for a while; and what else is deleted in time."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from currents import dead_letters, delivery, lifecycle, retention
from currents.due import due_currents
from currents.log import append_events
from currents.models import Current, DeadLetter, Event, ReceivedEventId
from tests.currents.conftest import arrived_ids, counts, event, log_events, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def letters(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> Any:
    """Three events that the destination refused: two for a reason that has passed since, one for good."""
    log_events(workspace, *(event(number, time=4_000_000_000) for number in (1, 2, 3)))
    delivery.deliver(current.pk)
    for letter in DeadLetter.objects.exclude(event_id=event(3).event_id):
        letter.source = {**letter.source, "time": 1_700_000_000}
        letter.save()
    return current.dead_letters.all()


def test_it_works(current: Current, letters: Any, mixpanel: RunningSandbox) -> None:
    assert dead_letters.ask_retry(letters) == 3
    assert due_currents() == [current.pk]

    delivery.deliver(current.pk)

    assert sorted(arrived_ids(mixpanel)) == [event(1).event_id, event(2).event_id]
    left = DeadLetter.objects.get()
    assert (left.event_id, left.retry_at, left.leased_until) == (event(3).event_id, None, None)
    assert counts(current) == {"dead_letter": 3, "delivered": 2}
    assert due_currents() == []


def test_one_is_retried(current: Current, letters: Any, mixpanel: RunningSandbox) -> None:
    dead_letters.ask_retry(letters.filter(event_id=event(2).event_id))
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == [event(2).event_id]


def test_a_destination_that_is_down_leaves_them_waiting(
    current: Current, letters: Any, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_BACKOFF_MAX = 60.0
    mixpanel.misbehave("503", times=1, path="/import")
    dead_letters.ask_retry(letters)

    delivery.deliver(current.pk)

    assert DeadLetter.objects.filter(retry_at__gt=timezone.now(), leased_until=None).count() == 3
    assert due_currents() == []
    DeadLetter.objects.update(retry_at=timezone.now())
    delivery.deliver(current.pk)
    assert mixpanel.total() == 2


def test_a_group_refused_as_a_whole_is_split(
    current: Current, letters: Any, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isal import igzip

    from currents.destinations import Reply
    from currents.sending import send

    bad = event(3).event_id.encode()
    monkeypatch.setattr(
        dead_letters,
        "send",
        lambda request: Reply(400, {}, b"{}") if bad in igzip.decompress(request.body) else send(request),
    )
    dead_letters.ask_retry(letters)

    delivery.deliver(current.pk)

    assert mixpanel.total() == 2
    assert DeadLetter.objects.get().event_id == event(3).event_id


def test_discard(letters: Any) -> None:
    assert dead_letters.discard(letters) == 3
    assert not DeadLetter.objects.exists()


def test_old_ones_are_purged(letters: Any) -> None:
    DeadLetter.objects.filter(event_id=event(1).event_id).update(created_at=timezone.now() - timedelta(days=31))
    retention.purge()
    assert DeadLetter.objects.count() == 2


# --- retention of the log


def _age(*numbers: int) -> None:
    ids = [event(number).event_id for number in numbers]
    Event.objects.filter(event_id__in=ids).update(received_at=timezone.now() - timedelta(days=31))


def test_old_events_are_purged_when_every_current_has_passed_them(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    log_events(workspace, event(1), event(2))
    _age(1)
    assert retention.purge() == 0

    delivery.deliver(current.pk)
    assert retention.purge() == 1
    assert Event.objects.get().event_id == event(2).event_id


@pytest.mark.parametrize(("status", "gone"), [("paused", 0), ("failed", 0), ("stopped", 3), ("draft", 0)])
def test_who_is_waited_for(current: Current, workspace: Workspace, status: str, gone: int) -> None:
    Current.objects.filter(pk=current.pk).update(status=status)
    log_events(workspace, event(1), event(2), event(3))
    _age(1, 2, 3)
    assert retention.purge(chunk=2) == gone


def test_without_currents_nothing_is_waited_for(workspace: Workspace) -> None:
    log_events(workspace, event(1))
    _age(1)
    assert retention.purge() == 1


def test_another_workspaces_current_is_not_waited_for(current: Current) -> None:
    other = Workspace.objects.create(name="Other")
    append_events(other.pk, [event(1)])
    _age(1)
    assert retention.purge() == 1


def test_received_ids_go_with_their_day(workspace: Workspace) -> None:
    today = timezone.now().date()
    for age in (29, 31):
        ReceivedEventId.objects.create(workspace=workspace, event_id=f"e-{age}", day=today - timedelta(days=age))
    retention.purge(chunk=1)
    assert ReceivedEventId.objects.get().event_id == "e-29"


def test_after_a_stop_the_dead_letters_are_still_there(current: Current, letters: Any) -> None:
    lifecycle.stop(current)
    assert letters.count() == 3


# --- Large ones -------------------------------------------------------------------------------------------------------


def make_letters(current: Current, *payloads: Any) -> None:
    for number, payload in enumerate(payloads):
        source = {"event_id": f"e{number}", "event_type": "t", "time": 1, "external_user_id": "u", "payload": payload}
        DeadLetter.objects.create(
            current=current, event_id=f"e{number}", event_type="t", reason="bad", payload=payload, source=source
        )


@pytest.mark.parametrize("text", ["x" * 900_000, secrets.token_hex(2_100)], ids=["compressed", "as it is"])
def test_a_long_payload_is_a_file_and_not_on_the_page(current: Current, admin: Client, text: str) -> None:
    make_letters(current, {"text": text}, {"text": "short"})
    page = admin.get(reverse("admin:currents_current_page", args=[current.pk])).content.decode()
    assert text[:1_000] not in page
    assert "&quot;text&quot;: &quot;short&quot;" in page
    long = DeadLetter.objects.get(event_id="e0")
    address = reverse("admin:currents_current_payload", args=[current.pk, long.pk])
    assert address in page
    answer = admin.get(address)
    assert answer["Content-Disposition"] == f'attachment; filename="dead-letter-{long.pk}.json"'
    assert answer.json() == {"text": text}


def test_a_payload_of_another_workspace_is_not_found(current: Current, admin: Client) -> None:
    other = make_current(Workspace.objects.create(name="Other"))
    make_letters(other, {"text": "theirs"})
    letter = DeadLetter.objects.get()
    assert admin.get(reverse("admin:currents_current_payload", args=[other.pk, letter.pk])).status_code == 404
    assert admin.get(reverse("admin:currents_current_payload", args=[current.pk, letter.pk])).status_code == 404


def test_large_ones_are_retried_a_few_at_a_time(current: Current, mixpanel: RunningSandbox) -> None:
    properties = {"name": "big", "custom_properties": {"text": "x" * 800_000}}
    for number in range(30):
        made = event(number, event_type="users.behaviors.CustomEvent", properties=properties)
        source = {"event_id": made.event_id, "event_type": made.event_type, "time": made.time}
        source |= {"external_user_id": "user-1", "payload": made.payload()}  # type: ignore[dict-item]
        DeadLetter.objects.create(
            current=current, event_id=made.event_id, event_type=made.event_type, reason="", payload={}, source=source
        )
    dead_letters.ask_retry(current.dead_letters.all())
    delivery.deliver(current.pk)
    assert not DeadLetter.objects.exists()
    assert len(arrived_ids(mixpanel)) == 30

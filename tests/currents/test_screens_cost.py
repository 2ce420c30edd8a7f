"""The screens cost the same whatever there is to show. (How long they take: ``python -m benchmarks.screens``.)"""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from currents import lifecycle
from currents.models import Current, DeadLetter, DeliveryCount, DeliveryRequest, Outcome
from tests.currents.conftest import event, log_events, make_current
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/currents/current/"


def statements(admin: Client, address: str) -> list[str]:
    """What a page asks the database, when it is asked for again."""
    assert admin.get(address).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        assert admin.get(address).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def fill(current: Current) -> None:
    """A quarter's hours, more requests and dead letters than are shown, a backlog."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    DeliveryCount.objects.bulk_create(
        DeliveryCount(current=current, hour=now - timedelta(hours=hours), outcome=outcome, count=1)
        for hours in range(500)
        for outcome in Outcome
    )
    DeliveryRequest.objects.bulk_create(
        DeliveryRequest(current=current, shard=0, started_at=now, milliseconds=1, events=1, status=200)
        for _number in range(200)
    )
    DeadLetter.objects.bulk_create(
        DeadLetter(
            current=current, event_id=str(number), event_type="t", reason="r", payload={"text": "x" * 9_000}, source={}
        )
        for number in range(300)
    )
    log_events(current.workspace, *(event(number, f"user-{number % 64}") for number in range(2_000)))


def test_it_works(current: Current, admin: Client, workspace: Workspace) -> None:
    address = f"{LIST}{current.pk}/"
    few = statements(admin, address), statements(admin, LIST)
    fill(current)
    for number in range(9):
        lifecycle.launch(make_current(workspace, name=f"Current {number}"))
    # The open transactions are looked for where something waits.
    many = [sql for sql in statements(admin, address) if "pg_stat_activity" not in sql], statements(admin, LIST)
    assert [len(one) for one in many] == [len(one) for one in few]
    assert len(many[0]) < 40
    assert len(many[1]) < 25


def test_what_makes_a_page_long_is_left_in_the_database(current: Current, admin: Client) -> None:
    fill(current)
    answer = admin.get(f"{LIST}{current.pk}/")
    assert "x" * 1_000 not in answer.content.decode()
    asked = " ".join(statements(admin, f"{LIST}{current.pk}/"))
    assert '"currents_deadletter"."source"' not in asked

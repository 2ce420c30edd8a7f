"""``GET /currents/list``, ``/currents/details``, ``/currents/status`` and ``/metrics``."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from currents import delivery, lifecycle, monitoring, retention
from currents.models import Current, DeliveryCount, Outcome
from tests.currents.conftest import event, log_events, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

PERMISSIONS = ["currents.list", "currents.details", "currents.status", "currents.metrics"]
PATHS = ["/currents/list", "/currents/details", "/currents/status", "/metrics"]


def _client(workspace: Workspace, *permissions: str) -> Client:
    secret = ApiKey.make(workspace=workspace, name="Test", permissions=list(permissions or PERMISSIONS))[1].secret
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def api(workspace: Workspace) -> Client:
    return _client(workspace)


@pytest.fixture
def busy(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> Current:
    """Two events delivered, one refused, two not sent, one that waits."""
    lifecycle.select(current, ["users.messages.email.Open"])
    log_events(
        workspace,
        event(1),
        event(2),
        event(3, time=4_000_000_000),
        event(4, user=None),
        event(5, event_type="users.messages.email.Send"),
    )
    delivery.deliver(current.pk)
    log_events(workspace, event(6))
    return current


def test_it_works(api: Client, busy: Current) -> None:
    [one] = api.get("/currents/list").json()["currents"]
    assert (one["name"], one["status"], one["destination"]) == ("To Mixpanel", "active", "mixpanel")

    details = api.get("/currents/details", {"current_id": one["id"]}).json()
    assert details["event_types"] == ["users.messages.email.Open"]
    assert details["options"] == {"region": "sandbox"}
    assert "sandbox-api-secret" not in str(details)

    status = api.get("/currents/status/", {"current_id": one["id"]}).json()
    assert status["lag"]["events"] == 1
    assert status["delivered"] == 2
    assert status["failed"] == {"dead_letter": 1, "lost": 0}
    assert status["skipped"] == {"no_external_id": 1, "too_old": 0, "too_large": 0, "not_selected": 1}
    assert (status["dead_letters"], status["last_error"]) == (1, None)
    assert status["last_request"]["status"] == 400


def test_a_failed_current_tells_why(api: Client, busy: Current, mixpanel: RunningSandbox) -> None:
    mixpanel.misbehave("401", path="/import")
    delivery.deliver(busy.pk)
    status = api.get("/currents/status", {"current_id": busy.api_id}).json()
    assert (status["status"], status["last_error"]) == ("failed", "Invalid credentials")
    assert status["failed_at"]


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "current_id is required"), ({"current_id": "x"}, "Invalid"), ({"current_id": "0" * 32}, "Invalid")],
)
@pytest.mark.parametrize("path", ["/currents/details", "/currents/status"])
def test_a_wrong_id_is_refused(api: Client, path: str, given: Any, words: str) -> None:
    answer = api.get(path, given)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_another_workspaces_current_is_not_told(api: Client, mixpanel: RunningSandbox) -> None:
    foreign = make_current(Workspace.objects.create(name="Other"), name="Foreign")
    assert api.get("/currents/list").json()["currents"] == []
    assert api.get("/currents/status", {"current_id": foreign.api_id}).status_code == 400
    lifecycle.launch(foreign)
    assert "Foreign" not in api.get("/metrics").content.decode()


@pytest.mark.parametrize("path", PATHS)
def test_the_permission_is_needed(workspace: Workspace, path: str) -> None:
    assert Client().get(path).status_code == 401
    assert _client(workspace, "currents.events").get(path).status_code == 401
    assert Client(headers={"Authorization": "Bearer "}).get(path).status_code == 401


# --- metrics


def _metrics(client: Client, **headers: str) -> dict[str, float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return dict(_sample(line) for line in answer.content.decode().splitlines() if not line.startswith("#"))


def _sample(line: str) -> tuple[str, float]:
    """(the name with the labels that tell samples apart, the value); fails for a line that is not in the format."""
    found = re.fullmatch(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)+)\} ([0-9.e+-]+)', line)
    assert found, line
    labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', found[2]))
    own = {name: value for name, value in labels.items() if name in ("reason", "status", "le")}
    return f"{found[1].removeprefix('brazeclone_current_')}{own or ''}", float(found[3])


def test_metrics(api: Client, busy: Current) -> None:
    found = _metrics(api, accept="application/openmetrics-text")
    assert found["status{'status': 'active'}"] == 1
    assert found["lag_events"] == 1
    assert found["lag_seconds"] >= 0
    assert found["delivered_events_total"] == 2
    assert found["failed_events_total{'reason': 'dead_letter'}"] == 1
    assert found["skipped_events_total{'reason': 'no_external_id'}"] == 1
    assert found["dead_letters"] == 1
    assert found["request_duration_seconds_count"] == found["request_duration_seconds_bucket{'le': '+Inf'}"] >= 1
    buckets = [value for name, value in found.items() if "_bucket" in name]
    assert buckets == sorted(buckets)
    # A request may take less than a millisecond.
    assert found["request_duration_seconds_sum"] == sum(one.milliseconds for one in busy.requests.all()) / 1000


def test_names_are_escaped(api: Client, busy: Current) -> None:
    Current.objects.update(name='quote " backslash \\ line\nend')
    assert 'name="quote \\" backslash \\\\ line\\nend"' in api.get("/metrics").content.decode()
    _metrics(api)


def test_the_token_opens_all_workspaces(busy: Current, settings: Any) -> None:
    other = make_current(Workspace.objects.create(name="Other"), name="Foreign")
    lifecycle.launch(other)
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
    settings.METRICS_TOKEN = "metrics-token"
    assert Client().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401

    text = Client().get("/metrics", headers={"Authorization": "Bearer metrics-token"}).content.decode()

    assert 'workspace="Other"' in text
    assert 'workspace="Example"' in text


def test_the_number_of_statements_is_fixed(
    api: Client, workspace: Workspace, mixpanel: RunningSandbox, django_assert_num_queries: Any
) -> None:
    api.get("/metrics")
    for number in range(2):
        for one in range(3):
            lifecycle.launch(make_current(workspace, name=f"Current {number}-{one}"))
        with django_assert_num_queries(8):
            api.get("/metrics")


def test_totals_outlive_the_hours_they_are_made_of(current: Current) -> None:
    """Counts are kept by the hour for 90 days; what is older is one sum, so that no total ever gets smaller."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    for days, outcome, number, example in (
        (200, Outcome.DELIVERED, 5, "oldest"),
        (100, Outcome.DELIVERED, 7, "old"),
        (100, Outcome.TOO_OLD, 2, "much too old"),
        (89, Outcome.DELIVERED, 11, "new"),
    ):
        hour = now - timedelta(days=days)
        DeliveryCount.objects.create(current=current, hour=hour, outcome=outcome, count=number, example=example)
    for _again in range(2):
        retention.purge()
        rows = DeliveryCount.objects.order_by("hour", "outcome").values_list("outcome", "count", "example")
        assert list(rows) == [("delivered", 12, "old"), ("too_old", 2, "much too old"), ("delivered", 11, "new")]
        totals = {one.outcome: (one.count, one.example) for one in monitoring.totals(current)}
        assert totals[Outcome.DELIVERED] == (23, "new")
        assert totals[Outcome.TOO_OLD] == (2, "much too old")
    DeliveryCount.objects.filter(count=11).update(hour=now - timedelta(days=95))
    retention.purge()
    assert list(DeliveryCount.objects.order_by("outcome").values_list("count", "example")) == [
        (23, "new"),
        (2, "much too old"),
    ]

"""How long the screens of partners and Currents take to answer when there is much to show, over real HTTP.

    python -m benchmarks.screens

200 cohorts with 10,000 runs and the users whom each changed, 10,000 further runs of one cohort, whose waiting list is
long; 20 Currents, one of them with a backlog, with many dead letters and with all the hours of a quarter. The goal of
each screen is 300 ms.
"""

import statistics
import time
import urllib.request
from datetime import timedelta
from typing import Any

from benchmarks import harness, people, processes

USERS = 100_000
COHORTS, RUNS = 200, 10_000
WAITING = 100_000
CURRENTS, LETTERS, EVENTS = 20, 20_000, 50_000
TIMES = 7


def main() -> None:
    """Measure and print."""
    print(harness.machine())
    with harness.throw_away_servers():
        from django.core.management import call_command
        from django.db import connection

        from workspaces.models import Workspace

        call_command("collectstatic", interactive=False, verbosity=0)
        workspace = Workspace.objects.create(name="Benchmark")
        people.make_people(workspace.pk, USERS)
        cohort = _make_cohorts(workspace)
        current = _make_currents(workspace)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        cookie = _log_in()
        with processes.started(web_workers=1) as (url, _web, _worker):
            for name, path in _screens(cohort, current).items():
                print(f"{name:<46} {_milliseconds(url + path, cookie):>6.0f} ms")


def _screens(cohort: Any, current: Any) -> dict[str, str]:
    from django.urls import reverse

    page = reverse("admin:partners_cohort_cohort", args=[cohort.pk])
    return {
        "Technology Partners": reverse("admin:partners_integration_changelist"),
        "Mixpanel, 200 cohorts": reverse("admin:partners_integration_partner", args=["mixpanel"]),
        "one cohort, 10,000 runs": page,
        "one cohort, the last page of its runs": f"{page}?page=400",
        "one cohort, why a user is in it": f"{page}?user={people.external_id(7)}",
        "Currents": reverse("admin:currents_current_changelist"),
        "one Current, dead letters and a backlog": reverse("admin:currents_current_page", args=[current.pk]),
    }


def _milliseconds(url: str, cookie: str) -> float:
    """The median of the time from the request until the whole answer is there."""
    took = []
    for _time in range(TIMES + 1):
        begun = time.perf_counter()
        asked = urllib.request.Request(url, headers={"Cookie": cookie})  # noqa: S310 - our own web server
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            answer.read()
            assert answer.url == url, f"redirected to {answer.url}"
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took[1:])


def _log_in() -> str:
    from django.test import Client

    from workspaces.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root", password="password"))
    return f"sessionid={client.cookies['sessionid'].value}"


def _make_cohorts(workspace: Any) -> Any:
    """COHORTS cohorts with RUNS runs together, and RUNS of the first alone; returns that one."""
    from django.utils import timezone

    from partners.models import Cohort, DataImportKey, Integration, RunSets, SyncRun
    from profiles.sets import ProfileSet

    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    DataImportKey.make(integration=integration)
    members = ProfileSet(range(1, USERS, 2))
    cohorts = Cohort.objects.bulk_create(
        Cohort(
            integration=integration, cohort_id=str(number), name=f"Cohort {number}", members=members, size=USERS // 2
        )
        for number in range(COHORTS)
    )
    now = timezone.now()
    whose = [cohorts[number % COHORTS] for number in range(RUNS)] + [cohorts[0]] * RUNS
    runs = SyncRun.objects.bulk_create(
        (
            SyncRun(
                cohort=cohort,
                source="webhook",
                status="done",
                started_at=now - timedelta(minutes=number),
                ended_at=now - timedelta(minutes=number),
                received=1_000,
                added=500,
                removed=500,
                size_after=USERS // 2,
            )
            for number, cohort in enumerate(whose)
        ),
        batch_size=2_000,
    )
    RunSets.objects.bulk_create(
        (
            RunSets(
                run=run,
                added=ProfileSet(range(number % 97, USERS, 200)),
                removed=ProfileSet(range(number % 89 + 100, USERS, 200)),
            )
            for number, run in enumerate(runs)
        ),
        batch_size=1_000,
    )
    _make_waiting(cohorts[0].pk, runs[0].pk)
    return cohorts[0]


def _make_waiting(cohort_id: int, run_id: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO partners_unmatchedid (cohort_id, run_id, digest, kind, label, value, position, cancelled)
            SELECT %s, %s, decode(md5(n::text), 'hex'), 'external_id', '', 'nobody-' || n, n, false
              FROM generate_series(1, %s) AS n
            """,
            [cohort_id, run_id, WAITING],
        )


def _make_currents(workspace: Any) -> Any:
    """CURRENTS launched Currents, the last of them with everything; returns that one."""
    from django.utils import timezone

    from benchmarks.stored_events import fill
    from currents import lifecycle
    from currents.catalogue import offered
    from currents.models import Current, DeadLetter, DeliveryCount, DeliveryRequest, Outcome
    from workspaces.encryption import Secrets

    for number in range(CURRENTS):
        current = Current.objects.create(
            workspace=workspace,
            name=f"Current {number}",
            contact_email="user@example.com",
            destination="mixpanel",
            options={"region": "us"},
            secrets=Secrets(token="token", api_secret="secret"),
            event_types=list(offered()),
        )
        lifecycle.launch(current)
    fill(workspace, EVENTS)
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    DeliveryCount.objects.bulk_create(
        DeliveryCount(current=current, hour=now - timedelta(hours=hours), outcome=outcome, count=1_000, example="e")
        for hours in range(24 * 90)
        for outcome in Outcome
    )
    DeliveryRequest.objects.bulk_create(
        DeliveryRequest(current=current, shard=0, started_at=now, milliseconds=80, events=2_000, status=200)
        for _number in range(200)
    )
    text = "x" * 10_000
    source = {"event_id": "e", "event_type": "t", "time": 1, "external_user_id": "u", "payload": {"text": text}}
    DeadLetter.objects.bulk_create(
        (
            DeadLetter(
                current=current,
                event_id=f"event-{number}",
                event_type="users.behaviors.CustomEvent",
                reason="'properties.time' is invalid",
                payload={"event": "x", "properties": {"text": text}},
                source=source,
            )
            for number in range(LETTERS)
        ),
        batch_size=1_000,
    )
    return current


if __name__ == "__main__":
    main()

"""manage.py bootstrap: what integration tests of other projects start from."""

import io
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from brazeclone.schedules import ensure_schedules
from partners.models import DataImportKey, Integration
from partners.registry import partners
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Membership, User, Workspace
from workspaces.schedules import schedules

pytestmark = pytest.mark.django_db

SLUGS = {one.slug for one in partners()}


def bootstrap(*options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("bootstrap", "--json", *options, stdout=out)
    (line,) = out.getvalue().strip().splitlines()
    return orjson.loads(line)  # type: ignore[no-any-return]


def send_cohort(keys: dict[str, str], partner: str = "mixpanel") -> int:
    body = {**keys, "cohort_id": "1", "cohort_changes": []}
    answer = Client().post(f"/partners/{partner}/cohorts/users", orjson.dumps(body), content_type="application/json")
    return answer.status_code


def test_it_works() -> None:
    shown = bootstrap()
    assert set(shown) == {"rest_endpoint", "workspace_id", "admin", "rest_api_key", "partners"}
    assert shown["rest_endpoint"] == "http://testserver"
    assert set(shown["partners"]) == SLUGS
    assert shown["workspace_id"] == str(Workspace.objects.get().api_id)
    assert Client().login(**shown["admin"])
    assert User.objects.get().is_superuser
    assert Membership.objects.get().role == "admin"
    key = ApiKey.find(shown["rest_api_key"])
    assert key is not None
    assert sorted(key.permissions) == sorted(ENDPOINTS)


@pytest.mark.parametrize("partner", sorted(SLUGS))
def test_its_keys_are_accepted(partner: str) -> None:
    assert send_cohort(bootstrap()["partners"][partner], partner) == 201


def test_a_second_run_changes_nothing_and_shows_no_key() -> None:
    first, second = bootstrap(), bootstrap()
    assert second == {
        "rest_endpoint": first["rest_endpoint"],
        "workspace_id": first["workspace_id"],
        "admin": {"username": "admin", "password": None},
        "rest_api_key": None,
        "partners": {name: {"partner_api_key": None, "client_secret": None} for name in SLUGS},
    }
    counts = [model.objects.count() for model in (Workspace, User, ApiKey, DataImportKey, Integration)]
    assert counts == [1, 1, 1, len(SLUGS), len(SLUGS)]
    assert Client().login(**first["admin"])
    assert ApiKey.find(first["rest_api_key"])


def test_rotation_makes_new_ones_and_invalidates_its_own_old_ones() -> None:
    first = bootstrap()
    _, by_hand = DataImportKey.make(integration=Integration.objects.get(partner_slug="mixpanel"))
    second = bootstrap("--rotate")

    assert not Client().login(**first["admin"])
    assert Client().login(**second["admin"])
    assert ApiKey.find(first["rest_api_key"]) is None
    assert ApiKey.find(second["rest_api_key"])
    assert send_cohort(first["partners"]["mixpanel"]) == 401
    assert send_cohort(second["partners"]["mixpanel"]) == 201
    assert DataImportKey.find(by_hand.secret), "a key that a person made stays valid"


def test_a_key_that_was_invalidated_by_hand_is_replaced() -> None:
    bootstrap()
    ApiKey.objects.get().invalidate()
    assert ApiKey.find(bootstrap()["rest_api_key"])


def test_the_password_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_ADMIN_PASSWORD", "a-password-of-mine")
    assert bootstrap()["admin"]["password"] == "a-password-of-mine"
    assert Client().login(username="admin", password="a-password-of-mine")


def test_it_can_be_read_by_people() -> None:
    out = io.StringIO()
    call_command("bootstrap", stdout=out)
    assert "REST endpoint" in out.getvalue()
    call_command("bootstrap", stdout=out)
    assert "--rotate" in out.getvalue()


def test_a_new_endpoint_is_added_to_its_key() -> None:
    bootstrap()
    ApiKey.objects.update(permissions=["users.track"])
    bootstrap()
    assert sorted(ApiKey.objects.get().permissions) == sorted(ENDPOINTS)


# --- Schedules ---


def test_every_schedule_is_there_after_a_migration() -> None:
    assert set(PeriodicTask.objects.values_list("name", flat=True)) >= {one.name for one in schedules()}
    assert ensure_schedules() == 0


def test_names_are_unique_and_tasks_exist() -> None:
    from brazeclone.celery import app

    app.loader.import_default_modules()
    listed = list(schedules())
    assert len({one.name for one in listed}) == len(listed)
    assert {one.task for one in listed} <= set(app.tasks)


def test_a_change_of_an_admin_survives() -> None:
    ensure_schedules()
    if (task := PeriodicTask.objects.first()) is None:
        pytest.skip("no app has a schedule")
    task.interval = IntervalSchedule.objects.create(every=77, period=IntervalSchedule.MINUTES)
    task.enabled = False
    task.save()
    ensure_schedules()
    task.refresh_from_db()
    assert (task.interval.every, task.enabled) == (77, False)
    task.delete()
    assert ensure_schedules() == 1

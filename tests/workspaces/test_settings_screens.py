"""Workspaces, team, schedules, data points and the activity log, as a person uses them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import gettext_noop, override
from django_celery_beat.models import PeriodicTask

from profiles.models import Profile
from workspaces.data_points import log_data_points
from workspaces.models import Activity, App, DataPoints, Membership, User, Workspace
from workspaces.roles import Role
from workspaces.sayings import said, stored
from workspaces.schedules import in_units, in_words

Login = Callable[..., Client]
TEAM = "/admin/workspaces/membership/"
PASSWORD = "a-long-pass-phrase"


# --- Which workspace one looks at ---


def test_it_works(login: Login, workspace: Workspace) -> None:
    page = login().get("/admin/workspaces/workspace/").content.decode()
    assert workspace.name in page
    assert str(workspace.api_id) in page


def test_times_are_shown_in_the_zone_of_the_workspace(login: Login, workspace: Workspace) -> None:
    Workspace.objects.update(time_zone="Asia/Tokyo")
    client = login()
    client.post(
        reverse("admin:workspaces_workspace_change", args=[workspace.pk]), {"name": "New", "time_zone": "Asia/Tokyo"}
    )
    Activity.objects.update(at=datetime(2024, 1, 1, 20, 0, tzinfo=UTC))
    page = client.get("/admin/workspaces/activity/").content.decode()
    assert 'title="2024-01-01 20:00:00 UTC"' in page
    assert "Jan. 2, 2024, 5 a.m." in page


def test_a_person_in_two_workspaces_changes_between_them(login: Login, workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Zoo")
    client = login()
    Membership.objects.create(user=User.objects.get(), workspace=other, role=Role.MARKETER)
    assert client.get("/admin/workspaces/apikey/").status_code == 200

    assert client.post("/admin/workspace/", {"workspace": other.pk}).status_code == 302

    assert client.get("/admin/workspaces/apikey/").status_code == 403, "the role is that of the other workspace now"
    assert client.get("/admin/profiles/profile/").wsgi_request.workspace == other  # type: ignore[attr-defined]


def test_a_workspace_that_one_was_removed_from_is_left(login: Login, workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Zoo")
    client = login()
    membership = Membership.objects.create(user=User.objects.get(), workspace=other, role=Role.ADMIN)
    client.post("/admin/workspace/", {"workspace": other.pk})
    membership.delete()
    assert client.get("/admin/profiles/profile/").wsgi_request.workspace == workspace  # type: ignore[attr-defined]


# --- Workspaces and apps ---


def test_name_and_time_zone_can_be_changed(login: Login, workspace: Workspace) -> None:
    address = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    assert login().post(address, {"name": "New name", "time_zone": "Asia/Tokyo"}).status_code == 302
    workspace.refresh_from_db()
    assert (workspace.name, workspace.time_zone) == ("New name", "Asia/Tokyo")


@pytest.mark.parametrize("form", [{"name": "", "time_zone": "UTC"}, {"name": "New", "time_zone": "Mars"}])
def test_a_wrong_name_or_zone_is_refused_beside_the_field(
    login: Login, workspace: Workspace, form: dict[str, str]
) -> None:
    address = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    page = login().post(address, form)
    assert 'role="alert"' in page.content.decode()
    workspace.refresh_from_db()
    assert (workspace.name, workspace.time_zone) == ("Example", "UTC")


def test_a_superuser_makes_a_workspace_and_looks_at_it(login: Login, workspace: Workspace) -> None:
    client = login(is_superuser=True)
    answer = client.post("/admin/workspaces/workspace/add/", {"name": "Second", "time_zone": "UTC"}, follow=True)
    made = Workspace.objects.get(name="Second")
    assert answer.wsgi_request.workspace == made
    assert made.memberships.get().role == Role.ADMIN


def test_apps_are_added_renamed_and_removed(login: Login, workspace: Workspace) -> None:
    client = login()
    client.post(
        reverse("admin:workspaces_workspace_add_app", args=[workspace.pk]), {"new-name": "Web", "new-platform": "web"}
    )
    app = App.objects.get(workspace=workspace)
    change = reverse("admin:workspaces_workspace_change_app", args=[workspace.pk, app.pk])
    client.post(change, {f"app-{app.pk}-name": "Shop", f"app-{app.pk}-platform": "ios"})
    app.refresh_from_db()
    assert (app.name, app.platform) == ("Shop", "ios")
    client.post(reverse("admin:workspaces_workspace_remove_app", args=[workspace.pk, app.pk]))
    assert not App.objects.exists()
    assert Activity.objects.count() == 3


def test_two_apps_of_one_name_are_refused(login: Login, workspace: Workspace) -> None:
    App.objects.create(workspace=workspace, name="Web", platform="web")
    address = reverse("admin:workspaces_workspace_add_app", args=[workspace.pk])
    page = login().post(address, {"new-name": "Web", "new-platform": "ios"})
    assert page.status_code == 400
    assert "Choose another name" in page.content.decode()


# --- Team ---


def test_a_new_person_is_added_and_can_log_in(login: Login, workspace: Workspace) -> None:
    form = {"username": "new-one", "email": "new@example.com", "password": PASSWORD, "role": "marketer"}
    assert login().post(TEAM + "add/", form).status_code == 302
    client = Client()
    assert client.login(username="new-one", password=PASSWORD)
    assert client.get("/admin/").status_code == 200
    assert User.objects.get(username="new-one").role_in(workspace) == Role.MARKETER


def test_a_person_with_a_login_is_added_without_a_password(login: Login, workspace: Workspace) -> None:
    known = User.objects.create_user("known", password=PASSWORD)
    assert login().post(TEAM + "add/", {"username": "known", "role": "admin"}).status_code == 302
    assert known.role_in(workspace) == Role.ADMIN
    assert Client().login(username="known", password=PASSWORD)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"username": "new-one", "role": "admin"}, "give an initial password"),
        ({"username": "new-one", "role": "admin", "password": "short"}, "too short"),
        ({"username": "new-one", "role": "boss", "password": PASSWORD}, "boss"),
        ({"username": "known", "role": "admin", "password": PASSWORD}, "leave the password empty"),
        ({"username": "user-2", "role": "admin"}, "in the team already"),
        ({"username": "", "role": "admin", "password": PASSWORD}, "required"),
    ],
)
def test_a_person_who_cannot_be_added(login: Login, form: dict[str, str], error: str) -> None:
    User.objects.create_user("known", password=PASSWORD)
    client = login()
    page = client.post(TEAM + "add/", form).content.decode()
    assert error in page
    assert PASSWORD not in page
    assert Membership.objects.count() == 1


def test_roles_are_changed_and_people_removed(login: Login, workspace: Workspace) -> None:
    client = login()
    other = Membership.objects.create(user=User.objects.create_user("other"), workspace=workspace, role=Role.MARKETER)
    client.post(reverse("admin:workspaces_membership_role", args=[other.pk]), {"role": "admin"})
    other.refresh_from_db()
    assert other.role == Role.ADMIN
    client.post(reverse("admin:workspaces_membership_remove", args=[other.pk]))
    assert not Membership.objects.filter(pk=other.pk).exists()
    assert User.objects.filter(username="other").exists()


@pytest.mark.parametrize("deed", ["role", "remove"])
def test_the_last_admin_stays(login: Login, workspace: Workspace, deed: str) -> None:
    client = login()
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=workspace, role=Role.MARKETER)
    gone = User.objects.create_user("gone", is_active=False)
    Membership.objects.create(user=gone, workspace=workspace, role=Role.ADMIN)
    me = Membership.objects.get(user__username="user-1")
    address = reverse(f"admin:workspaces_membership_{deed}", args=[me.pk])
    page = client.post(address, {"role": "marketer"}, follow=True).content.decode()
    assert "last admin" in page
    me.refresh_from_db()
    assert me.role == Role.ADMIN
    assert not Activity.objects.exists(), "what did not happen is not in the log"


# --- Activity log ---


def test_the_log_is_read_in_the_readers_language(login: Login, workspace: Workspace) -> None:
    """Whoever acts and whoever reads may use different languages."""
    client = login(is_superuser=True)
    japanese = {"headers": {"Accept-Language": "ja"}}
    person = {"username": "marketer", "password": "a long pass phrase", "role": "marketer"}
    assert client.post("/admin/workspaces/membership/add/", person, **japanese).status_code == 302
    task = PeriodicTask.objects.exclude(task__startswith="celery.").first()
    assert task is not None
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    client.post(address, {"every": "1", "period": "hours"}, **japanese)
    read = client.get("/admin/workspaces/activity/").content.decode()
    assert "Added to the team as Marketer." in read
    assert "Set to run every hour." in read
    read = client.get("/admin/workspaces/activity/", **japanese).content.decode()
    assert "Added to the team" not in read
    assert "マーケター" in read


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ('[{"added": {}}]', "Added."),
        ("As it was.", "As it was."),
        ("", ""),
        ("100 %", "100 %"),
        ("{no json", "{no json"),
        ('{"message": 5}', '{"message": 5}'),
        ("7", "7"),
    ],
)
def test_what_is_no_message_of_ours_is_said_as_it_is(kept: str, text: str) -> None:
    assert said(kept) == text


def test_names_are_not_taken_for_messages(db: None) -> None:
    kept = stored(gettext_noop("Created the API key “%(name)s”."), {"name": "Admin %(x)s"})
    with override("ja"):
        assert "Admin %(x)s" in said(kept)


def test_the_log_of_another_workspace_is_not_shown(login: Login, workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Other")
    Activity.objects.create(workspace=other, person_name="stranger", flag=1, kind="apikey", object_name="Their key")
    assert "Their key" not in login().get("/admin/workspaces/activity/").content.decode()


def test_the_log_is_searched_and_paged(login: Login, workspace: Workspace) -> None:
    for number in range(60):
        Activity.objects.create(workspace=workspace, person_name="p", flag=1, kind="k", object_name=f"thing-{number}.")
    client = login()
    first = client.get("/admin/workspaces/activity/").content.decode()
    assert "thing-59." in first
    assert "thing-9." not in first
    assert "thing-9." in client.get("/admin/workspaces/activity/?page=2").content.decode()
    found = client.get("/admin/workspaces/activity/?q=THING-7.").content.decode()
    assert "thing-7." in found
    assert "thing-8." not in found


def test_the_log_outlives_the_person(login: Login, workspace: Workspace) -> None:
    login().post(TEAM + "add/", {"username": "new-one", "password": PASSWORD, "role": "marketer"})
    User.objects.filter(username="user-1").delete()
    assert Activity.objects.get().person_name == "user-1"


# --- Data points ---


def test_data_points_are_shown_by_day_and_source(login: Login, workspace: Workspace) -> None:
    log_data_points(workspace.pk, "attributes", 1200)
    log_data_points(workspace.pk, "attributes", 34)
    log_data_points(Workspace.objects.create(name="Other").pk, "attributes", 777)
    DataPoints.objects.create(
        workspace=workspace, day=datetime.now(UTC).date() - timedelta(days=40), source="events", count=5555
    )
    client = login()
    page = client.get("/admin/workspaces/datapoints/").content.decode()
    assert "1,234" in page
    assert "777" not in page
    assert "5,555" not in page
    assert "5,555" in client.get("/admin/workspaces/datapoints/?days=90").content.decode()


@pytest.mark.parametrize("count", [0, -1])
def test_no_data_points_write_nothing(workspace: Workspace, count: int) -> None:
    log_data_points(workspace.pk, "attributes", count)
    assert not DataPoints.objects.exists()


@pytest.mark.parametrize("zone", ["Factory", "localtime"])
def test_time_zones_are_those_of_places(login: Login, workspace: Workspace, zone: str) -> None:
    address = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    client = login()
    assert f'value="{zone}"' not in client.get(address).content.decode()
    client.post(address, {"name": "New", "time_zone": zone})
    workspace.refresh_from_db()
    assert workspace.time_zone == "UTC"


# --- Schedules ---


def test_an_admin_of_a_workspace_leaves_the_schedules_alone(login: Login, workspace: Workspace) -> None:
    task = PeriodicTask.objects.first()
    assert task
    form = {"every": "9", "period": "seconds", "enabled": ""}
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    client = login()
    assert (client.get(address).status_code, client.post(address, form).status_code) == (403, 403)
    assert "periodictask" not in client.get("/admin/").content.decode()


def test_a_schedule_is_changed_by_a_superuser(login: Login, workspace: Workspace) -> None:
    task = PeriodicTask.objects.exclude(task__startswith="celery.").first()
    assert task is not None
    client = login(is_superuser=True)
    assert task.name in client.get("/admin/django_celery_beat/periodictask/").content.decode()
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert client.post(address, {"every": "7", "period": "minutes"}).status_code == 302
    task.refresh_from_db()
    assert (task.interval.every, task.interval.period, task.enabled) == (7, "minutes", False)
    assert "7 minutes" in Activity.objects.get().message


@pytest.mark.parametrize("form", [{"every": "0", "period": "minutes"}, {"every": "1", "period": "moons"}, {}])
def test_a_schedule_that_makes_no_sense_is_refused(login: Login, form: dict[str, str]) -> None:
    task = PeriodicTask.objects.exclude(task__startswith="celery.").first()
    assert task is not None
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert 'role="alert"' in login(is_superuser=True).post(address, form or {"every": ""}).content.decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"),
        (5, "every 5 seconds"),
        (60, "every minute"),
        (90, "every 90 seconds"),
        (7200, "every 2 hours"),
        (86_400, "every day"),
    ],
)
def test_intervals_are_said_in_the_largest_unit(seconds: int, words: str) -> None:
    assert in_words(*in_units(seconds)) == words


def test_beats_own_models_have_no_screens(login: Login) -> None:
    assert login().get("/admin/django_celery_beat/intervalschedule/").status_code == 404
    assert login(is_superuser=True).get("/admin/auth/group/").status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "workspaces/activity/?q=",
        "profiles/profile/?q=",
        "segments/segment/?q=",
        "segments/segment/values/?filter=country&q=",
        "search/?s=",
    ],
)
def test_search_boxes_take_a_nul(login: Login, workspace: Workspace, address: str) -> None:
    assert login().get(f"/admin/{address}a%00b").status_code == 200


def test_numbers_that_are_sent_back_have_no_separators(login: Login) -> None:
    Workspace.objects.create(pk=1_234_567, name="Zoo")
    page = login(is_superuser=True).get("/admin/workspaces/workspace/").content.decode()
    assert page.count('name="workspace" value="1234567"') == 2


def test_the_header_says_a_name_as_it_is(login: Login, workspace: Workspace) -> None:
    profile = Profile.objects.create(workspace=workspace, external_id="check-user-5")
    page = login().get(reverse("admin:profiles_profile_change", args=[profile.pk])).content.decode()
    assert "check-user-5" in page
    assert "Check-user-5" not in page


# --- Logging in ---


def test_a_person_added_in_team_logs_in_through_the_form(login: Login, workspace: Workspace) -> None:
    login().post(f"{TEAM}add/", {"username": "newcomer", "password": PASSWORD, "role": Role.MARKETER})
    newcomer = Client()

    answer = newcomer.post("/admin/login/", {"username": "newcomer", "password": PASSWORD})

    assert answer.headers["Location"] == "/admin/"
    assert newcomer.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("password", "said"), [("wrong", "correct username and password"), (PASSWORD, "You are in no workspace.")]
)
def test_whoever_may_not_log_in_is_told_why(workspace: Workspace, password: str, said: str) -> None:
    User.objects.create_user("outsider", password=PASSWORD)
    client = Client()
    page = client.post("/admin/login/", {"username": "outsider", "password": password})
    assert said in page.content.decode()
    assert "staff" not in page.content.decode()
    assert client.get("/admin/").status_code == 302

"""Importing push tokens of users who are not known. Braze: user attributes object, "Push token import"."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from profiles.deleting import forget_empty_imports
from profiles.models import Device, Profile, PushToken
from profiles.objects import attributes_object
from profiles.tracking import Batch
from profiles.tracking import track as apply
from tests.profiles.conftest import Post
from tests.profiles.test_track import errors
from tests.profiles.test_track_concurrency import in_threads
from tests.profiles.worlds import alias, check_live
from workspaces.models import App, Workspace


@pytest.fixture
def app(workspace: Workspace) -> App:
    return App.objects.create(workspace=workspace, name="Phone", platform="android")


def token(app: App, name: str = "abcd", **more: str) -> dict[str, str]:
    return {"app_id": str(app.api_id), "token": name, **more}


def unknown(app_id: Any) -> str:
    return f"'{app_id}' in 'push_tokens' is no app of this workspace"


def imported(*tokens: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"push_token_import": True, "push_tokens": list(tokens), **more}


@pytest.mark.django_db
def test_it_works(track: Post, app: App, workspace: Workspace) -> None:
    body = [imported(token(app, device_id="device-1"), country="US", email="a@example.com", plan="gold")]
    answer = track(attributes=body)
    assert (answer.status_code, answer.json()) == (201, {"message": "success", "attributes_processed": 1})
    profile = Profile.objects.get()
    assert (profile.external_id, profile.country, profile.email) == (None, "US", "a@example.com")
    assert profile.custom_attributes == {"plan": "gold"}
    assert (PushToken.objects.get().profile, PushToken.objects.get().device_id) == (profile, "device-1")
    assert Device.objects.get().profile == profile
    check_live(workspace)


@pytest.mark.django_db
def test_each_token_gets_a_user_and_one_that_is_known_is_ignored(track: Post, app: App) -> None:
    track(attributes=[{"external_id": "user-1", "push_tokens": [token(app, "known")]}])
    track(attributes=[imported(token(app, "known"), token(app, "a"), token(app, "b"), country="JP")])
    track(attributes=[imported(token(app, "a"), country="DE")])
    assert Profile.objects.count() == 3
    assert sorted(Profile.objects.values_list("country", flat=True)) == ["", "JP", "JP"]


@pytest.mark.django_db
def test_a_token_of_no_app_of_ours_makes_nobody(track: Post, workspace: Workspace, app: App) -> None:
    other = App.objects.create(workspace=Workspace.objects.create(name="Other"), name="Phone", platform="ios")
    answer = track(attributes=[imported(token(other))])
    assert (answer.status_code, errors(answer)) == (201, [("attributes", 0, unknown(other.api_id))])
    assert not Profile.objects.exists()


@pytest.mark.django_db
def test_an_unknown_app_is_named_and_the_rest_is_used(track: Post, app: App) -> None:
    other = App.objects.create(workspace=Workspace.objects.create(name="Other"), name="Phone", platform="ios")
    nobodys = {"app_id": "No-App", "token": "c"}
    answer = track(
        attributes=[
            {"external_id": ""},
            {"external_id": "user-1", "push_tokens": [token(app, "a")]},
            {"external_id": "user-2", "plan": "gold", "push_tokens": [token(other, "b"), nobodys, token(app, "d")]},
        ]
    )
    assert (answer.status_code, answer.json()["attributes_processed"]) == (201, 2)
    assert errors(answer)[1:] == [("attributes", 2, unknown(one)) for one in sorted([str(other.api_id), "no-app"])]
    assert dict(PushToken.objects.values_list("token", "profile__external_id")) == {"a": "user-1", "d": "user-2"}
    assert Profile.objects.get(external_id="user-2").custom_attributes == {"plan": "gold"}


@pytest.mark.django_db
def test_apps_are_asked_for_only_where_tokens_come(track: Post, app: App) -> None:
    def statements(**more: Any) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            track(attributes=[{"external_id": f"user-{number}", **more} for number in range(20)])
        return [one["sql"] for one in queries if 'FROM "workspaces_app"' in one["sql"]]

    assert statements() == []
    assert len(statements(push_tokens=[token(app, "a"), {"app_id": "no-app", "token": "b"}])) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"external_id": "user-1"}, "'external_id' and 'braze_id' cannot be specified with 'push_token_import'"),
        ({"braze_id": "ab"}, "'external_id' and 'braze_id' cannot be specified with 'push_token_import'"),
        ({"push_tokens": []}, "'push_tokens' is required with 'push_token_import'"),
    ],
    ids=["external id", "braze id", "no token"],
)
def test_what_cannot_be_imported_is_refused(track: Post, app: App, source: dict[str, Any], error: str) -> None:
    answer = track(attributes=[{**imported(token(app)), **source}])
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["type"] == error


@pytest.mark.django_db
@pytest.mark.parametrize("is_first", [True, False])
def test_a_token_that_the_same_request_gives_somebody_is_not_imported(track: Post, app: App, is_first: bool) -> None:
    theirs = {"external_id": "user-1", "push_tokens": [token(app)]}
    track(attributes=[theirs, imported(token(app))] if is_first else [imported(token(app)), theirs])
    assert [one.profile.external_id for one in PushToken.objects.select_related("profile")] == ["user-1"]
    assert Profile.objects.count() == 1


@pytest.mark.django_db
def test_who_was_made_for_a_token_goes_with_it(track: Post, app: App, post: Post, workspace: Workspace) -> None:
    track(attributes=[imported(token(app, name)) for name in "abcd"])
    assert forget_empty_imports() == 0, "all of them have their tokens"
    merged, named, *_rest = Profile.objects.order_by("pk")
    post("/users/alias/new", {"user_aliases": [alias("kept")]})
    kept = Profile.objects.get(aliases__name="kept")
    apply(workspace.pk, Batch([attributes_object({"braze_id": merged.braze_id, "email": "m@example.com"})]))
    pair = {
        "identifier_to_merge": {"email": "m@example.com", "prioritization": ["unidentified"]},
        "identifier_to_keep": {"user_alias": alias("kept")},
    }
    post("/users/merge", {"merge_updates": [pair]})
    Profile.objects.filter(pk=named.pk).update(external_id="named")
    track(attributes=[{"external_id": "user-1", "push_tokens": [token(app, name) for name in "abc"]}])
    assert forget_empty_imports() == 1, "the third; the fourth has its token, and two are more than their token"
    assert set(Profile.objects.filter(pk__in=[kept.pk, named.pk])) == {kept, named}
    assert PushToken.objects.filter(profile__external_id="user-1").count() == 3
    check_live(workspace)


@pytest.mark.django_db(transaction=True)
def test_one_token_at_once_makes_one_user() -> None:
    workspace = Workspace.objects.create(name="Example")
    app = App.objects.create(workspace=workspace, name="Phone", platform="android")
    names = [f"token-{number}" for number in range(20)]

    def client(number: int) -> None:
        mine = names[number:] + names[:number]
        apply(workspace.pk, Batch([attributes_object(imported(*(token(app, name) for name in mine)))]))

    in_threads(client, 8)
    assert Profile.objects.count() == PushToken.objects.count() == 20

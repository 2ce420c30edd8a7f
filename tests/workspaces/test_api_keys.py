"""Settings > API Keys: made, shown once, invalidated."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from workspaces.models import Activity, ApiKey, Workspace
from workspaces.roles import Role

LIST = "/admin/workspaces/apikey/"
ADD = LIST + "add/"
Login = Callable[..., Client]


def made(client: Client, name: str = "Shop") -> str:
    """Make a key on the screen; returns it as it is shown."""
    page = client.post(ADD, {"name": name, "permissions": ["users.track"]})
    assert page.status_code == 200
    (secret,) = re.findall(r'<code id="api-key">(\w+)</code>', page.content.decode())
    assert "no-store" in page.headers["Cache-Control"]
    return str(secret)


def test_it_works(login: Login, workspace: Workspace) -> None:
    client = login()
    secret = made(client)
    key = ApiKey.find(secret)
    assert key is not None
    assert (key.workspace, key.name, key.permissions, str(key.made_by)) == (
        workspace,
        "Shop",
        ["users.track"],
        "user-1",
    )
    page = client.get(LIST).content.decode()
    assert key.prefix in page
    assert secret not in page


def test_invalidated_it_is_refused_from_then_on(login: Login) -> None:
    client = login()
    secret = made(client)
    key = ApiKey.objects.get()
    answer = client.post(reverse("admin:workspaces_apikey_invalidate", args=[key.pk]), follow=True)
    assert "refused from now on" in answer.content.decode()
    assert ApiKey.find(secret) is None
    assert "Invalidated" in client.get(LIST).content.decode()


def test_both_are_in_the_activity_log_and_the_key_is_not(login: Login, workspace: Workspace) -> None:
    client = login()
    secret = made(client)
    client.post(reverse("admin:workspaces_apikey_invalidate", args=[ApiKey.objects.get().pk]))
    assert [one.message for one in Activity.objects.filter(workspace=workspace)] == [
        "Invalidated the API key “Shop”.",
        "Created the API key “Shop”.",
    ]
    page = client.get("/admin/workspaces/activity/").content.decode()
    assert "Created the API key" in page
    assert secret not in page


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"name": "Shop"}, "Choose at least one permission."),
        ({"permissions": ["users.track"]}, "This field is required."),
        ({"name": "Shop", "permissions": ["everything"]}, "everything"),
        ({"name": "x" * 101, "permissions": ["users.track"]}, "at most 100 characters"),
    ],
)
def test_a_form_that_lacks_something_says_so(login: Login, form: dict[str, object], error: str) -> None:
    page = login().post(ADD, form).content.decode()
    assert error in page
    assert not ApiKey.objects.exists()


def test_an_empty_list_says_what_to_do(login: Login) -> None:
    page = login().get(LIST).content.decode()
    assert "No API keys yet" in page
    assert ADD in page


def test_a_marketer_makes_no_keys(login: Login) -> None:
    client = login(Role.MARKETER)
    assert client.post(ADD, {"name": "Shop", "permissions": ["users.track"]}).status_code == 403
    assert not ApiKey.objects.exists()


def test_invalidating_needs_a_form(login: Login) -> None:
    client = login()
    made(client)
    assert client.get(reverse("admin:workspaces_apikey_invalidate", args=[ApiKey.objects.get().pk])).status_code == 405
    assert ApiKey.objects.get().is_valid

"""A workspace that PostgreSQL's statistics do not know yet is not read whole for every name of a user.

The planner takes a workspace that was not there at the last ANALYZE for one of hardly any rows, and then any index that
begins with the workspace looks as good to it as the one for the name.
"""

from typing import Any

import orjson
import pytest
from django.utils import timezone

from profiles.device_facts import Sighting, log_devices
from profiles.former_names import Sought, find_former
from profiles.identities import Identity
from profiles.models import Profile, SubscriptionGroup
from tests.logins import client_of
from tests.profiles.conftest import Post
from tests.profiles.statistics import ENOUGH, USERS, reading, unknown_workspace
from tests.profiles.worlds import WHEN
from workspaces.models import Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db

NUMBERS = range(1, 51)
EXTERNAL_IDS = [f"user-{n}" for n in NUMBERS]
EMAILS = [f"user-{n}@example.com" for n in NUMBERS]
PHONES = [f"+1555{n:07}" for n in NUMBERS]
ALIASES = [{"alias_label": "shop", "alias_name": f"alias-{n}"} for n in NUMBERS]
OLD_IDS = [f"old-{n}" for n in NUMBERS]


@pytest.fixture
def workspace(db: None) -> Workspace:
    return unknown_workspace()


def test_track(track: Post, workspace: Workspace) -> None:
    braze_ids = Profile.objects.filter(external_id__in=EXTERNAL_IDS, workspace=workspace).values_list("braze_id")
    users: dict[str, list[dict[str, Any]]] = {
        "external_id": [{"external_id": one} for one in EXTERNAL_IDS],
        "deprecated id": [{"external_id": one} for one in OLD_IDS],
        "braze_id": [{"braze_id": one} for (one,) in braze_ids],
        "alias": [{"user_alias": one} for one in ALIASES],
        "email": [{"email": one} for one in EMAILS],
        "phone": [{"phone": one} for one in PHONES],
    }
    found = {}
    for kind, names in users.items():
        with reading() as read:
            answer = track(
                attributes=[{**one, "first_name": f"By {kind}"} for one in names],
                events=[{**one, "name": "rented", "time": WHEN} for one in names],
            )
        assert answer.status_code == 201
        assert Profile.objects.filter(first_name=f"By {kind}").count() == len(names)
        found[kind] = read()
    assert max(found.values()) < ENOUGH, found


def test_other_endpoints(post: Post, get: Post, workspace: Workspace) -> None:
    group = SubscriptionGroup.objects.create(workspace=workspace, name="News")
    status = {"subscription_group_id": str(group.api_id), "subscription_state": "subscribed"}
    texts = SubscriptionGroup.objects.create(workspace=workspace, name="Texts", channel="sms")
    app = str(workspace.apps.get().api_id)
    requests: list[tuple[str, dict[str, Any]]] = [
        (
            "/users/track",
            {"attributes": [{"external_id": one, "subscription_groups": [status]} for one in EXTERNAL_IDS]},
        ),
        (
            "/users/track",
            {
                "attributes": [
                    {"push_token_import": True, "push_tokens": [{"app_id": app, "token": f"token-{n}"}]}
                    for n in NUMBERS
                ]
                + [{"external_id": "user-1"}]
            },
        ),
        ("/users/export/ids", {"external_ids": EXTERNAL_IDS, "fields_to_export": ["external_id"]}),
        ("/users/export/ids", {"user_aliases": ALIASES, "fields_to_export": ["external_id"]}),
        ("/users/export/ids", {"email_address": EMAILS[0]}),
        ("/users/export/ids", {"phone": PHONES[0]}),
        ("/users/export/ids", {"device_id": "device-1"}),
        ("/subscription/status/set", {**status, "external_id": EXTERNAL_IDS}),
        ("/subscription/status/set", {**status, "email": EMAILS}),
        ("/subscription/status/set", {**status, "subscription_group_id": str(texts.api_id), "phone": PHONES}),
        (
            "/users/alias/new",
            {"user_aliases": [{"external_id": one, "alias_label": "new", "alias_name": one} for one in EXTERNAL_IDS]},
        ),
        (
            "/users/alias/update",
            {
                "alias_updates": [
                    {"alias_label": "shop", "old_alias_name": f"alias-{n}", "new_alias_name": f"other-{n}"}
                    for n in NUMBERS
                ]
            },
        ),
        (
            "/users/external_ids/rename",
            {
                "external_id_renames": [
                    {"current_external_id": one, "new_external_id": f"new-{one}"} for one in EXTERNAL_IDS
                ]
            },
        ),
        ("/users/external_ids/remove", {"external_ids": EXTERNAL_IDS}),
        (
            "/users/identify",
            {
                "emails_to_identify": [
                    {
                        "external_id": f"new-{name}",
                        "email": email,
                        "prioritization": ["unidentified", "most_recently_updated"],
                    }
                    for name, email in zip(EXTERNAL_IDS, EMAILS, strict=True)
                ]
            },
        ),
        (
            "/users/merge",
            {
                "merge_updates": [
                    {
                        "identifier_to_merge": {"external_id": f"new-user-{n}"},
                        "identifier_to_keep": {"external_id": f"user-{n + 100}"},
                    }
                    for n in NUMBERS
                ]
            },
        ),
        ("/users/delete", {"external_ids": [f"user-{n + 200}" for n in NUMBERS]}),
    ]
    found = []
    for path, body in requests:
        with reading() as read:
            answer = post(path, body)
        assert answer.status_code in (200, 201, 202), (path, answer.content)
        found.append((read(), path, orjson.dumps(body)[:60]))
    later = [f"user-{n}" for n in range(300, 350)]
    for query in ({"external_id": later}, {"email": EMAILS}, {"phone": PHONES}):
        for path in ("/subscription/status/get", "/subscription/user/status"):
            with reading() as read:
                answer = get(path, {**query, "subscription_group_id": str(group.api_id)})
            assert answer.status_code == 200, answer.content
            found.append((read(), path, orjson.dumps(query)[:30]))
    assert not [one for one in found if one[0] >= ENOUGH]


def test_search(workspace: Workspace) -> None:
    client = client_of(workspace, Role.MARKETER)
    for text in ("user-7", "old-7", "alias-7", "user-7@example.com", "+15550000007", "device-7"):
        with reading() as read:
            page = client.get("/admin/profiles/profile/", {"q": text}, follow=True)
        assert "user-7@example.com" in page.content.decode()
        assert read() < ENOUGH, text


def test_what_other_systems_sent(workspace: Workspace) -> None:
    now = timezone.now()
    ids = list(Profile.objects.filter(external_id__in=EXTERNAL_IDS, workspace=workspace).values_list("pk", flat=True))
    with reading() as read:
        former = find_former(workspace.pk, [Sought(Identity("external_id", f"gone-{n}"), now) for n in NUMBERS])
        log_devices(workspace.pk, [Sighting(pk, f"device-{pk}", now, {"model": "Pixel"}) for pk in ids])
    assert len(former) == len(NUMBERS)
    assert read() < ENOUGH < USERS

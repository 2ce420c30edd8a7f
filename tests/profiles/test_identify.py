"""POST /users/identify. Braze: identify users, "Merging behavior"."""

from typing import Any

import pytest

from profiles.counters import habits
from profiles.models import Profile
from tests.profiles.conftest import Post
from tests.profiles.worlds import alias, aliases, check_live, event, last_change, of_alias, user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
PATH = "/users/identify"


def naming(external_id: str, name: str, label: str = "shop") -> dict[str, Any]:
    return {"external_id": external_id, "user_alias": alias(name, label)}


def test_it_works(post: Post, track: Post, workspace: Workspace) -> None:
    """The documented example: nobody has the external id, so the anonymous user gets it."""
    track(attributes=[{**of_alias("example_alias", "example_label"), "plan": "gold"}])
    profile = Profile.objects.get()
    answer = post(PATH, {"aliases_to_identify": [naming("external_identifier", "example_alias", "example_label")]})
    assert (answer.status_code, answer.json()) == (201, {"aliases_processed": 1, "message": "success"})
    profile.refresh_from_db()
    assert (profile.external_id, profile.custom_attributes) == ("external_identifier", {"plan": "gold"})
    assert aliases(profile) == {"example_label: example_alias"}
    assert last_change("identified") == ([profile.pk], None)
    assert Profile.objects.filter(pk__lt=0).count() == 0
    check_live(workspace)


def test_somebody_has_the_id_so_the_two_become_one(post: Post, track: Post, workspace: Workspace) -> None:
    track(
        attributes=[
            {"external_id": "user-1", "first_name": "One", "plan": "gold"},
            {**of_alias("a"), "first_name": "Other", "last_name": "Name", "plan": "silver", "visits": 3},
        ],
        events=[event(external_id="user-1"), event(**of_alias("a"))],
    )
    anonymous, known = Profile.objects.get(external_id=None), user("user-1")
    post(PATH, {"aliases_to_identify": [naming("user-1", "a")]})
    known.refresh_from_db()
    assert (known.first_name, known.last_name) == ("One", "Name")
    assert known.custom_attributes == {"plan": "gold", "visits": 3}
    assert aliases(known) == {"shop: a"}
    assert [one.count for one in habits([known.pk])[known.pk]] == [2]
    assert last_change("merged") == ([anonymous.pk], [known.pk])
    assert Profile.objects.get() == known
    check_live(workspace)


def test_several_aliases_of_one_user(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{**of_alias("a", "shop"), "x": 1}, {**of_alias("b", "web"), "y": 2}, of_alias("c", "app")])
    names = [naming("user-1", "a"), naming("user-1", "b", "web"), naming("user-1", "c", "app")]
    post(PATH, {"aliases_to_identify": names})
    assert aliases(user("user-1")) == {"shop: a", "web: b", "app: c"}
    assert user("user-1").custom_attributes == {"x": 1, "y": 2}
    assert Profile.objects.count() == 1
    check_live(workspace)


def test_two_aliases_of_one_label_are_not_combined(post: Post, track: Post) -> None:
    track(attributes=[of_alias("a"), of_alias("b")])
    post(PATH, {"aliases_to_identify": [naming("user-1", "a"), naming("user-1", "b")]})
    assert aliases(user("user-1")) == {"shop: a"}
    assert Profile.objects.count() == 2


def test_an_identified_user_keeps_their_id(post: Post, track: Post) -> None:
    track(attributes=[of_alias("a"), {"external_id": "user-2"}])
    for external_id in ("user-1", "user-2", "user-3", "user-1"):
        assert post(PATH, {"aliases_to_identify": [naming(external_id, "a")]}).status_code == 201
    assert set(Profile.objects.values_list("external_id", flat=True)) == {"user-1", "user-2"}


def test_an_alias_that_nobody_has_identifies_nobody(post: Post) -> None:
    assert post(PATH, {"aliases_to_identify": [naming("user-1", "a")]}).status_code == 201
    assert not Profile.objects.exists()


def test_without_fields_only_names_are_kept(post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}, {**of_alias("a"), "plan": "silver"}])
    post(PATH, {"aliases_to_identify": [naming("user-1", "a")], "merge_behavior": "none"})
    assert user("user-1").custom_attributes == {}
    assert aliases(user("user-1")) == {"shop: a"}


def test_by_email_address_and_phone_number(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"email": "a@example.com", "x": 1}, {"phone": "+15043277269", "y": 2}])
    first = ["unidentified", "most_recently_updated"]
    answer = post(
        PATH,
        {
            "emails_to_identify": [{"external_id": "user-1", "email": "a@example.com", "prioritization": first}],
            "phone_numbers_to_identify": [{"external_id": "user-1", "phone": "+15043277269", "prioritization": first}],
        },
    )
    assert (answer.status_code, answer.json()["aliases_processed"]) == (201, 2)
    profile = Profile.objects.get()
    assert (profile.external_id, profile.email, profile.phone) == ("user-1", "a@example.com", "+15043277269")
    assert profile.custom_attributes == {"x": 1, "y": 2}
    check_live(workspace)


@pytest.mark.parametrize(
    ("prioritization", "meant"),
    [
        (["unidentified"], None),
        (["identified"], None),
        (["unidentified", "most_recently_updated"], "new"),
        (["unidentified", "least_recently_updated"], "old"),
        (["least_recently_updated"], "old"),
        (["most_recently_updated", "unidentified"], None),
    ],
)
def test_which_of_several_users_is_meant(
    post: Post, workspace: Workspace, prioritization: list[str], meant: str | None
) -> None:
    def make(day: int, name: str, external_id: str | None = None) -> None:
        Profile.objects.create(
            workspace=workspace,
            external_id=external_id,
            email="a@example.com",
            first_name=name,
            updated_at=f"2024-01-{day:02}T00:00Z",
        )

    make(1, "old")
    make(2, "new")
    make(3, "newest", "known")
    entry = {"external_id": "user-1", "email": "a@example.com", "prioritization": prioritization}
    assert post(PATH, {"emails_to_identify": [entry]}).status_code == 201
    found = Profile.objects.filter(external_id="user-1").first()
    assert (found.first_name if found else None) == meant


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"aliases_to_identify": []},
        {"aliases_to_identify": "a"},
        {"aliases_to_identify": [{"external_id": "user-1"}]},
        {"aliases_to_identify": [{"user_alias": {"alias_name": "a", "alias_label": "b"}}]},
        {"emails_to_identify": [{"external_id": "user-1", "email": "a@example.com"}]},
        {"emails_to_identify": [{"external_id": "user-1", "email": "a@example.com", "prioritization": ["first"]}]},
        {"emails_to_identify": [{"external_id": "1", "email": "a@a.de", "prioritization": ["identified"] * 2}]},
        {"phone_numbers_to_identify": [{"external_id": "1", "phone": "x", "prioritization": ["identified"]}]},
        {"aliases_to_identify": [naming("user-1", "a")], "merge_behavior": "some"},
        {"aliases_to_identify": [naming("user-1", "a")] * 51},
    ],
)
def test_what_cannot_be_used_is_400(post: Post, body: dict[str, Any]) -> None:
    answer = post(PATH, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}


def test_the_number_of_statements_does_not_grow(post: Post, track: Post, django_assert_max_num_queries: Any) -> None:
    track(attributes=[of_alias(f"a{one}") for one in range(50)] + [{"external_id": f"u{one}"} for one in range(25)])
    with django_assert_max_num_queries(55) as one:
        post(PATH, {"aliases_to_identify": [naming("u0", "a0"), naming("v0", "a25")]})
    with django_assert_max_num_queries(55) as many:
        post(
            PATH,
            {"aliases_to_identify": [naming(f"{'uv'[n // 25]}{n % 25}", f"a{n}") for n in range(1, 50) if n != 25]},
        )
    assert len(one) == len(many)
    assert Profile.objects.count() == 50

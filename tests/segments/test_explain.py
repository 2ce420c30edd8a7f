"""Is this user in the segment, and which row decides: on a segment, in the preview and on the user's page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners.models import Cohort
from profiles.deleting import delete_profiles
from profiles.engagement import Touch, record
from profiles.message_stores import EngagementAction
from profiles.models import AppUse, Profile
from segments.engine import evaluate
from segments.explain import Explanation, explain
from segments.panels import segments_of
from segments.tree import TreeError, parse
from tests.segments.conftest import House, build_house, in_cohort
from tests.segments.oracle.base import User as OracleUser
from tests.segments.oracle.worlds import COMPARISONS, FACET_OF, build, filled, leaves, populations
from workspaces.models import App, Membership, User
from workspaces.roles import PERMISSIONS, Action, Role

BASE = "/admin/segments/segment"
pytestmark = pytest.mark.django_db
Ask = Callable[..., Explanation]

JAPAN = {"filter": "country", "operator": "is_any_of", "value": ["JP"]}
OLD = {"filter": "custom_attribute", "subject": {"name": "age", "type": "number"}, "operator": "at_least", "value": 5}


@pytest.fixture
def ask(house: House) -> Ask:
    """Explains a user (by their number) and a tree of these rows."""

    def run(number: int, *rows: Any, **more: Any) -> Explanation:
        return explain(house.workspace, house.tree(*rows, **more), house.profiles[number])

    return run


def test_it_works(ask: Ask) -> None:
    found = ask(0, in_cohort("c1"), [JAPAN, OLD])
    assert found.inside is True
    assert found.because == "The user passes every row and no exclusion group."
    first, second = found.rows
    assert [(row.place, row.passes, row.decides) for row in found.rows] == [
        ("Row 1", True, False),
        ("Row 2", True, False),
    ]
    assert first.leaves[0].words == "Mixpanel Cohorts includes “Braze Cohort”"
    assert first.leaves[0].facts[0].text == "In the cohort “Braze Cohort”."
    assert "?user=user-0#lookup" in first.leaves[0].facts[0].address
    assert [(leaf.matches, leaf.facts[0].text) for leaf in second.leaves] == [
        (True, "The user's value: Japan"),
        (False, "The user's value: 0"),
    ]


def test_what_ends_emails_is_said(ask: Ask, house: House) -> None:
    available = {"filter": "email_available", "operator": "is", "value": "true"}
    [row] = ask(1, available).rows
    assert [fact.text for fact in row.leaves[0].facts] == [
        "The user's value: “user-1@example.com”",
        "The user's value: Subscribed",
    ]
    bounce = Touch(house.profiles[1].pk, EngagementAction.HARD_BOUNCED, "email", timezone.now())
    record(house.workspace.pk, [bounce])
    [row] = ask(1, available).rows
    assert row.decides
    assert "An email to the user bounced for good" in row.leaves[0].facts[-1].text


def test_the_first_row_that_fails_decides(ask: Ask) -> None:
    found = ask(1, in_cohort("c1"), JAPAN, OLD)
    assert (found.inside, found.because) == (False, "“Row 2” decides: the user passes none of its filters.")
    assert [row.decides for row in found.rows] == [False, True, False]
    assert found.rows[1].leaves[0].facts[0].text == "The user's value: Germany"


def test_an_exclusion_group_decides_when_all_of_its_rows_are_passed(ask: Ask) -> None:
    group = {"rows": [{"filters": [in_cohort("c1")]}, {"filters": [JAPAN]}]}
    out, stays = ask(0, exclude=[group]), ask(1, exclude=[group])
    assert (out.inside, out.because) == (False, "“Exclusion group 1” decides: the user passes all of its rows.")
    assert out.groups[0].decides
    assert (stays.inside, stays.groups[0].passes) == (True, False)


def test_apps_used_decide(ask: Ask, house: House) -> None:
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="web")
    now = timezone.now()
    AppUse.objects.create(profile=house.profiles[0], app=app, first_used_at=now, last_used_at=now)
    assert ask(0, apps=[str(app.api_id)]).inside is True
    out = ask(1, apps=[str(app.api_id)])
    assert out.because == "“Apps Used” decides: the user passes none of its filters."
    assert out.rows[0].leaves[0].facts[0].text == "The user has no value."


def test_a_filter_without_a_set_says_why(ask: Ask) -> None:
    Cohort.objects.update(archived_at=timezone.now())
    found = ask(0, [in_cohort("c1"), JAPAN], OLD)
    assert found.inside is None
    assert found.rows[0].passes is None
    assert "is archived" in found.rows[0].leaves[0].problem
    assert found.rows[0].leaves[1].matches is True
    unfinished = ask(0, {"filter": "country", "operator": "is_any_of", "value": None})
    assert unfinished.rows[0].leaves[0].problem == "Choose a value."


def test_what_is_no_tree_is_refused(ask: Ask, house: House) -> None:
    with pytest.raises(TreeError):
        explain(house.workspace, [], house.profiles[0])


def test_a_deleted_user_is_in_nothing(ask: Ask, house: House) -> None:
    delete_profiles(house.workspace.pk, [house.profiles[0].pk])
    assert ask(0).because == "The user has been deleted."


def test_the_answer_is_the_engines(house: House) -> None:
    """For every user: inside as the segment says, and exactly one part decides for those who are not."""
    tree = house.tree([in_cohort("c1"), OLD], exclude=[{"rows": [{"filters": [JAPAN]}]}])
    segment = house.segment(filters=tree)
    for profile in house.profiles:
        found = explain(house.workspace, tree, profile)
        assert found.inside == (segment in segments_of(house.workspace, profile.pk).segments)
        assert sum(one.decides for one in [*found.rows, *found.groups]) == (0 if found.inside else 1)


@pytest.mark.parametrize("key", sorted({comparison[0] for comparison in COMPARISONS}))
def test_every_filter_says_what_the_user_has(key: str) -> None:
    comparisons = [one for one in COMPARISONS if one[0] == key]

    @settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))
    @given(
        asked=st.sampled_from(comparisons).flatmap(lambda one: leaves(one)),
        population=populations([FACET_OF[key]]).filter(lambda users: any(not user.gone for user in users)),
    )
    def explained(asked: dict[str, Any], population: list[OracleUser]) -> None:
        world = build(population)
        tree = filled({"rows": [{"filters": [asked]}]}, world.names)
        users = evaluate(parse(tree), world.workspace).users
        for user in [one for one in world.users if not one.gone][:2]:
            found = explain(world.workspace, tree, Profile.objects.get(pk=user.id))
            assert found.inside == (user.id in users)
            (leaf,) = found.rows[0].leaves
            assert leaf.matches == found.inside
            assert [fact.text for fact in leaf.facts if fact.text]

    explained()


# --- Screens ---


def page(client: Client, house: House, number: int, **tree: Any) -> str:
    data = {"filters": house.tree(JAPAN), "user": house.profiles[number].pk}
    answer = client.post(f"{BASE}/explain/", data, content_type="application/json")
    assert answer.status_code == 200
    return answer.content.decode()


def test_in_the_preview(client: Client, house: House) -> None:
    assert "The user passes every row and no exclusion group." in page(client, house, 0)
    assert "“Row 1” decides" in page(client, house, 1)
    answer = client.post(f"{BASE}/preview/", {"filters": house.tree()}, content_type="application/json")
    assert answer.json()["users"][0]["pk"] == house.profiles[0].pk


def test_on_the_users_page(client: Client, house: House) -> None:
    mine = house.segment("Mine", filters=house.tree(in_cohort("c1")))
    other = house.segment("Not mine", filters=house.tree(OLD))
    house.segment("Broken", filters=house.tree(in_cohort("c9")))
    user = house.profiles[0]
    listed = client.get(f"{BASE}/of-user/{user.pk}/").content.decode()
    assert listed.index("Mine") < listed.index("1 segment that the user is not in") < listed.index("Not mine")
    for segment, said in ((mine, "In the cohort “Braze Cohort”."), (other, "“Row 1” decides")):
        address = f"{BASE}/{segment.pk}/explain/{user.pk}/"
        assert address in listed
        assert said in client.get(address).content.decode()


def test_a_segment_whose_filters_are_no_tree_says_so(client: Client, house: House) -> None:
    segment = house.segment(filters={"rows": 1})
    answer = client.get(f"{BASE}/{segment.pk}/explain/{house.profiles[0].pk}/")
    assert "“rows” is not a list." in answer.content.decode()


@pytest.mark.parametrize("body", [{}, {"user": "x"}, {"user": True}, {"user": 1, "filters": []}], ids=str)
def test_refusals(client: Client, house: House, body: dict[str, Any]) -> None:
    given = {**body, "user": house.profiles[0].pk} if body.get("user") == 1 and body["user"] is not True else body
    assert client.post(f"{BASE}/explain/", given, content_type="application/json").status_code == 400


def test_users_and_segments_of_others_are_not_there(client: Client, house: House) -> None:
    theirs = build_house("Other")
    data = {"filters": house.tree(), "user": theirs.profiles[0].pk}
    assert client.post(f"{BASE}/explain/", data, content_type="application/json").status_code == 404
    segment = theirs.segment("Secret")
    for one, user in ((segment, house.profiles[0]), (house.segment(), theirs.profiles[0])):
        assert client.get(f"{BASE}/{one.pk}/explain/{user.pk}/").status_code == 404
    assert client.post(f"{BASE}/explain/", {**data, "user": 2**80}, content_type="application/json").status_code in (
        400,
        404,
    )


def test_it_takes_the_permission_to_see_users_and_segments(
    house: House, browse: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=house.workspace, role=Role.MARKETER)
    client = browse(marketer)
    address = f"{BASE}/{house.segment().pk}/explain/{house.profiles[0].pk}/"
    assert client.get(address).status_code == 200
    for action in (Action.VIEW_USERS, Action.VIEW_SEGMENTS):
        allowed = {**PERMISSIONS, Role.MARKETER: PERMISSIONS[Role.MARKETER] - {action}}
        monkeypatch.setattr("workspaces.roles.PERMISSIONS", allowed)
        assert client.get(address).status_code == 403
    assert Profile.objects.exists()

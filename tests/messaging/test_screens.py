"""Lists and editors of campaigns and Canvases, over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from messaging.models import Campaign, Canvas, Engagement
from tests.messaging.conftest import House, build_house, content, in_cohort, make, segments_of
from workspaces.models import Membership, User
from workspaces.roles import PERMISSIONS, Action, Role
from workspaces.sayings import said

pytestmark = pytest.mark.django_db
BASE = "/admin/messaging"
EMAIL = {"channel": "email", "parts": {"subject": "Hello", "from": "Example <news@example.com>"}}
KINDS = [pytest.param(Campaign, id="campaign"), pytest.param(Canvas, id="canvas")]


def send(client: Client, path: str, data: Any) -> Any:
    return client.post(f"{BASE}/{path}", json.dumps(data, default=str), content_type="application/json")


def save(client: Client, one: Engagement, **changes: Any) -> Any:
    kind = one._meta.model_name
    return send(client, f"{kind}/{one.pk}/save/", content(one, **changes))  # type: ignore[arg-type]


def page(client: Client, path: str, **query: str) -> str:
    answer = client.get(f"{BASE}/{path}", query)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("model", KINDS)
def test_it_works(client: Client, house: House, model: type[Engagement]) -> None:
    kind = model._meta.model_name
    answer = client.post(f"{BASE}/{kind}/add/", {"name": " Spring ", "description": "Why"})
    made = model._default_manager.get()
    assert answer["Location"] == f"{BASE}/{kind}/{made.pk}/change/"
    assert (made.name, made.description, made.created_by) == ("Spring", "Why", house.admin)
    members, japan = segments_of(house)
    answer = save(client, made, messages=[EMAIL], include=[members.api_id], exclude=[japan.api_id], tags=["vip"])
    assert answer.status_code == 200
    made.refresh_from_db()
    assert (made.version, made.tags, made.include) == (2, ["vip"], [members.api_id])
    assert made.messages[0]["parts"]["subject"] == "Hello"
    listed = page(client, f"{kind}/")
    for text in ("Spring", "Draft", "Email", "In “Members”", "Not in “From Japan”", "vip"):
        assert text in listed
    assert [said(entry.change_message) for entry in LogEntry.objects.order_by("pk")] == ["Created.", "Saved version 2."]


@pytest.mark.parametrize("model", KINDS)
def test_an_empty_list_says_what_to_do(client: Client, model: type[Engagement]) -> None:
    assert "Create your first" in page(client, f"{model._meta.model_name}/")


def test_there_is_nothing_to_launch(client: Client, house: House) -> None:
    shown = page(client, f"campaign/{make(house).pk}/change/")
    assert "Save as Draft" in shown
    for text in ("Launch", "Schedule Delivery", "Assign Conversions", "Review Summary"):
        assert text not in shown


def test_a_nameless_one_is_refused_beside_the_field(client: Client) -> None:
    answer = client.post(f"{BASE}/campaign/add/", {"name": " "})
    assert answer.status_code == 400
    assert "Enter a name." in answer.content.decode()
    assert not Campaign.objects.exists()


# --- From a segment --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", KINDS)
def test_a_segment_leads_to_one_for_its_users(client: Client, house: House, model: type[Engagement]) -> None:
    kind = model._meta.model_name
    segment = house.segment("Gold")
    link = f"{BASE}/{kind}/add/?segment={segment.api_id}"
    for shown in (f"/admin/segments/segment/{segment.pk}/change/", "/admin/segments/segment/"):
        assert link in client.get(shown).content.decode()
    assert "For the users in the segment “Gold”." in client.get(link).content.decode()
    answer = client.post(f"{BASE}/{kind}/add/", {"name": "Spring", "segment": str(segment.api_id)})
    made = model._default_manager.get()
    assert answer["Location"].endswith("#target")
    assert made.include == made.segments_named == [segment.api_id]


def test_an_archived_segment_leads_nowhere(client: Client, house: House) -> None:
    segment = house.segment("Gold", archived_at=timezone.now())
    link = f"{BASE}/campaign/add/?segment={segment.api_id}"
    assert link not in client.get(f"/admin/segments/segment/{segment.pk}/change/").content.decode()
    assert client.get(link).status_code == 404


def test_a_segment_of_another_workspace_is_not_found(client: Client) -> None:
    theirs = build_house("Other").segment("Theirs")
    for given in (str(theirs.api_id), "x"):
        assert client.post(f"{BASE}/campaign/add/", {"name": "Spring", "segment": given}).status_code == 404
    assert not Campaign.objects.exists()


# --- Saving ----------------------------------------------------------------------------------------------------------


def test_ids_of_messages_stay_and_new_ones_are_ours(client: Client, house: House) -> None:
    canvas = make(house, Canvas)
    first = save(client, canvas, messages=[{**EMAIL, "id": "mine", "name": "Hello"}]).json()["messages"]
    assert first[0]["id"] != "mine"
    second = save(client, canvas, messages=[EMAIL, *first]).json()["messages"]
    assert second[1] == first[0]
    assert second[0]["id"] != first[0]["id"]
    again = save(client, canvas, messages=[second[0], second[0]]).json()["messages"]
    assert again[0]["id"] == second[0]["id"] != again[1]["id"]


def test_a_canvas_has_as_many_steps_on_a_channel_as_one_likes_and_a_campaign_one(client: Client, house: House) -> None:
    assert save(client, make(house, Canvas), messages=[EMAIL, EMAIL]).status_code == 200
    answer = save(client, make(house), messages=[EMAIL, EMAIL])
    assert answer.status_code == 400
    assert "one message for each channel" in answer.json()["errors"]["messages"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        pytest.param({"channel": "email", "parts": {"from": "nobody"}}, "messages.0.from", id="sender"),
        pytest.param({"channel": "email", "parts": {"subject": "x" * 1001}}, "messages.0.subject", id="long"),
        pytest.param({"channel": "email", "parts": {"body": 7}}, "messages.0.body", id="number"),
        pytest.param({"channel": "email", "parts": []}, "messages.0.name", id="no-parts"),
        pytest.param({"channel": "email", "name": "x" * 201}, "messages.0.name", id="name"),
        pytest.param({"channel": "webhook", "parts": {"url": "javascript:x"}}, "messages.0.url", id="url"),
        pytest.param({"channel": "webhook", "parts": {"method": "EAT"}}, "messages.0.method", id="method"),
        pytest.param({"channel": "pigeon"}, "messages", id="channel"),
        pytest.param({"channel": ["email"]}, "messages", id="channel-list"),
        pytest.param("email", "messages", id="no-object"),
    ],
)
def test_a_wrong_message_is_named(client: Client, house: House, message: Any, field: str) -> None:
    campaign = make(house)
    answer = save(client, campaign, messages=[message])
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    campaign.refresh_from_db()
    assert campaign.version == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": ""}, id="name"),
        pytest.param({"tags": "vip"}, id="tags"),
        pytest.param({"messages": {}}, id="messages"),
        pytest.param({"version": None}, id="version"),
        pytest.param({"version": True}, id="flag"),
        pytest.param({"include": "x"}, id="include"),
        pytest.param({"include": ["x"]}, id="id"),
        pytest.param({"exclude": [None]}, id="null"),
        pytest.param({"include": ["00000000-0000-4000-8000-000000000000"]}, id="unknown"),
        pytest.param({"include": ["00000000-0000-4000-8000-000000000000"] * 51}, id="many"),
        pytest.param({"filters": []}, id="filters"),
        pytest.param({"filters": {"rows": [{"filters": [in_cohort()]}]}}, id="unfinished"),
        pytest.param({"filters": {"rows": [{"filters": [in_cohort("gone")]}]}}, id="gone"),
    ],
)
def test_what_cannot_be_saved_is_refused(client: Client, house: House, changes: dict[str, Any]) -> None:
    campaign = make(house)
    answer = save(client, campaign, **changes)
    assert answer.status_code == 400
    assert answer.json().get("errors") or answer.json().get("problems")
    campaign.refresh_from_db()
    assert campaign.version == 1


def test_an_archived_segment_cannot_be_chosen_but_may_stay(client: Client, house: House) -> None:
    members, japan = segments_of(house)
    campaign = make(house)
    assert save(client, campaign, include=[members.api_id]).status_code == 200
    for segment in (members, japan):
        segment.archived_at = timezone.now()
        segment.save()
    assert save(client, campaign, name="Other").status_code == 200
    answer = save(client, campaign, include=[members.api_id, japan.api_id])
    assert answer.status_code == 400
    [problem] = answer.json()["problems"]
    assert problem["leaf"].startswith(f"include:{japan.api_id}")
    assert "“From Japan” is archived" in problem["message"]
    assert problem["text"].startswith("Target Segments: The segment")
    [problem] = save(client, campaign, exclude=[japan.api_id]).json()["problems"]
    assert problem["text"].startswith("Excluded Segments: The segment")


def test_a_fault_in_a_further_filter_is_counted_from_the_first_of_them(client: Client, house: House) -> None:
    members, _japan = segments_of(house)
    tree = house.tree(in_cohort("c1"), in_cohort("c9"))
    [problem] = save(client, make(house), include=[members.api_id], filters=tree).json()["problems"]
    assert problem["text"].startswith("Row 2, filter 1:")


def test_the_list_shows_which_segment_is_archived(client: Client, house: House) -> None:
    members, _japan = segments_of(house)
    make(house, include=[members.api_id])
    assert "Archived" not in page(client, "campaign/")
    members.archived_at = timezone.now()
    members.save()
    assert "Archived" in page(client, "campaign/")


def test_the_second_of_two_who_save_is_told(client: Client, house: House) -> None:
    campaign = make(house)
    assert save(client, campaign, name="Mine").status_code == 200
    answer = save(client, campaign, name="Yours", version=1)
    assert answer.status_code == 409
    conflict = answer.json()["conflict"]
    assert conflict["version"] == 2
    assert "has saved this campaign since you opened it" in conflict["message"]
    assert save(client, campaign, name="Yours", version=2).json()["version"] == 3


@pytest.mark.parametrize("model", KINDS)
def test_a_copy_has_everything_and_ids_of_its_own(client: Client, house: House, model: type[Engagement]) -> None:
    members, _japan = segments_of(house)
    one = make(house, model, "Spring", description="Why")
    save(client, one, messages=[EMAIL], include=[members.api_id], tags=["vip"])
    one.refresh_from_db()
    for name in ("Copy of Spring", "Copy of Spring 2"):
        client.post(f"{BASE}/{model._meta.model_name}/{one.pk}/duplicate/")
        copy = model._default_manager.latest("pk")
        assert (copy.name, copy.description, copy.tags, copy.version) == (name, "Why", ["vip"], 1)
        assert (copy.include, copy.segments_named) == (one.include, one.segments_named)
        assert copy.messages[0]["parts"] == one.messages[0]["parts"]
        assert copy.messages[0]["id"] != one.messages[0]["id"]
        assert copy.api_id != one.api_id


def test_archived_ones_are_shown_on_request_and_come_back(client: Client, house: House) -> None:
    campaign = make(house, name="Spring")
    client.post(f"{BASE}/campaign/{campaign.pk}/archive/", {"archived": "1"})
    assert "All campaigns are archived." in page(client, "campaign/")
    assert "Spring" in page(client, "campaign/", archived="1")
    assert "This campaign is archived." in page(client, f"campaign/{campaign.pk}/change/")
    client.post(f"{BASE}/campaign/{campaign.pk}/archive/", {"archived": "0"})
    assert "Spring" in page(client, "campaign/")


def test_the_list_is_searched_and_sorted(client: Client, house: House) -> None:
    make(house, name="Alpha", tags=["vip"])
    make(house, name="Beta", description="for vips")
    make(house, name="Gamma")
    assert "Gamma" not in page(client, "campaign/", q="vip")
    assert "No campaign found" in page(client, "campaign/", q="100%\x00")
    shown = page(client, "campaign/", sort="name")
    assert shown.index("Alpha") < shown.index("Beta") < shown.index("Gamma")


def test_the_list_takes_as_many_queries_for_25_as_for_one(
    client: Client, house: House, django_assert_max_num_queries: Any
) -> None:
    members, japan = segments_of(house)
    make(house, include=[members.api_id])
    with django_assert_max_num_queries(30) as one:
        page(client, "campaign/")
    for number in range(24):
        make(house, name=f"C{number}", include=[members.api_id, japan.api_id], edited_by=house.admin)
    with django_assert_max_num_queries(len(one)):
        page(client, "campaign/")


# --- Numbers ---------------------------------------------------------------------------------------------------------


def counted(client: Client, **data: Any) -> dict[str, Any]:
    answer = send(client, "campaign/statistics/", {"filters": {}, **data})
    assert answer.status_code == 200
    return dict(answer.json())


def test_numbers_follow_in_reading_order(client: Client, house: House) -> None:
    members, japan = segments_of(house)
    named = {"filter": "external_user_id", "operator": "is_any_of", "value": ["user-1", "user-6"]}
    found = counted(
        client, include=[members.api_id], exclude=[japan.api_id], filters={"rows": [{"id": "r", "filters": [named]}]}
    )
    assert found["problems"] == []
    steps = {name: step["users"] for name, step in found["rows"].items()}
    assert steps == {f"include:{members.api_id}": 3, f"exclude:{japan.api_id}": 2, "r": 1}
    assert (found["live"], found["total"], found["channels"]["email"]) == (7, 1, 1)


def test_several_segments_are_joined_by_and_and_those_left_out_by_or(client: Client, house: House) -> None:
    segments = [one.api_id for one in segments_of(house)]
    assert counted(client)["total"] == 7
    assert counted(client, include=segments)["total"] == 1
    assert counted(client, exclude=segments)["total"] == 2


def test_what_is_archived_or_gone_is_named_and_has_no_number(client: Client, house: House) -> None:
    members, japan = segments_of(house)
    members.archived_at = timezone.now()
    members.save()
    theirs = build_house("Other").segment("Theirs")
    for given, words in ((members, "“Members” is archived"), (theirs, "does not exist")):
        for side in ("include", "exclude"):
            found = counted(client, **{side: [given.api_id, japan.api_id]})
            assert found["total"] is None
            [problem] = found["problems"]
            assert (words in problem["message"], problem["leaf"]) == (True, f"{side}:{given.api_id}:")


def test_a_segment_that_is_broken_itself_is_named(client: Client, house: House) -> None:
    broken = house.segment("Broken", filters=house.tree(in_cohort("gone")))
    found = counted(client, include=[broken.api_id])
    assert found["total"] is None
    assert "Broken" in found["problems"][0]["message"]


@pytest.mark.parametrize("data", [{"include": 1}, {"exclude": ["x"]}, {"filters": 7}, {"filters": {"rows": 1}}])
def test_numbers_of_a_malformed_audience(client: Client, house: House, data: dict[str, Any]) -> None:
    found = counted(client, **data)
    assert found["total"] is None
    assert len(found["problems"]) == 1


def test_segments_are_found_by_typing(client: Client, house: House) -> None:
    segments_of(house)
    house.segment("Old members", archived_at=timezone.now())
    build_house("Other").segment("Their members")
    found = client.get(f"{BASE}/campaign/segments/", {"q": "memb"}).json()["values"]
    assert [one["label"] for one in found] == ["Members"]


# --- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", KINDS)
def test_those_of_another_workspace_are_not_found(client: Client, house: House, model: type[Engagement]) -> None:
    kind = model._meta.model_name
    theirs = make(build_house("Other"), model, "Theirs")
    assert "Theirs" not in page(client, f"{kind}/", archived="1")
    assert client.get(f"{BASE}/{kind}/{theirs.pk}/change/").status_code == 404
    assert save(client, theirs, name="Mine").status_code == 404
    for action in ("duplicate", "archive"):
        assert client.post(f"{BASE}/{kind}/{theirs.pk}/{action}/", {"archived": "1"}).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.name, theirs.archived_at, theirs.version) == ("Theirs", None, 1)


def test_who_has_no_role_sees_nothing(house: House, browse: Callable[[User], Client]) -> None:
    stranger = browse(User.objects.create_user("stranger"))
    for path in ("campaign/", f"campaign/{make(house).pk}/change/"):
        assert stranger.get(f"{BASE}/{path}").status_code in (302, 403)


def test_who_may_only_look_is_offered_nothing_to_change(
    client: Client, house: House, browse: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PERMISSIONS, Role.MARKETER, frozenset({Action.VIEW_CAMPAIGNS, Action.VIEW_SEGMENTS}))
    person = User.objects.create_user("looker")
    Membership.objects.create(user=person, workspace=house.workspace, role=Role.MARKETER)
    looker, campaign, segment = browse(person), make(house), house.segment("Gold")
    shown = [page(looker, "campaign/"), page(looker, f"campaign/{campaign.pk}/change/")]
    shown.append(looker.get(f"/admin/segments/segment/{segment.pk}/change/").content.decode())
    for text in ("Create Campaign", "Save as Draft", "Duplicate"):
        assert not any(text in one for one in shown), text
    assert send(looker, f"campaign/{campaign.pk}/save/", content(campaign, name="Mine")).status_code == 403
    assert looker.post(f"{BASE}/campaign/add/", {"name": "Mine"}).status_code == 403
    assert counted(looker)["total"] == 7


def test_home_shows_what_was_edited_last(client: Client, house: House) -> None:
    assert "No campaign has been created yet." in client.get("/admin/").content.decode()
    make(house, name="Spring")
    make(house, Canvas, name="Welcome")
    make(house, name="Gone", archived_at=timezone.now())
    shown = client.get("/admin/").content.decode()
    assert "Spring" in shown
    assert "Welcome" in shown
    assert "Gone" not in shown


@pytest.mark.parametrize("model", KINDS)
def test_after_a_change_of_workspace_there_are_no_numbers_of_the_other_one(
    client: Client, house: House, model: type[Engagement]
) -> None:
    kind, theirs = model._meta.model_name, make(build_house("Other"), model)
    assert send(client, f"{kind}/statistics/", {"draft": make(house, model).pk, "filters": {}}).status_code == 200
    answer = send(client, f"{kind}/statistics/", {"draft": theirs.pk, "filters": {}})
    assert answer.status_code == 400
    assert "another workspace" in answer.json()["errors"][""]

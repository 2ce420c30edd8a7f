"""Filters over parts of campaigns and Canvases, tags, orders, imports: what they refuse, offer and say."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone

from profiles import engagement
from profiles.attributions import Attribution, log_attributions
from profiles.counters import Deed, Kind, record
from profiles.engagement import Source, Touch, name_campaign
from profiles.message_stores import MessageSource
from profiles.models import CustomEvent
from profiles.session_lengths import log_session_lengths
from profiles.stores import ImportedUser, Product, UserImport
from profiles.uninstalls import Uninstalled, log_uninstalls
from segments.engine import evaluate
from segments.explain import explain
from segments.filters.registry import filter_of
from segments.tree import parse
from segments.words import Words
from tests.segments.conftest import House, build_house
from tests.segments.test_profile_filters import leaf, problem, said
from workspaces.models import ApiKey, App

pytestmark = pytest.mark.django_db
CANVAS = Source("canvas", "v-1")
STEP = Source("step", "s-1", CANVAS)
SPRING = Source("campaign", "c-1")
VARIANT = Source("variant", "t-1", SPRING)


@pytest.fixture
def told(house: House) -> House:
    """User 1 clicked a link of a step, user 2 got a variant of a campaign that has a tag, user 3 was enrolled."""
    one, two, three = (house.profiles[n].pk for n in (1, 2, 3))
    moment = timezone.now() - timedelta(days=2)
    link = Source("link", "buy", STEP)
    engagement.record(
        house.workspace.pk,
        [
            Touch(one, "clicked", "email", moment, CANVAS, "Welcome", {STEP: "Hello", link: ""}),
            Touch(one, "received", "email", moment, CANVAS, "Welcome", {STEP: "Hello"}),
            Touch(two, "received", "email", moment, SPRING, "Spring", {VARIANT: "Variant 1"}),
            Touch(three, "control", "", moment, SPRING, "Spring"),
            Touch(three, "received", "sms", moment),
        ],
    )
    name_campaign(house.workspace.pk, MessageSource.Kind.CAMPAIGN, "c-1", "Spring", ["gold", "new"])
    return house


def made_import(house: House, *numbers: int) -> UserImport:
    made = UserImport.objects.create(
        workspace=house.workspace, file_name="list.csv", stored_as="x", size=1, header=["a"], state="done"
    )
    ImportedUser.objects.bulk_create(ImportedUser(user_import=made, profile=house.profiles[n]) for n in numbers)
    return made


def who(house: House, *rows: Any) -> list[int]:
    found = evaluate(parse(house.tree(*rows)), house.workspace)
    assert not found.problems, found.problems
    return [n for n, one in enumerate(house.profiles) if one.pk in found.users]


def test_it_works(told: House) -> None:
    assert who(told, leaf("received_canvas_step", "has", step="s-1")) == [1]
    assert who(told, leaf("clicked_opened_step", "has", "clicked_email", step="s-1")) == [1]
    assert who(told, leaf("clicked_alias_in_canvas_step", "has", ["buy"], step="s-1")) == [1]
    assert who(told, leaf("clicked_alias_anywhere", "has", ["buy", "other"])) == [1]
    assert who(told, leaf("received_campaign_variant", "has", variant="t-1")) == [2]
    assert who(told, leaf("received_with_tag", "has", tag="gold")) == [2]
    assert who(told, leaf("last_received_with_tag", "more_than_days_ago", 1, tag="new")) == [2]
    assert who(told, leaf("last_enrolled_in_control_group", "is_not_blank")) == [3]
    assert who(told, leaf("never_received_message", "is_true")) == [0, 3, 4, 5, 6]


def test_a_tag_that_is_taken_away_takes_its_campaign_along(told: House) -> None:
    name_campaign(told.workspace.pk, MessageSource.Kind.CAMPAIGN, "c-1", "Spring", ["gold"])
    assert problem(told, leaf("received_with_tag", "has", tag="new")).endswith(
        "No campaign and no Canvas has the tag “new”. Choose another one or remove the filter."
    )


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (leaf("received_canvas_step", "has_not", step="x"), "There is no Canvas step with the id “x”."),
        (leaf("entered_canvas_variation", "has_not", variation="x"), "There is no Canvas variation with the id “x”."),
        (leaf("received_campaign_variant", "has_not", variant="x"), "There is no campaign variant with the id “x”."),
        (leaf("clicked_opened_with_tag", "has_not", "clicked", tag="x"), "No campaign and no Canvas has the tag “x”."),
        (leaf("total_orders_count", "exactly", 0), "No user has ever performed the custom event “ecommerce.order_plac"),
        (leaf("total_revenue", "less_than", 1, currency="USD"), "No user has ever performed the custom event “ecomm"),
        (leaf("imported_from_csv", "does_not_include", ["7"]), "There is no import with the id “7”."),
        (leaf("imported_from_csv", "includes", ["9" * 30, "x", "٣"]), "There is no import with the id “999"),
        (leaf("uninstalled", "is_false", app="x"), "The app “x” does not exist any more."),
        (
            leaf(
                "purchase_property_in_days",
                "exactly",
                {"count": 0, "days": 1},
                name="hat",
                where=[{"property": "a", "type": "string", "operator": "is_blank", "value": None}],
            ),
            "No user has ever purchased the product “hat”.",
        ),
        (leaf("device_os_version", "exactly", "1", os="amiga"), "“amiga” is no operating system."),
    ],
)
def test_what_is_not_there_has_no_set(house: House, one: dict[str, Any], message: str) -> None:
    assert message in problem(house, one)


def test_money_of_orders_wants_a_currency(house: House) -> None:
    CustomEvent.objects.create(workspace=house.workspace, name="ecommerce.order_placed")
    assert "“XX1” is no currency." in problem(house, leaf("total_revenue", "exactly", 0, currency="XX1"))
    assert who(house, leaf("total_revenue", "exactly", 0, currency="USD")) == [0, 1, 2, 3, 4, 5, 6]


def test_nothing_of_another_workspace_is_known_or_offered(told: House) -> None:
    other = build_house("Other")
    theirs = made_import(told, 1)
    for one in (
        leaf("received_canvas_step", "has", step="s-1"),
        leaf("received_with_tag", "has", tag="gold"),
        leaf("imported_from_csv", "includes", [str(theirs.pk)]),
    ):
        assert problem(other, one)
        found = filter_of(one["filter"])
        assert found is not None
        assert found.search_subjects(other.workspace.pk, "", 10, "step") == []
        assert found.search(other.workspace.pk, "", 10) == []
    assert who(other, leaf("clicked_alias_anywhere", "has", ["buy"])) == []


def offered(client: Client, key: str, query: str, **more: Any) -> list[tuple[str, str]]:
    more = {name: orjson.dumps(value).decode() if name == "subject" else value for name, value in more.items()}
    answer = client.get("/admin/segments/segment/values/", {"filter": key, "q": query, **more}).json()
    return [(one["value"], one["label"]) for one in answer["values"]]


def test_parts_are_offered_by_their_names_and_those_of_the_whole(told: House, client: Client) -> None:
    for query in ("hel", "welc", "s-1", ""):
        assert offered(client, "received_canvas_step", query, member="step") == [("s-1", "Welcome: Hello")]
    assert offered(client, "received_canvas_step", "nothing", member="step") == []
    assert offered(client, "received_campaign_variant", "vari", member="variant") == [("t-1", "Spring: Variant 1")]
    assert offered(client, "received_with_tag", "OL", member="tag") == [("gold", "gold")]
    step = {"step": "s-1"}
    assert offered(client, "clicked_alias_in_canvas_step", "b", subject=step) == [("buy", "buy")]
    assert offered(client, "clicked_alias_in_canvas_step", "b", subject={"step": "x"}) == []
    assert offered(client, "clicked_alias_anywhere", "b") == [("buy", "buy")]


def test_imports_are_offered_by_their_files(house: House, client: Client) -> None:
    made = made_import(house, 1, 2)
    UserImport.objects.create(
        workspace=house.workspace, file_name="list-2.csv", stored_as="y", size=1, header=["a"], state="uploaded"
    )
    assert offered(client, "imported_from_csv", "list") == [(str(made.pk), "list.csv")]
    assert who(house, leaf("imported_from_csv", "includes", [str(made.pk)])) == [1, 2]
    assert "Updated/Imported from CSV includes “list.csv (" in said(
        house, leaf("imported_from_csv", "includes", [str(made.pk)])
    )


def test_properties_of_purchases_are_offered(house: House, client: Client) -> None:
    Product.objects.create(workspace=house.workspace, name="hat")
    deed = Deed(house.profiles[1].pk, Kind.PURCHASE, "hat", timezone.now(), 2, "USD", 1, {"color": "red"})
    record(house.workspace.pk, [deed])
    subject = {"name": "hat"}
    assert offered(client, "purchase_property_in_days", "col", member="property", subject=subject) == [
        ("color", "color")
    ]
    red = {"property": "color", "type": "string", "operator": "equals", "value": "red"}
    within = {"count": 2, "days": 30}
    assert who(house, leaf("purchase_property_in_days", "exactly", within, name="hat", where=[red])) == [1]


def test_filters_are_said_in_words(told: House) -> None:
    tree = parse(
        told.tree(
            leaf("received_canvas_step", "has_in_days", 7, step="s-1"),
            leaf("received_campaign_variant", "has_not", variant="t-1"),
            leaf("clicked_alias_in_canvas_step", "has", ["buy"], step="s-1"),
            leaf("received_with_tag", "has", tag="gold"),
            leaf("median_session_duration", "more_than", 60),
            leaf("total_revenue", "more_than", 10, currency="USD"),
            leaf("device_os", "is_any_of", ["kindle"]),
        )
    )
    assert Words(told.workspace.pk, [tree]).lines(tree) == [
        "Received Message from Canvas Step “Welcome: Hello” has received in the last 7 days",
        "Received Campaign Variant “Spring: Variant 1” has not received",
        "Clicked Alias in Canvas Step “Welcome: Hello” has clicked “buy”",
        "Received Message from Campaign or Canvas with Tag “gold” has received",
        "Median Session Duration more than 60 seconds",
        "Total revenue “US Dollar” more than 10",
        "Device OS is any of “Fire OS (Kindle)”",
    ]


def test_why_a_user_matches_or_not(told: House) -> None:
    user = told.profiles[1]
    app = App.objects.create(workspace=told.workspace, name="Shop", platform="ios")
    CustomEvent.objects.create(workspace=told.workspace, name="ecommerce.order_placed")
    moment = timezone.now() - timedelta(days=1)
    log_uninstalls(told.workspace.pk, [Uninstalled(user.pk, str(app.api_id), moment)])
    log_session_lengths(told.workspace.pk, [(user.pk, 4), (user.pk, 5)])
    log_attributions(told.workspace.pk, [Attribution(user.pk, moment, {"source": "Network"})])
    record(
        told.workspace.pk, [Deed(user.pk, Kind.EVENT, "ecommerce.order_placed", moment, currency="USD", price=2.5)] * 2
    )
    user.refresh_from_db()
    leaves = [
        leaf("uninstalled", "is_true", app=str(app.api_id)),
        leaf("median_session_duration", "exactly", 4),
        leaf("install_attribution_source", "equals", "Other"),
        leaf("total_revenue", "more_than", 1, currency="USD"),
        leaf("total_orders_count", "exactly", 2),
        leaf("imported_from_csv", "includes", [str(made_import(told, 1).pk)]),
        leaf("email_opt_in_date", "is_blank"),
    ]
    found = explain(told.workspace, told.tree(leaves), user).rows[0].leaves
    assert [one.matches for one in found] == [True, False, False, True, True, True, True]
    texts = [one.facts[-1].text for one in found]
    assert texts[0].startswith("The user uninstalled the app last on ")
    assert texts[1:5] == [
        "The user's value: 4.5",
        "The user's value: “Network”",
        "The user's value: 5",
        "The user's value: 2",
    ]
    assert texts[5].startswith("The user's value: “list.csv (")
    assert texts[6] == "The user has no value."


def test_they_can_be_previewed(told: House) -> None:
    _row, key = ApiKey.make(workspace=told.workspace, name="test", permissions=["segments.preview"])
    rows = [
        {"id": "r1", "filters": [{"id": "l1", **leaf("received_canvas_step", "has", step="s-1")}]},
        {"id": "r2", "filters": [{"id": "l2", **leaf("never_received_message", "is_true")}]},
    ]
    answer = Client().post(
        "/segments/preview",
        {"filters": {"rows": rows}},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key.secret}"},
    )
    assert answer.status_code == 200, answer.content
    assert [one["users"] for one in answer.json()["rows"]] == [1, 0]

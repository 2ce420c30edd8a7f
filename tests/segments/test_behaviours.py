"""Filters over what users did and what befell them, beside being right: what they refuse, offer and say."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles import engagement
from profiles.app_uses import Use, log_app_uses
from profiles.counters import Deed, Kind, record
from profiles.engagement import Source, Touch
from profiles.models import CustomEvent
from profiles.stores import Product
from segments.engine import Evaluation, evaluate
from segments.explain import explain
from segments.filters.registry import filter_of
from segments.filters.sessions import version_key
from segments.tree import TreeError, parse
from segments.words import Words
from tests.segments.conftest import House, in_cohort
from workspaces.models import App

pytestmark = pytest.mark.django_db
Did = Callable[..., None]


@pytest.fixture
def did(house: House) -> Did:
    """Has user n perform the event, so many days ago."""
    CustomEvent.objects.create(workspace=house.workspace, name="song", keeps_properties=True)

    def perform(n: int, *days: float, name: str = "song", **properties: Any) -> None:
        pk = house.profiles[n].pk
        moments = [timezone.now() - timedelta(days=one) for one in days]
        record(house.workspace.pk, [Deed(pk, Kind.EVENT, name, one, properties=properties) for one in moments])

    return perform


def song(operator: str, value: Any = None, *where: Any, key: str = "custom_event") -> dict[str, Any]:
    subject = {"name": "song", **({"where": list(where)} if where else {})}
    return {"filter": key, "subject": subject, "operator": operator, "value": value}


def genre(value: str, operator: str = "equals") -> dict[str, Any]:
    return {"property": "genre", "type": "string", "operator": operator, "value": value}


def run(house: House, *rows: Any) -> Evaluation:
    return evaluate(parse(house.tree(*rows)), house.workspace)


def who(house: House, *rows: Any) -> list[int]:
    users = run(house, *rows).users
    return [n for n, one in enumerate(house.profiles) if one.pk in users]


def test_it_works(house: House, did: Did) -> None:
    did(1, 0)
    did(2, 0, 1, 40)
    assert who(house, song("performed")) == [1, 2]
    assert who(house, song("not_performed")) == [0, 3, 4, 5, 6]
    assert who(house, song("more_than", 1)) == [2]
    assert who(house, song("less_than", 1)) == who(house, song("exactly", 0)) == [0, 3, 4, 5, 6]
    in_days = {"count": 2, "days": 30}
    assert who(house, song("exactly", in_days, key="custom_event_in_days")) == [2]
    assert who(house, song("more_than_days_ago", 30, key="first_did_custom_event")) == [2]
    assert who(house, song("less_than_days_ago", 1, key="last_did_custom_event")) == [1, 2]


def test_conditions_hold_for_one_and_the_same_event(house: House, did: Did) -> None:
    did(1, 0, genre="jazz", loud=True)
    did(2, 0, genre="jazz", loud=False)
    did(2, 0, genre="folk", loud=True)
    loud = {"property": "loud", "type": "boolean", "operator": "is", "value": "true"}
    assert who(house, song("performed", None, genre("jazz"))) == [1, 2]
    assert who(house, song("performed", None, genre("jazz"), loud)) == [1]


def test_a_negation_passes_events_without_the_property(house: House, did: Did) -> None:
    did(1, 0, genre="jazz")
    did(2, 0, genre="folk")
    did(3, 0, other=1)
    assert who(house, song("performed", None, genre("jazz", "does_not_equal"))) == [2, 3]


def test_an_event_without_properties_has_blank_ones(house: House, did: Did) -> None:
    did(1, 0, genre="jazz")
    did(2, 0)
    did(3, 0, other=1)
    blank = {"property": "genre", "type": "string", "operator": "is_blank", "value": None}
    assert who(house, song("performed", None, blank)) == [2, 3]
    assert who(house, song("performed", None, genre("jazz", "does_not_equal"))) == [2, 3]


def test_who_never_entered_a_canvas_is_not_asked_for_its_control_group(house: House) -> None:
    canvas, now = Source("canvas", "v-1"), timezone.now()
    did = [(1, "entered"), (2, "entered"), (2, "control"), (3, "received")]
    engagement.record(
        house.workspace.pk, [Touch(house.profiles[n].pk, action, "", now, canvas, "Welcome") for n, action in did]
    )
    leaf = {"filter": "in_canvas_control_group", "subject": {"canvas": "v-1"}, "operator": "has"}
    assert who(house, leaf) == [2]
    assert who(house, {**leaf, "operator": "has_not"}) == [1]


def test_calendar_days_are_utc_and_today_is_one_more(house: House, did: Did) -> None:
    """Braze: X-in-Y behavior."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    late = (timezone.now() - midnight) / timedelta(days=1)
    did(1, late + 0.999)
    did(2, late + 1.001)
    assert who(house, song("exactly", {"count": 1, "days": 1}, key="custom_event_in_days")) == [1]


def money(operator: str, value: Any, currency: str = "USD", key: str = "money_spent") -> dict[str, Any]:
    return {"filter": key, "subject": {"currency": currency}, "operator": operator, "value": value}


def test_money_is_counted_by_currency_and_to_the_cent(house: House) -> None:
    def bought(n: int, price: float, currency: str) -> Deed:
        return Deed(house.profiles[n].pk, Kind.PURCHASE, "hat", timezone.now(), 3, currency, price)

    record(house.workspace.pk, [bought(1, 0.1, "USD"), bought(2, 100, "EUR"), bought(3, -5, "USD")])
    assert who(house, money("exactly", 0.3)) == [1]
    assert who(house, money("more_than", 0)) == [1]
    assert who(house, money("less_than", 0.3)) == [0, 2, 3, 4, 5, 6]
    assert who(house, money("exactly", 0)) == [0, 2, 4, 5, 6]


# --- What is gone ----------------------------------------------------------------------------------------------------

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (song("performed"), "No user has ever performed the custom event “song”."),
        (song("exactly", 0), "No user has ever performed the custom event “song”."),
        (
            {
                "filter": "purchased_product",
                "subject": {"product": "hat"},
                "operator": "purchased",
            },
            "No user has ever purchased the product “hat”.",
        ),
        (money("more_than", 1, "XYZ1"), "“XYZ1” is no currency."),
        (
            {"filter": "has_app", "subject": {"app": NOBODY}, "operator": "is_false"},
            f"The app “{NOBODY}” does not exist any more.",
        ),
        ({"filter": "has_app", "subject": {"app": "x"}, "operator": "is_true"}, "The app “x” does not exist any more."),
        (
            {"filter": "received_campaign", "subject": {"campaign": "c"}, "operator": "has_not"},
            "There is no campaign with the id “c”.",
        ),
        (
            {"filter": "entered_canvas", "subject": {"canvas": "v"}, "operator": "has"},
            "There is no Canvas with the id “v”.",
        ),
    ],
)
def test_what_nobody_ever_did_has_no_set(house: House, leaf: dict[str, Any], message: str) -> None:
    found = run(house, {"filter": "country", "operator": "is_blank"}, leaf)
    assert [str(one) for one in found.problems] == [f"Row 2, filter 1: {found.problems[0].message}"]
    assert found.problems[0].message.startswith(message)
    assert found.final is None
    key = filter_of(leaf["filter"])
    assert key is not None
    assert key.unusable(house.workspace.pk, list(parse(house.tree(leaf)).leaves()))


def test_properties_that_are_not_kept_cannot_be_asked_for(house: House, did: Did) -> None:
    CustomEvent.objects.update(keeps_properties=False)
    [problem] = run(house, song("performed", None, genre("jazz"))).problems
    assert problem.message.startswith("The properties of the custom event “song” are not kept.")
    assert run(house, song("performed")).problems == []


def test_names_of_another_workspace_are_not_known(house: House) -> None:
    from tests.segments.conftest import build_house

    other = build_house("Other")
    CustomEvent.objects.create(workspace=other.workspace, name="song")
    Product.objects.create(workspace=other.workspace, name="hat")
    app = App.objects.create(workspace=other.workspace, name="Theirs", platform="web")
    engagement.name_campaign(other.workspace.pk, engagement.MessageSource.Kind.CAMPAIGN, "c", "Theirs")
    leaves = [
        song("performed"),
        {"filter": "purchased_product", "subject": {"product": "hat"}, "operator": "purchased"},
        {"filter": "has_app", "subject": {"app": str(app.api_id)}, "operator": "is_true"},
        {"filter": "received_campaign", "subject": {"campaign": "c"}, "operator": "has"},
    ]
    assert len(run(house, *leaves).problems) == 4
    for leaf in leaves:
        one = filter_of(leaf["filter"])
        assert one is not None
        assert one.search_subjects(house.workspace.pk, "", 10) == []


# --- What is malformed -----------------------------------------------------------------------------------------------


def first(*conditions: Any) -> dict[str, Any]:
    return song("performed", None, *conditions)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({**song("performed"), "subject": {}}, "Choose a custom event."),
        ({**song("performed"), "subject": {"name": ""}}, "Choose a custom event."),
        ({**song("performed"), "subject": {"name": "x" * 256}}, "Enter at most 255 characters."),
        ({**song("performed"), "subject": {"name": "a\x00"}}, "The character NUL cannot be used."),
        ({**song("performed"), "subject": {"name": "a", "colour": 1}}, "“colour” is not known here."),
        ({**song("performed"), "subject": {"name": "a", "where": {}}}, "“where” is not a list."),
        (song("performed", 3), "This comparison takes no value."),
        (song("more_than"), "Enter a number."),
        (song("more_than", -1), "Enter a whole number from 0 to 1000000."),
        (song("more_than", 1.5), "Enter a whole number from 0 to 1000000."),
        (song("more_than", True), "Enter a whole number from 0 to 1000000."),
        (first(*[genre("x")] * 11), "Give at most 10 conditions on properties."),
        (first("x"), "Property condition 1: A condition is an object with"),
        (first(genre("x"), {**genre("x"), "property": ""}), "Property condition 2: Choose a property."),
        (first({**genre("x"), "property": 7}), "Property condition 1: Enter a text."),
        (first({**genre("x"), "type": "colour"}), "Property condition 1: The property's type is one of these: string"),
        (first({**genre("x"), "type": []}), "Property condition 1: The property's type is one of these: string"),
        (first(genre("x", "likes")), "Property condition 1: This type has no comparison “likes”."),
        (first({**genre("x"), "operator": ["equals"]}), "Property condition 1: This type has no comparison"),
        (first(genre("")), "Property condition 1: Enter a value."),
        (first({**genre("x"), "colour": 1}), "Property condition 1: “colour” is not known here."),
        (song("more_than", 3, key="custom_event_in_days"), "Give an object with count, days."),
        (song("more_than", {"count": 3}, key="custom_event_in_days"), "Enter a number."),
        (
            song("more_than", {"count": 3, "days": 0}, key="custom_event_in_days"),
            "Days: Enter a whole number from 1 to 730.",
        ),
        (song("more_than", {"count": 3, "days": 1, "x": 1}, key="custom_event_in_days"), "“x” is not known here."),
        (
            song("more_than", {"count": 3, "days": 31}, genre("x"), key="custom_event_property_in_days"),
            "Days: Enter a whole number from 1 to 30.",
        ),
        (
            song("more_than", {"count": 3, "days": 30}, key="custom_event_property_in_days"),
            "Add a condition on a property.",
        ),
        (money("more_than", -1), "Enter a number from 0 on."),
        (money("more_than", {"amount": -1, "days": 1}, key="money_spent_in_days"), "Amount: Enter a number from 0 on."),
        (money("more_than", 1, ""), "Choose a currency."),
        ({"filter": "has_app", "subject": {"app": ""}, "operator": "is_true"}, "Choose an app."),
        (
            {
                "filter": "clicked_opened_campaign",
                "subject": {"campaign": "c"},
                "operator": "has",
                "value": "liked",
            },
            "Choose one of these values: opened, clicked,",
        ),
        (
            {"filter": "hard_bounced", "operator": "is_true", "subject": {"name": "x"}},
            "This filter takes no “subject”.",
        ),
    ],
)
def test_what_is_malformed_is_refused_by_name(leaf: dict[str, Any], message: str) -> None:
    with pytest.raises(TreeError) as error:
        parse({"rows": [{"filters": [leaf]}]})
    assert str(error.value).startswith(f"Row 1, filter 1: {message}")


def test_hostile_text_stays_text(house: House, did: Did) -> None:
    for text in ("a'b", 'a"b', "a\\b", "%", "$[*]", "{}", "日本"):
        did(1, 0, genre=text)
        for operator in ("equals", "contains"):
            assert who(house, song("performed", None, genre(text, operator))) == [1]
        assert who(house, song("performed", None, {**genre("x"), "property": text})) == []


# --- What is offered and said ----------------------------------------------------------------------------------------


def options(house: House, key: str, query: str = "", member: str = "", **subject: Any) -> list[tuple[str, str]]:
    one = filter_of(key)
    assert one is not None
    found = one.search_subjects(house.workspace.pk, query, 50, member, subject) if member else []
    return [(option.value, option.label) for option in found]


def test_events_and_their_properties_are_offered(house: House, did: Did, client: Client) -> None:
    CustomEvent.objects.create(workspace=house.workspace, name="sing along")
    did(1, 0, genre="jazz", length=3, by={"name": "x"}, tags=["a"])
    asked = {"filter": "custom_event", "member": "name", "q": "so"}
    found = client.get("/admin/segments/segment/values/", asked).json()["values"]
    assert [one["value"] for one in found] == ["song"]
    asked = {"filter": "custom_event", "member": "property", "q": "", "subject": '{"name": "song"}'}
    found = client.get("/admin/segments/segment/values/", asked).json()["values"]
    assert [(one["value"], one["type"]) for one in found] == [
        ("by.name", "string"),
        ("genre", "string"),
        ("length", "number"),
        ("tags", "string"),
    ]
    assert options(house, "custom_event", "", "property", name="sing along") == []


def test_products_apps_campaigns_and_currencies_are_offered_by_name(house: House) -> None:
    Product.objects.create(workspace=house.workspace, name="Hat")
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    kind = engagement.MessageSource.Kind.CANVAS
    engagement.name_campaign(house.workspace.pk, kind, "v-1", "Welcome")
    engagement.name_campaign(house.workspace.pk, kind, "v-2", "")
    assert options(house, "purchased_product", "ha", "product") == [("Hat", "Hat")]
    assert options(house, "has_app", "SHO", "app") == [(str(app.api_id), "Shop")]
    assert options(house, "entered_canvas", "", "canvas") == [("v-2", "v-2"), ("v-1", "Welcome")]
    assert options(house, "entered_canvas", "v-1", "canvas") == [("v-1", "Welcome")]
    assert options(house, "received_campaign", "", "campaign") == []
    assert options(house, "money_spent", "yen", "currency")[0] == ("JPY", "Japanese Yen")


def test_currencies_of_purchases_come_first(house: House) -> None:
    record(house.workspace.pk, [Deed(house.profiles[0].pk, Kind.PURCHASE, "hat", timezone.now(), 1, "ZAR", 1)])
    assert options(house, "money_spent", "", "currency")[0] == ("ZAR", "South African Rand")


def test_versions_are_offered_newest_first(house: House, client: Client) -> None:
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    uses = [
        Use(house.profiles[n].pk, str(app.api_id), timezone.now(), True, version)
        for n, version in enumerate(["1.9", "1.10", "1.2"])
    ]
    log_app_uses(house.workspace.pk, uses)
    asked = {"filter": "most_recent_app_version", "q": "1.", "subject": json.dumps({"app": str(app.api_id)})}
    found = client.get("/admin/segments/segment/values/", asked).json()["values"]
    assert [option["value"] for option in found] == ["1.10", "1.9", "1.2"]
    answer = client.get("/admin/segments/segment/values/", {**asked, "subject": '{"app": "x"}'})
    assert answer.json()["values"] == []


@pytest.mark.parametrize(
    ("lower", "higher"), [("1.9", "1.10"), ("1", "1.0.1"), ("2.0-beta1", "2.0.2"), ("", "1"), ("beta", "0.1")]
)
def test_versions_have_an_order(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)
    assert version_key("2") == version_key("2.0.0")


def test_filters_are_said_in_words(house: House) -> None:
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    engagement.name_campaign(house.workspace.pk, engagement.MessageSource.Kind.CAMPAIGN, "c-1", "Spring")
    in_days = {"count": 1, "days": 30}
    more = {"property": "length", "type": "number", "operator": "more_than", "value": 2}
    campaign = {"campaign": "c-1"}
    tree = parse(
        house.tree(
            song("performed", None, genre("jazz"), more),
            song("more_than", in_days, key="custom_event_in_days"),
            money("less_than", {"amount": 5.5, "days": 1}, key="money_spent_in_days"),
            {"filter": "session_count_for_app", "subject": {"app": str(app.api_id)}, "operator": "exactly", "value": 2},
            {"filter": "received_campaign", "subject": campaign, "operator": "has_not_in_days", "value": 7},
            {"filter": "clicked_opened_campaign", "subject": campaign, "operator": "has", "value": "clicked_email"},
        )
    )
    assert Words(house.workspace.pk, [tree]).lines(tree) == [
        "Custom Event “song” with “genre” equals “jazz” and “length” more than 2 was performed",
        "X Custom Event In Y Days “song” more than 1 time in the last 30 days",
        "X Money Spent in Y Days “US Dollar” less than 5.5 in the last 1 day",
        "Session Count For App “Shop” exactly 2 times",
        "Received Message from Campaign “Spring” has not received in the last 7 days",
        "Clicked/Opened Campaign “Spring” has clicked email",
    ]


def test_why_a_user_matches_or_not(house: House, did: Did) -> None:
    did(1, 1, 2)
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    moment = timezone.now() - timedelta(days=3)
    pk = house.profiles[1].pk
    log_app_uses(house.workspace.pk, [Use(pk, str(app.api_id), moment, True, "1.2")])
    record(house.workspace.pk, [Deed(pk, Kind.PURCHASE, "hat", moment, 2, "USD", 1.5)])
    engagement.record(house.workspace.pk, [Touch(pk, "received", "email", moment, Source("campaign", "c"))])
    inner = house.segment("Inner", filters=house.tree(in_cohort("c1")))
    leaves = [
        song("not_performed"),
        song("more_than", {"count": 1, "days": 1}, key="custom_event_in_days"),
        money("more_than", 1),
        {"filter": "has_app", "subject": {"app": str(app.api_id)}, "operator": "is_true"},
        {"filter": "received_campaign", "subject": {"campaign": "c"}, "operator": "has_not"},
        {"filter": "last_received_email", "operator": "is_blank"},
        {"filter": "segment_membership", "operator": "includes", "value": [str(inner.api_id)]},
    ]

    def facts(n: int) -> list[str]:
        found = explain(house.workspace, house.tree(leaves), house.profiles[n])
        assert [len(leaf.facts) for leaf in found.rows[0].leaves] == [1] * len(leaves)
        return [
            re.sub(r" on [A-Z][^,]*, 20[0-9]{2},? [0-9:]+( [ap].m.)?", " on …", one.facts[0].text)
            for one in found.rows[0].leaves
        ]

    assert facts(1) == [
        "The user did it 2 times: first on …, last on …",
        "The user did it 1 time: first on …, last on …",
        "The user did it 2 times, for 3 in all: first on …, last on …",
        "The user used the app first on … and last on …, in 1 session. Most recent version: 1.2.",
        "It happened to the user 1 time, last on …",
        "It happened to the user last on …",
        "In “Inner”.",
    ]
    assert facts(5) == [
        "The user never did it.",
        "The user never did it in that time.",
        "The user never did it.",
        "The user has never used the app.",
        "It never happened to the user.",
        "It never happened to the user.",
        "Not in “Inner”.",
    ]


# --- What it costs ---------------------------------------------------------------------------------------------------


def statements(house: House, leaf: dict[str, Any]) -> Sequence[str]:
    with CaptureQueriesContext(connection) as queries:
        assert run(house, leaf).problems == []
    return [one["sql"] for one in queries if "string_agg" in one["sql"]]


def test_a_filter_is_one_simple_statement(house: House, did: Did) -> None:
    did(1, 0, genre="jazz")
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    touch = Touch(house.profiles[0].pk, "received", "email", timezone.now(), Source("campaign", "c"))
    engagement.record(house.workspace.pk, [touch])
    for leaf in (
        song("more_than", 1),
        song("exactly", 0),
        song("performed", None, genre("jazz"), genre("x", "contains")),
        {"filter": "total_number_of_purchases", "operator": "less_than", "value": 3},
        {"filter": "last_used_specific_app", "subject": {"app": str(app.api_id)}, "operator": "before", "value": DAY},
        {"filter": "received_campaign", "subject": {"campaign": "c"}, "operator": "has_not"},
        {"filter": "last_received_any_message", "operator": "is_blank"},
    ):
        assert len(statements(house, leaf)) == 1


DAY = "2024-05-01"

"""Filters over what a profile is: their words, what they point to, values offered while one types."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from profiles.models import Alias, CustomAttribute, Device, Profile, SubscriptionGroup
from segments.engine import evaluate
from segments.filters import devices, nested, offering
from segments.filters.nested import path_of, steps_of
from segments.tree import TreeError, parse
from segments.words import Words
from tests.segments.conftest import House
from tests.segments.test_values import labels, search

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are looked for as long as a busy machine takes."""
    monkeypatch.setattr(offering, "SECONDS", 60)
    monkeypatch.setattr(nested, "_LOOK_SECONDS", 60)
    monkeypatch.setattr(devices, "_LOOK_SECONDS", 60)


def leaf(key: str, operator: str, value: Any = None, **subject: Any) -> dict[str, Any]:
    return {"filter": key, **({"subject": subject} if subject else {}), "operator": operator, "value": value}


def said(house: House, one: dict[str, Any]) -> str:
    tree = parse(house.tree(one))
    return Words(house.workspace.pk, [tree]).sentence(tree)


def problem(house: House, one: dict[str, Any]) -> str:
    found = evaluate(parse(house.tree(one)), house.workspace)
    assert found.final is None
    return str(found.problems[0])


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (leaf("birthday", "is_on_day", "12-31"), "Birthday is on December 31"),
        (leaf("birthday", "is_in_next_days", 7), "Birthday is in the next 7 days"),
        (leaf("age", "at_least", 18), "Age is at least 18"),
        (leaf("test_user", "is", "true"), "Test User is true"),
        (leaf("email_address", "matches_regex", "@example"), "Email Address matches regex “@example”"),
        (leaf("gender", "is_any_of", ["F"]), "Gender is any of “Female”"),
        (leaf("push_enabled", "is_on", "ios"), "Foreground Push Enabled on iOS"),
        (leaf("device_os_version", "less_than", "17.4", os="ios"), "Device OS Version Number “iOS” is below 17.4"),
        (leaf("user_alias", "is_not_blank", label="crm"), "User Alias “crm” is not blank"),
        (
            leaf("nested_custom_attribute", "exactly", 3, name="orders", path="[].price", type="number"),
            "“orders[].price” exactly 3",
        ),
        (
            leaf("most_recent_location", "is_within", {"latitude": 35.6, "longitude": 139.7, "kilometers": 10}),
            "Most Recent Location is within 10 km around 35.6, 139.7",
        ),
    ],
)
def test_words(house: House, one: dict[str, Any], words: str) -> None:
    assert said(house, one) == words


@pytest.mark.parametrize(
    ("key", "given", "stored"),
    [
        ("country", ["us", "Japan", "US"], ["US", "JP"]),
        ("language", ["JA", "en-US"], ["ja", "en"]),
        ("time_zone", ["asia/tokyo"], ["Asia/Tokyo"]),
        ("gender", ["f", "male"], ["F", "M"]),
    ],
)
def test_codes_are_taken_in_the_form_that_profiles_have(house: House, key: str, given: Any, stored: Any) -> None:
    [one] = parse(house.tree(leaf(key, "is_any_of", given))).leaves()
    assert one.value == stored


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("country", "“Atlantis” is no country. Choose one from the list, or give a code such as JP."),
        ("language", "“Atlantis” is no language."),
        ("time_zone", "“Atlantis” is no time zone."),
        ("gender", "“Atlantis” is no gender."),
    ],
)
def test_a_code_that_no_profile_can_have_is_refused(house: House, key: str, message: str) -> None:
    with pytest.raises(TreeError, match=message):
        parse(house.tree(leaf(key, "is_none_of", ["Atlantis"])))


def test_words_in_japanese(house: House) -> None:
    with translation.override("ja"):
        assert "12月31日" in said(house, leaf("birthday", "is_on_day", "12-31"))


def test_a_subscription_group_is_said_by_its_name_and_missed_when_it_is_gone(house: House) -> None:
    group = SubscriptionGroup.objects.create(workspace=house.workspace, name="News")
    one = leaf("subscription_group", "is", "unknown", id=str(group.api_id))
    assert said(house, one) == "Subscription Group “News” is unknown"
    assert len(evaluate(parse(house.tree(one)), house.workspace).users) == 7
    group.delete()
    assert "Row 1, filter 1: The subscription group" in problem(house, one)
    assert "does not exist any more" in problem(house, leaf("subscription_group", "is", "subscribed", id="no uuid"))


def test_an_attribute_that_nobody_has_has_no_set(house: House) -> None:
    about = {"name": "shoe", "path": "size", "type": "number"}
    assert "“shoe”" in problem(house, leaf("nested_custom_attribute", "exactly", 3, **about))
    assert "“shoe”" in problem(house, leaf("day_of_recurring_event", "is_in_days", 3, name="shoe"))


def test_an_operating_system_that_there_is_not_has_no_set(house: House) -> None:
    assert "“beos” is no operating system" in problem(house, leaf("device_os_version", "exactly", "1", os="beos"))


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a", ["a"]),
        ("a.b c", ["a", "b c"]),
        ("[]", [None]),
        ("[].a[0].b", [None, "a", 0, "b"]),
        ('"a.b"[]."c\\"d"', ["a.b", None, 'c"d']),
        ("a[][1]", ["a", None, 1]),
    ],
)
def test_paths(path: str, steps: list[Any]) -> None:
    assert steps_of(path) == steps
    assert path_of(steps) == path


def test_a_path_is_stored_in_one_form(house: House) -> None:
    tree = parse(house.tree(leaf("nested_custom_attribute", "is_blank", name="a", path='"b"."c.d"', type="string")))
    assert tree.to_json()["rows"][0]["filters"][0]["subject"]["path"] == 'b."c.d"'


def test_ages_turn_on_the_birthday_in_the_workspaces_time_zone(house: House) -> None:
    today = timezone.localdate(timezone=timezone.get_fixed_timezone(540))
    Profile.objects.filter(external_id="user-0").update(date_of_birth=date(today.year - 20, today.month, 1))
    assert len(evaluate(parse(house.tree(leaf("age", "exactly", 20))), house.workspace).users) == 1


# --- Values offered while one types ----------------------------------------------------------------------------------


def about(**subject: Any) -> dict[str, str]:
    return {"subject": json.dumps(subject)}


def test_values_of_an_attribute_commonest_first(client: Client, house: House) -> None:
    CustomAttribute.objects.create(workspace=house.workspace, name="plan", type="string")
    for number, plan in enumerate(["gold", "silver", "gold", "", 5]):
        Profile.objects.filter(external_id=f"user-{number}").update(custom_attributes={"plan": plan})
    plans = about(name="plan", type="string")
    assert labels(search(client, "custom_attribute", **plans)) == ["gold", "silver"]
    assert labels(search(client, "custom_attribute", "SIL", **plans)) == ["silver"]
    assert search(client, "custom_attribute", **about(name="plan", type="number")) == []
    assert search(client, "custom_attribute", subject="no json") == []


def test_values_in_arrays_and_columns_and_devices(client: Client, house: House) -> None:
    Profile.objects.filter(external_id="user-1").update(custom_attributes={"likes": ["tea", "rice"]}, home_city="Kyoto")
    Device.objects.create(workspace=house.workspace, profile=house.profiles[0], device_id="d", model="Pixel 9")
    likes = about(name="likes", type="array")
    assert labels(search(client, "custom_attribute", **likes)) == ["rice", "tea"]
    assert labels(search(client, "city", "kyo")) == ["Kyoto"]
    assert labels(search(client, "device_model", "pix")) == ["Pixel 9"]
    assert labels(search(client, "device_os", "i")) == ["iOS", "Android", "Fire OS (Kindle)", "Windows"]
    assert search(client, "first_name") == []


def test_paths_that_values_have_are_offered_with_their_types(client: Client, house: House) -> None:
    orders = [{"price": 3, "sku": "x"}, {"when": {"$time": "2024-01-01"}, "tags": ["a"], "a.b": True}]
    Profile.objects.filter(external_id="user-1").update(custom_attributes={"orders": orders})
    found = search(client, "nested_custom_attribute", member="path", **about(name="orders"))
    assert [(one["value"], one["type"]) for one in found] == [
        ('[]."a.b"', "boolean"),
        ("[].price", "number"),
        ("[].sku", "string"),
        ("[].tags", "array"),
        ("[].when", "date"),
    ]
    assert search(client, "nested_custom_attribute", member="path") == []


def test_only_attributes_of_the_type_are_offered(client: Client, house: House) -> None:
    for name, type_ in {"home": "object", "orders": "array", "born": "date"}.items():
        CustomAttribute.objects.create(workspace=house.workspace, name=name, type=type_)
    assert labels(search(client, "nested_custom_attribute", member="name")) == ["home", "orders"]
    assert labels(search(client, "day_of_recurring_event", member="name")) == ["born"]


def test_alias_labels_and_subscription_groups(client: Client, house: House) -> None:
    for label in ("crm", "shop"):
        Alias.objects.create(workspace=house.workspace, profile=house.profiles[0], label=label, name="x")
    SubscriptionGroup.objects.create(workspace=house.workspace, name="News")
    assert labels(search(client, "user_alias", member="label")) == ["crm", "shop"]
    assert labels(search(client, "subscription_group", "ne", member="id")) == ["News"]

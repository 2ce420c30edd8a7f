"""Searching for values, as the builder does while one types."""

from typing import Any

from django.test import Client
from django.utils import timezone

from partners.models import Cohort
from profiles.models import CustomAttribute, Profile
from tests.segments.conftest import House

URL = "/admin/segments/segment/values/"


def search(client: Client, filter_key: str, query: str = "", **about: str) -> list[dict[str, Any]]:
    """``about``: the member of the subject that is searched for, and what is known of the subject, as JSON."""
    answer = client.get(URL, {"filter": filter_key, "q": query, **about})
    assert answer.status_code == 200
    return answer.json()["values"]


def labels(found: list[dict[str, Any]]) -> list[str]:
    return [one["label"] for one in found]


def test_it_works(client: Client, house: House) -> None:
    assert search(client, "mixpanel_cohorts", "braze") == [
        {"value": "c1", "label": "Braze Cohort", "detail": "3 users", "type": ""}
    ]


def test_among_5000_cohorts_the_best_50_are_offered(client: Client, house: House) -> None:
    Cohort.objects.bulk_create(
        Cohort(integration=house.integration, cohort_id=f"n{n}", name=f"Cohort {n:04}") for n in range(5000)
    )
    assert len(search(client, "mixpanel_cohorts")) == 50
    assert labels(search(client, "mixpanel_cohorts", "4321")) == ["Cohort 4321"]
    assert labels(search(client, "mixpanel_cohorts", "n77")) == ["Cohort 0077"]
    assert labels(search(client, "mixpanel_cohorts", "cohort"))[0] == "Cohort 0000"


def test_archived_cohorts_are_not_offered(client: Client, house: House) -> None:
    Cohort.objects.update(archived_at=timezone.now())
    assert search(client, "mixpanel_cohorts") == []


def test_attributes_are_found_by_name_with_their_type(client: Client, house: House) -> None:
    CustomAttribute.objects.bulk_create(
        CustomAttribute(workspace=house.workspace, name=f"extra {n}", type="string") for n in range(2000)
    )
    assert search(client, "custom_attribute", "AGE", member="name") == [
        {"value": "age", "label": "age", "detail": "Number", "type": "number"}
    ]
    assert len(search(client, "custom_attribute", member="name")) == 50


def test_countries_that_users_have_come_first(client: Client, house: House) -> None:
    assert labels(search(client, "country"))[:4] == ["Germany", "Japan", "United States", "Afghanistan"]
    assert labels(search(client, "country", "jap")) == ["Japan"]
    assert search(client, "country", "jp")[0]["value"] == "JP"


def test_a_language_without_a_name_can_be_chosen(client: Client, house: House) -> None:
    Profile.objects.filter(external_id="user-0").update(language="mvy")
    assert search(client, "language", "mvy")[0]["value"] == "mvy"


def test_an_unknown_filter_offers_nothing(client: Client) -> None:
    assert search(client, "shoe_size", "x") == []


def test_a_nul_in_the_search_is_ignored(client: Client) -> None:
    assert labels(search(client, "mixpanel_cohorts", "bra\x00ze")) == ["Braze Cohort"]

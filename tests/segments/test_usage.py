"""Cohorts, subscription groups and apps can say which segments use them."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from partners.usage import uses_of
from profiles import groups
from profiles.models import SubscriptionGroup
from segments.engine import evaluate
from segments.tree import TreeError, parse
from tests.segments.conftest import House, in_cohort
from workspaces import usage
from workspaces.models import App


def test_it_works(house: House) -> None:
    house.segment("Other")
    segment = house.segment("Example", filters=house.tree(in_cohort("c1")))
    [use] = uses_of(house.cohort)
    assert (str(use.kind), use.name) == ("Segment", "Example")
    assert use.address == f"/admin/segments/segment/{segment.pk}/change/"


def test_exclusion_groups_count_too(house: House) -> None:
    house.segment("Example", filters=house.tree(exclude=[{"rows": [{"filters": [in_cohort("c1")]}]}]))
    assert len(uses_of(house.cohort)) == 1


def test_archived_segments_do_not_count(house: House) -> None:
    house.segment("Example", filters=house.tree(in_cohort("c1")), archived_at=timezone.now())
    assert uses_of(house.cohort) == []


# --- Subscription groups ---


@pytest.fixture
def news(house: House) -> SubscriptionGroup:
    return SubscriptionGroup.objects.create(workspace=house.workspace, name="News")


def subscribed_to(group: SubscriptionGroup, operator: str = "is", value: str = "subscribed") -> dict[str, Any]:
    subject = {"id": str(group.api_id)}
    return {"filter": "subscription_group", "subject": subject, "operator": operator, "value": value}


def test_archiving_a_subscription_group_warns(house: House, news: SubscriptionGroup, client: Client) -> None:
    other = SubscriptionGroup.objects.create(workspace=house.workspace, name="Other")
    segment = house.segment("Readers", filters=house.tree(subscribed_to(news), in_cohort("c1")))
    house.segment("Gone", filters=house.tree(subscribed_to(news)), archived_at=timezone.now())
    found = groups.usage.of([news, other])
    assert [(str(one.kind), one.name) for one in found[news.pk]] == [("Segment", "Readers")]
    assert found[other.pk] == []
    page = client.get("/admin/profiles/subscriptiongroup/").content.decode()
    assert page.count("It is used by the following.") == 1
    assert f'href="/admin/segments/segment/{segment.pk}/change/"' in page


@pytest.mark.parametrize("value", ["subscribed", "unknown"])
@pytest.mark.parametrize("operator", ["is", "is_not"])
def test_a_filter_over_an_archived_group_says_so(
    house: House, news: SubscriptionGroup, operator: str, value: str
) -> None:
    tree = parse(house.tree(subscribed_to(news, operator, value)))
    evaluate(tree, house.workspace)
    groups.archive(news)
    with pytest.raises(TreeError, match="Row 1, filter 1: The subscription group “News” is archived"):
        evaluate(tree, house.workspace).users  # noqa: B018 - it raises


def test_an_archived_group_is_not_offered(house: House, news: SubscriptionGroup, client: Client) -> None:
    def offered() -> list[str]:
        asked = {"filter": "subscription_group", "member": "id", "q": "new"}
        return [one["label"] for one in client.get("/admin/segments/segment/values/", asked).json()["values"]]

    assert offered() == ["News"]
    groups.archive(news)
    assert offered() == []


# --- Apps ---


def test_removing_an_app_warns(house: House, client: Client) -> None:
    app, unused = (App.objects.create(workspace=house.workspace, name=name, platform="ios") for name in ("A", "B"))
    has_app = {"filter": "has_app", "subject": {"app": str(app.api_id).upper()}, "operator": "is_true"}
    house.segment("By a filter", filters=house.tree(exclude=[{"rows": [{"filters": [has_app]}]}]))
    house.segment("By the apps used", filters=house.tree(apps=[str(app.api_id)]))
    house.segment("Another", filters=house.tree(apps=[str(uuid.uuid4())]))
    found = usage.apps.of([app, unused])
    assert [one.name for one in found[app.pk]] == ["By a filter", "By the apps used"]
    assert found[unused.pk] == []
    page = client.get(f"/admin/workspaces/workspace/{house.workspace.pk}/").content.decode()
    assert page.count("It is used by the following.") == 1
    assert "By the apps used" in page


def test_it_takes_three_queries_for_any_number(house: House, django_assert_num_queries: Any) -> None:
    names = range(20)
    made = [SubscriptionGroup.objects.create(workspace=house.workspace, name=f"G{number}") for number in names]
    for group in made:
        house.segment(f"S{group.pk}", filters=house.tree(subscribed_to(group)))
    with django_assert_num_queries(3):
        found = groups.usage.of(made)
    assert all(len(uses) == 1 for uses in found.values())

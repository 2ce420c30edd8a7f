"""Segments and cohorts know which campaigns and Canvases use them."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from messaging.models import Campaign, Canvas
from partners.usage import uses_of as uses_of_cohort
from profiles import groups
from profiles.models import SubscriptionGroup
from segments.where_used import uses_of
from tests.messaging.conftest import House, build_house, in_cohort, make, segments_of
from tests.messaging.test_screens import save
from workspaces import usage
from workspaces.models import App

pytestmark = pytest.mark.django_db


def test_it_works(client: Client, house: House) -> None:
    members, japan = segments_of(house)
    campaign, canvas = make(house, name="Spring"), make(house, Canvas, name="Welcome")
    save(client, campaign, include=[members.api_id])
    nested = {"filter": "segment_membership", "operator": "includes", "value": [str(members.api_id)]}
    save(client, canvas, exclude=[japan.api_id], filters=house.tree(nested))
    found = uses_of([members, japan])
    assert [(str(one.kind), one.name, one.address) for one in found[members.pk]] == [
        ("Campaign", "Spring", f"/admin/messaging/campaign/{campaign.pk}/change/"),
        ("Canvas", "Welcome", f"/admin/messaging/canvas/{canvas.pk}/change/"),
    ]
    assert [one.name for one in found[japan.pk]] == ["Welcome"]


def test_archiving_a_segment_warns(client: Client, house: House) -> None:
    members, _japan = segments_of(house)
    save(client, make(house, name="Spring"), include=[members.api_id])
    for path in ("", f"{members.pk}/change/"):
        shown = client.get(f"/admin/segments/segment/{path}").content.decode()
        assert "It is used by the following." in shown
        assert "Spring" in shown


def test_what_no_longer_uses_it_does_not_count(client: Client, house: House) -> None:
    members, japan = segments_of(house)
    campaign = make(house, name="Spring")
    save(client, campaign, include=[members.api_id])
    save(client, campaign, include=[japan.api_id])
    assert uses_of([members])[members.pk] == []
    Campaign.objects.update(archived_at=timezone.now())
    assert uses_of([japan])[japan.pk] == []


def test_it_takes_two_queries_for_any_number(client: Client, house: House, django_assert_max_num_queries: Any) -> None:
    segments = [house.segment(f"S{number}") for number in range(20)]
    make(house, segments_named=[one.api_id for one in segments])
    with django_assert_max_num_queries(4):
        found = uses_of(segments)
    assert all(len(uses) == 1 for uses in found.values())


def test_cohorts_in_further_filters_count(client: Client, house: House) -> None:
    save(client, make(house, name="Spring"), filters=house.tree(in_cohort("c1")))
    make(house, Canvas, name="Gone", filters=house.tree(in_cohort("c1")), archived_at=timezone.now())
    make(build_house("Other"), name="Theirs", filters=house.tree(in_cohort("c1")))
    assert [(str(one.kind), one.name) for one in uses_of_cohort(house.cohort)] == [("Campaign", "Spring")]


def test_subscription_groups_and_apps_in_further_filters_count(client: Client, house: House) -> None:
    group = SubscriptionGroup.objects.create(workspace=house.workspace, name="News")
    app = App.objects.create(workspace=house.workspace, name="Example", platform="ios")
    of_group = {"filter": "subscription_group", "subject": {"id": str(group.api_id)}, "operator": "is"}
    save(client, make(house, name="Spring"), filters=house.tree({**of_group, "value": "subscribed"}))
    save(client, make(house, Canvas, name="Welcome"), filters=house.tree(apps=[str(app.api_id)]))
    assert [(str(one.kind), one.name) for one in groups.usage.of([group])[group.pk]] == [("Campaign", "Spring")]
    assert [(str(one.kind), one.name) for one in usage.apps.of([app])[app.pk]] == [("Canvas", "Welcome")]

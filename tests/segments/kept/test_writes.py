"""Data that is written between two reads: the second sees it, whichever way it came."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from currents.models import Event
from partners.folding import fold_cohort
from profiles import engagement, versions
from profiles.engagement import Source, Touch, name_campaign
from profiles.identities import Identity
from profiles.importing.converting import Record
from profiles.importing.writing import Chunk, write
from profiles.message_stores import MessageSource
from profiles.models import CustomAttribute, CustomEvent, Profile, PushToken, SubscriptionGroup
from profiles.orders import ORDER_PLACED
from profiles.received import count_received
from profiles.sets import ProfileSet
from segments.filters.registry import filters
from segments.leaves import kinds_of
from segments.reach import Reach
from segments.tree import parse
from tests.segments.conftest import House, in_cohort
from tests.segments.kept.conftest import AGE, JAPAN, USED, Leaf, Post, finds, leaf, names, run
from workspaces.models import App

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[[House, Post], None]
CAMPAIGN = MessageSource.Kind.CAMPAIGN
NOW = datetime.now(UTC).isoformat()
EVENT = leaf("custom_event", "performed", subject={"name": "song", "where": []})


def track(kind: str, **given: Any) -> Write:
    """A writer by /users/track about user 1, unless another is named."""

    def write(house: House, post: Post) -> None:
        values = {name: value(house) if callable(value) else value for name, value in given.items()}
        post("/users/track", {kind: [{"external_id": "user-1", **values}]})

    return write


def app_of(house: House) -> App:
    return App.objects.get_or_create(workspace=house.workspace, name="App", platform="ios")[0]


def group_of(house: House) -> SubscriptionGroup:
    return SubscriptionGroup.objects.get_or_create(workspace=house.workspace, name="News", channel="sms")[0]


def received(event_type: str, **properties: Any) -> Write:
    """A writer by /currents/events about user 1."""

    def write(house: House, post: Post) -> None:
        event = {
            "event_type": event_type,
            "id": uuid.uuid4().hex,
            "time": int(timezone.now().timestamp()) - 60,
            "user": {"external_user_id": "user-1"},
            "properties": properties,
        }
        post("/currents/events", {"events": [event]})
        assert Event.objects.exists()
        count_received()

    return write


def of_app(house: House) -> Leaf:
    subject = {"app": str(app_of(house).api_id)}
    return {"filter": "has_app", "subject": subject, "operator": "is_true", "value": None}


def of_group(house: House) -> Leaf:
    subject = {"id": str(group_of(house).api_id)}
    return {"filter": "subscription_group", "subject": subject, "operator": "is", "value": "subscribed"}


def of_gone_app(house: House) -> Leaf:
    return {**of_app(house), "filter": "uninstalled"}


def received_of_app(event_type: str) -> Write:
    return lambda house, post: received(event_type, app_id=str(app_of(house).api_id))(house, post)


FEW = leaf("custom_attribute", "less_than", 1, subject={"name": "age", "type": "number"})
BOUGHT = leaf("total_number_of_purchases", "more_than", 0)
OPENED = leaf("last_engaged_with_message", "less_than_days_ago", 1)
WROTE = leaf("email_subscription_status", "is", "unsubscribed")
CHOICE = {"subscription_group_id": lambda house: str(group_of(house).api_id), "subscription_state": "subscribed"}


def choose(house: House, post: Post) -> None:
    group = str(group_of(house).api_id)
    body = {"subscription_group_id": group, "subscription_state": "subscribed", "external_id": ["user-1"]}
    post("/subscription/status/set", body)


def merge(house: House, post: Post) -> None:
    names = {"identifier_to_merge": {"external_id": "user-3"}, "identifier_to_keep": {"external_id": "user-1"}}
    Profile.objects.filter(external_id="user-1").update(country="")
    post("/users/merge", {"merge_updates": [names]})


def push_token(house: House, post: Post) -> None:
    token = {"app_id": str(app_of(house).api_id), "token": "t-1"}
    post("/users/track", {"attributes": [{"external_id": "user-1", "push_tokens": [token]}]})


WRITES: dict[str, tuple[Leaf | Callable[[House], Leaf], Write, set[str], set[str]]] = {
    "attribute": (JAPAN, track("attributes", country="JP"), {"0", "3", "6"}, {"0", "1", "3", "6"}),
    "custom attribute": (AGE, track("attributes", age=50), {"5", "6"}, {"1", "5", "6"}),
    "new user": (FEW, track("attributes", external_id="new", country="FR"), {"0"}, {"0", "new"}),
    "email state": (WROTE, track("attributes", email_subscribe="unsubscribed"), set(), {"1"}),
    "group by track": (
        of_group,
        track(
            "attributes",
            subscription_groups=lambda house: [{k: v(house) if callable(v) else v for k, v in CHOICE.items()}],
        ),
        set(),
        {"1"},
    ),
    "group by its endpoint": (of_group, choose, set(), {"1"}),
    "event": (EVENT, track("events", name="song", time=NOW), set(), {"1"}),
    "purchase": (BOUGHT, track("purchases", product_id="hat", currency="USD", price=1, time=NOW), set(), {"1"}),
    "last use": (USED, track("events", name="song", time=NOW), {"0"}, {"0", "1"}),
    "app use": (
        of_app,
        track("events", name="song", time=NOW, app_id=lambda house: str(app_of(house).api_id)),
        set(),
        {"1"},
    ),
    "event of others": (EVENT, received("users.behaviors.CustomEvent", name="song"), set(), {"1"}),
    "use by others": (USED, received("users.behaviors.app.SessionStart"), {"0"}, {"0", "1"}),
    "message": (OPENED, received("users.messages.email.Open", campaign_id="c-1"), set(), {"1"}),
    "opted in": (
        leaf("email_opt_in_date", "is_not_blank"),
        track("attributes", email_subscribe="opted_in"),
        set(),
        {"1"},
    ),
    "tag": (
        leaf("received_with_tag", "has", subject={"tag": "gold"}),
        lambda house, post: name_campaign(house.workspace.pk, CAMPAIGN, "c-1", "Spring", ["gold"]),
        {"2"},
        {"1", "2"},
    ),
    "step": (
        leaf("clicked_opened_step", "has", "opened", subject={"step": "s-1"}),
        received("users.messages.email.Open", canvas_id="v-1", canvas_step_id="s-1"),
        {"2"},
        {"1", "2"},
    ),
    "uninstall": (
        of_gone_app,
        received_of_app("users.behaviors.Uninstall"),
        set(),
        {"1"},
    ),
    "attribution": (
        leaf("install_attribution_source", "equals", "Network"),
        received("users.behaviors.InstallAttribution", source="Network"),
        set(),
        {"1"},
    ),
    "session length": (
        leaf("median_session_duration", "more_than", 5),
        received("users.behaviors.app.SessionEnd", duration=6),
        set(),
        {"1"},
    ),
    "order": (
        leaf("total_orders_count", "exactly", 1),
        track("events", name="ecommerce.order_placed", time=NOW),
        set(),
        {"1"},
    ),
    "push token": (leaf("push_enabled", "is_on", "ios"), push_token, set(), {"1"}),
    "merge": (JAPAN, merge, {"0", "3", "6"}, {"0", "1", "6"}),
}


def prepared(house: House, post: Post) -> None:
    """What filters point to is there."""
    other = {"external_id": "user-2", "time": "2020-01-01T00:00:00Z"}
    post("/users/track", {"events": [{**other, "name": "other"}]})
    Profile.objects.filter(external_id="user-2").update(last_used_at=timezone.now() - timedelta(days=2))
    for name in ("song", ORDER_PLACED):
        CustomEvent.objects.get_or_create(workspace=house.workspace, name=name)
    # User 1 received messages of one campaign, user 2 of another, which has the tag, and opened one of a Canvas.
    name_campaign(house.workspace.pk, CAMPAIGN, "c-2", "Summer", ["gold"])
    canvas = Source("canvas", "v-1")
    moment = timezone.now() - timedelta(days=3)
    with transaction.atomic():
        engagement.record(
            house.workspace.pk,
            [
                Touch(house.profiles[1].pk, "received", "email", moment, Source("campaign", "c-1")),
                Touch(house.profiles[2].pk, "received", "email", moment, Source("campaign", "c-2")),
                Touch(
                    house.profiles[2].pk, "opened", "push", moment, canvas, parts={Source("step", "s-1", canvas): "One"}
                ),
            ],
        )
    app_of(house), group_of(house)


@pytest.mark.parametrize("what", WRITES)
def test_what_is_written_is_seen_by_the_next_reader(house: House, post: Post, what: str) -> None:
    given, write, before, after = WRITES[what]
    prepared(house, post)
    asked = given(house) if callable(given) else given
    assert names(house, asked) == before
    assert finds(lambda: names(house, asked)) == 0, "it was not kept"
    write(house, post)
    assert names(house, asked) == after


def test_names_are_data_too(house: House, post: Post) -> None:
    renamed = leaf("external_user_id", "equals", "new")
    aliased = leaf("user_alias", "is_not_blank", subject={"label": "shop"})
    alias = {"alias_name": "one", "alias_label": "shop", "external_id": "user-1"}
    post("/users/alias/new", {"user_aliases": [{**alias, "external_id": "user-2"}]})
    assert (names(house, renamed), names(house, aliased)) == (set(), {"2"})
    post("/users/alias/new", {"user_aliases": [{**alias, "alias_name": "two"}]})
    assert names(house, aliased) == {"1", "2"}
    renaming = {"current_external_id": "user-1", "new_external_id": "new"}
    post("/users/external_ids/rename", {"external_id_renames": [renaming]})
    assert names(house, renamed) == {"new"}


def test_a_deleted_user_is_in_no_kept_set(house: House, post: Post) -> None:
    assert names(house, JAPAN) == {"0", "3", "6"}
    post("/users/delete", {"external_ids": ["user-3"]})
    assert names(house, JAPAN) == {"0", "6"}


def test_an_import_is_seen(house: House) -> None:
    assert names(house, JAPAN) == {"0", "3", "6"}
    record = Record(Identity("external_id", "user-1"), ["JP"], {}, points=1)
    with transaction.atomic():
        write(Chunk(house.workspace.pk, ["country"], {}, [record], update_only=False))
    assert names(house, JAPAN) == {"0", "1", "3", "6"}


def test_cohorts_and_segments_are_never_kept(house: House) -> None:
    inner = house.segment("Inner", filters=parse(house.tree(in_cohort("c1"))).to_json())
    nested = leaf("segment_membership", "includes", [str(inner.api_id)])
    assert names(house, nested) == {"0", "1", "2"}
    house.cohort.members = ProfileSet([house.profiles[5].pk])
    house.cohort.save()
    fold_cohort(house.cohort.pk)
    assert names(house, nested) == names(house, in_cohort("c1")) == {"5"}
    inner.filters = parse(house.tree(JAPAN)).to_json()
    inner.save()
    assert names(house, nested) == {"0", "3", "6"}
    kept = run(house, JAPAN).moment
    assert run(house, nested).moment == kept, "as old as the oldest set inside"


def test_reach_is_kept_and_seen_anew(house: House, post: Post) -> None:
    everybody = run(house).users
    nobody = {"email": 4, "sms": 0, "web_push": 0, "ios_push": 0, "android_push": 0}
    assert Reach(house.workspace.pk).of(everybody) == nobody
    assert finds(lambda: Reach(house.workspace.pk).of(everybody)) == 0
    push_token(house, post)
    assert Reach(house.workspace.pk).of(everybody) == {**nobody, "ios_push": 1}
    choose(house, post)
    post("/users/track", {"attributes": [{"external_id": "user-1", "phone": "+12223334444"}]})
    assert Reach(house.workspace.pk).of(everybody) == {**nobody, "ios_push": 1, "sms": 1}
    states = {"email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed"}
    post("/users/track", {"attributes": [{"external_id": "user-1", **states}]})
    assert Reach(house.workspace.pk).of(everybody) == {**nobody, "email": 3, "sms": 1}
    user = {"external_user_id": "user-2"}
    bounced = {"event_type": "users.messages.email.Bounce", "id": "b1", "time": 1, "user": user, "properties": {}}
    post("/currents/events", {"events": [bounced]})
    assert Reach(house.workspace.pk).of(everybody)["email"] == 2
    SubscriptionGroup.objects.update(archived_at=timezone.now())
    assert Reach(house.workspace.pk).of(everybody)["sms"] == 0


def test_an_app_that_changes_or_goes_is_another_question(house: House, post: Post) -> None:
    everybody = run(house).users
    push_token(house, post)
    enabled = leaf("push_enabled", "is_on", "ios")
    assert Reach(house.workspace.pk).of(everybody)["ios_push"] == 1
    assert names(house, enabled) == {"1"}
    App.objects.update(platform="web")
    assert names(house, enabled) == set()
    reached = Reach(house.workspace.pk).of(everybody)
    assert (reached["ios_push"], reached["web_push"]) == (0, 1)
    App.objects.all().delete()
    assert not PushToken.objects.exists()
    assert Reach(house.workspace.pk).of(everybody)["web_push"] == 0


def test_what_a_filter_points_to_may_be_gone_though_its_set_is_kept(house: House) -> None:
    assert names(house, AGE) == {"5", "6"}
    CustomAttribute.objects.all().delete()
    found = run(house, AGE)
    assert found.final is None
    assert "No user has ever had the custom attribute “age”" in found.problems[0].message


def test_every_filter_depends_on_kinds_that_somebody_notes() -> None:
    for one in filters():
        assert one.depends_on <= set(versions.Kind), one.key
        assert kinds_of(one) or one.depends_on & versions.UNNOTED, one.key

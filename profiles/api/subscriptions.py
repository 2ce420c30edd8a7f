"""Subscription groups over REST. Braze: subscription groups endpoints."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import LIMIT, body_of, number, parameter, parameters
from profiles.choices import group_id, state_of
from profiles.identities import Contactable, everybody
from profiles.models import EXTERNAL_ID_LIMIT, Profile, SubscriptionGroup, SubscriptionState
from profiles.subscriptions import Update, update_states
from workspaces.rest import workspace_of

PAGE_SIZE: Final = 100
MAX_OFFSET: Final = 1_000_000_000
#: The kinds of names by which users are given, as each version of the endpoint calls them.
_KEYS: Final = ("external_id", "email", "phone")
_KEYS_V2: Final = ("external_ids", "emails", "phones")
NOT_BOTH: Final = "Either an email address or a phone number should be provided, but not both."
ONE_REQUIRED: Final = "One of 'external_id', 'email' or 'phone' is required"
_WORDS: Final = {True: "Subscribed", False: "Unsubscribed"}


class StatusSetView(APIView):
    """Subscribe users to a group, or unsubscribe them; everybody with an address or number given is changed."""

    endpoint = "subscription.status.set"

    @descriptions.subscription_set
    def post(self, request: Request) -> Response:
        body = body_of(request)
        return _set(request, [body], _KEYS)


class StatusSetV2View(APIView):
    """As ``/subscription/status/set``, for several groups at once."""

    endpoint = "subscription.status.set"

    @descriptions.subscription_set_v2
    def post(self, request: Request) -> Response:
        sources = body_of(request).get("subscription_groups")
        if not isinstance(sources, list) or not sources or not all(isinstance(one, Mapping) for one in sources):
            raise exceptions.ParseError("'subscription_groups' must be an array of objects that is not empty")
        if len(sources) > LIMIT:
            raise exceptions.ParseError(f"'subscription_groups' may hold at most {LIMIT} objects")
        return _set(request, sources, _KEYS_V2)


def _set(request: Request, sources: Sequence[Mapping[str, Any]], keys: tuple[str, str, str]) -> Response:
    updates = [_update(source, keys) for source in sources]
    # In a whole request (Braze: update user's subscription group status V2, "Differences from V1").
    if any(one.emails for one in updates) and any(one.phones for one in updates):
        raise exceptions.ParseError(NOT_BOTH)
    workspace_id = workspace_of(request).pk
    wanted = {one.group for one in updates}
    groups = SubscriptionGroup.objects.filter(workspace_id=workspace_id, api_id__in=wanted).in_bulk(field_name="api_id")
    if len(groups) < len(wanted):
        raise exceptions.ParseError("'subscription_group_id' names no subscription group of this workspace")
    for update in updates:
        _check_names(groups[update.group], update, keys)
    update_states(workspace_id, updates)
    return Response({"message": "success"}, status=status.HTTP_201_CREATED)


def _check_names(group: SubscriptionGroup, update: Update, keys: tuple[str, str, str]) -> None:
    """Raises ParseError for users named by what the group's channel does not send to.

    Braze: update user's subscription group status, "Request body". Groups for email need an external id or an address;
    the others take an external id or a number alone. Of WhatsApp Braze says nothing more than that it is sent to
    numbers, as SMS is.
    """
    external_id, email, phone = keys
    if group.channel == SubscriptionGroup.Channel.EMAIL:
        if not update.external_ids and not update.emails:
            raise exceptions.ParseError(
                f"'{group.api_id}' is a subscription group for email: '{external_id}' or '{email}' is required"
            )
    elif update.emails:
        raise exceptions.ParseError(
            f"'{group.api_id}' is a subscription group for {group.channel}, which accepts '{external_id}' or '{phone}' "
            f"only: leave out '{email}'"
        )


def _update(source: Mapping[str, Any], keys: tuple[str, str, str]) -> Update:
    external_ids, emails, phones = (_strings(source, key) for key in keys)
    if not external_ids and not emails and not phones:
        raise exceptions.ParseError("One of '{}', '{}' or '{}' is required".format(*keys))
    try:
        is_subscribed = state_of(source.get("subscription_state"))
    except ValueError:
        raise exceptions.ParseError("'subscription_state' must be 'subscribed' or 'unsubscribed'") from None
    return Update(_group(source.get("subscription_group_id")), is_subscribed, external_ids, emails, phones)


def _strings(source: Mapping[str, Any], key: str) -> list[str]:
    value = source.get(key)
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and 0 < len(one) <= EXTERNAL_ID_LIMIT for one in values):
        raise exceptions.ParseError(f"'{key}' must be a string or an array of strings")
    if len(values) > LIMIT:
        raise exceptions.ParseError(f"'{key}' may hold at most {LIMIT} values")
    return values


def _group(value: Any) -> uuid.UUID:
    try:
        return group_id(value)
    except ValueError:
        raise exceptions.ParseError("'subscription_group_id' is not the id of a subscription group") from None


class StatusGetView(APIView):
    """What users chose for one group: Subscribed, Unsubscribed, or Unknown where they never chose."""

    endpoint = "subscription.status.get"

    @descriptions.subscription_get
    def get(self, request: Request) -> Response:
        api_id = _group(parameter(request, "subscription_group_id"))
        group = SubscriptionGroup.objects.filter(workspace=workspace_of(request), api_id=api_id).first()
        if group is None:
            raise exceptions.ParseError("'subscription_group_id' names no subscription group of this workspace")
        asked = _asked(request)
        states = SubscriptionState.objects.filter(group=group, profile__in=list(asked.users))
        chosen = {profile_id: _WORDS[one] for profile_id, one in states.values_list("profile_id", "is_subscribed")}
        found = dict.fromkeys((value for value in asked.values if value not in asked.found), "Unknown")
        for value, ids in asked.found.items():
            # Users of an address come under the ids that they have; others under that which was asked for.
            for pk in ids:
                own = None if asked.column == "external_id" else asked.users[pk].external_id
                found[own or value] = chosen.get(pk, "Unknown")
        return Response({"status": found, "message": "success"})


class UserStatusView(APIView):
    """The groups that users ever chose, and what they chose; users who share an address come each by themselves."""

    endpoint = "subscription.groups.get"

    @descriptions.subscription_user
    def get(self, request: Request) -> Response:
        limit = number(request, "limit", PAGE_SIZE, MAX_OFFSET)
        offset = number(request, "offset", 0, MAX_OFFSET)
        users = list(_asked(request).users.values())
        page = users[offset : offset + min(limit, PAGE_SIZE)]
        states = SubscriptionState.objects.filter(profile__in=[one.pk for one in page]).select_related("group")
        groups: dict[int, list[SubscriptionState]] = {one.pk: [] for one in page}
        for state in states.order_by("group__name", "group_id"):
            groups[state.profile_id].append(state)
        shown = [state for user in page for state in groups[user.pk]]
        return Response(
            {
                "message": "success",
                "success": True,
                "subscription_groups": [
                    {
                        "subscription_group_id": str(one.group.api_id),
                        "subscription_status": _WORDS[one.is_subscribed].lower(),
                    }
                    for one in shown
                ],
                "total_count": len(users),
                "users": [_user(user, groups[user.pk]) for user in page],
            }
        )


def _user(user: Profile, states: Sequence[SubscriptionState]) -> dict[str, Any]:
    return {
        "external_id": user.external_id,
        "email": user.email or None,
        "phone": user.phone or None,
        "subscription_groups": [
            {
                "id": str(one.group.api_id),
                "name": one.group.name,
                "channel": one.group.channel,
                "status": _WORDS[one.is_subscribed],
            }
            for one in states
        ],
    }


class _Asked(NamedTuple):
    """Users as a request asks for them: by which column, with which values, who has which of these, oldest first."""

    column: Contactable
    values: list[str]
    found: dict[str, list[int]]
    users: dict[int, Profile]


def _asked(request: Request) -> _Asked:
    """Whom the query is about; external ids go before the others (Braze). Raises ParseError."""
    columns: tuple[Contactable, ...] = _KEYS
    given = {column: parameters(request, column) for column in columns}
    if not given["external_id"] and given["email"] and given["phone"]:
        raise exceptions.ParseError(NOT_BOTH)
    column = next((column for column, values in given.items() if values), None)
    if column is None:
        raise exceptions.ParseError(ONE_REQUIRED)
    # In a query, an unescaped plus sign is a space.
    values = [f"+{one.strip()}" if column == "phone" and one.startswith(" ") else one for one in given[column]]
    found = everybody(workspace_of(request).pk, column, values)
    ids = {profile_id for ids in found.values() for profile_id in ids}
    users = {one.pk: one for one in Profile.objects.filter(pk__in=ids).order_by("pk")}
    # Who was deleted between the two statements is nobody.
    found = {value: there for value, ids in found.items() if (there := [pk for pk in ids if pk in users])}
    return _Asked(column, values, found, users)

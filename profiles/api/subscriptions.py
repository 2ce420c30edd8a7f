"""Subscription groups over REST. Braze: subscription groups endpoints."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

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
NOT_BOTH: Final = "Either an email address or a phone number should be provided, but not both."
ONE_REQUIRED: Final = "One of 'external_id', 'email' or 'phone' is required"
_WORDS: Final = {True: "Subscribed", False: "Unsubscribed"}


class StatusSetView(APIView):
    """Subscribe users to a group, or unsubscribe them; everybody with an address or number given is changed."""

    endpoint = "subscription.status.set"

    @descriptions.subscription_set
    def post(self, request: Request) -> Response:
        body = body_of(request)
        return _set(request, [(body, ("external_id", "email", "phone"))])


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
        return _set(request, [(one, ("external_ids", "emails", "phones")) for one in sources])


def _set(request: Request, sources: Sequence[tuple[Mapping[str, Any], tuple[str, str, str]]]) -> Response:
    updates = [_update(source, keys) for source, keys in sources]
    workspace_id = workspace_of(request).pk
    wanted = {one.group for one in updates}
    if SubscriptionGroup.objects.filter(workspace_id=workspace_id, api_id__in=wanted).count() < len(wanted):
        raise exceptions.ParseError("'subscription_group_id' names no subscription group of this workspace")
    update_states(workspace_id, updates)
    return Response({"message": "success"}, status=status.HTTP_201_CREATED)


def _update(source: Mapping[str, Any], keys: tuple[str, str, str]) -> Update:
    external_ids, emails, phones = (_strings(source, key) for key in keys)
    if emails and phones:
        raise exceptions.ParseError(NOT_BOTH)
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
        column, values, users = _users(request)
        states = SubscriptionState.objects.filter(group=group, profile__in=[one.pk for one in users])
        chosen = dict(states.values_list("profile_id", "is_subscribed"))
        found: dict[str, str] = {}
        for user in users:
            name = user.external_id or getattr(user, column)
            found[name] = _WORDS[chosen[user.pk]] if user.pk in chosen else "Unknown"
        known = {getattr(user, column) for user in users}
        found |= dict.fromkeys((value for value in values if value not in known), "Unknown")
        return Response({"status": found, "message": "success"})


class UserStatusView(APIView):
    """The groups that users ever chose, and what they chose; users who share an address come each by themselves."""

    endpoint = "subscription.groups.get"

    @descriptions.subscription_user
    def get(self, request: Request) -> Response:
        limit = number(request, "limit", PAGE_SIZE, MAX_OFFSET)
        offset = number(request, "offset", 0, MAX_OFFSET)
        users = _users(request)[2]
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


def _users(request: Request) -> tuple[str, list[str], list[Profile]]:
    """By which column users are asked for, the values, and the users; external ids go before the others (Braze)."""
    columns: tuple[Contactable, ...] = ("external_id", "email", "phone")
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
    return column, values, list(Profile.objects.filter(pk__in=ids).order_by("pk"))

"""``POST /users/export/ids``. Braze: export user profile by identifier."""

from collections.abc import Mapping
from typing import Any

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import LIMIT, body_of
from profiles.exporting import RECEIVED, export_users
from profiles.identities import BadIdentityError, Contactable, Identity, alias_of, everybody, find, name_of
from profiles.models import Device
from profiles.planning import unseen
from workspaces.rest import workspace_of

TOO_MANY = "The max number of external_ids and aliases per request was exceeded"


class ExportIdsView(APIView):
    """What we hold of users. Names that name nobody come back in ``invalid_user_ids``."""

    endpoint = "users.export.ids"

    def limit_name(self, request: Request) -> str:
        """The limit of this request: who names the fields, and none of what users received, may send more of them.

        Braze: export user profile by identifier, "Rate limit". Raises ParseError for a body that cannot be used.
        """
        fields = _fields(body_of(request))
        return "users.export.ids.fields" if fields and RECEIVED.isdisjoint(fields) else self.endpoint

    @descriptions.export_ids
    def post(self, request: Request) -> Response:
        body = body_of(request)
        try:
            names = [*_external_ids(body), *map(alias_of, _array(body, "user_aliases")), *_braze_id(body)]
            others = {key: name_of(body, key) for key in _OTHERS if body.get(key) is not None}
        except BadIdentityError as error:
            raise exceptions.ParseError(str(error)) from None
        if sum(one.kind != "braze_id" for one in names) > LIMIT:
            raise exceptions.ParseError(TOO_MANY)
        if not names and not others:
            raise exceptions.ParseError(
                "One of 'external_ids', 'user_aliases', 'braze_id', 'device_id', 'email_address' or 'phone' is required"
            )
        fields = _fields(body)
        workspace_id = workspace_of(request).pk
        found = find(workspace_id, names)
        ids, invalid = set(found.values()), [one.name for one in names if one not in found]
        for key, value in others.items():
            more = _by_other(workspace_id, key, value)
            ids |= more
            invalid += [] if more else [value]
        answer: dict[str, Any] = {"message": "success", "users": export_users(ids, fields)}
        return Response(answer | ({"invalid_user_ids": invalid} if invalid else {}), status=status.HTTP_201_CREATED)


_OTHERS = ("device_id", "email_address", "phone")


def _external_ids(body: Mapping[str, Any]) -> list[Identity]:
    return [
        Identity("external_id", name_of({"external_ids": one}, "external_ids")) for one in _array(body, "external_ids")
    ]


def _braze_id(body: Mapping[str, Any]) -> list[Identity]:
    return [] if body.get("braze_id") is None else [Identity("braze_id", name_of(body, "braze_id"))]


def _array(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is not None and not isinstance(value, list):
        raise exceptions.ParseError(f"'{name}' must be an array")
    return value or []


def _fields(body: Mapping[str, Any]) -> set[str] | None:
    """The fields asked for; None: all. One that we do not hold is passed over, as an empty one would be."""
    value = body.get("fields_to_export")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise exceptions.ParseError("'fields_to_export' must be an array of strings")
    return set(value)


def _by_other(workspace_id: int, key: str, value: str) -> set[int]:
    """All users with this device, email address or phone number (with or without its plus sign)."""
    if key == "device_id":
        devices = Device.objects.filter(workspace_id=unseen(workspace_id), device_id=value)
        return set(devices.values_list("profile_id", flat=True))
    column: Contactable = "email" if key == "email_address" else "phone"
    found = everybody(workspace_id, column, [value] if column == "email" else [value, f"+{value}"])
    return {profile_id for ids in found.values() for profile_id in ids}

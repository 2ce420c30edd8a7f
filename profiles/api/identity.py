"""``/users/identify``, ``/users/merge`` and ``/users/delete``. Braze: identify users; merge users; delete users."""

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import LIMIT, array_of, body_of, checked, object_of
from profiles.deleting import delete_users
from profiles.identities import BadIdentityError, Contact, Identity, alias_of, contact_of, name_of
from profiles.merging import Name, Naming, identify, merge
from workspaces.rest import workspace_of

_MERGE_BEHAVIORS: Final = ("merge", "none")
_BAD_MERGE: Final = "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"
_BAD_IDENTIFIER: Final = (
    "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an "
    "object, 'email' property that is a string, or 'phone' property that is a string"
)
_ONE_REQUIRED: Final = (
    "One of 'aliases_to_identify', 'emails_to_identify' or 'phone_numbers_to_identify' must hold an object."
)


_NOBODY: Final = (
    "One of 'external_ids', 'user_aliases', 'braze_ids', 'email_addresses' or 'phone_numbers' must name a user."
)


class IdentifyView(APIView):
    """Give users without an external id one; if somebody has it already, the two become one."""

    endpoint = "users.identify"

    @descriptions.identify
    def post(self, request: Request) -> Response:
        body = body_of(request)
        errors: list[dict[str, Any]] = []
        aliases = _namings(body, "aliases_to_identify", "user_alias", errors)
        contacts = [
            *_namings(body, "emails_to_identify", "email", errors),
            *_namings(body, "phone_numbers_to_identify", "phone", errors),
        ]
        behavior = body.get("merge_behavior", "merge")
        if behavior not in _MERGE_BEHAVIORS:
            raise exceptions.ParseError("'merge_behavior' must be 'none' or 'merge'")
        if not aliases and not contacts:
            raise exceptions.ParseError(errors[0]["type"] if errors else _ONE_REQUIRED)
        identify(workspace_of(request).pk, [*aliases, *contacts], keeping_fields=behavior == "merge")
        answer: dict[str, Any] = {"aliases_processed": len(aliases) + len(contacts), "message": "success"}
        return Response(answer | ({"errors": errors} if errors else {}), status=status.HTTP_201_CREATED)


def _namings(body: Mapping[str, Any], name: str, key: str, errors: list[dict[str, Any]]) -> list[Naming]:
    def check(source: Any) -> Naming:
        source = object_of(source)
        who = alias_of(source.get(key)) if key == "user_alias" else _contact(source, key)
        return Naming(who, name_of(source, "external_id"))

    too_many = f"a single request may not contain more than {LIMIT} users to identify"
    return checked(array_of(body, name, LIMIT, too_many), name, check, errors)


def _contact(source: Mapping[str, Any], key: str) -> Contact:
    return contact_of(source, cast(Literal["email", "phone"], key))


class MergeView(APIView):
    """Merge users into others. What the user to keep has stays; what only the other one has is added."""

    endpoint = "users.merge"

    @descriptions.merge
    def post(self, request: Request) -> Response:
        updates = body_of(request).get("merge_updates")
        if not isinstance(updates, list) or not all(isinstance(one, Mapping) for one in updates):
            raise exceptions.ParseError("'merge_updates' must be an array of objects")
        if len(updates) > LIMIT:
            raise exceptions.ParseError(f"a single request may not contain more than {LIMIT} merge updates")
        merge(workspace_of(request).pk, [_pair(one) for one in updates])
        return Response({"message": "success"}, status=status.HTTP_202_ACCEPTED)


def _pair(update: Mapping[str, Any]) -> tuple[Name, Name]:
    if set(update) != {"identifier_to_merge", "identifier_to_keep"}:
        raise exceptions.ParseError(_BAD_MERGE)
    return _identifier(update["identifier_to_merge"]), _identifier(update["identifier_to_keep"])


def _identifier(source: Any) -> Name:
    named = {"external_id", "user_alias", "email", "phone"}
    given = sorted(named & set(source)) if isinstance(source, Mapping) else []
    if len(given) != 1 or not isinstance(source[given[0]], Mapping if given[0] == "user_alias" else str):
        raise exceptions.ParseError(_BAD_IDENTIFIER)
    try:
        if given[0] == "external_id":
            return Identity("external_id", name_of(source, "external_id"))
        return alias_of(source["user_alias"]) if given[0] == "user_alias" else _contact(source, given[0])
    except BadIdentityError as error:
        raise exceptions.ParseError(str(error)) from None


class DeleteView(APIView):
    """Delete users, for ever. ``deleted`` counts those who existed."""

    endpoint = "users.delete"

    @descriptions.delete
    def post(self, request: Request) -> Response:
        body = body_of(request)
        names: list[Identity] = []
        contacts: list[Contact] = []
        try:
            names += [Identity("external_id", _string(one)) for one in _ids(body, "external_ids", "strings")]
            names += [Identity("braze_id", _string(one)) for one in _ids(body, "braze_ids", "strings")]
            names += [alias_of(one) for one in _ids(body, "user_aliases")]
            contacts += [_contact(_object(one), "email") for one in _ids(body, "email_addresses")]
            contacts += [_contact(_object(one), "phone") for one in _ids(body, "phone_numbers")]
        except BadIdentityError as error:
            raise exceptions.ParseError(str(error)) from None
        if not names and not contacts:
            raise exceptions.ParseError(_NOBODY)
        deleted = delete_users(workspace_of(request).pk, names, contacts)
        return Response({"deleted": deleted, "message": "success"}, status=status.HTTP_201_CREATED)


def _ids(body: Mapping[str, Any], name: str, elements: str = "objects") -> list[Any]:
    return array_of(body, name, LIMIT, "The max number of ids per request was exceeded", elements)


def _string(value: Any) -> str:
    return name_of({"external id or braze id": value}, "external id or braze id")


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadIdentityError("An email address or phone number must come in an object, with 'prioritization'")
    return value

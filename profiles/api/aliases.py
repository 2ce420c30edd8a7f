"""``POST /users/alias/new`` and ``POST /users/alias/update``. Braze: create new user alias; update user alias."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import LIMIT, array_of, body_of, checked, object_of
from profiles.identities import Identity, alias, name_of
from profiles.renaming import NewAlias, add_aliases, rename_aliases
from workspaces.rest import workspace_of

Checked = TypeVar("Checked")


class NewAliasView(APIView):
    """Add aliases to existing users (by ``external_id``), or create users who have an alias only."""

    endpoint = "users.alias.new"

    @descriptions.alias_new
    def post(self, request: Request) -> Response:
        aliases, errors = _usable(request, "user_aliases", _new_alias)
        add_aliases(workspace_of(request).pk, aliases)
        return _answer(len(aliases), errors)


class UpdateAliasView(APIView):
    """Rename aliases. One that nobody has, or whose new name somebody has, is not renamed."""

    endpoint = "users.alias.update"

    @descriptions.alias_update
    def post(self, request: Request) -> Response:
        renames, errors = _usable(request, "alias_updates", _rename)
        rename_aliases(workspace_of(request).pk, dict(renames))
        return _answer(len(renames), errors)


def _usable(request: Request, name: str, check: Callable[[Any], Checked]) -> tuple[list[Checked], list[dict[str, Any]]]:
    """What of the array ``name`` can be used, and the errors of the rest. Raises ParseError when nothing can."""
    errors: list[dict[str, Any]] = []
    too_many = f"a single request may not contain more than {LIMIT} user aliases"
    usable = checked(array_of(body_of(request), name, LIMIT, too_many), name, check, errors)
    if not usable:
        raise exceptions.ParseError(errors[0]["type"] if errors else f"'{name}' must be an array of objects.")
    return usable, errors


def _answer(count: int, errors: list[dict[str, Any]]) -> Response:
    answer: dict[str, Any] = {"aliases_processed": count, "message": "success"}
    return Response(answer | ({"errors": errors} if errors else {}), status=status.HTTP_201_CREATED)


def _new_alias(source: Any) -> NewAlias:
    source = object_of(source)
    external_id = None if source.get("external_id") is None else name_of(source, "external_id")
    return NewAlias(alias(name_of(source, "alias_name"), name_of(source, "alias_label")), external_id)


def _rename(source: Any) -> tuple[Identity, str]:
    source = object_of(source)
    label = name_of(source, "alias_label")
    new = alias(name_of(source, "new_alias_name"), label)
    return alias(name_of(source, "old_alias_name"), label), new.name

"""``/users/external_ids/rename`` and ``/remove``. Braze: external ID migration."""

from typing import Any

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import LIMIT, body_of, object_of
from profiles.identities import BadIdentityError, name_of
from profiles.objects import BadObjectError
from profiles.renaming import NOT_DEPRECATED, remove_external_ids, rename_external_ids
from workspaces.rest import workspace_of


class RenameView(APIView):
    """Rename external ids; the old ones name their users, deprecated, until they are removed."""

    endpoint = "users.external_ids.rename"

    @descriptions.rename
    def post(self, request: Request) -> Response:
        errors: list[list[Any]] = []
        renames: dict[int, tuple[str, str]] = {}
        for index, source in enumerate(_array(request, "external_id_renames")):
            try:
                renames[index] = _rename(source)
            except (BadObjectError, BadIdentityError) as error:
                errors.append([index, str(error)])
        refusals = rename_external_ids(workspace_of(request).pk, list(renames.values()))
        renamed = []
        for (index, (_, new)), refusal in zip(renames.items(), refusals, strict=True):
            if refusal is None:
                renamed.append(new)
            else:
                errors.append([index, refusal])
        answer = {"message": "success", "external_ids": renamed, "rename_errors": sorted(errors)}
        return Response(answer, status=status.HTTP_201_CREATED)


def _rename(source: Any) -> tuple[str, str]:
    source = object_of(source)
    current, new = name_of(source, "current_external_id"), name_of(source, "new_external_id")
    if current == new:
        raise BadObjectError("'current_external_id' and 'new_external_id' cannot be the same")
    return current, new


class RemoveView(APIView):
    """Remove deprecated external ids, for ever."""

    endpoint = "users.external_ids.remove"

    @descriptions.remove
    def post(self, request: Request) -> Response:
        errors: list[list[Any]] = []
        names: dict[int, str] = {}
        for index, value in enumerate(_array(request, "external_ids")):
            try:
                names[index] = name_of({"external_ids": value}, "external_ids")
            except BadIdentityError as error:
                errors.append([index, str(error)])
        removed = remove_external_ids(workspace_of(request).pk, names.values())
        errors += [[index, NOT_DEPRECATED % name] for index, name in names.items() if name not in removed]
        gone = [name for name in dict.fromkeys(names.values()) if name in removed]
        answer = {"message": "success", "removed_ids": gone, "removal_errors": sorted(errors)}
        return Response(answer, status=status.HTTP_201_CREATED)


def _array(request: Request, name: str) -> list[Any]:
    sources = body_of(request).get(name)
    if not isinstance(sources, list) or not sources:
        raise exceptions.ParseError(f"'{name}' must be an array that is not empty.")
    if len(sources) > LIMIT:
        raise exceptions.ParseError(f"'{name}' may hold at most {LIMIT} elements.")
    return sources

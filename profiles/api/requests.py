"""Reading requests: what every endpoint of this folder asks of a body or a query, refused in Braze's words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from rest_framework import exceptions
from rest_framework.request import Request

from profiles.identities import BadIdentityError
from profiles.objects import BadObjectError

Checked = TypeVar("Checked")

#: So many users, aliases or ids a request (Braze: every endpoint but users/track).
LIMIT: Final = 50


def body_of(request: Request) -> dict[str, Any]:
    """The body, a JSON object. Raises ParseError."""
    body = request.data
    if not isinstance(body, dict):
        raise exceptions.ParseError("The request body must be a JSON object.")
    return body


def array_of(body: Mapping[str, Any], name: str, limit: int, too_many: str, elements: str = "objects") -> list[Any]:
    """The array ``name`` of the body; none is empty. Raises ParseError for something else and for a longer one.

    ``elements``: what the array holds, for the refusal. What each of them is, the caller checks.
    """
    sources = body.get(name)
    if sources is None:
        return []
    if not isinstance(sources, list):
        raise exceptions.ParseError(f"'{name}' must be an array of {elements}.")
    if len(sources) > limit:
        raise exceptions.ParseError(too_many)
    return sources


def checked(
    sources: Sequence[Any], name: str, check: Callable[[Any], Checked], errors: list[dict[str, Any]]
) -> list[Checked]:
    """The usable objects of the array ``name``; why the others are not goes to ``errors``, in Braze's form."""
    usable = []
    for index, source in enumerate(sources):
        try:
            usable.append(check(source))
        except (BadObjectError, BadIdentityError) as error:
            errors.append({"type": str(error), "input_array": name, "index": index})
    return usable


def object_of(source: Any) -> Mapping[str, Any]:
    """``source`` if it is an object. Raises BadObjectError."""
    if not isinstance(source, Mapping):
        raise BadObjectError("must be an object")
    return source


def parameter(request: Request, name: str, default: str = "") -> str:
    """A parameter of the query. Raises ParseError for one that cannot be looked up."""
    return _text(name, request.query_params.get(name, default))


def parameters(request: Request, name: str) -> list[str]:
    """All values of a parameter, written as ``name`` or ``name[]``, each once. Raises ParseError for more than 50."""
    values = [*request.query_params.getlist(name), *request.query_params.getlist(f"{name}[]")]
    found = list(dict.fromkeys(_text(name, value) for value in values if value))
    if len(found) > LIMIT:
        raise exceptions.ParseError(f"'{name}' may be given at most {LIMIT} times.")
    return found


def number(request: Request, name: str, default: int, highest: int) -> int:
    """A parameter that is a number from 0 on. Raises ParseError."""
    text = parameter(request, name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) > highest:
        raise exceptions.ParseError(f"'{name}' must be a number from 0 to {highest}.")
    return int(text)


def _text(name: str, value: str) -> str:
    if "\x00" in value:
        raise exceptions.ParseError(f"'{name}' holds the character NUL, which cannot be stored.")
    return value

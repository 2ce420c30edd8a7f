"""Words for describing REST endpoints (OpenAPI 3.1): each app describes its own, beside its views.

What every endpoint can answer (401, 413, 429 and so on) is added in one place: ``brazeclone.openapi``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

Schema = dict[str, Any]
Described = TypeVar("Described", bound=Callable[..., Any])

ANYTHING: Schema = {}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 512}
TIME: Schema = {"type": "string", "description": "A time in ISO 8601", "examples": ["2024-05-12T18:47:12Z"]}
SUCCESS: Schema = {"type": "string", "const": "success"}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How requests show their REST API key."""

    target_class = "workspaces.rest.ApiKeyAuthentication"
    name = "restApiKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {"type": "http", "scheme": "bearer", "description": "A REST API key that has the endpoint's permission"}


def shape(required: Sequence[str] = (), *, closed: bool = False, **properties: Any) -> Schema:
    """An object with these properties; ``closed``: and no others."""
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def whole(**properties: Any) -> Schema:
    """An object with all of these properties and no others."""
    return shape([*properties], closed=True, **properties)


def success(words: str, **properties: Any) -> tuple[str, Schema]:
    """For ``describe``: an answer that tells of success, in words and as a body with these properties beside it."""
    return words, whole(message=SUCCESS, **properties)


def listing(items: Schema, least: int = 0, most: int | None = None) -> Schema:
    """An array of ``items``."""
    schema: Schema = {"type": "array", "items": items}
    if least:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return schema


def or_null(schema: Schema) -> Schema:
    """``schema`` or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def query(name: str, schema: Schema, description: str, *, required: bool = False) -> OpenApiParameter:
    """A parameter of the query."""
    return OpenApiParameter(name, schema, description=description, required=required)


def describe(
    operation: str,
    tag: str,
    answers: Mapping[int, tuple[str, Schema]],
    *,
    body: Schema | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    security: str | None = None,
) -> Callable[[Described], Described]:
    """Describe a view or its method: what it takes, and what it answers by status: (in words, its body).

    Summary and description are the view's docstring. ``security`` names another scheme than the REST API key.
    """
    options: dict[str, Any] = {"request": {"application/json": body}} if body is not None else {}
    if security is not None:
        options["auth"] = [{security: []}] if security else []
    return extend_schema(
        operation_id=operation,
        tags=[tag],
        parameters=list(parameters),
        responses={status: OpenApiResponse(schema, words) for status, (words, schema) in answers.items()},
        **options,
    )

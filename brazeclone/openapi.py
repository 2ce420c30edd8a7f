"""The description of the REST API (OpenAPI 3.1): served at /api/schema/, read in a browser at /api/docs/.

Each app describes its own endpoints; what all of them share is added here.
"""

from typing import Any, Final

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.negotiation import DefaultContentNegotiation

Schema = dict[str, Any]

_MESSAGE: Final = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"type": "string"}},
    "additionalProperties": False,
}
_LIMIT_HEADERS: Final = {
    "X-RateLimit-Limit": "Requests that the key may send in a window",
    "X-RateLimit-Remaining": "How many are left in this window",
    "X-RateLimit-Reset": "When this window ends, in seconds since 1970 (UTC)",
}
#: By status: the name under components, what it means in words.
_SHARED: Final = {
    "400": ("BadRequest", "Nothing was done; the message says why"),
    "401": ("Unauthorized", "The key is missing, unknown, invalidated, or lacks what this endpoint asks"),
    "413": ("TooLarge", "The body is too large, as it is or after decompression"),
    "415": ("UnsupportedEncoding", "The body's encoding is neither plain nor gzip"),
    "429": ("RateLimited", "The key sent more than its limit; Retry-After says how many seconds to wait"),
}


class SchemaView(SpectacularAPIView):
    """The description as JSON, also for who asks for ``application/json``, or as YAML with ``?format=yaml``."""

    renderer_classes = [OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer]
    content_negotiation_class = DefaultContentNegotiation


class DocsView(SpectacularSwaggerView):
    """The description as a page."""


def without_trailing_slash(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Addresses as Braze writes them; they answer with a slash at the end, too."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]


def with_shared_answers(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """Add to every operation the refusals that the REST base can answer, and the headers that tell of rate limits."""
    components = result.setdefault("components", {})
    components["responses"] = {name: _refusal(status, words) for status, (name, words) in _SHARED.items()}
    components["headers"] = {
        name: {"description": words, "schema": {"type": "integer"}} for name, words in _LIMIT_HEADERS.items()
    }
    components.setdefault("securitySchemes", {})["dataImportKey"] = {
        "type": "http",
        "scheme": "basic",
        "description": "A data import key of the integration as the password, with any user name",
    }
    for path in result["paths"].values():
        for method, operation in path.items():
            _complete(method, operation)
    return result


def _refusal(status: str, words: str) -> Schema:
    answer: Schema = {"description": words, "content": {"application/json": {"schema": _MESSAGE}}}
    if status == "429":
        answer["headers"] = {**_limit_headers(), "Retry-After": {"schema": {"type": "integer"}}}
    return answer


def _limit_headers() -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMIT_HEADERS}


def _complete(method: str, operation: Schema) -> None:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            response.setdefault("headers", {}).update(_limit_headers())
    for status, (name, _) in _SHARED.items():
        if method == "get" and status in ("413", "415"):
            continue
        operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})

"""Mixpanel's Query API, as far as reading cohorts needs it: ``cohorts/list`` and ``engage``.

Mixpanel: Query API, List Saved Cohorts and Query Profiles. Both need a form-encoded POST.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.core import Sandbox
from sandbox.credentials import authenticate
from sandbox.models import Properties
from sandbox.traffic import QUERY_PREFIXES
from sandbox.web import HTTPError, json_response, read_body

MAX_FORM_BYTES = 1024 * 1024

_UNSUPPORTED = ("where", "behaviors", "as_of_timestamp", "data_group_id")


async def list_cohorts(request: Request) -> Response:
    """All cohorts of the project: id, name, count, description, created, is_visible, project_id."""
    return await _answer(request, _list_cohorts)


async def engage(request: Request) -> Response:
    """One page of profiles, of a cohort or of all: page, page_size, results, session_id, status, total."""
    return await _answer(request, _engage)


async def _answer(request: Request, query: Any) -> Response:
    sandbox: Sandbox = request.app.state.sandbox
    try:
        parameters = await _parameters(request)
        authenticate(request, parameters.get("project_id"), sandbox.settings)
        wait = _wait(sandbox)
        if wait is not None:
            message = "Query rate limit exceeded. Wait before the next query."
            return json_response(_error(message), 429, {"Retry-After": str(wait)})
        return json_response(query(sandbox, parameters))
    except HTTPError as error:
        return json_response(_error(error.message), error.status)


def _error(message: str) -> dict[str, str]:
    return {"error": message, "status": "error"}


async def _parameters(request: Request) -> dict[str, str]:
    """The form's fields and the query string's; the form wins."""
    body = await read_body(request, MAX_FORM_BYTES)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPError(400, "Content-Type must be application/x-www-form-urlencoded")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise HTTPError(400, "the form is not UTF-8") from None
    return {**request.query_params, **form}


def _wait(sandbox: Sandbox) -> int | None:
    settings = sandbox.settings
    if not settings.rate_limit:
        return None
    if sandbox.traffic.in_flight[QUERY_PREFIXES[0]] > settings.concurrent_queries:
        return 1
    return sandbox.rate_limit.retry_after(settings.queries_per_hour, time.time())


def _list_cohorts(sandbox: Sandbox, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "count": len(cohort.members),
            "is_visible": 1,
            "description": cohort.description,
            "created": cohort.created.strftime("%Y-%m-%d %H:%M:%S"),
            "project_id": sandbox.settings.project_id,
            "id": cohort.id,
            "name": cohort.name,
        }
        for cohort in sandbox.store.cohorts.values()
    ]


def _engage(sandbox: Sandbox, parameters: Mapping[str, str]) -> dict[str, Any]:
    page = _page(parameters)
    session_id = parameters.get("session_id")
    if session_id:
        session = sandbox.sessions.get(session_id)
        if session is None:
            raise HTTPError(400, "session_id is unknown or has expired: query page 0 again")
        return session.page(page)
    if page:
        raise HTTPError(400, "session_id is required when page is above 0")
    results = _results(sandbox, parameters)
    return sandbox.sessions.open(results, sandbox.settings.page_size).page(0)


def _page(parameters: Mapping[str, str]) -> int:
    text = parameters.get("page", "") or "0"
    if not text.isdecimal():
        raise HTTPError(400, "page must be a whole number from 0")
    return int(text)


def _results(sandbox: Sandbox, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    for name in _UNSUPPORTED:
        if parameters.get(name):
            raise HTTPError(400, f"the sandbox does not evaluate {name!r}: use filter_by_cohort")
    profiles = _profiles(sandbox, parameters)
    wanted = _json(parameters, "output_properties", list)
    ids = _distinct_ids(parameters)
    return [
        {"$distinct_id": distinct_id, "$properties": _pick(properties, wanted)}
        for distinct_id, properties in profiles.items()
        if ids is None or distinct_id in ids
    ]


def _profiles(sandbox: Sandbox, parameters: Mapping[str, str]) -> Mapping[str, Properties]:
    """The cohort's members, or every member of any cohort; without a profile only if all users are wanted."""
    choice = _json(parameters, "filter_by_cohort", dict)
    if choice is None:
        every: dict[str, Properties] = {}
        for cohort in sandbox.store.cohorts.values():
            every.update(cohort.members)
        return {key: value for key, value in every.items() if value}
    cohort_id = choice.get("id")
    if isinstance(cohort_id, str) and cohort_id.isdecimal():
        cohort_id = int(cohort_id)
    found = sandbox.store.cohorts.get(cohort_id) if type(cohort_id) is int else None
    if found is None:
        raise HTTPError(400, f"filter_by_cohort: there is no cohort {choice.get('id')!r}")
    if parameters.get("include_all_users", "true").lower() in {"false", "0"}:
        return {key: value for key, value in found.members.items() if value}
    return found.members


def _distinct_ids(parameters: Mapping[str, str]) -> set[str] | None:
    if parameters.get("distinct_id"):
        return {parameters["distinct_id"]}
    chosen = _json(parameters, "distinct_ids", list)
    return None if chosen is None else {str(item) for item in chosen}


def _pick(properties: Properties, wanted: list[Any] | None) -> Properties:
    if wanted is None:
        return properties
    return {name: properties[name] for name in wanted if isinstance(name, str) and name in properties}


def _json(parameters: Mapping[str, str], name: str, kind: type) -> Any:
    """A parameter that holds JSON. None if absent; HTTPError 400 if it is not of that kind."""
    text = parameters.get(name)
    if not text:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, kind):
        what = "object" if kind is dict else "array"
        raise HTTPError(400, f"{name} must be a JSON {what}")
    return value

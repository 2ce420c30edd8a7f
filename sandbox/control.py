"""The sandbox's own JSON API under ``/sandbox``: look at what came in, make cohorts, export, misbehave."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import inputs
from sandbox.core import Sandbox
from sandbox.i18n import gettext_noop as _
from sandbox.inputs import InputError
from sandbox.misbehaviour import KINDS, PATHS, Rule
from sandbox.models import Cohort, Export, StoredEvent
from sandbox.page import language_of
from sandbox.web import json_response

DEFAULT_LIMIT = 50
MAX_LIMIT = 10_000
MAX_SECONDS = 86_400
DEFAULT_EVERY = 900

Handler = Callable[[Request, Sandbox], Awaitable[Response]]


def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Give a handler the sandbox, and turn an InputError into its answer: ``{"error", "field"}``."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request, request.app.state.sandbox)
        except InputError as error:
            words = error.message.translated(language_of(request))
            return json_response({"error": words, "field": error.field}, error.status)

    return handle


# --- events


async def list_events(request: Request, sandbox: Sandbox) -> Response:
    """Events, newest last: the newest ``limit`` of them, or from ``offset`` on, counted from the oldest."""
    query = request.query_params
    found = select_events(
        sandbox.store.events,
        {name: query[name] for name in ("event", "distinct_id", "insert_id") if query.get(name)},
    )
    limit = _from_query(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)
    newest = max(0, len(found) - limit)
    offset = _from_query(request, "offset", newest, 10**12)
    shown = [event_json(event) for event in found[offset : offset + limit]]
    return json_response({"total": len(found), "offset": offset, "limit": limit, "events": shown})


def select_events(events: list[StoredEvent], wanted: dict[str, str]) -> list[StoredEvent]:
    """The events whose name, distinct id and insert id are exactly those wanted."""
    for name, value in wanted.items():
        events = [event for event in events if getattr(event.accepted, name) == value]
    return events


def event_json(event: StoredEvent) -> dict[str, Any]:
    """An event as it was sent, and when it came."""
    properties = orjson.Fragment(event.accepted.properties)
    return {"event": event.accepted.event, "properties": properties, "received_at": event.received}


def _from_query(request: Request, name: str, default: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) > high:
        raise InputError(name, _("Give a whole number from %(low)s to %(high)s."), {"low": 0, "high": high})
    return int(text)


async def summary(request: Request, sandbox: Sandbox) -> Response:
    """Counts of events and requests."""
    store, traffic = sandbox.store, sandbox.traffic
    return json_response(
        {
            "total": len(store.events),
            "duplicates": store.duplicates,
            "rejected": store.rejected,
            "by_event": dict(store.by_name),
            "requests": traffic.requests["/import"],
            "queries": traffic.requests["/api/query"],
            "statuses": dict(traffic.statuses),
            "max_in_flight": traffic.max_in_flight,
            "version": sandbox.version,
        }
    )


async def clear_events(request: Request, sandbox: Sandbox) -> Response:
    """Forget the events and reset the counts."""
    sandbox.store.clear_events()
    sandbox.traffic.reset()
    return json_response({"status": "ok"})


# --- cohorts

COHORT_FIELDS = {"name", "description", "members"}


def cohort_json(sandbox: Sandbox, cohort: Cohort, with_members: bool = False) -> dict[str, Any]:
    """A cohort and its export, if it has one."""
    export = sandbox.store.exports.get(cohort.id)
    shown = cohort.as_entry()
    members = shown.pop("members")
    shown.update(count=len(members), export=export.as_json() if export else None)
    if with_members:
        shown["members"] = [{"distinct_id": key, **known} for key, known in members.items()]
    return shown


def find_cohort(request: Request, sandbox: Sandbox) -> Cohort:
    """The cohort in the path. InputError 404 if there is none."""
    cohort = sandbox.store.cohorts.get(request.path_params["cohort_id"])
    if cohort is None:
        raise InputError(None, _("There is no such cohort."), status=404)
    return cohort


async def list_cohorts(request: Request, sandbox: Sandbox) -> Response:
    """All cohorts, without members."""
    return json_response([cohort_json(sandbox, cohort) for cohort in sandbox.store.cohorts.values()])


async def create_cohort(request: Request, sandbox: Sandbox) -> Response:
    """A new cohort: name, description, members."""
    body = await inputs.read_object(request)
    inputs.known_fields(body, COHORT_FIELDS)
    name, description = inputs.cohort_name(body), inputs.text(body, "description")
    cohort = sandbox.store.create_cohort(name, description, inputs.members(body))
    return json_response(cohort_json(sandbox, cohort, with_members=True), 201)


async def get_cohort(request: Request, sandbox: Sandbox) -> Response:
    """One cohort with its members."""
    return json_response(cohort_json(sandbox, find_cohort(request, sandbox), with_members=True))


async def change_cohort(request: Request, sandbox: Sandbox) -> Response:
    """PUT sets all fields, PATCH those given; PATCH also takes ``add_members`` and ``remove_members``."""
    cohort = find_cohort(request, sandbox)
    body = await inputs.read_object(request)
    is_patch = request.method == "PATCH"
    inputs.known_fields(body, COHORT_FIELDS | ({"add_members", "remove_members"} if is_patch else set()))
    name = cohort.name if is_patch and "name" not in body else inputs.cohort_name(body)
    description = inputs.text(body, "description", cohort.description if is_patch else "")
    members = dict(cohort.members) if is_patch and "members" not in body else inputs.members(body)
    members.update(inputs.members(body, "add_members"))
    for distinct_id in inputs.members(body, "remove_members"):
        members.pop(distinct_id, None)
    cohort.name, cohort.description, cohort.members = name, description, members
    sandbox.store.save_cohort(cohort)
    return json_response(cohort_json(sandbox, cohort, with_members=True))


async def delete_cohort(request: Request, sandbox: Sandbox) -> Response:
    """Forget a cohort and end its export."""
    cohort = find_cohort(request, sandbox)
    sandbox.exporter.forget(cohort.id)
    sandbox.store.delete_cohort(cohort.id)
    return json_response({"status": "ok"})


# --- exports


async def get_connection(request: Request, sandbox: Sandbox) -> Response:
    """The connection to Braze, keys hidden; null if it is not set up."""
    connection = sandbox.store.connection
    return json_response(connection.as_public() if connection else None)


async def set_connection(request: Request, sandbox: Sandbox) -> Response:
    """Connect to Braze; exports that a refusal had paused go on."""
    body = await inputs.read_object(request)
    present, partner_key = sandbox.store.connection, sandbox.settings.partner_api_key
    connection = inputs.connection(body, present, partner_key)
    sandbox.store.set_connection(connection)
    for cohort_id, export in sandbox.store.exports.items():
        if export.status == "paused":
            sandbox.exporter.resume(cohort_id)
    return json_response(connection.as_public())


async def remove_connection(request: Request, sandbox: Sandbox) -> Response:
    """Disconnect from Braze and forget the keys; exports that go on fail and are paused."""
    sandbox.store.set_connection(None)
    return json_response({"status": "ok"})


async def get_export(request: Request, sandbox: Sandbox) -> Response:
    """The export of a cohort and its last result."""
    return json_response(_find_export(request, sandbox)[1].as_json())


async def start_export(request: Request, sandbox: Sandbox) -> Response:
    """Export once or dynamically. 202 as soon as it runs; with ``wait`` 200 when the first sync has ended."""
    cohort = find_cohort(request, sandbox)
    body = await inputs.read_object(request)
    inputs.known_fields(body, {"type", "every", "wait"})
    kind = inputs.choice(body, "type", ("one_time", "dynamic"))
    every = inputs.number(body, "every", 0.1, MAX_SECONDS, DEFAULT_EVERY)
    wait = inputs.boolean(body, "wait")
    if sandbox.store.connection is None:
        raise InputError(None, _("Set up the connection to Braze first."), status=409)
    export = sandbox.exporter.begin(cohort.id, kind, every or DEFAULT_EVERY)
    return await _export_answer(sandbox, cohort.id, export, wait)


async def sync_now(request: Request, sandbox: Sandbox) -> Response:
    """Sync an exported cohort at once; a paused export becomes active again."""
    cohort_id, export = _find_export(request, sandbox)
    body = await inputs.read_object(request)
    inputs.known_fields(body, {"wait"})
    wait = inputs.boolean(body, "wait")
    sandbox.exporter.resume(cohort_id)
    return await _export_answer(sandbox, cohort_id, export, wait)


async def _export_answer(sandbox: Sandbox, cohort_id: int, export: Export, wait: bool) -> Response:
    if wait:
        await sandbox.exporter.wait(cohort_id)
    return json_response(export.as_json(), 200 if wait else 202)


async def stop_export(request: Request, sandbox: Sandbox) -> Response:
    """End an export."""
    cohort_id, _export = _find_export(request, sandbox)
    return json_response(sandbox.exporter.stop(cohort_id).as_json())


def _find_export(request: Request, sandbox: Sandbox) -> tuple[int, Export]:
    cohort = find_cohort(request, sandbox)
    export = sandbox.store.exports.get(cohort.id)
    if export is None:
        raise InputError(None, _("This cohort is not exported."), status=404)
    return cohort.id, export


# --- misbehaviour and settings

RULE_FIELDS = {"kind", "times", "probability", "delay", "retry_after", "path", "ingest_first"}


async def list_rules(request: Request, sandbox: Sandbox) -> Response:
    """The rules in force, with how often each was applied."""
    return json_response([rule.as_json() for rule in sandbox.misbehaviour.rules])


async def add_rule(request: Request, sandbox: Sandbox) -> Response:
    """Misbehave from now on."""
    body = await inputs.read_object(request)
    inputs.known_fields(body, RULE_FIELDS)
    path = None if body.get("path") is None else inputs.choice(body, "path", PATHS)
    rule = Rule(
        kind=inputs.choice({**body, "kind": str(body.get("kind"))}, "kind", KINDS),
        times=inputs.whole(body, "times", 1, 10**9),
        probability=inputs.number(body, "probability", 0, 1, 1.0) or 0.0,
        delay=inputs.number(body, "delay", 0, MAX_SECONDS),
        retry_after=inputs.whole(body, "retry_after", 0, MAX_SECONDS),
        path=path,
        ingest_first=inputs.boolean(body, "ingest_first"),
    )
    return json_response(sandbox.misbehaviour.add(rule).as_json(), 201)


async def clear_rules(request: Request, sandbox: Sandbox) -> Response:
    """Behave well again."""
    sandbox.misbehaviour.clear()
    return json_response({"status": "ok"})


async def get_settings(request: Request, sandbox: Sandbox) -> Response:
    """The settings that can be changed while the sandbox runs."""
    settings = sandbox.settings
    return json_response({name: getattr(settings, name) for name in SETTINGS})


async def change_settings(request: Request, sandbox: Sandbox) -> Response:
    """Change some of the settings until the next restart; the rate limit starts counting anew."""
    body = await inputs.read_object(request)
    inputs.known_fields(body, set(SETTINGS))
    changes: dict[str, object] = {name: inputs.whole(body, name, 1, 10**6, 1) for name in SETTINGS[1:] if name in body}
    if "rate_limit" in body:
        changes["rate_limit"] = inputs.boolean(body, "rate_limit")
    sandbox.change_settings(**changes)
    sandbox.rate_limit.reset()
    return await get_settings(request, sandbox)


SETTINGS = ("rate_limit", "queries_per_hour", "concurrent_queries", "page_size")

_HANDLERS: dict[str, dict[str, Handler]] = {
    "/sandbox/events": {"GET": list_events, "DELETE": clear_events},
    "/sandbox/events/summary": {"GET": summary},
    "/sandbox/cohorts": {"GET": list_cohorts, "POST": create_cohort},
    "/sandbox/cohorts/{cohort_id:int}": {
        "GET": get_cohort,
        "PUT": change_cohort,
        "PATCH": change_cohort,
        "DELETE": delete_cohort,
    },
    "/sandbox/cohorts/{cohort_id:int}/export": {
        "GET": get_export,
        "POST": start_export,
        "DELETE": stop_export,
    },
    "/sandbox/cohorts/{cohort_id:int}/sync": {"POST": sync_now},
    "/sandbox/connection": {"GET": get_connection, "POST": set_connection, "DELETE": remove_connection},
    "/sandbox/misbehave": {"GET": list_rules, "POST": add_rule, "DELETE": clear_rules},
    "/sandbox/settings": {"GET": get_settings, "PATCH": change_settings},
}


def routes() -> list[Route]:
    """Every path of the control API, one route for each method."""
    return [
        Route(path, endpoint(handler), methods=[method])
        for path, methods in _HANDLERS.items()
        for method, handler in methods.items()
    ]

"""``POST /import``: Mixpanel's Import API.

Mixpanel: Ingestion API, Import Events. Limits, rules and answers are those of its OpenAPI file and reference.
"""

import time

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.config import MAX_BODY_BYTES, MAX_EVENTS_PER_REQUEST
from sandbox.core import Sandbox
from sandbox.credentials import authenticate
from sandbox.validation import Accepted, EventRules, InvalidEventError
from sandbox.web import HTTPError, json_response, read_body, reason

FAILED = "some data points in the request failed validation"

_MALFORMED = object()
"""Stands for a line of newline-delimited JSON that is none."""


async def import_events(request: Request) -> Response:
    """Ingest a batch. 200 when all went in, 400 naming the records that did not; 400, 401, 403, 413 for all."""
    try:
        return await _import(request)
    except HTTPError as error:
        return json_response(
            {"code": error.status, "error": error.message, "status": reason(error.status)}, error.status
        )


async def _import(request: Request) -> Response:
    sandbox: Sandbox = request.app.state.sandbox
    authenticate(request, request.query_params.get("project_id"), sandbox.settings)
    strict = request.query_params.get("strict", "1")
    if strict not in {"0", "1"}:
        raise HTTPError(400, "strict must be 0 or 1")
    records = _records(request, await read_body(request, MAX_BODY_BYTES))
    address = request.client.host if request.client else ""
    rules = EventRules(sandbox.settings.token, time.time(), strict == "1", address)
    accepted, failed = _check(records, rules)
    duplicates = sandbox.store.ingest(accepted, len(failed))
    request.state.note = f"{len(accepted)} events, {duplicates} duplicates, {len(failed)} refused"
    if failed and rules.strict:
        return json_response(
            {
                "code": 400,
                "error": FAILED,
                "failed_records": failed,
                "num_records_imported": len(accepted),
                "status": reason(400),
            },
            400,
        )
    return json_response({"code": 200, "num_records_imported": len(accepted), "status": "OK"})


def _records(request: Request, body: bytes) -> list[object]:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind == "application/json":
        records = _array(body)
    elif kind == "application/x-ndjson":
        records = [_line(line) for line in body.splitlines() if line.strip()]
    else:
        raise HTTPError(400, "Content-Type must be application/json or application/x-ndjson")
    if not records:
        raise HTTPError(400, "the request has no events: send at least one")
    if len(records) > MAX_EVENTS_PER_REQUEST:
        raise HTTPError(413, f"request exceeds max limit of {MAX_EVENTS_PER_REQUEST} events")
    return records


def _array(body: bytes) -> list[object]:
    try:
        records = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the request body is not valid JSON: {error}") from None
    if not isinstance(records, list):
        raise HTTPError(400, "the request body must be a JSON array of events")
    return records


def _line(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _MALFORMED


def _check(records: list[object], rules: EventRules) -> tuple[list[Accepted], list[dict[str, object]]]:
    accepted: list[Accepted] = []
    failed: list[dict[str, object]] = []
    for index, record in enumerate(records):
        try:
            accepted.append(rules.check(record))
        except InvalidEventError as error:
            insert_id = _insert_id(record)
            failed.append({"index": index, "insert_id": insert_id, "field": error.field, "message": error.message})
    return accepted, failed


def _insert_id(record: object) -> str:
    properties = record.get("properties") if isinstance(record, dict) else None
    value = properties.get("$insert_id") if isinstance(properties, dict) else None
    return value if isinstance(value, str) else ""

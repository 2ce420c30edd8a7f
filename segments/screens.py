"""The JSON that admin views take and give."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.utils.translation import gettext as _

#: Far above what the bounds of a tree allow to matter.
BODY_LIMIT = 2_000_000


class BadRequestError(ValueError):
    """A request that is not what our own pages send."""


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The request's body as a JSON object. Raises BadRequestError with a sentence for people."""
    try:
        body = request.body
    except RawPostDataException:
        # A form: the check against forgery has read it for its token.
        raise BadRequestError(_("The request is not a JSON object.")) from None
    if len(body) > BODY_LIMIT:
        raise BadRequestError(_("The request is too large."))
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise BadRequestError(_("The request is not a JSON object."))
    return data


def json_answer(data: Any, status: int = 200) -> HttpResponse:
    """A JSON answer that no cache keeps: numbers are of this moment."""
    answer = HttpResponse(orjson.dumps(data, default=str), content_type="application/json", status=status)
    answer["Cache-Control"] = "no-store"
    return answer

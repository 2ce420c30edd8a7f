"""The JSON that admin views take and give."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from segments.editing import ConflictError
from segments.tree import TreeError

Row = TypeVar("Row", bound=Model)

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


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that ``text`` is, or None."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def edited_in(data: dict[str, Any], name: str, mine: QuerySet[Row]) -> Row | None:
    """The row of ``mine`` that a page says it edits, by its primary key under ``name``; None: it does not say.

    Raises BadRequestError for a row of another workspace: somebody has changed the workspace in another tab, and the
    page would show numbers of that one.
    """
    pk = data.get(name)
    if isinstance(pk, bool) or not isinstance(pk, int):
        return None
    found = mine.filter(pk=pk).first()
    if found is None:
        raise BadRequestError(
            _("You have changed to another workspace since you opened this page. Change back to go on here.")
        )
    return found


def version_in(data: dict[str, Any]) -> int:
    """The version that a draft was made from. Raises BadRequestError."""
    version = data.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31 - 1:
        raise BadRequestError(_("“version” is missing: reload the page."))
    return version


def refusal(error: ValidationError | TreeError | BadRequestError) -> HttpResponse:
    """What is wrong, beside the field or by row and filter."""
    if isinstance(error, TreeError):
        return json_answer({"problems": [one.to_json() for one in error.problems]}, 400)
    if isinstance(error, ValidationError):
        return json_answer({"errors": {name: " ".join(said) for name, said in error.message_dict.items()}}, 400)
    return json_answer({"errors": {"": str(error)}}, 400)


def conflict_answer(conflict: ConflictError, sentence: str) -> HttpResponse:
    """Tells the second of two people who save; ``sentence`` has places for ``who`` and ``when``."""
    who, when = conflict.who or _("Somebody"), moment_json(conflict.when)["text"]
    latest = {"version": conflict.version, "message": sentence % {"who": who, "when": when}}
    return json_answer({"conflict": latest}, 409)


def json_answer(data: Any, status: int = 200) -> HttpResponse:
    """A JSON answer that no cache keeps: numbers are of this moment."""
    answer = HttpResponse(orjson.dumps(data, default=str), content_type="application/json", status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def moment_json(moment: datetime) -> dict[str, str]:
    """A time for people in the workspace's zone, with the UTC time to show on hover."""
    return {
        "text": date_format(timezone.localtime(moment), "DATETIME_FORMAT"),
        "utc": f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    }

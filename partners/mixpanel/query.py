"""A client of Mixpanel's query API, for the two queries that cohorts need (Mixpanel: Query API)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson
import urllib3
from django.conf import settings
from django.utils import timezone

from partners.mixpanel.limits import PAGE_SIZE, query_slot
from partners.mixpanel.members import BRAZE_EXTERNAL_ID, DISTINCT_ID
from partners.mixpanel.regions import query_host
from partners.models import PullConnection, SyncRun

WAIT_AFTER_429 = timedelta(minutes=1)
#: Of the other side's words, so much is kept.
ERROR_LIMIT = 500


class QueryError(Exception):
    """A query that brought nothing usable: what kind of trouble it is, and Mixpanel's own words."""

    def __init__(self, problem: SyncRun.Problem, detail: str) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem = problem
        self.detail = detail[:ERROR_LIMIT]

    @property
    def is_transient(self) -> bool:
        """Whether trying again soon makes sense, rather than after somebody acted."""
        return self.problem not in {SyncRun.Problem.UNAUTHORIZED, SyncRun.Problem.REFUSED}


@dataclass(frozen=True)
class ListedCohort:
    """One cohort of the project, as the project lists it."""

    id: str
    name: str
    description: str
    count: int


@dataclass(frozen=True)
class EngagePage:
    """One page of a cohort's users; ``is_last`` when there are no more."""

    members: list[dict[str, Any]]
    session_id: str
    page_size: int
    total: int
    is_last: bool


@lru_cache(maxsize=1)
def _pool() -> urllib3.PoolManager:
    # No retries means no redirects either: the account's secret goes to this host only.
    return urllib3.PoolManager(retries=False, maxsize=5)


def list_cohorts(connection: PullConnection) -> list[ListedCohort]:
    """The project's cohorts. One query. Raises QueryError; MustWait when the limit allows no query now."""
    answer = _query(connection, "cohorts/list", {})
    try:
        return [
            ListedCohort(str(one["id"]), str(one["name"]), str(one.get("description") or ""), int(one["count"]))
            for one in answer
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise _unreadable() from error


def engage(connection: PullConnection, cohort_id: str, page: int, session_id: str) -> EngagePage:
    """One page (numbered from 0) of a cohort's users. One query. Raises QueryError; MustWait.

    ``session_id`` is the answer's of page 0; with it all pages are of one moment.
    """
    wanted = {
        "filter_by_cohort": orjson.dumps({"id": int(cohort_id) if cohort_id.isdecimal() else cohort_id}).decode(),
        "include_all_users": "true",
        "output_properties": orjson.dumps([BRAZE_EXTERNAL_ID, "$email"]).decode(),
    }
    if page:
        wanted |= {"session_id": session_id, "page": str(page)}
    answer = _query(connection, "engage", wanted)
    try:
        return _page(answer, page)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise _unreadable() from error


def _page(answer: Mapping[str, Any], page: int) -> EngagePage:
    members = [
        {
            DISTINCT_ID: user["$distinct_id"],
            BRAZE_EXTERNAL_ID: user.get("$properties", {}).get(BRAZE_EXTERNAL_ID),
            "email": user.get("$properties", {}).get("$email"),
        }
        for user in answer["results"]
    ]
    page_size, total = int(answer.get("page_size") or PAGE_SIZE), int(answer.get("total") or 0)
    # ``total`` may be the page's or the whole's: only one that is above a page's size proves that all have been read.
    read = page * page_size + len(members)
    is_last = len(members) < page_size or page_size < total <= read
    return EngagePage(members, str(answer["session_id"]), page_size, max(total, read), is_last)


def _query(connection: PullConnection, path: str, form: dict[str, str]) -> Any:
    host = query_host(connection.options.get("region", ""))
    if host is None:
        raise QueryError(SyncRun.Problem.UNREACHABLE, "The region is not available any more.")
    account = f"{connection.options.get('service_account', '')}:{connection.secrets.get('service_secret', '')}"
    with query_slot(connection):
        try:
            response = _pool().request_encode_body(
                "POST",
                f"{host}/api/query/{path}",
                fields={"project_id": str(connection.options.get("project_id", "")), **form},
                encode_multipart=False,
                headers=urllib3.make_headers(basic_auth=account) | {"Accept": "application/json"},
                timeout=settings.MIXPANEL_QUERY_TIMEOUT,
            )
        except urllib3.exceptions.HTTPError as error:
            raise QueryError(SyncRun.Problem.UNREACHABLE, type(error).__name__) from error
    if response.status == 200:
        try:
            return orjson.loads(response.data)
        except orjson.JSONDecodeError as error:
            raise _unreadable() from error
    if response.status == 429:
        _wait(connection, response.headers.get("Retry-After"))
    raise QueryError(_problem(response.status), _words(response))


def _wait(connection: PullConnection, retry_after: str | None) -> None:
    seconds = int(retry_after) if retry_after and retry_after.isdecimal() else WAIT_AFTER_429.total_seconds()
    until = timezone.now() + timedelta(seconds=min(seconds, 3600))
    PullConnection.objects.filter(pk=connection.pk).update(wait_until=until)


def _problem(status: int) -> SyncRun.Problem:
    if status in (401, 403):
        return SyncRun.Problem.UNAUTHORIZED
    if status == 429:
        return SyncRun.Problem.RATE_LIMITED
    return SyncRun.Problem.UNREACHABLE if status >= 500 else SyncRun.Problem.REFUSED


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """``401: Invalid credentials``: the status, and Mixpanel's message if its answer has one."""
    try:
        message = orjson.loads(response.data).get("error", "")
    except (orjson.JSONDecodeError, AttributeError):
        message = response.reason or ""
    return f"{response.status}: {message}"


def _unreadable() -> QueryError:
    return QueryError(SyncRun.Problem.BAD_ANSWER, "")

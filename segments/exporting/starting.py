"""Asking for an export, and taking it back. What can be refused is refused here, before anything is written."""

import time
import uuid
from collections.abc import Sequence
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from currents.egress import problem_of
from profiles.sets import ProfileSet
from segments.engine import broken_references
from segments.exporting.fields import UnknownFieldError, check_csv, check_rest
from segments.exporting.links import path_of
from segments.models import Segment
from segments.stores import SegmentExport
from segments.tree import TreeError, parse
from workspaces.models import ApiKey, User
from workspaces.wakeup import wake_up

State = SegmentExport.State
#: Braze: so many exports of segments by REST at a time.
MOST_AT_ONCE: Final = 100
TASK: Final = "segments.export_users"


class RefusedError(Exception):
    """The export cannot be made; the message is a sentence that says why and what to do."""


def start_csv(segment: Segment, user: User, fields: Sequence[str]) -> SegmentExport:
    """Ask for a CSV that a person downloads from the dashboard. Raises RefusedError."""
    try:
        columns = check_csv(segment.workspace_id, fields)
    except UnknownFieldError as error:
        raise RefusedError(str(error)) from None
    return _start(
        segment, fields=columns, format=SegmentExport.Format.CSV, source=SegmentExport.Source.DASHBOARD, made_by=user
    )


def start_rest(
    segment: Segment,
    key: ApiKey,
    fields: Sequence[str],
    attributes: Sequence[str],
    format_: str,
    callback_url: str,
) -> SegmentExport:
    """Ask for JSON lines with ``fields`` and single custom ``attributes``, for a program. Raises RefusedError.

    Braze: export user profile by segment.
    """
    try:
        wanted = check_rest(fields, attributes)
    except UnknownFieldError as error:
        raise RefusedError(str(error)) from None
    if callback_url and (wrong := problem_of(callback_url)):
        raise RefusedError(f"callback_endpoint: {wrong}")
    mine = SegmentExport.objects.filter(
        workspace=segment.workspace_id, state__in=SegmentExport.WORKING, source=SegmentExport.Source.REST
    )
    if mine.count() >= MOST_AT_ONCE:
        raise RefusedError(
            _("%(most)s exports of segments are under way. Wait until one is complete.") % {"most": MOST_AT_ONCE}
        )
    return _start(
        segment,
        fields=wanted,
        format=format_,
        source=SegmentExport.Source.REST,
        api_key=key,
        callback_url=callback_url,
    )


def _start(segment: Segment, **fields: object) -> SegmentExport:
    _refuse_unusable(segment)
    prefix = f"{uuid.uuid4()}-{int(time.time())}"
    try:
        with transaction.atomic():
            made = SegmentExport.objects.create(
                workspace_id=segment.workspace_id, segment=segment, prefix=prefix, **fields
            )
            transaction.on_commit(lambda: wake_up(TASK, made.pk))
    except IntegrityError as error:
        if "segment_export_one_at_a_time" not in str(error):
            raise
        message = _("An export of this segment is under way. Wait until it is complete, or cancel it.")
        raise RefusedError(message) from None
    return made


def _refuse_unusable(segment: Segment) -> None:
    """Raises RefusedError for a segment that is archived, or has a filter without a set."""
    if segment.archived_at:
        raise RefusedError(_("The segment is archived. Bring it back from the archive to export it."))
    try:
        problems = broken_references(parse(segment.filters), segment.workspace_id)
    except TreeError as error:
        problems = error.problems
    if problems:
        wrong = " ".join(str(one) for one in problems)
        raise RefusedError(
            _("The segment cannot be exported before its filters are corrected. %(wrong)s") % {"wrong": wrong}
        )


def cancel(export: SegmentExport) -> bool:
    """Stop the export and delete what is written; False: it had ended already."""
    working = SegmentExport.objects.filter(pk=export.pk, state__in=SegmentExport.WORKING)
    if not working.update(state=State.CANCELLED, ended_at=timezone.now(), users=ProfileSet()):
        return False
    path_of(export).unlink(missing_ok=True)
    return True

"""What floors above offer to do with a segment, such as "Create Campaign". They register here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise

from segments.models import Segment


@dataclass(frozen=True)
class Offer:
    """Something to do with one segment: what it is called, and the page that begins it."""

    name: str | Promise
    address: str


Maker = Callable[[HttpRequest, Segment], Sequence[Offer]]

_makers: list[Maker] = []


def register(maker: Maker) -> Maker:
    """Register a function that makes offers for a segment; a decorator. It sees to the person's permissions itself."""
    _makers.append(maker)
    return maker


def offers(request: HttpRequest, segment: Segment) -> list[Offer]:
    """All that can be begun with ``segment``; nothing with an archived one."""
    return [] if segment.archived_at else [one for maker in _makers for one in maker(request, segment)]

"""Panels that floors above add to a user's page: the cohorts and segments that the user is in, and the like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise

from profiles.models import Profile


@dataclass(frozen=True)
class Panel:
    """A titled panel, drawn by ``template`` with ``context`` (and ``profile``). Its body is inside a ``ui-panel``."""

    title: str | Promise
    template: str
    context: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[HttpRequest, Profile], Sequence[Panel]]

_makers: list[Maker] = []


def register(maker: Maker) -> Maker:
    """Register a function that makes panels for a user; a decorator. It sees to the person's permissions itself."""
    _makers.append(maker)
    return maker


def panels(request: HttpRequest, profile: Profile) -> list[Panel]:
    """All panels that floors above have for ``profile``."""
    return [panel for maker in _makers for panel in maker(request, profile)]

"""Where cohorts are used. The floors above know; they register here, so that archiving can warn."""

from collections.abc import Callable

from partners.models import Cohort
from workspaces.usage import Use

Finder = Callable[[Cohort], list[Use]]

_finders: list[Finder] = []


def register(finder: Finder) -> Finder:
    """Register a function that says where a cohort is used; a decorator."""
    _finders.append(finder)
    return finder


def uses_of(cohort: Cohort) -> list[Use]:
    """Everything that uses ``cohort``."""
    return [use for finder in _finders for use in finder(cohort)]

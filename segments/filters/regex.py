"""Regular expressions that people write: checked by PostgreSQL, which runs them, and stopped when they take too long.

Braze: regular expressions. They match a part of a text unless anchored, and take no notice of case. PostgreSQL's are
its advanced ones (``\\d``, ``\\w``, lookahead, back references): most are run in time linear in the text, but one with
back references or large repetitions can take for ever.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

from django.db import DataError, connection
from django.utils.translation import gettext as _

from segments.filters.limits import TooComplexError, TooLongError, room_limit, time_limit
from segments.filters.values import Text

#: Longer ones are generated, and belong into a list of values.
MAX_LENGTH: Final = 255
#: What one may take to be looked at, and to be run over all users, in seconds.
CHECK_SECONDS: Final = 1.0
RUN_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Regex(Text):
    """A regular expression of PostgreSQL's."""

    seconds: ClassVar[float | None] = RUN_SECONDS

    def check(self, value: Any) -> str:
        text = super().check(value)
        if len(text) > MAX_LENGTH:
            raise ValueError(_("Use at most %(most)s characters in a regular expression.") % {"most": MAX_LENGTH})
        try:
            fault = _fault(text)
        except (TooLongError, TooComplexError):
            fault = _("it is too complex")
        if fault:
            raise ValueError(_("The regular expression is not valid: %(fault)s.") % {"fault": fault})
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "regex", "minLength": 1, "maxLength": MAX_LENGTH}


@lru_cache(maxsize=2_000)
def _fault(pattern: str) -> str:
    """What PostgreSQL has against ``pattern``, in its words; "" if nothing.

    Raises TooLongError or TooComplexError: neither is kept.
    """
    try:
        with time_limit(CHECK_SECONDS), room_limit(), connection.cursor() as cursor:
            cursor.execute("SELECT '' ~* %s", [pattern])
    except DataError as error:
        return str(error).splitlines()[0].rpartition("regular expression: ")[2].rstrip(".")
    return ""

"""Where segments are used. Those who use them register here, so that lists show it and archiving one warns."""

from segments.models import Segment
from workspaces.usage import Usage

_usage: Usage[Segment] = Usage()
register = _usage.register
uses_of = _usage.of

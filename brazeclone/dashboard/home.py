"""Home: the loop at a glance."""

from typing import Any

from django.http import HttpRequest


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the home screen shows."""
    return context

"""Checks of the settings, run by ``manage.py check`` and before every command that needs the apps."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from workspaces.encryption import cipher


@register()
def encryption_keys(**options: Any) -> list[CheckMessage]:
    """FIELD_ENCRYPTION_KEYS must hold at least one Fernet key, or no secret could be stored or read."""
    try:
        cipher()
    except (ValueError, TypeError):
        number = len(settings.FIELD_ENCRYPTION_KEYS)
        return [
            Error(
                f"FIELD_ENCRYPTION_KEYS ({number} given) must be Fernet keys, separated by commas.",
                hint="One is made by `cryptography.fernet.Fernet.generate_key().decode()`.",
                id="workspaces.E001",
            )
        ]
    return []

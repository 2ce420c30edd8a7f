"""What the sandbox can be told at start, with the well-known defaults that the README documents."""

import dataclasses
import os
from dataclasses import dataclass

ENV_PREFIX = "MIXPANEL_SANDBOX_"

MAX_EVENTS_PER_REQUEST = 2_000
MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """Credentials, limits and timings of one sandbox. The credentials are public on purpose: it is a toy."""

    project_id: int = 1
    project_name: str = "Sandbox"
    token: str = "sandbox-project-token"  # noqa: S105 (a documented, public value)
    api_secret: str = dataclasses.field(default="sandbox-api-secret", repr=False)
    service_account: str = "sandbox-service-account"
    service_secret: str = dataclasses.field(default="sandbox-service-secret", repr=False)
    partner_api_key: str = dataclasses.field(default="sandbox-partner-api-key", repr=False)
    rate_limit: bool = True
    queries_per_hour: int = 60
    concurrent_queries: int = 5
    page_size: int = 1_000
    push_backoff: float = 0.5
    push_timeout: float = 10.0
    snapshot_days: float = 3.0
    seed: bool = False

    def is_default(self, name: str) -> bool:
        """Whether the setting has its documented value, so that a page may show it."""
        return bool(getattr(self, name) == Settings.__dataclass_fields__[name].default)


CREDENTIALS = ("token", "api_secret", "service_account", "service_secret", "partner_api_key")


def settings_from_environment() -> Settings:
    """Defaults overridden by ``MIXPANEL_SANDBOX_<NAME>`` variables.

    Raises ValueError, naming the variable, when a value is not of its setting's type.
    """
    given: dict[str, object] = {}
    for field in dataclasses.fields(Settings):
        variable = ENV_PREFIX + field.name.upper()
        text = os.environ.get(variable)
        if text is not None:
            given[field.name] = _parse(variable, text, type(field.default))
    return dataclasses.replace(Settings(), **given)  # type: ignore[arg-type]


def _parse(variable: str, text: str, kind: type) -> object:
    if kind is bool:
        return text.strip().lower() in {"1", "true", "yes", "on"}
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{variable} must be a number, not {text!r}.") from None

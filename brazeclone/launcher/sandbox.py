"""The Mixpanel sandbox as an outside product: what a client of it must know."""

import os

# What it accepts unless its environment says otherwise (see its README). Public: it is a toy.
_DEFAULTS = {
    "token": "sandbox-project-token",
    "api_secret": "sandbox-api-secret",
    "service_account": "sandbox-service-account",
    "service_secret": "sandbox-service-secret",
}


def sandbox_credentials() -> dict[str, str]:
    """The sandbox's project token, API secret and service account, as its environment has them."""
    return {name: os.environ.get(f"MIXPANEL_SANDBOX_{name.upper()}", value) for name, value in _DEFAULTS.items()}

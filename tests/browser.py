"""Which browser the tests drive."""

import os
import shutil
import sys

# The shell has no window to draw: it takes a third less of the processor.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """CHROMIUM_PATH, else a Chromium or Chrome on the PATH; None: the one that Playwright has installed."""
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, _NAMES)), None)


def _is_there() -> bool:
    """Whether any browser is there. The Makefile asks: ``python -m tests.browser`` exits 0 if so."""
    if find_chromium():
        return True
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


if __name__ == "__main__":
    sys.exit(0 if _is_there() else 1)

"""What the browser tests of Currents share."""

import os
from pathlib import Path

from playwright.sync_api import Page

#: Where to leave pictures of the screens; unset: nowhere.
SHOTS = os.environ.get("SCREENSHOTS")


def shoot(page: Page, name: str) -> None:
    """Leave a picture of the whole page, if that was asked for."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def click(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).click()

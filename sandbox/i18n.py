"""The languages of the page: gettext catalogues, read from their .po files so that nothing is compiled."""

import gettext
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "ja": "日本語"}
DOMAIN = "django"


def gettext_noop(message: str) -> str:
    """Mark a message for the catalogue; it is translated where it is shown."""
    return message


@dataclass(frozen=True)
class Message:
    """A sentence with its placeholders' values: English as text, translated for people."""

    message: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message % self.values

    def translated(self, language: str) -> str:
        """The sentence in another language."""
        return translations(language).gettext(self.message) % self.values

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"message": self.message, "values": self.values}


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; English is the messages themselves."""
    path = LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if language not in LANGUAGES or not path.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose_language(cookie: str | None, accept_language: str) -> str:
    """The cookie's language if there is one, else the best of an Accept-Language header, else English."""
    if cookie in LANGUAGES:
        return cookie
    weighted = []
    for part in accept_language.split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weighted.append((-float(quality or 1), tag))
        except ValueError:
            continue
    preferred = [tag.partition("-")[0].lower() for _weight, tag in sorted(weighted, key=lambda pair: pair[0])]
    return negotiate_locale(preferred, list(LANGUAGES)) or "en"

"""The dashboard speaks the person's language: every text is a message, and every message is translated."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from brazeclone import messages

TEMPLATES = sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
#: What is no text: our name, and the names of products, units and codes.
NAMES = {"brazeclone", "braze", "clone", "UTC", "Mixpanel", "Braze", "Segment", "ms", "SHA"}
SHOWN_ATTRIBUTES = {"title", "placeholder", "alt", "aria-label", "data-copied", "label"}


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_is_translated(language: str) -> None:
    assert messages.problems(language) == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_catalogue_holds_nothing_that_is_not_used(language: str) -> None:
    found = messages.found_messages()
    unused = [m.id for m in messages.read_catalogue(language) if m.id and (m.id, m.context) not in found]
    assert unused == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_shows_no_text_that_is_not_a_message(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    source = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", source, flags=re.S)
    source = re.sub(r"{% blocktrans(late)?.*?{% endblocktrans(late)? %}", "", source, flags=re.S)
    source = re.sub(r"{%.*?%}|{{.*?}}", "", source, flags=re.S)
    reader = _Texts()
    reader.feed(source)
    assert [text for text in reader.texts if set(re.findall(r"[A-Za-z]{2,}", text)) - NAMES] == []


def test_a_text_that_is_not_a_message_is_seen() -> None:
    reader = _Texts()
    reader.feed('<p title="Hover me">Hello <b></b></p><script>let notText</script>')
    assert reader.texts == ["Hover me", "Hello "]


@pytest.mark.parametrize("turn", ["first", "second"])
def test_no_test_finds_the_language_of_another(turn: str) -> None:
    assert translation.get_language() == "en"
    translation.activate("ja")


class _Texts(HTMLParser):
    """Collects what a person would read: text nodes and attributes that are shown, outside scripts, styles and code."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_icon = "material-symbols-outlined" in (dict(attrs).get("class") or "")
        if tag in {"script", "style", "code"} or is_icon:
            self._inside.insert(0, tag)
        self.texts += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[0]:
            self._inside.pop(0)

    def handle_data(self, data: str) -> None:
        if not self._inside and data.strip():
            self.texts.append(data)

"""Small pieces that every screen uses. A builtin of the template engine: no ``{% load %}`` needed."""

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()


@register.filter
def moment(value: datetime | None, exact: str = "") -> SafeString | str:
    """A time in the workspace's zone, with the UTC time on hover; "–" for none. ``moment:"seconds"`` shows seconds."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(timespec="seconds"),
        f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        f"{date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S}" if exact else date_format(local, "DATETIME_FORMAT"),
    )


@register.filter
def said(text: str | None) -> str:
    """A stored sentence in the reader's language, if it is one of ours (``gettext_noop``); "host: sentence" too."""
    if not text:
        return ""
    text = str(text)
    host, colon, sentence = text.partition(": ")
    # The whole first: our own sentences may have a colon.
    translated = gettext(text)
    return translated if translated != text or not sentence else f"{host}{colon}{gettext(sentence)}"

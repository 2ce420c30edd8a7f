"""The form of a Current: what every Current has, what its destination asks for, events, field transformations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from currents.catalogue import BLOCKS, EventType, grouped
from currents.destinations import Destination, FormField
from currents.models import MAX_FLUSH_INTERVAL, SHARDS, Current
from currents.transformations import NAME_LIMIT, Transformation
from workspaces.encryption import Secrets

KEEP = _("Stored. Type a new one to replace it.")
#: What every Current has, and not its destination asks for.
_DELIVERY = ("flush_interval", "requests_in_flight")
_NOT_INPUTS = frozenset({"events", *_DELIVERY})


@dataclass(frozen=True)
class TransformationRow:
    """One line of the field transformations, as it was typed. ``error`` tells what is wrong with it."""

    field: str = ""
    how: str = Transformation.REMOVE
    error: str | Promise = ""


class CurrentForm(forms.Form):
    """Integration Name, Contact Email, the destination's own fields, the chosen events, the field transformations.

    A draft needs a name only; with ``complete`` everything is required. A stored secret stays when its field is empty.
    """

    name = forms.CharField(label=_("Integration Name"), max_length=100)
    contact_email = forms.EmailField(
        label=_("Contact Email"),
        help_text=_("Who is told when the destination refuses the credentials."),
        required=False,
    )
    flush_interval = forms.IntegerField(
        label=_("Longest wait, in seconds"),
        help_text=_("A full batch leaves at once, a part batch after so many seconds: at most 900, 15 minutes."),
        required=False,
        min_value=1,
        max_value=MAX_FLUSH_INTERVAL,
    )
    requests_in_flight = forms.IntegerField(
        label=_("Requests at once"),
        help_text=_("At most 16. Fewer are easier on the destination; one user's events are always sent in order."),
        required=False,
        min_value=1,
        max_value=SHARDS,
    )

    def __init__(
        self, target: Destination, current: Current | None, data: Any = None, *, complete: bool = False
    ) -> None:
        super().__init__(data, initial=_initial(current))
        self.target = target
        self.stored: Secrets = current.secrets if current else Secrets()
        self.complete = complete
        self.fields["contact_email"].required = complete
        for field in target.fields():
            self.fields[field.name] = self._field(field)
        self.fields["events"] = forms.MultipleChoiceField(
            label=_("Events"),
            required=complete,
            choices=[(name, one.label) for name, one in target.types().items()],
            error_messages={"required": _("Select at least one event.")},
        )
        self.order_fields([name for name in self.fields if name not in _DELIVERY])
        for name, usual in zip(
            _DELIVERY, (settings.CURRENTS_FLUSH_INTERVAL, settings.CURRENTS_REQUESTS_IN_FLIGHT), strict=True
        ):
            self.fields[name].widget.attrs["placeholder"] = f"{usual:g}"

    def _field(self, field: FormField) -> forms.Field:
        if field.choices:
            return forms.ChoiceField(label=field.label, choices=field.choices, help_text=field.help_text)
        stored = bool(self.stored.get(field.name))
        widget = (
            forms.PasswordInput(attrs={"autocomplete": "new-password", "placeholder": KEEP if stored else ""})
            if field.secret
            else forms.TextInput()
        )
        return forms.CharField(
            label=field.label,
            help_text=field.help_text,
            required=self.complete and not stored,
            widget=widget,
            max_length=500,
            validators=[_validator(field)] if field.check else [],
        )

    def clean(self) -> dict[str, Any]:
        """Beside the fields: no transformation may be wrong."""
        rows = self.transformations()
        if any(row.error for row in rows):
            self.add_error(None, _("A field transformation is wrong: see below. Nothing has been saved."))
        self.cleaned_data["transformations"] = {row.field: row.how for row in rows if row.field}
        return self.cleaned_data

    def inputs(self) -> list[forms.BoundField]:
        """The fields of the destination's panel, in order."""
        return [self[name] for name in self.fields if name not in _NOT_INPUTS]

    def to_type_again(self) -> set[str]:
        """The secrets that were typed into a form that is shown again: its page does not hold them."""
        if not self.is_bound or not self.errors:
            return set()
        return {one.name for one in self.target.fields() if one.secret and self.data.get(one.name)}

    def delivery(self) -> list[forms.BoundField]:
        """The fields about how it is delivered."""
        return [self[name] for name in _DELIVERY]

    def transformations(self) -> list[TransformationRow]:
        """The lines of the field transformations: what was typed, else what is stored."""
        if not self.is_bound:
            return [TransformationRow(*one) for one in self.initial.get("transformations", {}).items()]
        if not hasattr(self.data, "getlist"):
            return []
        names = [name.strip() for name in self.data.getlist("transform_field")]
        ways = self.data.getlist("transform_how")
        given = [(name, ways[place] if place < len(ways) else "") for place, name in enumerate(names) if name]
        return [
            self._checked(name, how, [one for one, _how in given[:place]]) for place, (name, how) in enumerate(given)
        ]

    def _checked(self, name: str, how: str, before: list[str]) -> TransformationRow:
        error: str | Promise = ""
        if name in self.target.fixed_fields:
            error = format_lazy(
                _("The field “{name}” is what an event is known by, and cannot be transformed."), name=name
            )
        elif name in before:
            error = format_lazy(_("The field “{name}” is transformed twice."), name=name)
        elif len(name) > NAME_LIMIT or "\0" in name:
            error = format_lazy(_("A field's name has at most {limit} characters."), limit=NAME_LIMIT)
        elif how not in Transformation.values:
            error = _("Choose Remove or Hash.")
        return TransformationRow(name, how, error)

    def chosen(self) -> set[str]:
        """The events that are ticked when the form is shown."""
        if self.is_bound and hasattr(self.data, "getlist"):
            return set(self.data.getlist("events"))
        return set(self.initial.get("events", ()))

    def blocks(self) -> list[tuple[Any, list[tuple[Any, list[tuple[EventType, bool]]]]]]:
        """The events for the template: [(block's title, [(heading, [(type, ticked)])])]."""
        chosen = self.chosen()
        return [
            (
                BLOCKS[block],
                [(heading, [(one, one.name in chosen) for one in types]) for heading, types in groups],
            )
            for block, groups in grouped(self.target.types())
            if groups
        ]

    def apply(self, current: Current) -> None:
        """Put the cleaned values onto ``current``; the events are chosen by ``lifecycle.select``."""
        cleaned: Mapping[str, Any] = self.cleaned_data
        current.name = cleaned["name"]
        current.contact_email = cleaned["contact_email"]
        secrets, options = Secrets(self.stored), dict(current.options)
        for field in self.target.fields():
            value = cleaned[field.name]
            if not field.secret:
                options[field.name] = value
            elif value:
                secrets[field.name] = value
        current.secrets, current.options = secrets, options
        current.flush_interval = cleaned["flush_interval"]
        current.requests_in_flight = cleaned["requests_in_flight"]
        current.transformations = cleaned["transformations"]

    def credentials_change(self) -> bool:
        """Whether something was filled in that decides where and as whom we send."""
        initial = self.initial
        return any(
            bool(self.cleaned_data[field.name])
            if field.secret
            else self.cleaned_data[field.name] != initial.get(field.name)
            for field in self.target.fields()
        )


def _initial(current: Current | None) -> dict[str, Any]:
    if current is None:
        return {}
    return {
        "name": current.name,
        "contact_email": current.contact_email,
        "events": current.event_types,
        "flush_interval": current.flush_interval,
        "requests_in_flight": current.requests_in_flight,
        "transformations": current.transformations,
        **current.options,
    }


def _validator(field: FormField) -> Any:
    def validate(value: str) -> None:
        problem = field.check(value) if field.check else None
        if problem:
            raise ValidationError(str(problem))

    return validate

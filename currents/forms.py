"""The form of a Current: what every Current has, what its destination asks for, and the events."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from currents.catalogue import BLOCKS, EventType, grouped
from currents.destinations import Destination, FormField
from currents.models import Current
from workspaces.encryption import Secrets

KEEP = _("Stored. Type a new one to replace it.")


class CurrentForm(forms.Form):
    """Integration Name, Contact Email, the destination's own fields, and the chosen events.

    A draft needs a name only; with ``complete`` everything is required. A stored secret stays when its field is empty.
    """

    name = forms.CharField(label=_("Integration Name"), max_length=100)
    contact_email = forms.EmailField(
        label=_("Contact Email"),
        help_text=_("Who is told when the destination refuses the credentials."),
        required=False,
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
        )

    def inputs(self) -> list[forms.BoundField]:
        """The fields beside the events, in order."""
        return [self[name] for name in self.fields if name != "events"]

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
        **current.options,
    }

"""The connection to Mixpanel's query API."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from partners.mixpanel.members import IDENTIFIERS
from partners.mixpanel.regions import region_choices
from partners.models import Integration, PullConnection


class ConnectionForm(forms.Form):
    """Project, region and service account. The secret is never shown again: left empty, the stored one stays."""

    project_id = forms.RegexField(
        r"^\d{1,20}$",
        label=_("Project ID"),
        help_text=_("In Mixpanel: Settings > Project Settings > Overview."),
        error_messages={"invalid": _("The project ID is a number. Copy it from Mixpanel's project settings.")},
    )
    region = forms.ChoiceField(label=_("Region"), help_text=_("Where the project's data is kept."))
    service_account = forms.CharField(label=_("Service account user name"), max_length=200)
    service_secret = forms.CharField(
        label=_("Service account secret"),
        max_length=500,
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, connection: PullConnection | None = None, **kwargs: Any) -> None:
        self.connection = connection
        if connection:
            kwargs.setdefault("initial", connection.options)
        super().__init__(*args, **kwargs)
        self.fields["region"].choices = region_choices()  # type: ignore[attr-defined]
        if self.has_secret:
            self.fields["service_secret"].help_text = _("Stored. Type a new one to replace it.")

    @property
    def has_secret(self) -> bool:
        """Whether a secret is stored."""
        return bool(self.connection and self.connection.secrets.get("service_secret"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("service_secret") and not self.has_secret:
            self.add_error("service_secret", _("Type the secret that Mixpanel showed with the service account."))
        return cleaned

    def save(self, integration: Integration) -> PullConnection:
        """Store the connection. What was listed for another project is forgotten."""
        connection = self.connection or PullConnection(integration=integration)
        secret = self.cleaned_data["service_secret"]
        chosen = {name: self.cleaned_data[name] for name in ("project_id", "region", "service_account")}
        same = all(connection.options.get(name) == chosen[name] for name in ("project_id", "region"))
        connection.options = {**(connection.options if same else {}), **chosen}
        if secret:
            connection.secrets = {"service_secret": secret}
        connection.problem = connection.last_error = ""
        if not same:
            connection.wait_until = None
        connection.save()
        return connection


class MatchingForm(forms.Form):
    """By what members of the webhook and of pulls are matched."""

    by = forms.ChoiceField(label=_("Match Mixpanel's users by"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["by"].choices = [  # type: ignore[attr-defined]
            ("", _("$braze_external_id, else Mixpanel's distinct id, else the email address")),
            *IDENTIFIERS.items(),
        ]
        self.fields["by"].required = False

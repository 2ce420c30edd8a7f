"""Forms of the Settings screens."""

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import IntervalSchedule

from workspaces.addresses import BadRangeError, parse_ranges
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, App, Membership, User, Workspace
from workspaces.roles import Role


class ApiKeyForm(forms.ModelForm):
    """Name and permissions of a new REST API key."""

    permissions = forms.MultipleChoiceField(
        label=_("Permissions"),
        choices=[(name, address) for name, address in ENDPOINTS.items()],
        error_messages={"required": _("Choose at least one permission.")},
    )

    allowed_ranges = forms.CharField(
        label=_("Allowed IP ranges"),
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "203.0.113.0/24"}),
        help_text=_(
            "One address or range in CIDR notation a line. Requests from elsewhere are refused. "
            "Leave it empty to allow every address."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "permissions"]

    def clean_allowed_ranges(self) -> list[str]:
        """The ranges as the key stores them."""
        try:
            return parse_ranges(self.cleaned_data["allowed_ranges"])
        except BadRangeError as error:
            raise ValidationError(
                _("“%(text)s” is not an IP address or range. Write it like 203.0.113.7 or 203.0.113.0/24."),
                params={"text": str(error)},
            ) from None


#: Names of the time zone database that are no zone: for a clock that was not set, and whatever this machine has.
_NO_PLACES = {"Factory", "localtime"}


class WorkspaceForm(forms.ModelForm):
    """Name and time zone of a workspace."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Times in the dashboard are shown in this zone."),
        choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones() - _NO_PLACES)],
        initial="UTC",
    )

    class Meta:
        model = Workspace
        fields = ["name", "time_zone"]


class AppForm(forms.ModelForm):
    """An app or site of a workspace."""

    class Meta:
        model = App
        fields = ["name", "platform"]

    def clean_name(self) -> str:
        """Names are unique in the workspace, which is not on the form."""
        name: str = self.cleaned_data["name"]
        same = App.objects.filter(workspace=self.instance.workspace, name=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise ValidationError(_("This workspace has an app of that name already. Choose another name."))
        return name


class PersonForm(forms.Form):
    """Adds a person to the team: a new one with an initial password, or one who has a login already."""

    username = forms.CharField(
        label=_("User name"), max_length=150, validators=User._meta.get_field("username").validators
    )
    email = forms.EmailField(label=_("Email"), required=False)
    password = forms.CharField(
        label=_("Initial password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Leave it empty for a person who has a login already."),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MARKETER)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workspace = workspace
        self.existing: User | None = None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        username, password = data.get("username"), data.get("password")
        if not username:
            return data
        self.existing = User.objects.filter(username=username).first()
        if self.existing and Membership.objects.filter(user=self.existing, workspace=self.workspace).exists():
            self.add_error("username", _("This person is in the team already. Change the role in the list."))
        elif self.existing and password:
            self.add_error("password", _("This person has a login already: leave the password empty."))
        elif not self.existing and not password:
            self.add_error("password", _("There is no login of that name: give an initial password."))
        elif not self.existing and password:
            self._check_password(User(username=username, email=data.get("email", "")), password)
        return data

    def _check_password(self, user: User, password: str) -> None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            self.add_error("password", error)

    def save(self) -> Membership:
        """Make the person, if new, and the membership."""
        data = self.cleaned_data
        user = self.existing or User.objects.create_user(data["username"], data["email"], data["password"])
        return Membership.objects.create(user=user, workspace=self.workspace, role=data["role"])


class RoleForm(forms.Form):
    """The role of a person who is in the team."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class ScheduleForm(forms.Form):
    """How often beat starts a task, and whether."""

    every = forms.IntegerField(label=_("Every"), min_value=1, max_value=1_000_000)
    period = forms.ChoiceField(
        label=_("Unit"),
        choices=[
            (IntervalSchedule.SECONDS, _("seconds")),
            (IntervalSchedule.MINUTES, _("minutes")),
            (IntervalSchedule.HOURS, _("hours")),
            (IntervalSchedule.DAYS, _("days")),
        ],
    )
    enabled = forms.BooleanField(label=_("Enabled"), required=False)

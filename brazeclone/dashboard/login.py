"""The login form: who may come in is a matter of roles, not of Django's staff flag."""

from django.contrib.auth.forms import AuthenticationForm as PlainForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from workspaces.middleware import workspaces_of
from workspaces.models import User


class LoginForm(AuthenticationForm):
    """Lets in every active person who has a workspace. The form that this looks like asks for staff accounts."""

    error_messages = {
        **PlainForm.error_messages,
        "no_workspace": _("You are in no workspace. Ask an admin to add you in Settings > Team."),
    }

    def confirm_login_allowed(self, user: User) -> None:
        """Raises ValidationError for a person who is inactive or in no workspace."""
        PlainForm.confirm_login_allowed(self, user)
        if not workspaces_of(user):
            raise ValidationError(self.error_messages["no_workspace"], code="no_workspace")

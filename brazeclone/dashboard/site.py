from django.contrib.auth.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite


class Dashboard(UnfoldAdminSite):
    """The Django admin as the dashboard. Screens belong to the apps' own admin classes."""

    site_title = site_header = "brazeclone"
    login_form: type[AuthenticationForm] | None = None

"""Who may call Mixpanel's APIs: a service account that names its project, or the project's API secret."""

from starlette.requests import Request

from sandbox.config import Settings
from sandbox.web import HTTPError, basic_credentials, same


def authenticate(request: Request, project_id: str | None, settings: Settings) -> None:
    """Check HTTP Basic credentials (Mixpanel: Authentication, Service Accounts and Project Secret).

    Raises HTTPError: 401 for unknown credentials, 400 for a service account without ``project_id``, 403 for
    another project than this sandbox's.
    """
    credentials = basic_credentials(request)
    if credentials is None:
        raise HTTPError(401, "Invalid credentials: use HTTP Basic with the project secret or a service account")
    user, password = credentials
    if same(user, settings.service_account) and same(password, settings.service_secret):
        if project_id is None:
            raise HTTPError(400, "project_id is required with a service account")
    elif not same(user, settings.api_secret) or password:
        raise HTTPError(401, "Invalid credentials")
    if project_id is not None and project_id != str(settings.project_id):
        raise HTTPError(403, f"These credentials have no access to project {project_id}")

"""Settings by environment. Every variable is documented in README.md, "Settings".

Safe by default: without DJANGO_DEBUG the site wants a SECRET_KEY, FIELD_ENCRYPTION_KEYS, ALLOWED_HOSTS, DATABASE_URL
and REDIS_URL, redirects to https and marks its cookies secure. ``make demo`` and ``manage.py`` fill in what a
laptop needs.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DEBUG = env.bool("DJANGO_DEBUG", default=False)

# --- Secrets ---
_DEVELOPMENT_KEY = "development-only-" + "0" * 40
_DEVELOPMENT_FERNET = "ZGV2ZWxvcG1lbnQtb25seS1rZXktMDAwMDAwMDAwMDA="
SECRET_KEY = env.str("SECRET_KEY", default=_DEVELOPMENT_KEY) if DEBUG else env.str("SECRET_KEY")
# Fernet keys, newest first: the first encrypts, all of them decrypt (see the command ``rotate_encryption``).
FIELD_ENCRYPTION_KEYS = (
    env.list("FIELD_ENCRYPTION_KEYS", default=[_DEVELOPMENT_FERNET]) if DEBUG else env.list("FIELD_ENCRYPTION_KEYS")
)

# --- Addresses ---
# What partners and the dashboard show as our REST endpoint; no slash at its end.
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
# A Mixpanel sandbox of ours: adds the region "Sandbox" to the Mixpanel forms. Empty: no such region.
MIXPANEL_SANDBOX_URL = env.str("MIXPANEL_SANDBOX_URL", default="").rstrip("/")

# --- Applications, from the ground floor up ---
INSTALLED_APPS = [
    "brazeclone.apps.BrazecloneConfig",
    "unfold.apps.BasicAppConfig",
    "brazeclone.apps.DashboardAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "workspaces.apps.WorkspacesConfig",
    "currents.apps.CurrentsConfig",
    "profiles.apps.ProfilesConfig",
    "partners.apps.PartnersConfig",
    "segments.apps.SegmentsConfig",
    "messaging.apps.MessagingConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "workspaces.middleware.WorkspaceMiddleware",
    "workspaces.middleware.RestMiddleware",
]
# REST paths answer with and without a trailing slash, never by redirect: a redirected POST loses its body.
APPEND_SLASH = False

ROOT_URLCONF = "brazeclone.urls"
WSGI_APPLICATION = "brazeclone.wsgi.application"
AUTH_USER_MODEL = "workspaces.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["workspaces.templatetags.ui"],
        },
    },
]

# --- Data ---
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **env.db_url("DATABASE_URL", default="postgres://localhost/brazeclone"),
        "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        # Nothing of ours keeps a transaction open for long: an open one holds Currents back (see currents/log.py).
        "OPTIONS": {"server_side_binding": False},
    }
}
REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
# What a request waits for Valkey at most, in seconds; then it goes on without.
VALKEY_TIMEOUT = env.float("VALKEY_TIMEOUT", default=0.25)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "brazeclone",
        # A request must not wait for a cache that is down.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- Background work: messages are wake-up calls, all state is in PostgreSQL ---
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = env.int("TASK_TIME_LIMIT", default=900)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A request must not wait for a broker that is down: the wake-up call is dropped and beat finds the work.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "visibility_timeout": 3600,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = env.int("BEAT_MAX_LOOP_INTERVAL", default=5)
CELERY_TIMEZONE = "UTC"

# --- Imports of users ---
# Where uploaded files lie until they are worked off: one directory for all web servers and workers.
IMPORT_DIR = Path(env.str("IMPORT_DIR", default=env.str("BRAZECLONE_DATA_DIR", str(BASE_DIR / ".data")) + "/imports"))

# --- Exports of users ---
# Where the files of exports lie until they are downloaded: one directory for all web servers and workers.
EXPORT_DIR = Path(env.str("EXPORT_DIR", default=env.str("BRAZECLONE_DATA_DIR", str(BASE_DIR / ".data")) + "/exports"))
# A file can be downloaded for so long after it is complete; then it is deleted.
EXPORT_KEPT_HOURS = env.int("EXPORT_KEPT_HOURS", default=4)

# --- Cohorts ---
# How many waiting identifiers a reader folds itself; above that it shows what is stored and says how many wait.
FOLD_ON_READ_LIMIT = env.int("FOLD_ON_READ_LIMIT", default=20_000)
# How many events that came in by /currents/events a reader of a segment has counted first; above that it says how many
# wait.
COUNT_ON_READ_LIMIT = env.int("COUNT_ON_READ_LIMIT", default=4_000)
# Members of cohorts that each process keeps in its memory, in bytes: a cohort of 1.5 of 10 million users takes 1.25 MB.
COHORT_CACHE_BYTES = env.int("COHORT_CACHE_BYTES", default=32 * 1024 * 1024)
# Requests of one export are one run when the gap between two of them is below this many seconds.
SYNC_RUN_GAP = env.int("SYNC_RUN_GAP", default=60)
# With one data import key; Braze documents this limit.
PARTNER_REQUESTS_PER_HOUR = env.int("PARTNER_REQUESTS_PER_HOUR", default=250_000)
DYNAMIC_SYNC_INTERVAL = env.int("DYNAMIC_SYNC_INTERVAL", default=15 * 60)
WEBHOOK_SESSION_TIMEOUT = env.int("WEBHOOK_SESSION_TIMEOUT", default=6 * 3600)
MIXPANEL_QUERY_TIMEOUT = env.int("MIXPANEL_QUERY_TIMEOUT", default=60)
MIXPANEL_QUERIES_PER_HOUR = env.int("MIXPANEL_QUERIES_PER_HOUR", default=60)

# --- Segments: sets of users that filters were found to match, in Valkey (segments/leaf_cache.py) ---
# A set lives so many seconds at most, also while its data does not change; 0 keeps none.
SEGMENT_CACHE_SECONDS = env.int("SEGMENT_CACHE_SECONDS", default=600)
# All of them together take so many bytes at most; the oldest make room. One takes up to an eighth of that.
SEGMENT_CACHE_BYTES = env.int("SEGMENT_CACHE_BYTES", default=64 * 1024 * 1024)
# Where data changes all the time, that is so many times in so many seconds, a set is used though it has changed, until
# it is so many seconds old. For so long, too, a filter over relative days keeps its set.
SEGMENT_CACHE_BUSY_CHANGES = env.int("SEGMENT_CACHE_BUSY_CHANGES", default=60)
SEGMENT_CACHE_BUSY_SECONDS = env.int("SEGMENT_CACHE_BUSY_SECONDS", default=60)
# A filter that takes longer than so many milliseconds is estimated while its exact number is on its way.
SEGMENT_ESTIMATE_AFTER = env.int("SEGMENT_ESTIMATE_AFTER", default=120)

# --- Currents ---
EVENT_RETENTION_DAYS = env.int("EVENT_RETENTION_DAYS", default=30)
# What waits for a Current that cannot deliver is kept longer: for so many days, until an admin sets another number.
EVENT_RETENTION_CAP_DAYS = env.int("EVENT_RETENTION_CAP_DAYS", default=90)
CURRENTS_FLUSH_INTERVAL = env.float("CURRENTS_FLUSH_INTERVAL", default=60.0)
CURRENTS_REQUEST_TIMEOUT = env.float("CURRENTS_REQUEST_TIMEOUT", default=30.0)
CURRENTS_LEASE_SECONDS = env.float("CURRENTS_LEASE_SECONDS", default=60.0)
CURRENTS_BACKOFF_BASE = env.float("CURRENTS_BACKOFF_BASE", default=2.0)
CURRENTS_BACKOFF_MAX = env.float("CURRENTS_BACKOFF_MAX", default=60.0)
CURRENTS_BACKOFF_JITTER = env.list("CURRENTS_BACKOFF_JITTER", cast=float, default=[1.0, 5.0])
CURRENTS_PROBE_SECONDS = env.list("CURRENTS_PROBE_SECONDS", cast=float, default=[120.0, 300.0])
CURRENTS_REQUESTS_IN_FLIGHT = env.int("CURRENTS_REQUESTS_IN_FLIGHT", default=16)
# Hosts ("host" or "host:port") that a custom HTTP destination may have though they are not public, or not https.
CURRENTS_HTTP_ALLOWED_HOSTS = env.list("CURRENTS_HTTP_ALLOWED_HOSTS", default=[])

# --- REST ---
# Opens the metrics of all workspaces at /metrics; empty: only API keys open them, each its own workspace's.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
REST_BODY_LIMIT = env.int("REST_BODY_LIMIT", default=5 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = REST_BODY_LIMIT
# (requests, seconds) by the limits of workspaces/rate_limits.py; "" is what all endpoints share that no other limit is
# for. The defaults are those that Braze documents for new customers, but where it counts a workspace's requests, here
# each API key has its own.
REST_RATE_LIMITS = {
    "": (env.int("REST_RATE_LIMIT", default=250_000), 3600),
    "users.track": (env.int("REST_TRACK_RATE_LIMIT", default=3_000), 3),
    "users.track.bulk": (env.int("REST_BULK_TRACK_RATE_LIMIT", default=50), 1),
    "users.delete": (env.int("REST_USERS_RATE_LIMIT", default=20_000), 60),
    "users.external_ids.rename": (env.int("REST_EXTERNAL_IDS_RATE_LIMIT", default=1_000), 60),
    "users.external_ids.remove": (env.int("REST_EXTERNAL_IDS_RATE_LIMIT", default=1_000), 60),
    "users.export.ids": (env.int("REST_EXPORT_RATE_LIMIT", default=250), 60),
    "users.export.ids.fields": (env.int("REST_EXPORT_FIELDS_RATE_LIMIT", default=40), 1),
    "events.list": (env.int("REST_CATALOGUE_RATE_LIMIT", default=1_000), 3600),
    "subscription.status.set": (env.int("REST_SUBSCRIPTIONS_RATE_LIMIT", default=5_000), 60),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["workspaces.rest.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["workspaces.rest.HasEndpointPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["workspaces.rate_limits.KeyRateLimit"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PARSER_CLASSES": ["workspaces.rest.JsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "workspaces.rest.AlwaysJson",
    "DEFAULT_RENDERER_CLASSES": ["workspaces.rest.JsonRenderer"],
    "EXCEPTION_HANDLER": "workspaces.rest.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "brazeclone",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Braze's REST API, its partner cohort API and Mixpanel's custom webhook, as this hub answers them.",
    "SERVERS": [{"url": PUBLIC_URL}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "PREPROCESSING_HOOKS": ["brazeclone.openapi.without_trailing_slash"],
    "POSTPROCESSING_HOOKS": ["brazeclone.openapi.with_shared_answers"],
    # The page's own assets: nothing is loaded from elsewhere.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Mail ---
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="brazeclone@localhost")

# --- Languages and times ---
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- Static files ---
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Safety ---
# Everything but a laptop's demo is behind https; INSECURE_HTTP says so of a closed network that has none.
_HTTPS = urlsplit(PUBLIC_URL).scheme == "https" or not (DEBUG or env.bool("INSECURE_HTTP", default=False))
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_HTTPS)
# One proxy in front of us: what it says of a request's scheme and sender is believed.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if _HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Error pages and error mails never show a variable's value, also in development: it may be a key.
DEFAULT_EXCEPTION_REPORTER_FILTER = "workspaces.errors.NoValues"

# --- Logs: one readable line each; Django's request log never holds a body or a header ---
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # One handler for all: Django's own would say everything a second time.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": ["console"], "propagate": False},
        # A line for each task that comes and goes says nothing: what the task did is in the database.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}

# --- The dashboard ---
UNFOLD = {
    "SITE_TITLE": "brazeclone",
    "SITE_HEADER": "brazeclone",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "brazeclone.dashboard.frame.favicon"},
    ],
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "SHOW_LANGUAGES": True,
    "STYLES": ["brazeclone.dashboard.frame.stylesheet"],
    "SCRIPTS": ["brazeclone.dashboard.frame.script"],
    "BORDER_RADIUS": "4px",
    "COLORS": {
        # Indigo of the primary buttons (#27368f is 600).
        "primary": {
            "50": "240 242 251",
            "100": "224 228 246",
            "200": "193 201 237",
            "300": "150 163 222",
            "400": "103 119 203",
            "500": "63 80 174",
            "600": "39 54 143",
            "700": "33 45 120",
            "800": "28 38 99",
            "900": "24 32 82",
            "950": "15 20 54",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "brazeclone.dashboard.frame.navigation",
    },
    "DASHBOARD_CALLBACK": "brazeclone.dashboard.home.home",
}

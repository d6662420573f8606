"""Everything that can be set, from environment variables; README lists each with its default."""

import os
import secrets
from pathlib import Path

from celery.schedules import schedule
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent

# Whatever this program writes, its database above all, is for its own user alone.
os.umask(0o077)
VAR_DIR = Path(env.text("COUNTERSIGN_VAR", str(BASE_DIR / "var"))).resolve()


def _var_folder(path: Path) -> Path:
    """A folder under var/, made where it is missing, for its owner alone."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def _unusable(path: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{path} cannot be used: {error.strerror}. Set COUNTERSIGN_VAR to a folder that this user "
        "can make and write to."
    )


def _generated_secret(name: str) -> str:
    """A secret made once and kept under var/, readable by its owner alone."""
    path = _var_folder(VAR_DIR) / name
    try:
        if not path.exists():
            # A second process may be here at the same moment: link() lets exactly one of them win.
            draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(64))
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise _unusable(path, error) from error


DEBUG = env.flag("COUNTERSIGN_DEBUG")
SECRET_KEY = env.secret("COUNTERSIGN_SECRET_KEY", least=50) or _generated_secret("secret.key")
# Earlier keys, newest first: they still prove the audit events of their time, and open sessions.
SECRET_KEY_FALLBACKS = env.texts("COUNTERSIGN_SECRET_KEY_FALLBACKS")
# The first key seals, all of them unseal: put a new key in front to rotate, then run
# `manage.py rotate_sealing_keys`.
SEALING_KEYS = env.secrets("COUNTERSIGN_SEALING_KEYS", least=32) or [
    _generated_secret("sealing.key")
]

# ---------- address and TLS

_address = env.public_url("COUNTERSIGN_URL")
PUBLIC_URL = _address.geturl()
LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_on_loopback = _address.scheme == "http"

ALLOWED_HOSTS = env.texts("COUNTERSIGN_ALLOWED_HOSTS") or (
    [_address.hostname, *LOOPBACK_HOSTS] if _address.hostname else LOOPBACK_HOSTS
)
CSRF_TRUSTED_ORIGINS = [f"{_address.scheme}://{_address.netloc}"] if PUBLIC_URL else []

SECURE_SSL_REDIRECT = not _on_loopback
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
_hsts_seconds = env.whole("COUNTERSIGN_HSTS_SECONDS", 31_536_000, least=0, most=10 * 31_536_000)
SECURE_HSTS_SECONDS = 0 if _on_loopback else _hsts_seconds
SECURE_HSTS_INCLUDE_SUBDOMAINS = not _on_loopback
SECURE_HSTS_PRELOAD = not _on_loopback
if env.flag("COUNTERSIGN_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Sign-in is limited per address: behind the proxy, the one that it saw.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not _on_loopback
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.whole(
    "COUNTERSIGN_SESSION_SECONDS", 12 * 3600, least=60, most=366 * 86_400
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# GitHub may stand for the password of who connected their account there; both or none.
GITHUB_CLIENT_ID = env.text("COUNTERSIGN_GITHUB_CLIENT_ID", "")
GITHUB_CLIENT_SECRET = env.text("COUNTERSIGN_GITHUB_CLIENT_SECRET", "")
if bool(GITHUB_CLIENT_ID) != bool(GITHUB_CLIENT_SECRET):
    _there, _missing = ("ID", "SECRET") if GITHUB_CLIENT_ID else ("SECRET", "ID")
    raise ImproperlyConfigured(
        f"COUNTERSIGN_GITHUB_CLIENT_{_there} is of no use alone: set "
        f"COUNTERSIGN_GITHUB_CLIENT_{_missing} too, or neither."
    )
PUBLIC_GITHUB = "https://github.com"
GITHUB_URL = env.service_url("COUNTERSIGN_GITHUB_URL", PUBLIC_GITHUB)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        # Browsers hold redirects to it too: the one to GitHub's own page of signing in.
        "form-action": [SELF, GITHUB_URL] if GITHUB_CLIENT_ID else [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# ---------- what it is made of

INSTALLED_APPS = [
    "config",
    "approvals.audit",
    "approvals.people",
    "approvals.queue",
    "approvals.inspection",
    "approvals.provenance",
    "approvals.policy",
    "approvals.decisions",
    "approvals.notifications",
    "approvals.rota",
    "approvals.api",
    "approvals.web",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    # There whether or not it is configured, so that tables do not depend on the environment.
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.usersessions",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_htmx",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "approvals.api.middleware.NoSessionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "approvals.web.first_run.FirstRunMiddleware",
    "approvals.people.middleware.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "approvals.people.afterwards.AfterwardsMiddleware",
    "approvals.people.middleware.VerifiedSessionMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# In each process of the web server: pages that are made at once, and calls to the API that wait.
WEB_THREADS = env.whole("COUNTERSIGN_WEB_THREADS", 4, least=1, most=256)
API_WAITERS = env.whole("COUNTERSIGN_API_WAITERS", 500, least=0, most=100_000)

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "approvals.web.context.every_page",
            ],
        },
    }
]

# ---------- the database

DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR}/db.sqlite3")}
ON_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if ON_SQLITE:
    _var_folder(VAR_DIR)
    # Immediate transactions: a writer waits for its turn at BEGIN, instead of failing half-way when
    # a read turns into a write.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.whole(
        "COUNTERSIGN_DB_CONN_MAX_AGE", 60, least=0, most=86_400
    )
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url("REDIS_URL")
CACHES = {
    "default": (
        {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"serializer": "config.cache.JSONSerializer"},
        }
        if REDIS_URL
        # In the folder of the keys, since whoever can write there has those too.
        else {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
        }
    )
}

# ---------- the worker

CELERY_BROKER_URL = REDIS_URL or "files://localhost//"
BROKER_DIR = VAR_DIR / "broker"
if not REDIS_URL:
    for _name in ("messages", "control"):
        _var_folder(BROKER_DIR / _name)
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 2, "socket_timeout": 5}
    if REDIS_URL
    else {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.2,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A page must not wait for a broker that is away: beat finds the work all the same.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# In KiB, the most that a process ever used: what a large comparison freed, Python and the C library
# keep for themselves. One that needed more than usual gives it back by making room for a new one.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300 * 1024
CELERY_TASK_DEFAULT_QUEUE = "countersign"
# Opening large tarballs must not keep a decision waiting: inspections have workers of their own.
# Neither must a registry that hangs, or a webhook; nor may one that takes minutes over a look for
# provenance keep tarballs from being opened.
CELERY_TASK_ROUTES = {
    "approvals.inspection.tasks.*": {"queue": "inspection"},
    "approvals.provenance.tasks.*": {"queue": "provenance"},
    "approvals.queue.tasks.look_up_published_packages": {"queue": "provenance"},
    "approvals.decisions.tasks.gather_releases": {"queue": "countersign"},
    "approvals.decisions.tasks.refresh_published_packages": {"queue": "countersign"},
    # What policies say of thousands of versions may take a while, and nobody waits for it there.
    "approvals.decisions.tasks.look_at_policies": {"queue": "countersign"},
    # Whoever holds the calls up by not answering is to hear of it meanwhile.
    "approvals.decisions.tasks.tell_of_questions": {"queue": "countersign"},
    "approvals.decisions.tasks.*": {"queue": "decisions"},
}
# The broker is only a doorbell. Each of these looks into the database for work that is due, so a
# lost message costs at most one interval; a message that waited longer than that is of no use.
SWEEP_SECONDS = env.seconds("COUNTERSIGN_SWEEP_SECONDS", 3.0, least=0.1, most=3600)
CELERY_BEAT_SCHEDULE = {
    name: {
        "task": task,
        "schedule": schedule(SWEEP_SECONDS),
        "options": {"expires": SWEEP_SECONDS * 2},
    }
    for name, task in {
        "poll registries": "approvals.queue.tasks.poll_due_registries",
        "watch accepted versions": "approvals.queue.tasks.watch_accepted_versions",
        "inspect": "approvals.inspection.tasks.inspect_waiting",
        "look for provenance": "approvals.provenance.tasks.check_waiting",
        "look up published packages": "approvals.queue.tasks.look_up_published_packages",
        "gather releases": "approvals.decisions.tasks.gather_releases",
        "carry out decisions": "approvals.decisions.tasks.carry_out_waiting",
        "look at policies": "approvals.decisions.tasks.look_at_policies",
        "tell of questions": "approvals.decisions.tasks.tell_of_questions",
        "look after assignments": "approvals.rota.tasks.look_after_assignments",
        "tell": "approvals.notifications.tasks.tell_waiting",
    }.items()
}
CELERY_BEAT_SCHEDULE |= {
    name: {"task": task, "schedule": schedule(3600), "options": {"expires": 3600}}
    for name, task in {
        "forget stale confirmations": "approvals.decisions.tasks.forget_stale_confirmations",
        "forget stale proofs of presence": "approvals.people.tasks.forget_stale_proofs",
        "forget expired sessions": "approvals.people.tasks.forget_expired_sessions",
        "forget old tries": "approvals.people.tasks.forget_old_tries",
        "forget expired tarballs": "approvals.inspection.tasks.forget_expired_tarballs",
        "forget unwanted packages": "approvals.queue.tasks.forget_unwanted_packages",
        "forget old news": "approvals.notifications.tasks.forget_old_news",
    }.items()
}
CELERY_BEAT_SCHEDULE["refresh published packages"] = {
    "task": "approvals.decisions.tasks.refresh_published_packages",
    "schedule": schedule(300),
    "options": {"expires": 300},
}
CELERY_BEAT_SCHEDULE |= {
    name: {"task": task, "schedule": schedule(60), "options": {"expires": 60}}
    for name, task in {
        "let leavers go": "approvals.rota.tasks.let_leavers_go",
        "follow who is on call": "approvals.rota.tasks.follow_duty",
        "lapse swaps": "approvals.rota.tasks.lapse_swaps",
        "announce gaps in the rota": "approvals.rota.tasks.announce_gaps",
    }.items()
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")

# ---------- people

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["approvals.people.backend.PeopleBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# How many tries in how many seconds, against one person and from one address.
TRY_LIMITS = {
    "sign_in": {"person": (5, 300), "address": (50, 300)},
    "password_reset": {"person": (3, 3600), "address": (20, 3600)},
    "code": {"person": (10, 900), "address": (50, 900)},
    "code_a_day": {"person": (100, 86_400)},
    "recovery": {"person": (10, 900), "address": (50, 900)},
    "step_up": {"person": (30, 900), "address": (150, 900)},
    # The same where a password alone leads: who stole one must not use up what decisions need.
    "door_code": {"person": (10, 900), "address": (50, 900)},
    "door_code_a_day": {"person": (50, 86_400)},
    "door_recovery": {"person": (10, 900), "address": (50, 900)},
    "door_step_up": {"person": (30, 900), "address": (150, 900)},
    "door_passkey_asked": {"person": (60, 900), "address": (300, 900)},
    "invitation": {"address": (20, 900)},
    # Whole offices read their calendars from one address, each every few minutes.
    "calendar": {"address": (600, 900)},
    # Of a token, and of who comes without a good one.
    "api": {"person": (3000, 300)},
    "api_refused": {"address": (100, 300)},
    "passkey_asked": {"person": (60, 900), "address": (300, 900)},
    # Not of people: each challenge is good once.
    "passkey_challenge": {"person": (1, 900)},
}
# A session ends after so long without anybody doing anything, and in any case after
# COUNTERSIGN_SESSION_SECONDS from signing in.
SESSION_IDLE_SECONDS = env.whole(
    "COUNTERSIGN_SESSION_IDLE_SECONDS", 3600, least=60, most=366 * 86_400
)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "approvals.people.adapter.InvitationOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# A stranger must not be able to make us write to addresses that we do not know.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
# Counted in the cache, and so not across processes: TRY_LIMITS holds instead.
ACCOUNT_RATE_LIMITS = False
ACCOUNT_FORMS = {
    "change_password": "approvals.web.forms.entrance.OtherPasswordForm",
    "reset_password": "approvals.web.forms.entrance.NewPasswordForm",
}
SOCIALACCOUNT_ADAPTER = "approvals.people.adapter.ConnectedAccountsOnlyAdapter"
SOCIALACCOUNT_QUERY_EMAIL = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS = {
    "github": {
        "APPS": [{"client_id": GITHUB_CLIENT_ID, "secret": GITHUB_CLIENT_SECRET}],
        "SCOPE": [],
        "OAUTH_PKCE_ENABLED": True,
        **({} if GITHUB_URL == PUBLIC_GITHUB else {"GITHUB_URL": GITHUB_URL}),
    }
}
# Passkeys only: authenticator apps are django-otp's, recovery codes our own.
MFA_SUPPORTED_TYPES = ["webauthn"]
MFA_ADAPTER = "approvals.people.mfa.PasskeyAdapter"
# Where passkeys belong: the address in people's browsers, never what a Host header says.
PASSKEY_ORIGIN = PUBLIC_URL or "http://localhost:8000"
OTP_TOTP_ISSUER = "Countersign"
OTP_TOTP_THROTTLE_FACTOR = 1

# ---------- limits and times

REGISTRY_POLL_SECONDS = env.whole("COUNTERSIGN_POLL_SECONDS", 30, least=1, most=86_400)
ALLOW_HTTP_REGISTRIES = env.flag("COUNTERSIGN_ALLOW_HTTP_REGISTRIES")
DOWNLOAD_LIMIT_BYTES = env.megabytes("COUNTERSIGN_DOWNLOAD_LIMIT_MB", 256)
# The fields of registry_client.tarball.Limits and approvals.inspection.results.CompareLimits. The
# defaults allow npm's largest real packages.
TARBALL_LIMITS = {
    "unpacked_size": env.megabytes("COUNTERSIGN_TARBALL_UNPACKED_MB", 2048),
    "entry_size": env.megabytes("COUNTERSIGN_TARBALL_FILE_MB", 1024),
    "entries": env.whole("COUNTERSIGN_TARBALL_ENTRIES", 100_000, least=1, most=10_000_000),
    "ratio": env.whole("COUNTERSIGN_TARBALL_RATIO", 200, least=1, most=2_000),
    "path_length": env.whole("COUNTERSIGN_TARBALL_PATH_LENGTH", 1024, least=1, most=65_536),
    "path_depth": env.whole("COUNTERSIGN_TARBALL_PATH_DEPTH", 100, least=1, most=10_000),
}
DIFF_LIMITS = {
    "file_size": env.megabytes("COUNTERSIGN_TARBALL_DIFF_FILE_MB", 16),
    "all_diffs": env.megabytes("COUNTERSIGN_TARBALL_DIFFS_MB", 32),
}
# A folder of rules for YARA-X, searched in every file that is new or differs; "" for none.
YARA_RULES = env.text("COUNTERSIGN_YARA_RULES")
TARBALL_DAYS = env.whole("COUNTERSIGN_TARBALL_DAYS", 30, least=1, most=36_500)
# Besides the baseline, of how many published versions it is looked up where they were built.
PROVENANCE_HISTORY = env.whole("COUNTERSIGN_PROVENANCE_HISTORY", 10, least=0, most=50)
# Nobody but registries is asked about provenance unless a transparency log is named here.
REKOR_URL = env.service_url("COUNTERSIGN_REKOR_URL")
# Only `manage.py refresh_trust` asks there.
TUF_URL = env.service_url("COUNTERSIGN_TUF_URL", "https://tuf-repo-cdn.sigstore.dev")
# Within so long the same actor stages what belongs together, where no provenance says it.
RELEASE_WINDOW_SECONDS = env.whole("COUNTERSIGN_RELEASE_WINDOW_SECONDS", 600, least=1, most=86_400)
STEP_UP_SECONDS = 120
REGISTRY_PROOF_SECONDS = 300
QUESTION_SECONDS = env.whole("COUNTERSIGN_QUESTION_SECONDS", 900, least=1, most=86_400)
CALL_LEASE_SECONDS = env.seconds("COUNTERSIGN_CALL_LEASE_SECONDS", 60.0, least=1, most=3600)
LIVE_WATCH_SECONDS = env.whole("COUNTERSIGN_LIVE_WATCH_SECONDS", 3600, least=1, most=30 * 86_400)
# How long a message to people waits for more of the kind: one e-mail for twelve versions.
GATHER_SECONDS = env.seconds("COUNTERSIGN_GATHER_SECONDS", 20.0, least=0, most=3600)
# For how long it is kept what was delivered, and what people have in their feeds.
NEWS_DAYS = env.whole("COUNTERSIGN_NEWS_DAYS", 90, least=1, most=36_500)
NOT_VISIBLE_SECONDS = env.whole("COUNTERSIGN_NOT_VISIBLE_SECONDS", 300, least=1, most=30 * 86_400)
# For one tarball that is looked at to see that anybody can fetch it, however slowly it drips.
LIVE_DOWNLOAD_SECONDS = env.whole("COUNTERSIGN_LIVE_DOWNLOAD_SECONDS", 120, least=1, most=900)
CODE_WANTED_SECONDS = env.whole("COUNTERSIGN_CODE_WANTED_SECONDS", 20, least=0, most=86_400)

# ---------- e-mail, logs

vars().update(env.email("COUNTERSIGN_EMAIL_URL", "consolemail://"))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text(
    "COUNTERSIGN_EMAIL_FROM", "Countersign <countersign@localhost>"
)
EMAIL_TIMEOUT = 20
# Who enters an address for messages must not reach this machine's own network through it, but for
# what is named here: host names, addresses, networks.
NOTIFY_ALLOW = env.allowed_hosts("COUNTERSIGN_NOTIFY_ALLOW")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.time_zone("COUNTERSIGN_TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "tarballs": env.storage("COUNTERSIGN_TARBALL_STORAGE", folder=VAR_DIR / "tarballs"),
}

LOG_LEVEL = env.log_level("COUNTERSIGN_LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "filters": {"secret paths": {"()": "approvals.people.secret_paths.HideSecretPaths"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["secret paths"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "celery.beat": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        # It tells of each of its tries; what comes of them is told where they were made.
        "urllib3.connectionpool": {"level": "ERROR"},
    },
}

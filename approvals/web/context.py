"""What every page needs: where one can go, and which registries fail."""

from django.http import HttpRequest
from django.urls import reverse

from approvals.notifications import feed
from approvals.people import github, sessions
from approvals.people.first_run import Stage, stage
from approvals.people.models import User
from approvals.people.permissions import may_decide_anything, may_manage
from approvals.queue.models import Registry
from approvals.web.first_run import Step, steps_of
from approvals.web.rota import duties_of

# Label, route, and the routes that belong to it.
SECTIONS: tuple[tuple[str, str, frozenset[str]], ...] = (
    (
        "Queue",
        "queue",
        frozenset(
            {
                *("version", "file_diff", "version_files", "unchanged_file", "file_whole"),
                *(
                    "confirm_approve",
                    "confirm_reject",
                    "publisher",
                    "decision",
                    *("confirm_approve_several", "confirm_reject_several"),
                    *("release", "releases"),
                ),
            }
        ),
    ),
    ("History", "history", frozenset()),
    (
        "Registries",
        "registries",
        frozenset({"registry_add", "registry_edit", "tokens", "token_make"}),
    ),
    ("Rules", "rules", frozenset({"rule_set", "rule_setting", "rule_setting_remove"})),
    (
        "Policies",
        "policies",
        frozenset(
            {
                *("policy", "policy_add", "policy_move", "policy_remove"),
                *("policy_history", "policy_revision", "policy_restore"),
            }
        ),
    ),
    (
        "People",
        "people",
        frozenset({"invite", "person", "teams", "team", "team_add", "team_remove"}),
    ),
    (
        "Rota",
        "rota",
        frozenset(
            {
                *("schedule", "schedule_add", "schedule_setup", "schedule_change"),
                *("schedule_steps", "layer", "layer_add", "override_add"),
                *("feed_make", "schedule_feed_make"),
                *("measures", "runbooks", "runbook", "runbook_add", "runbook_change"),
            }
        ),
    ),
    ("Audit", "audit", frozenset()),
    ("Notifications", "notifications", frozenset({"webhook_add", "webhook_edit"})),
)
ACCOUNT_SECTIONS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("Profile", "profile", frozenset()),
    ("What you are told", "news_settings", frozenset({"destination", "destination_add"})),
    (
        "Security: passkeys and apps",
        "security",
        frozenset({"security_remove", "security_recovery_codes"}),
    ),
    ("Sessions and sign-in", "sessions", frozenset()),
    ("Registry accounts", "accounts", frozenset()),
    ("Change password", "account_change_password", frozenset()),
)


def every_page(request: HttpRequest) -> dict[str, object]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"github_configured": github.is_configured()}
    if not sessions.is_verified(request):
        # Also on pages that no view answers for: what a registry says may name a package.
        return {"may_manage": may_manage(user), "first_run_steps": lambda: _first_run(user)}
    route = request.resolver_match.url_name if request.resolver_match else None
    return {
        "navigation": _entries(SECTIONS, route),
        "account_navigation": _entries(ACCOUNT_SECTIONS, route),
        "may_decide": may_decide_anything(user),
        "may_manage": may_manage(user),
        # Lazy: a fragment has no header.
        "duties": lambda: duties_of(user),
        # Lazy: nothing is asked by a fragment, nor once the first run is over.
        "first_run_steps": lambda: _first_run(user),
        # Lazy: a fragment without the header asks for nothing.
        "unread_news": lambda: feed.unread_count(user),
        # Lazy: a fragment that shows no banner asks for nothing.
        "failing_registries": Registry.objects.visible_to(user)
        .filter(enabled=True, failing_since__isnull=False)
        .only("name", "failing_since", "failure_reason"),
    }


def _first_run(user: User) -> list[Step]:
    return steps_of(user) if stage() is Stage.SETTING_UP and may_manage(user) else []


def _entries(
    sections: tuple[tuple[str, str, frozenset[str]], ...], route: str | None
) -> list[dict[str, object]]:
    return [
        {"label": label, "url": reverse(name), "current": route == name or route in others}
        for label, name, others in sections
    ]

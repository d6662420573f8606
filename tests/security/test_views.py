"""Every page there is, and who may call it: a page that nobody put into the table fails here."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from approvals.api.models import Token
from approvals.audit import outbox
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.models import (
    Action,
    ChangeRequest,
    Comment,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
    Release,
    ReleaseMember,
    StepUp,
)
from approvals.inspection.models import (
    InspectionRequest,
    OtherBaselineRequest,
    RuleSetting,
    ViewedFile,
)
from approvals.notifications.models import Delivery, Destination, FeedItem, Webhook
from approvals.people import factors
from approvals.people.models import Invitation, Role, Scope, Team, User
from approvals.policy.book import DEFAULT, Policy
from approvals.policy.models import PolicyRevision
from approvals.queue.models import StagedVersion
from approvals.rota.feeds import make_feed
from approvals.rota.models import CalendarFeed, Layer, Runbook, Swap
from approvals.rota.runbooks import WantedRunbook, make_runbook
from approvals.sealing import seal
from tests.approvals.codes import enrol, enrol_passkey
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_inspection,
    make_other_baseline,
    make_policies,
    make_provenance,
    make_provenance_check,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.managing import invite
from tests.approvals.rota.factories import make_override, make_schedule
from tests.approvals.seen import seen
from tests.approvals.web.pages import HTMX, sign_in, sign_in_unverified
from tests.awkward import png
from tests.packages import tarball

pytestmark = pytest.mark.django_db

# What comes of it. "yes" is whatever the view itself answers: a page, a redirect to one, or a form
# that was not filled in right. Whom the form lets do what, other tests ask.
YES, SIGN_IN, VERIFY, ENROL, NO_TOKEN, FORBIDDEN, MISSING = (
    "yes",
    "to sign-in",
    "to verify",
    "to a first factor",
    401,
    403,
    404,
)
CALLERS = (
    "nobody",
    "newcomer",  # signed in by password, with no second factor yet
    "unverified",  # signed in by password, with a second factor not yet shown
    "viewer",
    "outside",  # an approver whose scope does not cover the package
    "approver",
    "manager",
    "administrator",
)
Outcomes = dict[str, object]


def outcomes(
    *,
    strangers: object = SIGN_IN,
    newcomer: object = ENROL,
    unverified: object = VERIFY,
    everybody: object = YES,
    **others: object,
) -> Outcomes:
    """Of each caller; `everybody` is verified people, as far as `others` do not say otherwise."""
    known = {"nobody": strangers, "newcomer": newcomer, "unverified": unverified}
    return known | {one: others.get(one, everybody) for one in CALLERS if one not in known}


ANYBODY = outcomes(strangers=YES, newcomer=YES, unverified=YES)
VERIFIED = outcomes()
FIRST_FACTOR = outcomes(newcomer=YES)
BEFORE_VERIFYING = outcomes(newcomer=YES, unverified=YES)
SEES = outcomes(outside=MISSING)
DECIDES = outcomes(outside=MISSING, viewer=FORBIDDEN)
SETS_EXPECTATIONS = outcomes(outside=MISSING, viewer=FORBIDDEN, approver=FORBIDDEN)
MANAGES = outcomes(everybody=FORBIDDEN, administrator=YES)
# Of others' places, nobody else knows whether they are there.
MANAGES_PLACES = outcomes(everybody=MISSING, administrator=YES)
# Who sees some packages only neither sets policies nor reads of what they were.
SETS_POLICIES = outcomes(outside=FORBIDDEN, viewer=FORBIDDEN, approver=FORBIDDEN)
SEES_EVERYTHING = outcomes(outside=FORBIDDEN)
# No session opens the API, whoever's it is.
TOKENS = outcomes(strangers=NO_TOKEN, newcomer=NO_TOKEN, unverified=NO_TOKEN, everybody=NO_TOKEN)
NOBODY = outcomes(
    strangers=MISSING, newcomer=MISSING, unverified=MISSING, everybody=MISSING
)  # switched off here


@dataclass
class World:
    """One of everything that an address can name, and who calls."""

    row: StagedVersion
    me: User | None = None

    def comparison(self, *more: object) -> list[object]:
        return [self.row.pk, self.row.inspection_request.inspection_id, *more]

    def position(self, path: str) -> int:
        inspection = self.row.inspection_request.inspection
        assert inspection is not None
        return int(inspection.files.get(path=path).position)

    def file(self, *more: object) -> list[object]:
        return self.comparison(self.position("lib/index.js"), *more)

    def ci_token(self) -> Token:
        return Token.objects.create(
            name=f"CI {uuid.uuid4().hex[:6]}",
            hash=uuid.uuid4().hex,
            begins_with="cst_abcdef",
            made_by=self.other_person(),
            expires_at=timezone.now() + timedelta(days=1),
        )

    def other_person(self) -> User:
        return make_user(is_active=True)

    def held(self) -> list[object]:
        """A version and what somebody wants changed in it."""
        held = ChangeRequest.objects.create(
            staged_version=self.row, user=self.other_person(), reason="It lacks a changelog."
        )
        return [self.row.pk, held.pk]

    def comment(self) -> list[object]:
        said = Comment.objects.create(
            staged_version=self.row, user=self.other_person(), text="Why is it so large?"
        )
        return [self.row.pk, said.pk]

    def decided(self) -> StagedVersion:
        """Another version, which the caller decided where they can."""
        row = make_staged_version("left-pad", f"2.0.{StagedVersion.objects.count()}")
        make_decision(row, self.me or self.other_person(), item_state=ItemState.ASKING)
        return row

    def own_decision(self) -> uuid.UUID:
        return DecisionItem.objects.get(staged_version=self.decided()).decision_id

    def decision_of_others(self) -> uuid.UUID:
        row = make_staged_version("left-pad", f"3.0.{StagedVersion.objects.count()}")
        return make_decision(row, self.other_person()).decision_id

    def release(self) -> uuid.UUID:
        made = Release.objects.create(registry=self.row.registry)
        row = make_staged_version("left-pad", f"4.0.{StagedVersion.objects.count()}")
        ReleaseMember.objects.create(release=made, staged_version=row, why="alone")
        return made.pk

    def own_session(self) -> int:
        if self.me is None:
            return 1
        row = UserSession.objects.create(
            user=self.me, ip="192.0.2.7", session_key=uuid.uuid4().hex, user_agent="another"
        )
        return int(row.pk)

    def own_account(self) -> int:
        if self.me is None:
            return 1
        registry = make_registry()
        return int(make_account(self.me, registry).pk)

    def own_factor(self) -> str:
        mine = factors.factors_of(self.me) if self.me else []
        return mine[0].key if mine else "app-1"

    def invitation(self) -> Invitation:
        inviting = make_user(role=Role.ADMINISTRATOR)
        return invite(actor=inviting, role=Role.VIEWER, note="")[0]

    def token(self) -> str:
        inviting = make_user(role=Role.ADMINISTRATOR)
        return invite(actor=inviting, role=Role.VIEWER, note="")[1]

    def webhook(self) -> Webhook:
        url = "https://hooks.example.org/"
        return Webhook.objects.create(
            name=f"hook {uuid.uuid4()}", url=url, sealed_secret=seal("secret", bound_to=url)
        )

    def browser(self) -> Destination:
        """Somebody else's."""
        return Destination.objects.create(kind="push", name="Firefox", person=make_user())

    def shared_place(self) -> Destination:
        found = Destination(kind="email", name="list")
        found.seal_address("list@example.org")
        found.save()
        return found

    def own_news(self) -> list[object]:
        if self.me is None:
            return [1]
        outbox.publish("staged_version.live", package="left-pad", url_path="/")
        event = OutboxEvent.objects.order_by("pk").last()
        return [FeedItem.objects.create(person=self.me, event=event).pk]

    def rule_setting(self) -> RuleSetting:
        packages = f"@acme/{uuid.uuid4()}"
        return RuleSetting.objects.create(
            rule="rule-crashed", packages=packages, weight="low", words="It is known."
        )

    def policy(self) -> list[object]:
        if not PolicyRevision.objects.exists():
            make_policies(None, Policy("p1", "Padding", "", "left-pad", DEFAULT.requirements))
        return ["p1"]

    def team(self) -> list[object]:
        return [Team.objects.get_or_create(name="padders")[0].pk]

    def schedule(self) -> list[object]:
        """One for this version's package, with somebody else on call."""
        return [make_schedule(make_user(), packages=self.row.package.name).pk]

    def layer(self) -> list[object]:
        [schedule] = self.schedule()
        return [Layer.objects.get(schedule_id=schedule).pk]

    def override(self) -> list[object]:
        layer = Layer.objects.get(pk=self.layer()[0])
        return [make_override(layer, make_user(), timezone.now()).pk]

    def swap(self) -> list[object]:
        layer = Layer.objects.get(pk=self.layer()[0])
        now = timezone.now()
        swap = Swap.objects.create(
            layer=layer,
            asked_by=make_user(),
            other=make_user(),
            starts_at=now,
            ends_at=now + timedelta(days=1),
        )
        return [swap.pk]

    def feed(self) -> tuple[CalendarFeed, str]:
        """Somebody else's, and its secret."""
        return make_feed(actor=make_user())

    def runbook(self) -> list[object]:
        found = Runbook.objects.filter(packages="left-pad").first()
        wanted = WantedRunbook("", "left-pad", "Ask Ada.")
        found = found or make_runbook(wanted, actor=make_user(role=Role.ADMINISTRATOR))
        return [found.pk]

    def delivery(self) -> Delivery:
        outbox.publish("registry.failing", registry=self.row.registry.name)
        event = OutboxEvent.objects.order_by("pk").last()
        return Delivery.objects.create(event=event, channel="email", recipient="a@example.org")


def nothing(world: World) -> list[object]:
    return []


def version(world: World) -> list[object]:
    return [world.row.pk]


def unchanged(world: World) -> dict[str, Any]:
    return {"path": "LICENSE"}


def other_baseline(world: World) -> dict[str, Any]:
    version = f"1.3.{OtherBaselineRequest.objects.count()}"
    make_other_baseline(world.row, version, state="waiting")
    return {"against": version}


def version_named(world: World) -> dict[str, Any]:
    return {"version": world.row.pk}


def signed(action: Action) -> Callable[[World], dict[str, Any]]:
    """What the page that confirms sends, but for a proof that holds."""

    def form(world: World) -> dict[str, Any]:
        return {
            "version": world.row.pk,
            "seen": seen(action, [world.row], world.me),
            "reason": "It phones home.",
            "code": "000000",
        }

    return form


@dataclass(frozen=True)
class View:
    who: Outcomes
    methods: str = "GET"
    arguments: Callable[[World], list[Any]] = nothing
    form: Callable[[World], dict[str, Any]] = lambda world: {}
    # It answers every method, as others' views do.
    lenient: bool = False
    # A part of a page, that only the page asks for.
    htmx: bool = False


BOTH = "GET POST"
VIEWS: dict[str, View] = {
    # ---------- coming in and going out
    "healthz": View(ANYBODY),
    "account_login": View(ANYBODY, BOTH, lenient=True),
    "account_logout": View(ANYBODY, BOTH, lenient=True),
    "account_inactive": View(ANYBODY, lenient=True),
    "account_signup": View(ANYBODY, BOTH, lenient=True),
    "account_email": View(VERIFIED, BOTH, lenient=True),
    "account_email_verification_sent": View(ANYBODY, lenient=True),
    # Nobody is asked to confirm an address: there is no key.
    "account_confirm_email": View(NOBODY, "POST", lambda world: ["no-such-key"], lenient=True),
    "account_confirm_login_code": View(ANYBODY, BOTH, lenient=True),
    "account_reauthenticate": View(VERIFIED, BOTH, lenient=True),
    "account_change_password": View(VERIFIED, BOTH, lenient=True),
    "account_set_password": View(VERIFIED, BOTH, lenient=True),
    "account_reset_password": View(ANYBODY, BOTH, lenient=True),
    "account_reset_password_done": View(ANYBODY, lenient=True),
    "account_reset_password_from_key": View(
        ANYBODY, BOTH, lambda world: ["1", "x-y"], lenient=True
    ),
    "account_reset_password_from_key_done": View(ANYBODY, lenient=True),
    "github_login": View(NOBODY, "POST", lenient=True),
    "github_callback": View(NOBODY, lenient=True),
    "sign_in_options": View(ANYBODY, "POST"),
    "sign_in_passkey": View(ANYBODY, "POST"),
    "verify": View(BEFORE_VERIFYING, BOTH),
    "verify_passkey": View(BEFORE_VERIFYING, "POST"),
    "invitation": View(ANYBODY, BOTH, lambda world: [world.token()]),
    # ---------- one's own
    "sessions": View(VERIFIED),
    "session_end": View(VERIFIED, "POST", lambda world: [world.own_session()]),
    "sessions_end_others": View(VERIFIED, "POST"),
    "github_disconnect": View(VERIFIED, "POST"),
    "profile": View(VERIFIED, BOTH),
    "accounts": View(VERIFIED),
    "account_link": View(VERIFIED, "POST", lambda world: [world.row.registry_id]),
    "account_unlink": View(VERIFIED, "POST", lambda world: [world.own_account()]),
    "security": View(FIRST_FACTOR),
    "security_presence": View(VERIFIED, "POST"),
    "security_allow": View(VERIFIED, "POST"),
    "security_passkey": View(FIRST_FACTOR, "POST"),
    "security_passkey_options": View(FIRST_FACTOR, "POST"),
    "security_begin": View(FIRST_FACTOR, "POST"),
    # There is nothing to scan unless an app is being set up.
    "security_qr": View(outcomes(newcomer=MISSING, everybody=MISSING)),
    "security_confirm": View(FIRST_FACTOR, "POST"),
    "security_abandon": View(FIRST_FACTOR, "POST"),
    "security_rename": View(VERIFIED, "POST", lambda world: [world.own_factor()]),
    "security_remove": View(VERIFIED, BOTH, lambda world: [world.own_factor()]),
    "security_recovery_codes": View(VERIFIED, BOTH),
    # ---------- versions
    "queue": View(VERIFIED),
    "history": View(VERIFIED),
    "version": View(SEES, arguments=version),
    "version_status": View(SEES, arguments=version, htmx=True),
    "inspect_again": View(DECIDES, "POST", version),
    "compare_with": View(DECIDES, "POST", version),
    "other_progress": View(SEES, arguments=version, form=other_baseline, htmx=True),
    "version_files": View(SEES, arguments=World.comparison),
    "unchanged_file": View(SEES, arguments=World.comparison, form=unchanged),
    "unchanged_raw": View(SEES, arguments=World.comparison, form=unchanged),
    "file_diff": View(SEES, arguments=World.file),
    "file_rows": View(SEES, arguments=World.file, htmx=True),
    "file_context": View(SEES, arguments=World.file, htmx=True),
    "file_viewed": View(SEES, "POST", World.file),
    "file_raw": View(SEES, arguments=lambda world: world.file("new")),
    "file_whole": View(SEES, arguments=lambda world: world.file("new")),
    "file_image": View(
        SEES, arguments=lambda world: world.comparison(world.position("logo.png"), "new")
    ),
    "look_at": View(DECIDES, "POST", version),
    "take_look_back": View(DECIDES, "POST", version),
    "version_provenance": View(SEES, arguments=version),
    "provenance_bundle": View(SEES, arguments=version),
    "hand_in_bundle": View(DECIDES, "POST", version),
    "look_again": View(DECIDES, "POST", version),
    "publisher": View(SETS_EXPECTATIONS, BOTH, version),
    "pin_baseline": View(SETS_EXPECTATIONS, "POST", version),
    "publisher_remove": View(SETS_EXPECTATIONS, "POST", version),
    # ---------- decisions
    "confirm_approve": View(DECIDES, BOTH, version, signed(Action.APPROVE)),
    "confirm_reject": View(DECIDES, BOTH, version, signed(Action.REJECT)),
    # Whoever sees none of the versions is led back to the queue, and told so.
    "confirm_approve_several": View(outcomes(viewer=FORBIDDEN), BOTH, form=signed(Action.APPROVE)),
    "confirm_reject_several": View(outcomes(viewer=FORBIDDEN), BOTH, form=signed(Action.REJECT)),
    "approve_intent": View(outcomes(viewer=FORBIDDEN), "POST", form=signed(Action.APPROVE)),
    "reject_intent": View(outcomes(viewer=FORBIDDEN), "POST", form=signed(Action.REJECT)),
    "decision": View(SEES, arguments=lambda world: [world.decision_of_others()]),
    "decision_status": View(SEES, arguments=lambda world: [world.decision_of_others()], htmx=True),
    # Whose decision it is, the rules ask: see test_nobody_goes_on_with_somebody_elses_decision.
    "answer_registry": View(SEES, "POST", lambda world: [world.decided().pk]),
    "new_registry_link": View(SEES, "POST", lambda world: [world.decided().pk]),
    "call_off": View(SEES, "POST", lambda world: [world.decided().pk]),
    "decision_pause": View(DECIDES, "POST", lambda world: [world.decision_of_others()]),
    "decision_resume": View(SEES, "POST", lambda world: [world.own_decision()]),
    "decision_call_off": View(
        SETS_EXPECTATIONS, "POST", lambda world: [world.decision_of_others()]
    ),
    # ---------- votes and what is said before a decision
    "withdraw_approval": View(SEES, "POST", version),
    "request_changes": View(DECIDES, "POST", version),
    "lift_changes": View(DECIDES, "POST", lambda world: world.held()),
    "version_comments": View(SEES, BOTH, version),
    # Whose comment it is, the rules ask.
    "take_comment_back": View(SEES, "POST", lambda world: world.comment()),
    "file_comment": View(SEES, BOTH, World.file),
    "break_glass": View(DECIDES, BOTH, form=version_named),
    "break_glass_options": View(DECIDES, "POST", form=version_named),
    "second_glass": View(DECIDES, BOTH, form=version_named),
    "second_glass_options": View(DECIDES, "POST", form=version_named),
    # ---------- releases
    "releases": View(VERIFIED),
    "release": View(SEES, arguments=lambda world: [world.release()]),
    "release_status": View(SEES, arguments=lambda world: [world.release()], htmx=True),
    "release_choice": View(SEES, arguments=lambda world: [world.release()], htmx=True),
    "release_split": View(DECIDES, "POST", lambda world: [world.release()]),
    "release_move": View(DECIDES, "POST", lambda world: [world.release()]),
    "release_merge": View(DECIDES, "POST", lambda world: [world.release()]),
    # ---------- the rota, and what goes with it
    "assignment_take": View(DECIDES, "POST", version),
    "assignment_pass_on": View(DECIDES, "POST", version),
    "assignment_snooze": View(DECIDES, "POST", version),
    "rota": View(VERIFIED),
    "schedule": View(SEES, arguments=World.schedule),
    "hand_over": View(SEES, "POST", World.schedule),
    "hand_over_now": View(SEES, "POST", World.schedule),
    # Whether they may, the rules ask.
    "take_over": View(SEES, "POST", World.schedule),
    "override_cancel": View(SEES, "POST", World.override),
    # Between two people, neither of whom calls here.
    "swap_accept": View(outcomes(everybody=MISSING), "POST", World.swap),
    "swap_decline": View(outcomes(everybody=MISSING), "POST", World.swap),
    "swap_withdraw": View(outcomes(everybody=MISSING), "POST", World.swap),
    "override_add": View(SETS_POLICIES, "POST", World.schedule),
    "schedule_add": View(SETS_POLICIES, BOTH),
    "schedule_setup": View(SETS_POLICIES, arguments=World.schedule),
    "schedule_change": View(SETS_POLICIES, "POST", World.schedule),
    "schedule_steps": View(SETS_POLICIES, "POST", World.schedule),
    "schedule_move": View(SETS_POLICIES, "POST", World.schedule),
    "schedule_remove": View(SETS_POLICIES, "POST", World.schedule),
    "layer_add": View(SETS_POLICIES, BOTH, World.schedule),
    "layer": View(SETS_POLICIES, BOTH, World.layer),
    "layer_remove": View(SETS_POLICIES, "POST", World.layer),
    "feed_make": View(VERIFIED, "POST"),
    "schedule_feed_make": View(SEES, "POST", World.schedule),
    "feed_revoke": View(outcomes(everybody=MISSING), "POST", lambda world: [world.feed()[0].pk]),
    # Whoever has the address.
    "calendar_feed": View(ANYBODY, arguments=lambda world: [world.feed()[1]]),
    "measures": View(VERIFIED),
    "measures_export": View(VERIFIED),
    "runbooks": View(VERIFIED),
    "runbook": View(SEES, arguments=World.runbook),
    "runbook_add": View(SETS_POLICIES, BOTH),
    "runbook_change": View(SETS_POLICIES, BOTH, World.runbook),
    "runbook_remove": View(SETS_POLICIES, "POST", World.runbook),
    # ---------- everybody, and everything that is set up
    "audit": View(VERIFIED),
    "notifications": View(VERIFIED),
    "push_worker": View(ANYBODY),
    "webhook_schema": View(ANYBODY),
    "push_subscribe": View(VERIFIED, "POST"),
    "push_test": View(outcomes(everybody=MISSING), "POST", lambda world: [world.browser().pk]),
    "push_remove": View(outcomes(everybody=MISSING), "POST", lambda world: [world.browser().pk]),
    "webhook_add": View(MANAGES, BOTH),
    "webhook_edit": View(MANAGES, BOTH, lambda world: [world.webhook().pk]),
    "webhook_test": View(MANAGES, "POST", lambda world: [world.webhook().pk]),
    "webhook_remove": View(MANAGES, "POST", lambda world: [world.webhook().pk]),
    "delivery_try_now": View(MANAGES, "POST", lambda world: [world.delivery().pk]),
    "deliveries_send_parked": View(MANAGES, "POST"),
    "news": View(VERIFIED),
    "news_open": View(VERIFIED, arguments=World.own_news),
    "news_read": View(VERIFIED, "POST"),
    "news_settings": View(VERIFIED),
    "own_email": View(VERIFIED, "POST"),
    "quiet_hours_add": View(VERIFIED, "POST"),
    "quiet_hours_remove": View(VERIFIED, "POST", lambda world: [1]),
    "destination_add": View(VERIFIED, BOTH),
    "destination": View(MANAGES_PLACES, BOTH, lambda world: [world.shared_place().pk]),
    "destination_test": View(MANAGES_PLACES, "POST", lambda world: [world.shared_place().pk]),
    "destination_remove": View(MANAGES_PLACES, "POST", lambda world: [world.shared_place().pk]),
    "destination_subscribe": View(MANAGES_PLACES, "POST", lambda world: [world.shared_place().pk]),
    "destination_unsubscribe": View(
        MANAGES_PLACES, "POST", lambda world: [world.shared_place().pk, 1]
    ),
    "registries": View(VERIFIED),
    "registry_add": View(MANAGES, BOTH),
    "registry_edit": View(MANAGES, BOTH, lambda world: [world.row.registry_id]),
    "rules": View(VERIFIED),
    "rule_set": View(MANAGES, BOTH, lambda world: ["rule-crashed"]),
    "rule_set_options": View(MANAGES, "POST", lambda world: ["rule-crashed"]),
    "rule_setting": View(MANAGES, BOTH, lambda world: [world.rule_setting().pk]),
    "rule_setting_options": View(MANAGES, "POST", lambda world: [world.rule_setting().pk]),
    "rule_setting_remove": View(MANAGES, "POST", lambda world: [world.rule_setting().pk]),
    "rule_setting_remove_options": View(MANAGES, "POST", lambda world: [world.rule_setting().pk]),
    "policies": View(VERIFIED),
    "policy_add": View(SETS_POLICIES, BOTH),
    "policy_add_options": View(SETS_POLICIES, "POST"),
    "policy": View(SETS_POLICIES, BOTH, World.policy),
    "policy_options": View(SETS_POLICIES, "POST", World.policy),
    "policy_move": View(SETS_POLICIES, "POST", World.policy),
    "policy_move_options": View(SETS_POLICIES, "POST", World.policy),
    "policy_remove": View(SETS_POLICIES, "POST", World.policy),
    "policy_remove_options": View(SETS_POLICIES, "POST", World.policy),
    "policy_history": View(SEES_EVERYTHING),
    "policy_revision": View(SEES_EVERYTHING, arguments=lambda world: [0]),
    "policy_restore": View(SETS_POLICIES, "POST", lambda world: [0]),
    "policy_restore_options": View(SETS_POLICIES, "POST", lambda world: [0]),
    "teams": View(VERIFIED),
    "team_add": View(MANAGES, BOTH),
    "team_add_options": View(MANAGES, "POST"),
    "team": View(MANAGES, BOTH, World.team),
    "team_options": View(MANAGES, "POST", World.team),
    "team_remove": View(MANAGES, "POST", World.team),
    "team_remove_options": View(MANAGES, "POST", World.team),
    "people": View(VERIFIED),
    "invite": View(MANAGES, BOTH),
    "invite_options": View(MANAGES, "POST"),
    "person": View(MANAGES, arguments=lambda world: [world.other_person().pk]),
    "person_role": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_role_options": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_reactivate_options": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_deactivate": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_reactivate": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_reset_factors": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "person_reset_options": View(MANAGES, "POST", lambda world: [world.other_person().pk]),
    "invitation_withdraw": View(MANAGES, "POST", lambda world: [world.invitation().pk]),
    # ---------- the first run, which is over here
    "first_run": View(MANAGES),
    "first_run_begin": View(ANYBODY, BOTH, lambda world: ["no-such-token"]),
    "first_run_registry": View(MANAGES | {"administrator": FORBIDDEN}, BOTH),
    "first_run_account": View(MANAGES | {"administrator": FORBIDDEN}, BOTH),
    "first_run_finish": View(MANAGES, "POST"),
    "first_run_done": View(MANAGES),
    # ---------- the API, and its tokens
    "tokens": View(MANAGES),
    "token_make": View(MANAGES, BOTH),
    "token_revoke": View(MANAGES, "POST", lambda world: [world.ci_token().pk]),
    "api_docs": View(ANYBODY),
    "api_wait_script": View(ANYBODY),
    "api_no_page": View(NOBODY, BOTH),
    "api_nothing_here": View(NOBODY, BOTH),
    "api:stages": View(TOKENS),
    "api:stage": View(TOKENS, arguments=lambda world: [world.row.stage_id]),
    "api:package_version": View(TOKENS, arguments=lambda world: ["left-pad", "1.5.0"]),
    "api:provenance": View(TOKENS, "POST", lambda world: [world.row.stage_id]),
    "api:context": View(TOKENS, "POST", lambda world: [world.row.stage_id]),
    "api:release": View(TOKENS, arguments=lambda world: [uuid.uuid4()]),
    "api:openapi-json": View(ANYBODY, lenient=True),
    "api:api-root": View(NOBODY, BOTH),
}
# They only go where their counterparts among ours lead.
CALLED = [(name, method) for name, view in VIEWS.items() for method in view.methods.split()]


def names(patterns: list[URLPattern | URLResolver], within: str = "") -> Iterator[str | None]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from names(one.url_patterns, f"{one.namespace}:" if one.namespace else within)
        else:
            yield one.name and within + one.name


def test_the_table_names_every_view_there_is_and_no_other() -> None:
    there = set(names(get_resolver().url_patterns))
    assert None not in there, "a view without a name cannot be in the table"
    assert there == set(VIEWS)


@pytest.fixture
def world() -> World:
    kept: dict[str, str | bytes] = {"package.json": '{"name": "left-pad"}', "LICENSE": "MIT"}
    old = tarball({**kept, "lib/index.js": "let a = 1\n"})
    new = tarball({**kept, "lib/index.js": "let a = 2\n", "logo.png": png(2, 2, (9, 9, 9))})
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(row, tarballs=(old, new))
    baseline = make_provenance(row.package, "1.4.2")
    make_provenance_check(row, make_provenance(row), baseline=baseline)
    return World(StagedVersion.objects.with_package().get(pk=row.pk))


def caller(name: str, world: World) -> Client:
    if name == "nobody":
        return Client()
    role = {"manager": Role.RELEASE_MANAGER, "administrator": Role.ADMINISTRATOR}
    user = make_user(
        f"{name}-{uuid.uuid4().hex[:6]}",
        role=role.get(name, Role.VIEWER if name == "viewer" else Role.APPROVER),
    )
    world.me = user
    if name == "outside":
        Scope.objects.create(user=user, packages="@elsewhere/*")
    if name == "newcomer":
        return sign_in_unverified(user)
    enrol(user)
    enrol_passkey(user)
    make_account(user, world.row.registry)
    return sign_in_unverified(user) if name == "unverified" else sign_in(user)


def call(
    client: Client, name: str, method: str, arguments: list[Any], form: dict[str, Any]
) -> HttpResponse:
    ask = client.get if method == "GET" else client.post
    headers = HTMX if VIEWS[name].htmx else {}
    return ask(reverse(name, args=arguments), form, headers=headers)


def outcome_of(response: HttpResponse) -> object:
    if response.status_code in {401, 403, 404, 405}:
        return response.status_code
    goes_to = response.get("Location", response.get("HX-Redirect", "")).partition("?")
    if goes_to[0] == reverse("account_login") and goes_to[1]:
        return SIGN_IN
    if goes_to[0] == reverse("verify"):
        return VERIFY
    if goes_to[0] == reverse("security") and goes_to[1]:
        return ENROL
    assert response.status_code < 500
    return YES


def written() -> tuple[int, ...]:
    """How much there is of what a call could leave behind."""
    kinds = (Decision, StepUp, AuditEvent, OutboxEvent, InspectionRequest, ViewedFile)
    return tuple(kind.objects.count() for kind in kinds)


@pytest.mark.parametrize(("name", "method"), CALLED)
def test_only_who_may_is_answered(world: World, name: str, method: str) -> None:
    found: Outcomes = {}
    for one in CALLERS:
        world.me = None
        client = caller(one, world)
        arguments, form = VIEWS[name].arguments(world), VIEWS[name].form(world)
        before = written()
        response = call(client, name, method, arguments, form)
        found[one] = outcome_of(response)
        if found[one] != YES:
            assert written() == before
        if one in {"nobody", "newcomer", "unverified", "outside"}:
            # Nobody reads of a package that is not for them, whatever the answer is.
            shown = b"".join(response.streaming_content) if response.streaming else response.content
            assert b"left-pad" not in shown
    assert found == VIEWS[name].who


@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if not view.lenient])
def test_it_takes_no_other_method(world: World, name: str) -> None:
    client = caller("administrator", world)
    arguments = VIEWS[name].arguments(world)
    for method in {"GET", "POST"} - set(VIEWS[name].methods.split()):
        assert outcome_of(call(client, name, method, arguments, {})) == 405


@pytest.mark.parametrize("name", ["answer_registry", "new_registry_link", "call_off"])
def test_nobody_goes_on_with_somebody_elses_decision(world: World, name: str) -> None:
    row = world.decided()
    item = DecisionItem.objects.get(staged_version=row)
    callers = ["viewer", "approver", "manager", "administrator"]
    # Who answers for a package may stop what others have decided of it.
    for one in callers[:2] if name == "call_off" else callers:
        client, before = caller(one, world), written()
        client.post(reverse(name, args=[row.pk]), {"registry_code": "123456"})
        after = DecisionItem.objects.get(pk=item.pk)
        assert (after.state, written()) == (ItemState.ASKING, before)
        assert not RegistryProof.objects.exists()

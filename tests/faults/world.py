"""A registry, a person and workers, to which everything can happen, one thing after the other."""

import contextlib
import hashlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import requests
from django.db import close_old_connections, connection
from django.utils import timezone
from requests.exceptions import ReadTimeout

from approvals.audit.models import AuditEvent, AuditHead
from approvals.decisions import tasks
from approvals.decisions.carrying_out import outcomes, steering
from approvals.decisions.deciding.decide import (
    DecisionRefused,
    answer_registry,
    ask_again,
    decide,
    seen_of,
)
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
    RegistryProof,
)
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor, User
from approvals.queue import live
from approvals.queue.models import Package, StagedVersion
from registry_client.client import RegistryClient
from registry_client.sandbox import second_factor
from registry_client.sandbox.second_factor import Mode
from tests.approvals.conftest import SESSION, House
from tests.approvals.factories import make_inspection
from tests.faults import checks
from tests.faults.clock import Clock
from tests.faults.troubles import (
    PATIENCE_SECONDS,
    Died,
    Run,
    Trouble,
    current_run,
    exposed,
    not_connected,
    running,
)
from tests.faults.wire import without_sockets
from tests.packages import publish_document

PERSON = "ada"
# How long a request may be on its way: less than Countersign waits before it calls again.
LONGEST_ON_ITS_WAY = 100.0
CLIENT_GIVES_UP = 60.0
MOST_ROUNDS = 200


@dataclass
class Sent:
    """A decision as it left for the registry."""

    stage_id: str
    at: float
    # Has the registry get it; None once it has, or where it never will.
    arrives: Callable[[], requests.Response] | None = None
    is_done: bool = False
    clock_was_set: bool = False


@dataclass
class World:
    house: House
    ada: User
    clock: Clock
    decision: Decision = field(init=False)
    rows: list[StagedVersion] = field(init=False)
    serial: int = 0
    rounds: int = 0
    sent: list[Sent] = field(default_factory=list)
    # What happens to the next decisions that are sent, and to the next questions.
    on_the_way: list[str] = field(default_factory=list)
    on_asking: list[str] = field(default_factory=list)
    held_up: list[Run] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # How often each thing really happened, in all schedules so far.
    happened: Counter[str] = field(default_factory=Counter)
    audit_head: tuple[int, str] = (0, "")

    @contextlib.contextmanager
    def turning(self) -> Iterator[None]:
        """The world, as long as it turns."""
        defaults = RegistryClient.__init__.__kwdefaults__
        assert defaults
        self.clock.before = self._let_arrive
        with (
            exposed(self._carry),
            without_sockets(self.house.sandbox.app),
            mock.patch.dict(defaults, sleep=self.clock.advance),
            mock.patch.object(logging.getLogger(), "disabled", True),
        ):
            logging.disable(logging.CRITICAL)
            try:
                yield
            finally:
                logging.disable(logging.NOTSET)
                self._send_home()

    def _send_home(self) -> None:
        for run in list(self.held_up):
            run.trouble = None
            self._go_on(run)

    # ---------- a new morning

    def begin(self) -> None:
        """Nothing of any other schedule is left, even where it failed."""
        self._send_home()
        self.clock.next_morning()
        sandbox = self.house.sandbox
        sandbox.app.disturbances.reset()
        with sandbox.store.write() as registry:
            registry.execute("UPDATE users SET last_used_step = -1, failures = 0, locked_until = 0")
            registry.execute("DELETE FROM staged")
        RegistryAccount.objects.update(
            second_factor=SecondFactor.UNKNOWN,
            codes=CodeUse.UNKNOWN,
            refused_at=None,
            forbidden_at=None,
            bypasses_second_factor=False,
        )
        DecisionItem.objects.filter(state__in=OPEN_ITEM_STATES).update(state=ItemState.FAILED)
        StagedVersion.objects.filter(live_check_at__isnull=False).update(live_check_at=None)
        RegistryProof.objects.all().delete()
        self.sent, self.on_the_way, self.on_asking = [], [], []
        self.held_up, self.problems = [], []
        head = AuditHead.objects.filter(id=1).first()
        self.audit_head = (head.sequence, head.hash) if head else (0, "")

    def decide(
        self,
        number: int,
        action: Action,
        mode: Mode,
        *,
        needs: Sequence[tuple[int, int]] = (),
        holds: bool = True,
        with_code: bool = False,
    ) -> None:
        """The person decides on `number` versions; of `needs`, the first is to wait for the second.

        `with_code`: with a code of the registry's at once.
        """
        self.serial += 1
        self.house.sandbox.app.disturbances.ask_otherwise(mode)
        self.rows = [self._staged(f"@faults/p{self.serial}-{place}") for place in range(number)]
        code = self.code() if with_code and mode in {"classic", "single-use"} else ""
        self.decision = self._decided(action, code)
        items = list(self.decision.items.order_by("pk"))
        place_of = {row.pk: place for place, row in enumerate(self.rows)}
        items.sort(key=lambda item: place_of[item.staged_version_id])
        levels = [0] * number
        for one, needed in sorted(needs):
            levels[one] = max(levels[one], levels[needed] + 1)
            ItemNeed.objects.create(item=items[one], needed=items[needed], holds=holds)
        for item, level in zip(items, levels, strict=True):
            DecisionItem.objects.filter(pk=item.pk).update(level=level)

    def _decided(self, action: Action, registry_code: str) -> Decision:
        """With a real step-up; what the policy wants would take as long as all that follows."""
        with mock.patch("approvals.decisions.deciding.decide._check_way_is_free", return_value={}):
            decision = decide(
                user=self.ada,
                session=SESSION,
                action=action,
                staged_versions=self.rows,
                seen=seen_of(action, self.rows, {}),
                code=self.house.code(self.ada),
                registry_code=registry_code,
                reason="not now" if action == Action.REJECT else "",
            )
        assert decision
        return decision

    def _staged(self, name: str) -> StagedVersion:
        sandbox, registry = self.house.sandbox, self.house.registry
        document = publish_document(name, "1.0.0")
        stage_id = sandbox.stage(document, by="ci")
        sandbox.grant(name, PERSON)
        with sandbox.store.read() as store:
            item = store.execute("SELECT * FROM staged WHERE id = ?", (stage_id,)).fetchone()
            tarball = sandbox.store.tarball(item["tarball"]).read_bytes()
        row = StagedVersion.objects.create(
            registry=registry,
            package=Package.objects.create(registry=registry, name=name),
            stage_id=stage_id,
            version=item["version"],
            tag=item["tag"],
            access=item["access"],
            shasum=item["shasum"],
            sha512=hashlib.sha512(tarball).hexdigest(),
            actor=item["actor"],
            actor_type=item["actor_type"],
            created_at=timezone.now() - timedelta(hours=1),
        )
        make_inspection(row, [], baseline_version="", findings=[], unchanged=[])
        return StagedVersion.objects.with_package().get(pk=row.pk)

    def count(self, what: str, times: int = 1) -> None:
        """That something really happened."""
        if times:
            self.happened[what] += times

    # ---------- workers

    def work(self, trouble: Trouble | None = None, items: int = 100) -> str:
        """A worker carries out what is due; returns what happened to it, "" if nothing did."""
        run = Run(trouble, items)
        if trouble is None or trouble.what != "is held up":
            self._work(run)
            self._raise_error(run)
            self._count_trouble(run)
            return run.struck
        run.thread = threading.Thread(target=self._work_apart, args=[run], daemon=True)
        run.thread.start()
        self._wait(run)
        self._count_trouble(run)
        return run.struck

    def _count_trouble(self, run: Run) -> None:
        if run.struck and run.trouble:
            self.count(run.trouble.what)
            self.count(f"{run.trouble.when} {run.trouble.event}")

    def is_anything_late(self) -> bool:
        """Whether somebody is held up, or a decision is on its way."""
        return bool(self.held_up) or any(one.arrives for one in self.sent)

    def go_on(self) -> None:
        """Whoever has been held up for longest goes on."""
        if self.held_up:
            self._go_on(self.held_up[0])

    def _go_on(self, run: Run) -> None:
        self.held_up.remove(run)
        run.went_quiet.clear()
        run.may_go_on.set()
        self._wait(run)

    def _wait(self, run: Run) -> None:
        assert run.went_quiet.wait(PATIENCE_SECONDS)
        if run.is_held_up:
            self.held_up.append(run)
        else:
            assert run.thread
            run.thread.join(PATIENCE_SECONDS)
            self._raise_error(run)

    def _raise_error(self, run: Run) -> None:
        if run.error:
            raise run.error

    def _work_apart(self, run: Run) -> None:
        try:
            self._work(run)
        finally:
            connection.close()
            run.went_quiet.set()

    def _work(self, run: Run) -> None:
        try:
            with running(run):
                # As Celery does before each task.
                close_old_connections()
                tasks.carry_out_waiting()
        except Died:
            connection.close()
        except Exception as error:  # noqa: BLE001 - as Celery does
            # Celery writes into its log what a task did not catch; without trouble, none should.
            if not run.struck:
                run.error = error
            connection.close()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            run.error = error
            connection.close()

    # ---------- the way to the registry

    def _carry(
        self,
        send: Callable[[], requests.Response],
        method: str,
        url: str,
        more: dict[str, Any],
    ) -> requests.Response:
        if method == "GET":
            return self._ask(send)
        stage_id = url.partition("/-/stage/")[2].split("/")[0]
        fate = self.on_the_way.pop(0) if self.on_the_way else ""
        self.count(f"decision {fate}", bool(fate))
        if fate == "not connected":
            raise not_connected()
        self.problems += checks.on_sending(self, stage_id)
        one = Sent(stage_id, self.clock.passed)
        self.sent.append(one)
        if fate == "never arrives":
            raise requests.ConnectionError("the connection broke off")
        if fate == "arrives late":
            one.arrives = lambda: requests.request(
                method, url, headers=more["headers"], timeout=PATIENCE_SECONDS
            )
            self.clock.advance(CLIENT_GIVES_UP)
            raise ReadTimeout
        if fate == "slow":
            self.clock.advance(40)
        try:
            response = send()
        except requests.ConnectionError:
            one.is_done = stage_id in self.carried_out()
            raise
        one.is_done = response.ok
        if fate == "answer lost":
            response.close()
            raise requests.ConnectionError("the connection broke off")
        if fate == "slow answer":
            self.clock.advance(50)
        return response

    def _ask(self, send: Callable[[], requests.Response]) -> requests.Response:
        fate = self.on_asking.pop(0) if self.on_asking else ""
        self.count(f"question {fate}", bool(fate))
        if fate == "not connected":
            raise not_connected()
        if fate == "broken":
            raise requests.ConnectionError("the connection broke off")
        if fate == "slow":
            self.clock.advance(25)
        return send()

    def calls(self) -> list[tuple[str, str, int]]:
        """The sandbox's own log of this schedule: method, path, status."""
        calls = self.house.sandbox.app.disturbances.calls()
        return [(str(one["method"]), str(one["path"]), int(one["status"])) for one in calls]

    def arrived(self, *statuses: int) -> Counter[str]:
        """How often a decision of each stage id arrived there, and was answered so."""
        return Counter(
            path.split("/")[3]
            for method, path, status in self.calls()
            if path.startswith("/-/stage/")
            and method != "GET"
            and (not statuses or status in statuses)
        )

    def carried_out(self) -> Counter[str]:
        """How often the sandbox carried the decision of each stage id out."""
        # 0: it was, and then was not answered.
        return self.arrived(201, 204, 0)

    def is_on_its_way(self, stage_id: str) -> bool:
        """Whether a decision has left for the registry and may arrive there yet."""
        return any(
            one.arrives and one.stage_id == stage_id and not one.clock_was_set for one in self.sent
        )

    def arrive(self) -> None:
        """What has been on its way for longest gets there."""
        for one in self.sent:
            if one.arrives:
                self._arrive(one)
                return

    def _arrive(self, one: Sent) -> None:
        arrives, one.arrives = one.arrives, None
        assert arrives
        with contextlib.suppress(requests.ConnectionError):
            one.is_done = arrives().ok
            self.count("arrived late")

    def _let_arrive(self, passed: float) -> None:
        """What cannot be on its way for longer arrives, before the clock gets to `passed`."""
        for one in self.sent:
            if one.arrives and one.at + LONGEST_ON_ITS_WAY <= passed:
                self._arrive(one)
        if current_run() is None:
            for run in [run for run in self.held_up if run.stage_id]:
                self._go_on(run)

    def set_clock(self, seconds: float) -> None:
        """Countersign's clock is set; the registry's goes on."""
        self.clock.jump(seconds)
        self.count("clock goes forward" if seconds > 0 else "clock goes back")
        self.house.sandbox.app.disturbances.move_clock(-seconds)
        for one in self.sent:
            one.clock_was_set = True

    # ---------- the person

    def code(self) -> str:
        """What the person's app for the registry shows, once it shows another one."""
        self.clock.advance(30)
        return self.house.sandbox.code(PERSON)

    def answer(self, how: str = "rightly") -> bool:
        """The person does what the registry asks for; whether anything was asked."""
        item = self.decision.items.filter(state=ItemState.ASKING).first()
        if item is None:
            return False
        with contextlib.suppress(DecisionRefused):
            if not item.auth_url:
                code = self.code() if how == "rightly" else "000000"
                answer_registry(user=self.ada, item=item, registry_code=code)
            elif not item.sealed_done_url or how == "again":
                ask_again(user=self.ada, item=item)
            else:
                challenge = item.auth_url.rpartition("/")[2]
                now = self.house.sandbox.app.disturbances.now()
                with contextlib.suppress(Exception):
                    second_factor.confirm_challenge(self.house.sandbox.store, challenge, now)
                return False
        self.count("answered")
        return True

    def steer(self, how: str) -> None:
        """The person has it paused, resumed or called off."""
        steered = {"pause": "paused", "resume": "resumed", "call_off": "called off"}[how]
        with contextlib.suppress(steering.SteeringRefused):
            self.count(steered, bool(getattr(steering, how)(self.decision, user=self.ada)))

    # ---------- the end

    def drive_to_the_end(self, *, answers: bool) -> None:
        """Nothing goes wrong any more, and time passes until nobody waits for anything."""
        self.on_the_way, self.on_asking = [], []
        while self.held_up:
            self.go_on()
        for round_ in range(MOST_ROUNDS):
            began = timezone.now()
            self.work()
            live.watch_due()
            self.check()
            # What came up while the registry was slow is looked at as well.
            if (answers and self.answer()) or timezone.now() != began:
                continue
            at = self._next_due()
            if at is None and not any(one.arrives for one in self.sent):
                return
            pause = (at - timezone.now()).total_seconds() if at else 30.0
            # Longer and longer: who asks every second for a quarter of an hour may ask less often.
            self.clock.advance(max(pause + 0.01, 20.0 * round_))
        raise AssertionError(f"It never ends.\n{self.story()}")

    def _next_due(self) -> datetime | None:
        now = timezone.now()
        moments: list[datetime] = []
        for due_at, lease_until in self.items().values_list("due_at", "lease_until"):
            moments += [one for one in (due_at, lease_until) if one and one >= now]
        looks = StagedVersion.objects.filter(pk__in=[row.pk for row in self.rows])
        # Of these, what came up since the last look counts as well: it will be looked at.
        moments += [one for one in looks.values_list("live_check_at", flat=True) if one]
        self.decision.refresh_from_db()
        if self.decision.paused_at and self.items().exists():
            moments.append(self.decision.made_at + outcomes.GIVE_UP_AFTER + timedelta(seconds=1))
        return min(moments, default=None)

    def items(self) -> Any:
        return self.decision.items.filter(state__in=OPEN_ITEM_STATES)

    def check(self) -> None:
        """What must hold at every moment."""
        problems = self.problems + checks.at_any_time(self)
        assert not problems, "\n".join([*problems, self.story()])

    def check_end(self) -> None:
        """What must hold once nothing is left to be done."""
        problems = self.problems + checks.at_the_end(self)
        assert not problems, "\n".join([*problems, self.story()])
        for _, _, status in self.calls():
            self.count(f"registry says {status}" if status else "registry loses an answer")
        for state in self.decision.items.values_list("state", flat=True):
            self.count({"done": "carried out", "held": "held"}.get(state, "not carried out"))

    def story(self) -> str:
        """What the database and the registry tell of it, for whoever reads of a failure."""
        lines = [f"now {timezone.now():%H:%M:%S}"]
        for item in self.decision.items.order_by("pk").select_related("staged_version"):
            lease = f" leased until {item.lease_until:%H:%M:%S}" if item.lease_until else ""
            lines.append(
                f"item {item.pk} level {item.level} {str(item.stage_id)[:8]} {item.state} "
                f"(version {item.staged_version.state}) due {item.due_at:%H:%M:%S}{lease}: "
                f"{item.outcome}"
            )
            for attempt in Attempt.objects.filter(item=item).order_by("pk"):
                lines.append(f"    {attempt}: {attempt.result or 'open'} {attempt.answer}")
        for event in AuditEvent.objects.filter(sequence__gt=self.audit_head[0]).order_by(
            "sequence"
        ):
            detail = json.dumps(event.detail)[:90]
            lines.append(
                f"audit {event.at:%H:%M:%S} {event.kind} {str(event.stage_id)[:8]} {detail}"
            )
        for method, path, status in self.calls():
            lines.append(f"registry: {method} {path[:60]} {status}")
        return "\n".join(lines)


def quick_commits() -> None:
    """Commits reach the disk later: no machine is switched off here."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous=OFF")
        else:
            cursor.execute("SET synchronous_commit=off")

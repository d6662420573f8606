import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.inspection.finding import Severity
from approvals.inspection.models import LookedAt, RuleSetting, StagedFinding
from approvals.inspection.standing import write_findings
from approvals.people.models import Role, User
from approvals.queue.models import StagedVersion, State
from tests.approvals.factories import (
    make_finding,
    make_inspection,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

MINER = make_finding(
    rule="download-and-run",
    severity=Severity.CRITICAL,
    title="It downloads a program and runs it.",
    path="index.js",
    line=14,
    excerpt="exec(await (await fetch(url)).text())",
)
TIDY = make_finding(
    rule="source-maps", severity=Severity.INFO, title="Source maps carry sources.", path=""
)
NETWORK = make_finding(
    rule="network", severity=Severity.MEDIUM, title="It can send and fetch.", path="setup.js"
)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


@pytest.fixture
def row() -> StagedVersion:
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(row, findings=[NETWORK, TIDY, MINER])
    return row


def page(client: Client, row: StagedVersion) -> str:
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert_strict(response)
    return text_of(response)


def post(client: Client, row: StagedVersion, name: str, **data: str) -> HttpResponse:
    finding = row.findings.get(rule=MINER.rule)
    named = {"rule": finding.rule, "fingerprint": finding.fingerprint}
    response: HttpResponse = client.post(reverse(name, args=[row.pk]), named | data, follow=True)
    return response


def test_the_most_serious_stands_first_with_its_evidence(
    client: Client, row: StagedVersion
) -> None:
    text = page(client, row)
    assert "1 critical, 1 medium" in text
    assert "Critical 1" in text
    assert "index.js:14" in text
    assert MINER.excerpt in text
    assert text.index(MINER.title) < text.index(NETWORK.title) < text.index(TIDY.title)
    assert text.index(MINER.title) < text.index("Files Against 1.4.2")
    assert "1 good to know" in text


def test_a_finding_leads_to_its_line_in_the_diff(client: Client, row: StagedVersion) -> None:
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    found = re.search(r'href="([^"]+)" class="mono">index\.js:14', html)
    assert found
    address = found[1].replace("&amp;", "&")
    assert address.endswith("&line=n14#n14")
    response = client.get(address)
    assert response.context["change"].path == "index.js"


def test_nothing_found_does_not_say_harmless(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, findings=[TIDY])
    text = page(client, row)
    assert "Rules found nothing of medium severity or above." in text
    assert "never say that a version is harmless" in text
    assert "Findings Rules found nothing Which does not say that it is harmless" in text
    assert "none" in text_of(client.get("/"))


def test_what_an_earlier_engine_compared_was_not_searched(client: Client) -> None:
    row = make_staged_version()
    inspection = make_inspection(row, findings=[]).inspection
    assert inspection
    inspection.engine_version = "3"
    inspection.save()
    row.findings.all().delete()
    text = page(client, row)
    assert "nothing was searched for" in text
    assert "Findings Not searched" in text
    assert "not searched" in text_of(client.get("/"))
    confirmation = text_of(client.get(reverse("confirm_reject", args=[row.pk])))
    assert "Findings Not searched" in confirmation
    assert "was found" not in text


def test_reading_is_not_interrupted_because_time_passes(client: Client, row: StagedVersion) -> None:
    post(client, row, "look_at", words="fine")
    status = client.get(reverse("version", args=[row.pk])).context["status"]
    LookedAt.objects.update(at=timezone.now() - timedelta(hours=3))
    again = client.get(reverse("version", args=[row.pk])).context["status"]
    assert "3 h ago" in again["content"]
    assert again["seen"] == status["seen"]


def test_a_confirmation_of_harmless_findings_lists_none(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, findings=[make_finding(severity=Severity.LOW)])
    response = client.get(reverse("confirm_approve", args=[row.pk]))
    assert "1 low" in text_of(response)
    assert "1 more" in text_of(response)
    assert '<ul class="points"></ul>' not in response.content.decode()


def test_a_title_from_a_package_cannot_hide_or_inject(client: Client) -> None:
    row = make_staged_version()
    hostile = make_finding(path="<b>\u202ejs.x", excerpt="</code><script>x()</script>\u200b")
    make_inspection(row, findings=[hostile])
    response = client.get(reverse("version", args=[row.pk]))
    assert_strict(response)
    html = response.content.decode()
    assert "<script>x()" not in html
    assert "\u202e" not in html
    assert "\u200b" not in html


class TestLookedAt:
    def test_it_counts_no_more_and_the_next_reviewer_reads_why(
        self, client: Client, row: StagedVersion
    ) -> None:
        text = text_of(post(client, row, "look_at", words="Our own updater,  pinned"))
        assert "Marked as looked at" in text
        assert "Looked at by ada just now : “Our own updater, pinned”" in text
        assert "1 medium Listed below; 1 looked at" in text
        grace = sign_in(make_user("grace", role=Role.VIEWER))
        assert "“Our own updater, pinned”" in page(grace, row)

    def test_it_is_audited(self, client: Client, row: StagedVersion) -> None:
        post(client, row, "look_at", words="fine")
        event = AuditEvent.objects.get(kind="finding.looked_at")
        assert event.actor_name == "ada"
        assert event.stage_id == row.stage_id
        assert event.detail["rule"] == MINER.rule
        assert event.detail["words"] == "fine"

    def test_it_holds_for_the_next_version_with_the_same_evidence(
        self, client: Client, row: StagedVersion
    ) -> None:
        post(client, row, "look_at", words="fine")
        after = make_staged_version("left-pad", "1.5.1")
        make_inspection(after, findings=[MINER])
        assert "“fine”" in page(client, after)

    @pytest.mark.parametrize(
        "changed",
        [
            {"evidence": "another digest of the file"},
            {"excerpt": "exec(await (await fetch(other)).text())"},
            {"path": "other.js"},
            {"rule": "exfiltration"},
        ],
        ids=["file", "excerpt", "path", "rule"],
    )
    def test_other_evidence_is_open_again(
        self, client: Client, row: StagedVersion, changed: dict[str, str]
    ) -> None:
        post(client, row, "look_at", words="fine")
        after = make_staged_version("left-pad", "1.5.1")
        values = {
            **MINER.__dict__,
            **changed,
        }
        make_inspection(after, findings=[make_finding(**values)])
        text = page(client, after)
        assert "1 critical" in text
        assert "“fine”" not in text

    def test_it_says_nothing_of_another_package(self, client: Client, row: StagedVersion) -> None:
        post(client, row, "look_at", words="fine")
        other = make_staged_version("right-pad", "1.5.0")
        make_inspection(other, findings=[MINER])
        assert "1 critical" in page(client, other)

    def test_the_mark_is_taken_back(self, client: Client, row: StagedVersion) -> None:
        post(client, row, "look_at", words="fine")
        text = text_of(post(client, row, "take_look_back"))
        assert "1 critical, 1 medium" in text
        assert AuditEvent.objects.filter(kind="finding.look_taken_back").count() == 1

    def test_two_browsers_mark_it_once(self, client: Client, row: StagedVersion) -> None:
        post(client, row, "look_at", words="first")
        text = text_of(post(client, row, "look_at", words="second"))
        assert "Somebody marked it a moment ago" in text
        assert LookedAt.objects.get().words == "first"

    @pytest.mark.parametrize(
        "words", ["", "  \n ", "x" * 301, "a\0b"], ids=["none", "blank", "long", "nul"]
    )
    def test_it_needs_a_word(self, client: Client, row: StagedVersion, words: str) -> None:
        post(client, row, "look_at", words=words)
        assert not LookedAt.objects.exists()

    def test_evidence_that_changed_meanwhile_is_not_marked(
        self, client: Client, row: StagedVersion
    ) -> None:
        text = text_of(post(client, row, "look_at", words="fine", fingerprint="0" * 64))
        assert "its evidence changed meanwhile" in text
        assert not LookedAt.objects.exists()

    def test_a_viewer_marks_nothing(self, row: StagedVersion) -> None:
        viewer = sign_in(make_user("vera", role=Role.VIEWER))
        assert "Mark as looked at" not in page(viewer, row)
        finding = row.findings.get(rule=MINER.rule)
        response = viewer.post(
            reverse("look_at", args=[row.pk]),
            {"rule": finding.rule, "fingerprint": finding.fingerprint, "words": "x"},
        )
        assert response.status_code == 403
        assert not LookedAt.objects.exists()

    def test_what_a_decision_stood_on_is_not_marked_afterwards(
        self, client: Client, row: StagedVersion
    ) -> None:
        row.state = State.LIVE
        row.save()
        assert "Mark as looked at" not in page(client, row)
        post(client, row, "look_at", words="fine")
        assert not LookedAt.objects.exists()


class TestQueue:
    def test_it_shows_the_worst_and_how_many(self, client: Client, row: StagedVersion) -> None:
        text = text_of(client.get("/"))
        assert "1 critical 1 more" in text

    def test_what_was_looked_at_does_not_count(self, client: Client, row: StagedVersion) -> None:
        post(client, row, "look_at", words="fine")
        text = text_of(client.get("/"))
        assert "1 medium 1 critical looked at" in text

    def test_what_was_looked_at_is_not_taken_for_nothing(
        self, client: Client, row: StagedVersion
    ) -> None:
        row.findings.exclude(rule=MINER.rule).delete()
        post(client, row, "look_at", words="fine")
        queue = text_of(client.get("/"))
        assert "1 critical looked at" in queue
        assert "none" not in queue
        assert "Findings All looked at 1 critical" in page(client, row)
        for name in ("confirm_approve", "confirm_approve_several"):
            arguments = [row.pk] if name == "confirm_approve" else []
            answer = client.get(reverse(name, args=arguments), {"version": row.pk})
            assert "Critical, looked at by ada, “fine”: It downloads" in text_of(answer)

    def test_it_says_what_the_page_says(self, client: Client, row: StagedVersion) -> None:
        more = make_finding(rule="sizes", severity=Severity.LOW, stands_for=40, path="")
        write_findings(row, StagedFinding.Source.REGISTRY, [more])
        assert "1 critical 41 more" in text_of(client.get("/"))
        assert "1 critical, 1 medium, 40 low" in page(client, row)

    def test_as_many_queries_for_many_as_for_few(self, client: Client, row: StagedVersion) -> None:
        client.get("/")
        with CaptureQueriesContext(
            connection,
        ) as few:
            client.get("/")
        for number in range(20):
            one = make_staged_version(f"p{number}", "1.5.0")
            make_inspection(one, findings=[MINER, NETWORK])
        with CaptureQueriesContext(connection) as many:
            client.get("/")
        assert len(many) == len(few)


class TestSettings:
    def test_a_rule_that_is_off_for_the_package_is_not_shown(
        self, client: Client, row: StagedVersion
    ) -> None:
        RuleSetting.objects.create(
            rule=MINER.rule, packages="left-*", weight="off", words="we know"
        )
        text = page(client, row)
        assert MINER.title not in text
        assert "1 rule counts otherwise for this package" in text
        assert f"Off: {MINER.rule} , “we know” somebody" in text
        confirmation = text_of(client.get(reverse("confirm_approve", args=[row.pk])))
        assert f"1 rule counts otherwise for this package: {MINER.rule} off" in confirmation
        assert "1 medium" in text_of(client.get("/"))

    def test_a_rule_weighs_what_the_setting_says(self, client: Client, row: StagedVersion) -> None:
        RuleSetting.objects.create(
            rule=NETWORK.rule, packages="*", weight="critical", words="never"
        )
        text = page(client, row)
        assert "2 critical" in text
        assert "medium by the rule" in text
        assert "2 critical" in text_of(client.get("/"))

    def test_the_closest_pattern_holds(self, client: Client, row: StagedVersion) -> None:
        RuleSetting.objects.create(rule=MINER.rule, packages="*", weight="off", words="no")
        RuleSetting.objects.create(
            rule=MINER.rule, packages="left-pad", weight="usual", words="here it counts"
        )
        assert "1 critical" in page(client, row)


def test_the_confirmation_names_what_is_open(client: Client, row: StagedVersion) -> None:
    response = client.get(reverse("confirm_approve", args=[row.pk]))
    text = text_of(response)
    assert "It has something that may be an attack or an accident" in text
    assert f"Critical: {MINER.title}" in text
    assert "index.js:14" in text


def test_the_confirmation_leaves_out_nothing_serious(client: Client) -> None:
    row = make_staged_version()
    many = [
        make_finding(severity=Severity.CRITICAL, title=f"Number {number}.", path=f"{number}.js")
        for number in range(12)
    ]
    make_inspection(row, findings=[*many, NETWORK])
    text = text_of(client.get(reverse("confirm_approve", args=[row.pk])))
    for finding in many:
        assert f"Critical: {finding.title}" in text
    assert NETWORK.title not in text
    assert "1 more" in text


def test_several_are_confirmed_with_those_that_need_a_look_named(
    client: Client, row: StagedVersion
) -> None:
    other = make_staged_version("right-pad", "1.0.0", registry=row.registry)
    make_inspection(other, findings=[TIDY])
    address = f"{reverse('confirm_approve_several')}?version={row.pk}&version={other.pk}"
    text = text_of(client.get(address))
    assert "1 of 2 has something that may be an attack or an accident" in text
    post(client, row, "look_at", words="fine")
    assert "may be an attack" not in text_of(client.get(address))

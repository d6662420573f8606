"""Where a version was built, as its page and the queue tell it."""

import json
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, User
from approvals.provenance.models import (
    ExpectedPublisher,
    HandedInBundle,
    Provenance,
    ProvenanceCheck,
    TrustedRoot,
)
from approvals.queue.models import StagedVersion, State
from registry_client.provenance import MAX_BUNDLE
from registry_client.sandbox.authority import Authority
from registry_client.sandbox.workflow_runs import WorkflowRun
from tests.approvals.factories import (
    make_inspection,
    make_provenance,
    make_provenance_check,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

RUN = WorkflowRun(
    repository="acme/left-pad",
    repository_id="1001",
    owner_id="2002",
    commit="c0ffee" * 6 + "c0ff",
    run_id="77",
)


@pytest.fixture
def ada() -> User:
    return make_user("ada", role=Role.ADMINISTRATOR)


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


@pytest.fixture
def row() -> StagedVersion:
    return make_staged_version("left-pad", "1.5.0")


def page(client: Client, row: StagedVersion) -> HttpResponse:
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert_strict(response)
    return response


def panel_text(response: HttpResponse) -> str:
    """What stands in the panel "Where it was built"."""
    found = re.search(r'<section id="built".*?</section>', response.content.decode(), re.S)
    assert found is not None
    return text_of(HttpResponse(found.group()))


def found_as_always(row: StagedVersion) -> ProvenanceCheck:
    baseline = make_provenance(row.package, "1.4.2")
    return make_provenance_check(row, make_provenance(row), baseline=baseline)


def outgoing_links(response: HttpResponse) -> list[str]:
    return re.findall(r'<a [^>]*href="https?:[^>]*>', response.content.decode())


def hand_in(client: Client, row: StagedVersion, content: bytes) -> str:
    """What the page says after a bundle was handed in."""
    upload = SimpleUploadedFile("left-pad.sigstore.json", content, "application/json")
    address = reverse("hand_in_bundle", args=[row.pk])
    return text_of(client.post(address, {"bundle": upload}, follow=True))


def test_a_version_built_as_always_says_so_in_one_sentence(
    client: Client, row: StagedVersion
) -> None:
    check = found_as_always(row)
    response = page(client, row)
    text = panel_text(response)
    assert "As always" in text
    built = check.provenance.built
    assert f"commit {built.commit[:7]}, as 1.4.2 was." in text
    assert text.count("Proven:") == 3
    assert "another commit, and nothing else differs" in text
    decision = re.search(r'<section id="status".*?</section>', response.content.decode(), re.S)
    assert "as 1.4.2 was" in text_of(HttpResponse(decision.group()))


def test_links_lead_out_only_to_hosts_that_are_shown_and_tell_them_nothing(
    client: Client, row: StagedVersion
) -> None:
    check = found_as_always(row)
    response = page(client, row)
    links = outgoing_links(response)
    assert links
    for link in links:
        assert 'rel="noopener noreferrer"' in link
        assert re.search(r'href="https://(github\.com|search\.sigstore\.dev)/', link)
    text = panel_text(response)
    assert "The commit at github.com" in text
    assert f"Log entry {check.provenance.log_index} at search.sigstore.dev" in text
    compared = f"/compare/{check.baseline.built.commit}...{check.provenance.built.commit}"
    assert any(compared in link for link in links)


def test_a_private_log_has_no_public_entry_to_look_up(client: Client, row: StagedVersion) -> None:
    make_provenance_check(row, make_provenance(row, is_public=False))
    response = page(client, row)
    assert "search.sigstore.dev" not in response.content.decode()
    assert "not Sigstore's public one" in panel_text(response)


def test_no_link_leads_elsewhere_than_to_the_repositorys_host(
    client: Client, row: StagedVersion
) -> None:
    runs = ("javascript:alert(1)", "https://evil.example.org/run", "http://github.com/run", "//x")
    for run in runs:
        ProvenanceCheck.objects.all().delete()
        Provenance.objects.all().delete()
        make_provenance_check(row, make_provenance(row, run_url=run))
        response = page(client, row)
        assert "The run at" not in panel_text(response)
        assert run not in response.content.decode()


def test_what_a_bundle_names_cannot_become_markup_or_hide(
    client: Client, row: StagedVersion
) -> None:
    make_provenance_check(
        row,
        make_provenance(
            row,
            ref="refs/heads/<script>alert(1)</script>\u202etxt",
            workflow=".github/workflows/<b>.yml",
            environment="prod\u200buction",
        ),
    )
    html = page(client, row).content.decode()
    assert "<script>alert" not in html
    assert "<b>.yml" not in html
    assert "\u202e" not in html
    assert "\u200b" not in html


def test_what_was_not_compared_yet_is_not_called_the_first(
    client: Client, row: StagedVersion, authority: Authority
) -> None:
    """A bundle that was handed in before anybody looked for the baseline."""
    make_provenance_check(row, None)
    text = hand_in(client, row, bundle_for(authority, row))
    assert "what it is compared with is not known yet" in text
    assert "Not compared yet" in text
    assert "no earlier release" not in text
    response = page(client, row)
    assert "As always" not in panel_text(response)
    assert "badge--ok" not in response.content.decode()
    # It corrects itself once it was compared.
    assert 'hx-trigger="every 2s"' in response.content.decode()


def test_what_a_form_of_the_panel_did_is_said_in_it_and_nowhere_else(
    client: Client, row: StagedVersion
) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    upload = SimpleUploadedFile("x.json", b"{}", "application/json")
    answer = client.post(reverse("hand_in_bundle", args=[row.pk]), {"bundle": upload}, follow=True)
    html = answer.content.decode()
    assert html.count("The bundle was refused.") == 1
    assert html.index('<div id="provenance"') < html.index("The bundle was refused.")
    assert answer.redirect_chain[-1][0].endswith("#provenance")


def test_a_version_built_otherwise_is_named_first(client: Client, row: StagedVersion) -> None:
    make_inspection(row)
    baseline = make_provenance(row.package, "1.4.2")
    other = make_provenance(row, repository="https://github.com/eve/left-pad", repository_id="666")
    make_provenance_check(row, other, baseline=baseline)
    response = page(client, row)
    decision = text_of(HttpResponse(response.context["status"]["content"]))
    assert "otherwise than 1.4.2" in decision
    # Before what is unusual in the files, which make_inspection has, too.
    assert decision.index("eve/left-pad") < decision.index("The script postinstall is new")
    assert "Critical" in decision
    text = panel_text(response)
    assert "Not as expected" in text
    assert "changed" in text


def test_missing_provenance_is_explained_with_how_to_turn_it_on(
    client: Client, row: StagedVersion
) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    text = panel_text(page(client, row))
    assert "Not proven" in text
    assert "nothing proves where this was built" in text
    assert "id-token: write" in text
    assert "npm stage publish --provenance" in text
    assert "Hand in its Sigstore bundle" in text


def test_provenance_that_does_not_hold_is_loud(client: Client, row: StagedVersion) -> None:
    make_provenance_check(row, make_provenance(row, outcome="refused"))
    response = page(client, row)
    text = panel_text(response)
    assert "Does not hold" in text
    assert "The signature is for another tarball." in text_of(response)
    assert "Broken:" in text
    assert outgoing_links(response) == []


def test_what_was_not_looked_for_yet_is_said_and_asks_again(
    client: Client, row: StagedVersion
) -> None:
    make_provenance_check(row, step="Asking the registry", state="running")
    response = page(client, row)
    assert "Looking for provenance" in panel_text(response)
    assert "Asking the registry" in panel_text(response)
    assert 'hx-trigger="every 2s"' in response.content.decode()


def test_the_panel_is_sent_again_only_if_it_changed(client: Client, row: StagedVersion) -> None:
    missing = make_provenance(row, outcome="missing")
    check = make_provenance_check(row, missing)
    address = reverse("version_provenance", args=[row.pk])
    first = client.get(address, headers=HTMX)
    seen = re.search(r'name="seen" value="(\w+)"', first.content.decode()).group(1)
    # Time alone interrupts nobody who reads, or who has chosen a file.
    Provenance.objects.update(checked_at=timezone.now() - timedelta(hours=2))
    ProvenanceCheck.objects.update(due_at=timezone.now() + timedelta(hours=2), looks=7)
    assert client.get(address, {"seen": seen}, headers=HTMX).status_code == 204
    check.provenance = None
    check.save()
    missing.delete()
    check.provenance = make_provenance(row)
    check.state = ProvenanceCheck.State.DONE
    check.save()
    response = client.get(address, {"seen": seen}, headers=HTMX)
    assert response.status_code == 200
    # Nothing changes any more, so nothing is asked any more.
    assert "hx-trigger" not in response.content.decode()


def test_the_panel_is_no_page_of_its_own(client: Client, row: StagedVersion) -> None:
    response = client.get(reverse("version_provenance", args=[row.pk]))
    assert response.headers["location"] == reverse("version", args=[row.pk])


@pytest.fixture
def authority(row: StagedVersion) -> Authority:
    authority = Authority.new()
    root = json.dumps(authority.trusted_root())
    TrustedRoot.objects.create(registry=row.registry, document=root)
    return authority


def bundle_for(authority: Authority, row: StagedVersion, sha512: str = "") -> bytes:
    statement = RUN.statement(row.package.name, row.version, sha512 or row.sha512)
    return json.dumps(authority.issue(statement, RUN.claims(), at=timezone.now())).encode()


def test_a_bundle_that_is_handed_in_proves_itself(
    client: Client, row: StagedVersion, authority: Authority
) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    text = hand_in(client, row, bundle_for(authority, row))
    assert "The bundle was taken." in text
    assert "Built by release.yml on main of acme/left-pad" in text
    assert AuditEvent.objects.get(kind="provenance.handed_in").actor_name == "ada"


def test_a_bundle_for_another_digest_is_refused_with_both(
    client: Client, row: StagedVersion, authority: Authority
) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    other = "ab" * 64
    text = hand_in(client, row, bundle_for(authority, row, other))
    assert "The bundle was refused." in text
    assert other in text
    assert row.sha512 in text
    assert not HandedInBundle.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "That file is empty", id="empty"),
        pytest.param(b"not JSON \xff", "The bundle was refused.", id="no JSON"),
        pytest.param(b"[1, 2]", "The bundle was refused.", id="no bundle"),
        pytest.param(b"[" * 100_000, "The bundle was refused.", id="nested"),
        pytest.param(b" " * (MAX_BUNDLE + 1), "cannot be a bundle", id="too large"),
    ],
)
def test_what_is_no_bundle_is_refused_in_words(
    client: Client, row: StagedVersion, content: bytes, words: str
) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    assert words in hand_in(client, row, content)
    assert not HandedInBundle.objects.exists()


def test_nothing_chosen_is_said(client: Client, row: StagedVersion) -> None:
    answer = client.post(reverse("hand_in_bundle", args=[row.pk]), follow=True)
    assert "Choose a file with a Sigstore bundle first." in text_of(answer)


def test_who_only_looks_may_look(row: StagedVersion) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    viewer = sign_in(make_user(role=Role.VIEWER))
    text = panel_text(page(viewer, row))
    assert "Hand in" not in text
    assert "by hand" not in text
    for route in ("hand_in_bundle", "look_again", "pin_baseline", "publisher", "publisher_remove"):
        assert viewer.post(reverse(route, args=[row.pk])).status_code == 403, route
    assert not ExpectedPublisher.objects.exists()


def test_approvers_pin_nothing(row: StagedVersion) -> None:
    found_as_always(row)
    approver = sign_in(make_user(role=Role.APPROVER))
    assert "Pin what was proven" not in panel_text(page(approver, row))
    for route in ("pin_baseline", "publisher", "publisher_remove"):
        assert approver.post(reverse(route, args=[row.pk])).status_code == 403, route


@pytest.mark.parametrize("route", ["hand_in_bundle", "look_again", "pin_baseline"])
def test_reading_changes_nothing(client: Client, row: StagedVersion, route: str) -> None:
    found_as_always(row)
    assert client.get(reverse(route, args=[row.pk])).status_code == 405
    assert not ExpectedPublisher.objects.exists()


def test_looking_again_is_asked_for(client: Client, row: StagedVersion) -> None:
    check = make_provenance_check(
        row,
        make_provenance(row, outcome="missing"),
        due_at=timezone.now() + timedelta(hours=1),
    )
    answer = client.post(reverse("look_again", args=[row.pk]), follow=True)
    assert "Provenance is looked for again." in text_of(answer)
    check.refresh_from_db()
    assert check.due_at <= timezone.now()


def test_what_is_decided_asks_for_nothing_any_more(client: Client) -> None:
    row = make_staged_version("left-pad", "1.5.0", state=State.LIVE)
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    response = page(client, row)
    assert "Hand in" not in panel_text(response)
    panel = re.search(r'<section id="built"[^>]*>', response.content.decode()).group()
    assert "hx-get" not in panel


def test_the_bundle_is_a_download_that_nothing_runs(client: Client) -> None:
    row = make_staged_version("@acme/left-pad", "1.5.0")
    make_provenance_check(row, make_provenance(row, bundle='{"mediaType": "<script>"}'))
    answer = client.get(reverse("provenance_bundle", args=[row.pk]))
    assert answer.content == b'{"mediaType": "<script>"}'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == (
        'attachment; filename="acme-left-pad-1.5.0.sigstore.json"'
    )
    assert "sandbox" in answer["Content-Security-Policy"]


def test_without_a_bundle_there_is_nothing_to_download(client: Client, row: StagedVersion) -> None:
    make_provenance_check(row, make_provenance(row, outcome="missing"))
    assert client.get(reverse("provenance_bundle", args=[row.pk])).status_code == 404


def test_one_click_pins_what_was_proven_for_the_baseline(
    client: Client, row: StagedVersion
) -> None:
    check = found_as_always(row)
    shown = re.search(r'name="baseline" value="(\d+)"', page(client, row).content.decode()).group(1)
    address = reverse("pin_baseline", args=[row.pk])
    answer = client.post(address, {"baseline": shown}, follow=True)
    assert "Pinned: left-pad is expected from" in text_of(answer)
    pinned = ExpectedPublisher.objects.get(package=row.package)
    assert pinned.repository_id == check.baseline.built.repository_id
    assert "as 1.4.2 was proven" in panel_text(page(client, row))


@pytest.mark.parametrize("shown", ["", "another", "٣"], ids=["nothing", "another", "digit"])
def test_nothing_is_pinned_that_the_page_did_not_show(
    client: Client, row: StagedVersion, shown: str
) -> None:
    check = found_as_always(row)
    fields = {"baseline": str(check.provenance_id) if shown == "another" else shown}
    answer = client.post(reverse("pin_baseline", args=[row.pk]), fields, follow=True)
    assert "than the page showed" in text_of(answer)
    assert not ExpectedPublisher.objects.exists()


def test_what_is_unlike_the_pin_is_critical(client: Client, row: StagedVersion) -> None:
    found_as_always(row)
    form = {"repository": "https://github.com/acme/elsewhere", "workflow": "", "ref_pattern": ""}
    answer = client.post(reverse("publisher", args=[row.pk]), form, follow=True)
    text = text_of(answer)
    assert "is saved" in text
    text = panel_text(page(client, row))
    assert "Critical" in text_of(page(client, row))
    # In the chain and in the table, too: nothing of it stays green.
    assert "Pinned: acme/elsewhere" in text
    assert "not as pinned" in text
    assert "chain__stop--unexpected" in page(client, row).content.decode()
    assert "Not as expected" in text_of(client.get(reverse("queue")))
    client.post(reverse("publisher_remove", args=[row.pk]))
    assert "Critical" not in panel_text(page(client, row))
    assert "As always" in text_of(client.get(reverse("queue")))


def test_a_pin_that_makes_no_sense_is_refused_beside_its_field(
    client: Client, row: StagedVersion
) -> None:
    found_as_always(row)
    form = {"repository": "acme/left-pad", "ref_pattern": "main"}
    answer = client.post(reverse("publisher", args=[row.pk]), form)
    assert answer.status_code == 200
    html = answer.content.decode()
    # Everything that is wrong at once.
    assert 'id="id_ref_pattern_error"' in html
    assert 'id="id_repository_error"' in html
    assert "refs/heads/main" in text_of(answer)
    assert not ExpectedPublisher.objects.exists()


def test_the_form_begins_with_what_is_known(client: Client, row: StagedVersion) -> None:
    check = found_as_always(row)
    html = client.get(reverse("publisher", args=[row.pk])).content.decode()
    assert f'value="{check.baseline.built.repository}"' in html


@pytest.mark.parametrize(
    ("outcome", "baseline", "words"),
    [
        pytest.param("verified", "verified", "As always", id="same"),
        pytest.param("verified", "", "Proven", id="first"),
        pytest.param("missing", "", "Not proven", id="missing"),
        pytest.param("missing", "verified", "Not proven", id="lost"),
        pytest.param("refused", "verified", "Does not hold", id="refused"),
    ],
)
def test_the_queue_says_it_in_a_word(
    client: Client, row: StagedVersion, outcome: str, baseline: str, words: str
) -> None:
    before = make_provenance(row.package, "1.4.2", baseline) if baseline else None
    make_provenance_check(row, make_provenance(row, outcome=outcome), baseline=before)
    response = client.get(reverse("queue"))
    assert words in text_of(response)
    is_loud = re.search(rf"badge--bad[^>]*>{words}", response.content.decode()) is not None
    assert is_loud == (outcome != "verified" and baseline == "verified")


def test_the_confirmation_says_where_it_was_built(client: Client, row: StagedVersion) -> None:
    make_inspection(row)
    found_as_always(row)
    text = text_of(client.get(reverse("confirm_approve", args=[row.pk])))
    assert "release.yml on main" in text

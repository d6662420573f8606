"""Pinning where a package must be built."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, User
from approvals.provenance.case import Case, case_of
from approvals.provenance.expected import (
    PinRefused,
    pin,
    pin_from,
    suggestion_for,
    unpin,
)
from approvals.provenance.expected_as_written import LONGEST, typed_ref_pattern, typed_repository
from approvals.provenance.findings import findings_of
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.settle import settle
from approvals.queue.models import Package, StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.events import topics
from tests.approvals.factories import (
    make_provenance,
    make_provenance_check,
    make_staged_version,
    make_user,
)
from tests.approvals.provenance.cases import case, missing, pinned_by_hand, proven

HERE = "https://github.com/acme/left-pad"


@pytest.fixture
def chief(db: None) -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def row(db: None) -> StagedVersion:
    return make_staged_version("left-pad", "1.5.0")


def checked(row: StagedVersion, **before: Any) -> ProvenanceCheck:
    baseline = make_provenance(row.package, "1.4.0", **before)
    return make_provenance_check(row, make_provenance(row), baseline=baseline)


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("sequence").values_list("kind", flat=True))


def test_what_was_proven_for_the_baseline_is_pinned(chief: User, row: StagedVersion) -> None:
    check = checked(row, ref="refs/tags/v1.4.0", environment="npm")
    expected = pin_from(check, actor=chief)
    assert expected == ExpectedPublisher.objects.get(package=row.package)
    assert expected.as_json() == {
        "repository": HERE,
        "repository_id": "40001",
        "owner_id": "9001",
        "workflow": ".github/workflows/release.yml",
        "ref_pattern": "refs/tags/v*",
        "environment": "npm",
        "pinned_from": "1.4.0",
    }
    assert expected.pinned_by == chief
    event = AuditEvent.objects.get(kind="publisher.pinned")
    assert event.detail == {**expected.as_json(), "was": None}
    assert (event.actor_id, event.subject_name) == (chief.pk, "left-pad")


def test_what_is_pinned_from_a_release_is_met_by_the_next_like_it(
    chief: User, row: StagedVersion
) -> None:
    baseline = make_provenance(row.package, "1.4.0", ref="refs/tags/v1.4.0")
    now = make_provenance(row, ref="refs/tags/v1.5.0")
    check = make_provenance_check(row, now, baseline=baseline)
    pin_from(check, actor=chief)
    assert findings_of(case_of(check, row)) == []


def test_a_workflow_of_another_repository_is_pinned_with_it(
    chief: User, row: StagedVersion
) -> None:
    other = {"workflow_repository": "https://gitlab.com/acme/ci", "workflow": "ci.yml"}
    baseline = make_provenance(row.package, "1.4.0", **other)
    check = make_provenance_check(row, make_provenance(row, **other), baseline=baseline)
    expected = pin_from(check, actor=chief)
    assert expected.workflow == "https://gitlab.com/acme/ci/ci.yml"
    assert findings_of(case_of(check, row)) == []


@pytest.mark.parametrize(
    ("outcome", "facts", "why"),
    [
        ("missing", {}, "Nothing is proven"),
        ("refused", {}, "Nothing is proven"),
        ("verified", {"ref": "refs/pull/1/merge"}, "pull or merge request"),
        ("verified", {"ref": "refs/heads/*"}, "means anything"),
        ("verified", {"workflow": "a" * 301}, "too long"),
        ("verified", {"environment": "a\u202eb"}, "hidden characters"),
        ("verified", {"environment": "a\u3164"}, "hidden characters"),
    ],
    ids=["missing", "refused", "request", "star", "long", "hidden", "blank"],
)
def test_not_everything_is_pinned_with_one_click(
    chief: User, row: StagedVersion, outcome: str, facts: dict[str, str], why: str
) -> None:
    check = checked(row, outcome=outcome, **facts)
    with pytest.raises(PinRefused, match=why):
        pin_from(check, actor=chief)
    assert not ExpectedPublisher.objects.exists()
    assert kinds() == []


@pytest.mark.parametrize(
    ("source", "is_pinned"),
    [("registry", True), ("item", True), ("handed_in", False), ("log", False)],
)
def test_only_what_the_registry_has_of_the_baseline_is_pinned(
    chief: User, row: StagedVersion, source: str, is_pinned: bool
) -> None:
    check = checked(row, source=source)
    if is_pinned:
        assert pin_from(check, actor=chief).pinned_from == "1.4.0"
        return
    with pytest.raises(PinRefused, match="came from elsewhere than its registry"):
        pin_from(check, actor=chief)
    assert not ExpectedPublisher.objects.exists()


def test_without_a_baseline_what_is_to_be_judged_is_not_pinned(
    chief: User, row: StagedVersion
) -> None:
    check = make_provenance_check(row, make_provenance(row))
    with pytest.raises(PinRefused, match="Nothing is proven about the baseline"):
        pin_from(check, actor=chief)


def test_another_baseline_than_the_page_showed_is_not_pinned_unseen(
    chief: User, row: StagedVersion
) -> None:
    check = checked(row)
    shown = check.baseline_id
    assert shown is not None
    stale = ProvenanceCheck.objects.select_related("baseline").get(pk=check.pk)
    newer = make_provenance(row.package, "1.4.1", repository="https://github.com/acme/other")
    for now in (newer, None):
        ProvenanceCheck.objects.update(baseline=now)
        with pytest.raises(PinRefused, match="another release by now"):
            pin_from(stale, baseline=shown, actor=chief)
    assert not ExpectedPublisher.objects.exists()
    ProvenanceCheck.objects.update(baseline=newer)
    assert pin_from(stale, baseline=newer.pk, actor=chief).pinned_from == "1.4.1"


def test_what_the_page_showed_and_proves_nothing_any_more_is_not_pinned(
    chief: User, row: StagedVersion
) -> None:
    check = checked(row)
    shown = check.baseline_id
    assert shown is not None
    make_provenance(row.package, "1.3.0")
    Provenance.objects.filter(pk=shown).update(
        outcome="refused", build={}, signed_at=None, source="registry"
    )
    with pytest.raises(PinRefused, match="Nothing is proven"):
        pin_from(check, baseline=shown, actor=chief)


def test_a_pin_by_hand_elsewhere_takes_the_place_of_one_with_numbers(
    chief: User, row: StagedVersion
) -> None:
    pin_from(checked(row, environment="npm"), actor=chief)
    before = ExpectedPublisher.objects.get().as_json()
    pin(row.package, actor=chief, repository=f"{HERE}-2")
    expected = ExpectedPublisher.objects.get()
    empty = dict.fromkeys(before, "")
    assert expected.as_json() == {**empty, "repository": f"{HERE}-2"}
    event = AuditEvent.objects.filter(kind="publisher.pinned").latest("sequence")
    assert event.detail["was"] == before


def test_the_numbers_that_were_proven_stay_with_their_address(
    chief: User, row: StagedVersion
) -> None:
    pin_from(checked(row, environment="npm"), actor=chief)
    before = ExpectedPublisher.objects.get().as_json()
    address = HERE.replace("acme", "Acme")
    pin(row.package, actor=chief, repository=address, ref_pattern="refs/tags/v*")
    expected = ExpectedPublisher.objects.get()
    assert expected.as_json() == {
        **dict.fromkeys(before, ""),
        "repository": address,
        "repository_id": "40001",
        "owner_id": "9001",
        "ref_pattern": "refs/tags/v*",
    }
    # Once they are gone, the same address does not bring them back.
    pin(row.package, actor=chief, repository=f"{HERE}-2")
    pin(row.package, actor=chief, repository=HERE)
    expected.refresh_from_db()
    assert (expected.repository_id, expected.owner_id) == ("", "")


def test_what_was_proven_and_is_saved_by_hand_unchanged_stays_what_it_is(
    chief: User, row: StagedVersion
) -> None:
    check = checked(row, ref="refs/tags/v1.4.0", environment="npm")
    before = pin_from(check, actor=chief)
    now = case_of(ProvenanceCheck.objects.get(), row)
    pin(row.package, actor=make_user(), **suggestion_for(now))
    after = ExpectedPublisher.objects.get()
    assert (after.pinned_from, after.pinned_by, after.as_json()) == (
        "1.4.0",
        chief,
        before.as_json(),
    )
    assert kinds().count("publisher.pinned") == 1


SUGGESTED = {
    "repository": HERE,
    "workflow": ".github/workflows/release.yml",
    "ref_pattern": "refs/heads/main",
    "environment": "",
}
ELSEWHERE = {"repository": "https://github.com/mallory/left-pad", "ref": "refs/heads/evil"}
SUGGESTIONS: dict[str, tuple[Case, dict[str, str]]] = {
    "baseline": (case(proven("1.5.0", **ELSEWHERE), proven("1.4.0")), SUGGESTED),
    "release-before-a-gap": (
        case(proven("1.5.0", **ELSEWHERE), missing("1.4.0"), proven("1.3.0")),
        SUGGESTED,
    ),
    "never-its-own": (case(proven("1.5.0")), {}),
    "nothing-looked-up": (case(None), {}),
    "pinned": (
        case(
            proven("1.5.0"),
            proven("1.4.0"),
            expected=pinned_by_hand(repository="https://gitlab.com/a/b", environment="npm"),
        ),
        {**SUGGESTED, "repository": "https://gitlab.com/a/b", "environment": "npm"},
    ),
    "tag": (
        case(None, proven("1.4.0", ref="refs/tags/v1.4.0")),
        {**SUGGESTED, "ref_pattern": "refs/tags/v*"},
    ),
    "request": (
        case(None, proven("1.4.0", ref="refs/pull/1/merge")),
        {**SUGGESTED, "ref_pattern": ""},
    ),
    "star": (case(None, proven("1.4.0", ref="refs/heads/*")), {**SUGGESTED, "ref_pattern": ""}),
    "workflow-of-another-repository": (
        case(
            None,
            proven("1.4.0", workflow="ci.yml", workflow_repository="https://gitlab.com/acme/ci"),
        ),
        {**SUGGESTED, "workflow": "https://gitlab.com/acme/ci/ci.yml"},
    ),
    "long-and-hidden": (
        case(None, proven("1.4.0", workflow="a" * 301, environment="a\u202eb")),
        {**SUGGESTED, "workflow": ""},
    ),
}


@pytest.mark.parametrize("name", SUGGESTIONS)
def test_what_a_form_begins_with(name: str) -> None:
    about, suggestion = SUGGESTIONS[name]
    assert suggestion_for(about) == suggestion


def test_what_is_pinned_already_is_recorded_once(chief: User, row: StagedVersion) -> None:
    for _ in range(2):
        pin(row.package, actor=chief, repository=HERE, ref_pattern="refs/heads/main")
    assert kinds() == ["publisher.pinned"]


def test_the_pin_is_taken_away_once(chief: User, row: StagedVersion) -> None:
    pin(row.package, actor=chief, repository=HERE)
    assert unpin(row.package, actor=chief)
    assert not unpin(row.package, actor=chief)
    assert kinds() == ["publisher.pinned", "publisher.unpinned"]
    event = AuditEvent.objects.get(kind="publisher.unpinned")
    assert event.detail["repository"] == HERE
    assert event.actor_id == chief.pk


def test_the_verdicts_of_what_is_open_follow(chief: User, row: StagedVersion) -> None:
    check = checked(row)
    others = {}
    for state in (State.APPROVING, State.LIVE):
        other = make_staged_version("left-pad", f"2.0.{len(others)}", state=state)
        others[state] = make_provenance_check(
            other, make_provenance(other), baseline=check.baseline
        )
    elsewhere = make_staged_version("right-pad", "1.5.0")
    others["elsewhere"] = make_provenance_check(elsewhere, make_provenance(elsewhere))

    def verdicts() -> list[str]:
        every = [check, *others.values()]
        return [ProvenanceCheck.objects.get(pk=one.pk).verdict for one in every]

    assert verdicts() == ["same", "same", "same", "first"]
    pin(row.package, actor=chief, repository="https://github.com/acme/other")
    assert verdicts() == ["changed", "changed", "same", "first"]
    unpin(row.package, actor=chief)
    assert verdicts() == ["same", "same", "same", "first"]


def test_where_nobody_has_looked_yet_there_is_no_verdict(chief: User, row: StagedVersion) -> None:
    check = make_provenance_check(row)
    pin(row.package, actor=chief, repository="https://github.com/acme/other")
    assert ProvenanceCheck.objects.get(pk=check.pk).verdict == ""


def test_a_verdict_that_a_pin_changes_is_told_like_any_other(
    chief: User, row: StagedVersion
) -> None:
    settle(checked(row))
    told = topics().count("provenance.found")
    pin(row.package, actor=chief, repository="https://github.com/acme/other")
    event = AuditEvent.objects.filter(kind="provenance.found").latest("sequence")
    assert (event.detail["verdict"], event.stage_id) == ("changed", row.stage_id)
    assert topics().count("provenance.found") == told + 1
    unpin(row.package, actor=chief)
    event = AuditEvent.objects.filter(kind="provenance.found").latest("sequence")
    assert event.detail["verdict"] == "same"


def test_what_is_read_does_not_grow_with_what_is_open(chief: User, row: StagedVersion) -> None:
    counts = []
    for number in range(1, 4):
        other = make_staged_version("left-pad", f"1.{number}.0")
        make_provenance_check(
            other,
            make_provenance(other),
            baseline=make_provenance(row.package, "1.0.0"),
            history=[make_provenance(row.package, "0.9.0")],
        )
        with CaptureQueriesContext(connection) as queries:
            pin(row.package, actor=chief, repository=f"https://github.com/acme/{number}")
        counts.append(sum(query["sql"].startswith("SELECT") for query in queries))
    assert counts[1] == counts[2]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (HERE, HERE),
        (f"  {HERE}/ ", HERE),
        (f"{HERE}.git", HERE),
        ("HTTPS://GitHub.com/Acme/Left-Pad", "https://github.com/Acme/Left-Pad"),
        ("https://gitlab.com/a/b/c.d", "https://gitlab.com/a/b/c.d"),
        ("https://git.example.org:8443/a/b", "https://git.example.org:8443/a/b"),
    ],
    ids=["plain", "spaces", "git", "upper-case", "groups", "port"],
)
def test_a_repositorys_address_is_kept_in_one_spelling(typed: str, kept: str) -> None:
    assert typed_repository(typed) == kept


REFUSED = {
    "empty": {"repository": ""},
    "no-scheme": {"repository": "github.com/acme/left-pad"},
    "http": {"repository": "http://github.com/acme/left-pad"},
    "ssh": {"repository": "git@github.com:acme/left-pad"},
    "owner-only": {"repository": "https://github.com/acme"},
    "no-host": {"repository": "https:///acme/left-pad"},
    "password": {"repository": "https://me:secret@github.com/acme/left-pad"},
    "query": {"repository": f"{HERE}?tab=readme"},
    "fragment": {"repository": f"{HERE}#readme"},
    "dots": {"repository": "https://github.com/acme/.."},
    "space": {"repository": "https://github.com/acme/left pad"},
    "percent": {"repository": "https://github.com/acme/left%2Fpad"},
    "letters-of-elsewhere": {"repository": "https://github.com/\u0430cme/left-pad"},
    "page-of-it": {"repository": f"{HERE}/actions"},
    "empty-segment": {"repository": "https://github.com//acme/left-pad"},
    "hidden": {"repository": f"{HERE}\u200b"},
    "long": {"repository": f"https://github.com/acme/{'x' * 500}"},
    "workflow-absolute": {"workflow": "/.github/workflows/release.yml"},
    "workflow-up": {"workflow": ".github/workflows/../release.yml"},
    "workflow-kind": {"workflow": ".github/workflows/release.json"},
    "workflow-ref": {"workflow": ".github/workflows/release.yml@refs/heads/main"},
    "workflow-address": {"workflow": f"{HERE}/.github/workflows/release.yml"},
    "workflow-name-only": {"workflow": "release.yml"},
    "workflow-hidden": {"workflow": ".github/workflows/\u202erelease.yml"},
    "workflow-long": {"workflow": f".github/workflows/{'x' * 300}.yml"},
    "ref-bare": {"ref_pattern": "main"},
    "ref-star": {"ref_pattern": "*"},
    "ref-request": {"ref_pattern": "refs/pull/1/merge"},
    "ref-nothing": {"ref_pattern": "refs/heads/"},
    "ref-space": {"ref_pattern": "refs/heads/a b"},
    "ref-regex": {"ref_pattern": "refs/heads/[ab]"},
    "ref-question": {"ref_pattern": "refs/heads/v?"},
    "ref-dots": {"ref_pattern": "refs/heads/a..b"},
    "ref-hidden": {"ref_pattern": "refs/heads/ma\0in"},
    "ref-long": {"ref_pattern": f"refs/heads/{'x' * 300}"},
    "environment-hidden": {"environment": "n\npm"},
    "environment-blank": {"environment": "npm\u3164"},
    "environment-long": {"environment": "x" * 201},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_beside_its_field(
    chief: User, row: StagedVersion, name: str
) -> None:
    (field,) = REFUSED[name]
    with pytest.raises(PinRefused) as refusal:
        pin(row.package, actor=chief, **{"repository": HERE, **REFUSED[name]})
    assert refusal.value.field == field
    assert str(refusal.value).endswith(".")
    assert not ExpectedPublisher.objects.exists()


def test_all_that_is_wrong_is_told_at_once(chief: User, row: StagedVersion) -> None:
    with pytest.raises(PinRefused) as refusal:
        pin(
            row.package,
            actor=chief,
            repository="acme/left-pad",
            workflow="release",
            ref_pattern="main",
            environment="n\npm",
        )
    problems = refusal.value.problems
    assert list(problems) == ["repository", "workflow", "ref_pattern", "environment"]
    assert all(sentence.endswith(".") for sentence in problems.values())
    assert (refusal.value.field, str(refusal.value)) == ("repository", problems["repository"])
    with pytest.raises(PinRefused) as refusal:
        pin(row.package, actor=chief, repository=HERE, ref_pattern="main")
    assert list(refusal.value.problems) == ["ref_pattern"]


def test_the_address_of_a_page_of_it_is_told_to_be_shortened() -> None:
    for page in ("/blob/main/.github/workflows/release.yml", "/tree/main", "/a"):
        with pytest.raises(PinRefused, match=f"Write the repository only: {HERE}\\."):
            typed_repository(f"{HERE}{page}")


def test_a_secret_in_an_address_is_told_of() -> None:
    with pytest.raises(PinRefused, match="no name, password or token"):
        typed_repository("https://me:secret@github.com/acme/left-pad")


def test_a_bare_name_is_told_how_to_be_written() -> None:
    with pytest.raises(PinRefused, match="write refs/heads/main for the branch, or refs/tags/main"):
        typed_ref_pattern("main")


@pytest.mark.parametrize(
    "fields",
    [
        {"workflow": ".github/workflows/release.yaml"},
        {"workflow": "ci/.gitlab-ci.yml", "repository": "https://gitlab.com/a/b"},
        {"workflow": ".github/workflows/release to npm.yml"},
        {"workflow": "https://gitlab.com/acme/ci/ci.yml", "repository": "https://gitlab.com/a/b"},
        {"ref_pattern": "refs/heads/main"},
        {"ref_pattern": "refs/tags/@acme/left-pad@*"},
        {"ref_pattern": "refs/heads/*"},
        {"environment": "npm release"},
    ],
    ids=["yaml", "gitlab", "spaces", "elsewhere", "branch", "scope", "any-branch", "environment"],
)
def test_what_can_be_is_kept_as_written(
    chief: User, row: StagedVersion, fields: dict[str, str]
) -> None:
    pin(row.package, actor=chief, **{"repository": HERE, **fields})
    expected = ExpectedPublisher.objects.get()
    assert {name: getattr(expected, name) for name in fields} == fields


@given(st.text(max_size=40) | st.text(alphabet="htps:/.@g-", max_size=40))
def test_no_address_but_a_repositorys_is_kept(text: str) -> None:
    try:
        address = typed_repository(text)
    except PinRefused:
        return
    assert re.match(r"https://[a-z0-9._-]+(:[0-9]+)?/[^/]+/[^/]", address)
    assert not {"@", "?", "#", " "} & set(address)
    assert typed_repository(address) == address


@pytest.mark.django_db(transaction=True)
def test_two_administrators_pin_at_once() -> None:
    row = make_staged_version("left-pad", "1.5.0")
    check = checked(row)
    users = [make_user(role=Role.ADMINISTRATOR) for _ in range(2)]
    package = Package.objects.get(pk=row.package_id)
    results = at_once(
        lambda: pin(package, actor=users[0], repository="https://github.com/acme/other"),
        lambda: pin_from(ProvenanceCheck.objects.get(pk=check.pk), actor=users[1]),
    )
    assert all(isinstance(result, ExpectedPublisher) for result in results), results
    last = ExpectedPublisher.objects.get()
    events = list(AuditEvent.objects.filter(kind="publisher.pinned").order_by("sequence"))
    # One after the other, and whoever came second saw what the first had done.
    assert [event.detail["was"] is None for event in events] == [True, False]
    first = {name: value for name, value in events[0].detail.items() if name != "was"}
    assert events[1].detail["was"] == first
    assert events[1].detail == {**last.as_json(), "was": first}
    expected = "same" if last.repository == HERE else "changed"
    assert ProvenanceCheck.objects.get(pk=check.pk).verdict == expected


def test_what_may_be_pinned_fits_into_the_row() -> None:
    for name, longest in LONGEST.items():
        assert ExpectedPublisher._meta.get_field(name).max_length == longest

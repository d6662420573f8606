"""What the policy wants, as the review page, the confirmation and the queue show it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.decisions.judging import policy_states
from approvals.decisions.models import (
    BrokenGlass,
    ChangeRequest,
    Decision,
    Override,
    PolicyState,
    Release,
    ReleaseMember,
    Vote,
)
from approvals.inspection.finding import Severity
from approvals.people.models import Role, SealedTOTPDevice, User
from approvals.policy.book import DEFAULT
from approvals.policy.requirements import kinds
from approvals.queue.models import StagedVersion, State
from approvals.web.checklist import in_words
from tests.approvals.codes import code_now, enrol, enrol_passkey
from tests.approvals.factories import (
    make_account,
    make_finding,
    make_inspection,
    make_policies,
    make_staged_version,
    make_team,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

TWO = {"approvals": {"wanted": [{"number": 2, "of": "anyone"}], "void_on": ["policy"]}}
HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def wanting(*typed: str, **others: dict[str, str]) -> dict[str, dict[str, object]]:
    """Settings as the Policies page makes them of what one types."""
    found: dict[str, dict[str, object]] = {}
    for key, given in {"approvals": {"wanted": "\n".join(typed)}, **others}.items():
        found[key] = kinds()[key].checked(given)
    return found


@pytest.fixture
def row() -> StagedVersion:
    staged_version = make_staged_version("left-pad", "1.5.0")
    make_inspection(staged_version)
    return StagedVersion.objects.with_package().get(pk=staged_version.pk)


def person(name: str, row: StagedVersion, role: Role = Role.APPROVER) -> User:
    user = make_user(name, role=role)
    enrol(user)
    make_account(user, row.registry, username=f"{name}-there")
    return user


@pytest.fixture
def ada(row: StagedVersion) -> User:
    return person("ada", row)


@pytest.fixture
def grace(row: StagedVersion) -> User:
    return person("grace", row)


def code_of(user: User) -> str:
    SealedTOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return code_now(user)


def review(user: User, row: StagedVersion) -> HttpResponse:
    response = sign_in(user).get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert_strict(response)
    return response


def seen_in(response: HttpResponse) -> str:
    return response.content.decode().split('name="seen" value="')[1].split('"')[0]


def approve(user: User, row: StagedVersion, **typed: str) -> HttpResponse:
    """Through the confirmation page, as a person does."""
    client, page = sign_in(user), reverse("confirm_approve", args=[row.pk])
    given = {"seen": seen_in(client.get(page)), "code": code_of(user), **typed}
    response: HttpResponse = client.post(page, given)
    return response


# ---------- the checklist


def test_the_checklist_says_what_is_wanted_of_whom(row: StagedVersion, ada: User) -> None:
    boss = make_user("boss", role=Role.ADMINISTRATOR)
    for name in ("grace", "linus", "margaret", "zoe"):
        make_user(name)
    make_policies(wanting("2 of anyone"), by=boss)
    text = text_of(review(ada, row))
    assert "What the policy wants" in text
    assert "Policy Default" in text
    assert "Next: you, boss and 4 more." in text
    assert "Approve: 1 of 2, nothing is sent yet" in text
    # What holds is folded away, and named in its fold.
    assert "No alarm" in text


@pytest.mark.parametrize(
    ("names", "me", "words"),
    [
        ([], False, ""),
        ([], True, "you"),
        (["ada"], False, "ada"),
        (["grace", "ada"], False, "ada and grace"),
        (["grace", "ada", "zoe"], False, "ada, grace and zoe"),
        (["d", "c", "b", "a"], False, "a, b and 2 more"),
        (["d", "c", "b", "a"], True, "you, a and 3 more"),
    ],
)
def test_names_are_bounded(names: list[str], me: bool, words: str) -> None:
    assert in_words(names, with_me=me) == words


def test_one_approval_by_anyone_is_what_it_was_before(row: StagedVersion, ada: User) -> None:
    text = text_of(review(ada, row))
    assert "Approve: make 1.5.0 installable by everyone as latest" in text
    assert "nothing is sent yet" not in text
    confirmation = text_of(sign_in(ada).get(reverse("confirm_approve", args=[row.pk])))
    assert "This version becomes installable by everyone" in confirmation


def test_a_viewer_reads_the_checklist_and_can_do_nothing(row: StagedVersion) -> None:
    make_policies(wanting("2 of anyone"))
    make_user("approver")
    viewer = make_user("vera", role=Role.VIEWER)
    response = review(viewer, row)
    text = text_of(response)
    assert "0 of 2" in text
    assert "Your role only lets you look" in text
    for word in ("Request changes", "Withdraw", "Approve:"):
        assert word not in text
    client = sign_in(viewer)
    assert client.get(reverse("confirm_approve", args=[row.pk])).status_code == 403
    for name in ("request_changes",):
        assert client.post(reverse(name, args=[row.pk]), {"reason": "No."}).status_code == 403
    assert not ChangeRequest.objects.exists()


def test_who_would_not_be_counted_is_told_so_and_gets_no_button(
    row: StagedVersion, ada: User, grace: User
) -> None:
    make_team("security", grace)
    make_policies(wanting("1 of security"))
    assert 'id="approve"' in review(grace, row).content.decode()
    response = review(ada, row)
    assert 'id="approve"' not in response.content.decode()
    assert "would not count here" in text_of(response)


def test_a_policys_hostile_name_stays_words(row: StagedVersion, ada: User) -> None:
    make_policies(None, replace(DEFAULT, key="other", name=HOSTILE[:60], packages="left-pad"))
    html = review(ada, row).content.decode()
    assert "<img src=x" not in html
    assert "\u202e" not in html


def test_the_page_asks_as_often_for_many_requirements_and_votes_as_for_few(
    row: StagedVersion, ada: User
) -> None:
    client = sign_in(ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(reverse("version", args=[row.pk])).status_code == 200
        return len(found)

    queries()
    make_policies(wanting("2 of anyone"))
    first = person("p0", row)
    approve(first, row)
    ChangeRequest.objects.create(staged_version=row, user=first, reason="Why?")
    with_one = queries()
    for number in range(1, 6):
        other = person(f"p{number}", row)
        ChangeRequest.objects.create(staged_version=row, user=other, reason=f"Why {number}?")
    assert queries() == with_one


# ---------- votes


def test_two_people_approve_and_the_second_sends_it(
    row: StagedVersion, ada: User, grace: User
) -> None:
    make_policies(wanting("2 of anyone"))
    confirmation = text_of(sign_in(ada).get(reverse("confirm_approve", args=[row.pk])))
    assert "Nothing is sent to" in confirmation
    assert "Approve: 1 of 2, nothing is sent yet" in confirmation
    assert "Whoever approves last makes it installable by everyone" in confirmation
    approve(ada, row)
    row.refresh_from_db()
    assert row.state == State.STAGED
    assert not Decision.objects.exists()
    mine = review(ada, row)
    assert "ada approved just now" in text_of(mine)
    assert "Withdraw my approval" in text_of(mine)
    # Approving again would only say the same again.
    assert 'id="approve"' not in mine.content.decode()
    others = review(grace, row)
    assert "ada approved just now" in text_of(others)
    assert "Withdraw my approval" not in text_of(others)
    assert "Approve: make 1.5.0 installable by everyone as latest" in text_of(others)
    approve(grace, row)
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert Decision.objects.get().user == grace
    assert "the last one that was needed" in text_of(review(ada, row))


def test_only_ones_own_approval_is_withdrawn(row: StagedVersion, ada: User, grace: User) -> None:
    make_policies(wanting("2 of anyone"))
    approve(ada, row)
    vote = Vote.objects.get()
    # Whatever somebody adds to the form: whose vote it is, the session says.
    address = reverse("withdraw_approval", args=[row.pk])
    said = sign_in(grace).post(address, {"user": ada.pk, "vote": vote.pk}, follow=True)
    assert "No approval of yours stands here" in text_of(said)
    vote.refresh_from_db()
    assert vote.withdrawn_at is None
    said = sign_in(ada).post(address, follow=True)
    assert "Your approval is withdrawn" in text_of(said)
    assert "withdrawn just now" in text_of(said)
    assert "Approve: 1 of 2, nothing is sent yet" in text_of(said)
    vote.refresh_from_db()
    assert vote.withdrawn_at is not None


def test_a_policy_that_changed_between_page_and_form_uses_no_code(
    row: StagedVersion, ada: User
) -> None:
    make_policies(wanting("1 of anyone"))
    client, page = sign_in(ada), reverse("confirm_approve", args=[row.pk])
    seen, code = seen_in(client.get(page)), code_of(ada)
    make_policies(wanting("2 of anyone"))
    response = client.post(page, {"seen": seen, "code": code})
    assert response.status_code == 422
    text = text_of(response)
    assert "something changed" in text
    # It says at once what it would be now, and takes the same code for that.
    assert "Approve: 1 of 2, nothing is sent yet" in text
    assert not Vote.objects.exists()
    again = client.post(page, {"seen": seen_in(response), "code": code})
    assert again.status_code == 302
    assert Vote.objects.get().user == ada


def test_a_void_vote_says_why(row: StagedVersion, ada: User, grace: User) -> None:
    make_policies(wanting("2 of anyone"))
    approve(ada, row)
    Vote.objects.update(voided_at="2026-01-01T00:00:00Z", void_reason=f"Because {HOSTILE}")
    response = review(grace, row)
    assert "void: Because" in text_of(response)
    assert "<img src=x" not in response.content.decode()


def test_a_row_that_nobody_cast_accuses_nobody(row: StagedVersion, ada: User, grace: User) -> None:
    make_policies(wanting("3 of anyone"))
    approve(ada, row)
    forged = Vote.objects.get()
    forged.pk, forged.user = None, grace
    forged.save()
    text = text_of(review(ada, row))
    assert "does not count: it was not given here" in text
    assert "may not decide this any more" not in text
    User.objects.filter(pk=ada.pk).update(role=Role.VIEWER)
    text = text_of(review(grace, row))
    assert "they may not decide this any more" in text


def test_where_nothing_is_sent_the_registrys_code_is_not_asked_for(
    row: StagedVersion, ada: User, grace: User
) -> None:
    make_policies(wanting("2 of anyone"))
    page = reverse("confirm_approve", args=[row.pk])
    assert "The registry's one-time code" not in text_of(sign_in(ada).get(page))
    approve(ada, row)
    assert "The registry's one-time code" in text_of(sign_in(grace).get(page))
    assert "The registry's one-time code" in text_of(
        sign_in(ada).get(reverse("confirm_reject", args=[row.pk]))
    )


def test_a_vote_for_a_release_leads_back_to_it(row: StagedVersion, ada: User) -> None:
    make_policies(wanting("2 of anyone"))
    rows = [row, make_staged_version("right-pad", registry=row.registry)]
    make_inspection(rows[1])
    release = Release.objects.create(registry=row.registry)
    client, page = sign_in(ada), reverse("confirm_approve_several")

    def vote() -> str:
        chosen = {"version": [one.pk for one in rows]}
        seen = seen_in(client.get(page, chosen))
        response = client.post(page, {**chosen, "seen": seen, "code": code_of(ada)})
        assert response.status_code == 302
        return response["Location"]

    ReleaseMember.objects.create(release=release, staged_version=row, why="commit")
    assert vote() == reverse("queue")
    Vote.objects.update(withdrawn_at="2026-01-01T00:00:00Z")
    ReleaseMember.objects.create(release=release, staged_version=rows[1], why="commit")
    assert vote() == reverse("release", args=[release.pk])


def test_what_is_only_good_to_know_is_not_nothing() -> None:
    staged_version = make_staged_version("tiny-pad")
    make_inspection(staged_version, findings=[make_finding(severity=Severity.INFO)])
    client = sign_in(person("ada", staged_version))
    text = text_of(client.get(reverse("confirm_approve", args=[staged_version.pk])))
    assert "Rules found nothing" not in text
    assert "1 good to know" in text


def test_of_several_nothing_goes_out_before_all_have_what_they_need(
    row: StagedVersion, ada: User
) -> None:
    other = make_staged_version("right-pad", "2.0.0", registry=row.registry)
    make_inspection(other)
    two = replace(
        DEFAULT, key="two", name="Two", packages="right-*", requirements=wanting("2 of anyone")
    )
    make_policies(None, two)
    client, page = sign_in(ada), reverse("confirm_approve_several")
    response = client.get(page, {"version": [row.pk, other.pk]})
    text = text_of(response)
    assert "1 of them wants others, too, and none goes out before all have what they need" in text
    assert "Approve 2 versions: nothing is sent yet, others are wanted, too" in text
    assert f'href="?version={row.pk}&amp;"' in response.content.decode()
    given = {"version": [row.pk, other.pk], "seen": seen_in(response), "code": code_of(ada)}
    client.post(page, given)
    assert Vote.objects.count() == 2
    assert not Decision.objects.exists()


# ---------- overriding


@pytest.fixture
def suspicious() -> StagedVersion:
    found = make_finding(severity=Severity.HIGH, title="It sends and fetches.")
    staged_version = make_staged_version("left-pad", "1.5.0")
    make_inspection(staged_version, findings=[found])
    make_policies(wanting("1 of anyone", findings={"severity": "high", "overridable": "yes"}))
    return StagedVersion.objects.with_package().get(pk=staged_version.pk)


def test_overriding_needs_a_reason_that_is_shown_for_ever(suspicious: StagedVersion) -> None:
    ada = person("ada", suspicious)
    client, page = sign_in(ada), reverse("confirm_approve", args=[suspicious.pk])
    response = client.get(page)
    text = text_of(response)
    assert "It would go out in spite of this" in text
    assert "Why it may go out in spite of that" in text
    code = code_of(ada)
    refused = client.post(page, {"seen": seen_in(response), "code": code})
    assert refused.status_code == 422
    assert "Say why: everyone who reads the version will see it." in text_of(refused)
    assert not Override.objects.exists()
    reason = f"It is known. {HOSTILE}\n" + "line\n" * 300
    done = client.post(page, {"seen": seen_in(refused), "code": code, "reason": reason})
    assert done.status_code == 302
    assert Override.objects.get().user == ada
    for state in (State.APPROVING, State.LIVE):
        StagedVersion.objects.filter(pk=suspicious.pk).update(state=state)
        shown = review(make_user(), suspicious)
        assert "Let pass in spite of the policy" in text_of(shown)
        assert "ada let it pass" in text_of(shown)
        assert "It is known." in text_of(shown)
        assert "<img src=x" not in shown.content.decode()
    history = text_of(client.get(reverse("history")))
    assert "in spite of the policy" in history


def test_a_passkey_signs_the_reason_too(suspicious: StagedVersion) -> None:
    ada = person("ada", suspicious)
    enrol_passkey(ada)
    client = sign_in(ada)
    seen = seen_in(client.get(reverse("confirm_approve", args=[suspicious.pk])))
    given = {"version": suspicious.pk, "seen": seen}
    refused = client.post(reverse("approve_intent"), given)
    assert refused.status_code == 422
    assert "Say why" in refused.json()["error"]
    offered = client.post(reverse("approve_intent"), {**given, "reason": "It is known."})
    assert offered.status_code == 200
    assert offered.json()["options"]


# ---------- changes that are wanted


def test_changes_hold_it_until_they_are_let_go(row: StagedVersion, ada: User, grace: User) -> None:
    reason = f"The changelog is missing. {HOSTILE}"
    address = reverse("request_changes", args=[row.pk])
    sign_in(grace).post(address, {"reason": reason})
    response = review(ada, row)
    text = text_of(response)
    assert "Changes are wanted" in text
    assert "The changelog is missing." in text
    assert "<img src=x" not in response.content.decode()
    assert 'id="approve"' not in response.content.decode()
    assert "Let it go" not in text
    held = ChangeRequest.objects.get()
    let_go = reverse("lift_changes", args=[row.pk, held.pk])
    sign_in(ada).post(let_go)
    held.refresh_from_db()
    assert held.lifted_at is None
    # Named under another version, it is not there.
    other = make_staged_version("right-pad", registry=row.registry)
    assert sign_in(grace).post(reverse("lift_changes", args=[other.pk, held.pk])).status_code == 404
    assert "Let it go" in text_of(review(grace, row))
    sign_in(grace).post(let_go)
    after = review(ada, row)
    assert "Changes were wanted 1 time, and let go" in text_of(after)
    assert 'id="approve"' in after.content.decode()


def test_wanting_changes_needs_a_reason(row: StagedVersion, ada: User) -> None:
    client, address = sign_in(ada), reverse("request_changes", args=[row.pk])
    for reason in ("", "   ", "x" * 2001, "a\x00b"):
        said = client.post(address, {"reason": reason}, follow=True)
        assert "notice--error" in said.content.decode()
    assert not ChangeRequest.objects.exists()


# ---------- broken glass


@pytest.fixture
def frozen(row: StagedVersion) -> StagedVersion:
    make_policies(
        wanting(
            "1 of anyone",
            release_times={
                "zone": "UTC",
                "days": "",
                "hours": "",
                "freezes": f"{date.today()} to {date.today() + timedelta(9)} Rest",
            },
        )
    )
    return row


def glass(step: str, row: StagedVersion, options: bool = False) -> str:
    name = {"break": "break_glass", "second": "second_glass"}[step] + (
        "_options" if options else ""
    )
    return f"{reverse(name)}?version={row.pk}"


def test_two_people_break_the_glass(frozen: StagedVersion, ada: User, grace: User) -> None:
    page = review(ada, frozen)
    assert 'id="approve"' not in page.content.decode()
    assert "Break the glass" in text_of(page)
    client = sign_in(ada)
    form = client.get(glass("break", frozen))
    assert_strict(form)
    assert "Why it cannot wait" in text_of(form)
    refused = client.post(glass("break", frozen), {"reason": "", "code": code_of(ada)})
    assert refused.status_code == 422
    assert not BrokenGlass.objects.exists()
    reason = f"Users lose data. {HOSTILE}"
    asked = client.post(glass("break", frozen), {"reason": reason, "code": code_of(ada)})
    assert asked.status_code == 302
    assert "You asked for it yourself" in text_of(client.get(glass("second", frozen)))
    other = review(grace, frozen)
    assert "Somebody wants to break the glass" in text_of(other)
    assert "Agree, as the second person" in text_of(other)
    assert "Agree, as the second person" not in text_of(review(ada, frozen))
    grace_client = sign_in(grace)
    shown = grace_client.get(glass("second", frozen))
    assert "Users lose data." in text_of(shown)
    assert "<img src=x" not in shown.content.decode()
    # What she agrees to is what she read.
    tampered = {"reason": "It is Friday.", "code": code_of(grace)}
    assert grace_client.post(glass("second", frozen), tampered).status_code == 422
    agreed = {"reason": BrokenGlass.objects.get().reason, "code": code_of(grace)}
    assert grace_client.post(glass("second", frozen), agreed).status_code == 302
    after = review(ada, frozen)
    assert "The glass was broken" in text_of(after)
    assert 'id="approve"' in after.content.decode()


def test_nobody_breaks_glass_alone_or_with_a_wrong_code(frozen: StagedVersion, ada: User) -> None:
    client = sign_in(ada)
    wrong = f"{(int(code_of(ada)) + 500_000) % 1_000_000:06}"
    answer = client.post(glass("break", frozen), {"reason": "Now.", "code": wrong})
    assert answer.status_code == 422
    assert "Now." in answer.content.decode()
    assert not BrokenGlass.objects.exists()
    client.post(glass("break", frozen), {"reason": "Now.", "code": code_of(ada)})
    client.post(glass("second", frozen), {"reason": "Now.", "code": code_of(ada)})
    assert BrokenGlass.objects.get().seconded_by is None


def test_what_no_time_keeps_in_needs_no_broken_glass(row: StagedVersion, ada: User) -> None:
    shown = sign_in(ada).get(glass("break", row))
    assert shown.status_code == 200
    assert "Ask to break the glass" not in text_of(shown)


# ---------- the queue


def refreshed(rows: Iterable[StagedVersion]) -> None:
    policy_states.refresh(list(rows))


def test_the_queue_is_narrowed_to_what_waits_for_oneself(
    row: StagedVersion, ada: User, grace: User
) -> None:
    make_team("security", grace)
    make_policies(wanting("1 of security"))
    refreshed([row])

    def names(user: User) -> list[str]:
        found = sign_in(user).get(reverse("queue"), {"whom": "me"}).context["page"].object_list
        return [one.package.name for one in found]

    assert names(grace) == ["left-pad"]
    assert names(ada) == []
    assert "Nothing matches" in text_of(sign_in(ada).get(reverse("queue"), {"whom": "me"}))
    assert sign_in(ada).get(reverse("queue"), {"whom": "others"}).status_code == 200


def test_the_queue_says_how_the_policy_stands(row: StagedVersion, ada: User, grace: User) -> None:
    make_policies(wanting("2 of anyone"))
    approve(ada, row)
    refreshed([row])
    assert "1 of 2 approvals" in text_of(sign_in(ada).get(reverse("queue")))
    sign_in(grace).post(reverse("request_changes", args=[row.pk]), {"reason": HOSTILE})
    refreshed([row])
    response = sign_in(ada).get(reverse("queue"))
    assert "Blocked:" in text_of(response)
    assert "<img src=x" not in response.content.decode()


@pytest.mark.parametrize("page", ["queue", "history"])
def test_the_lists_ask_as_often_for_many(row: StagedVersion, ada: User, page: str) -> None:
    state = State.STAGED if page == "queue" else State.LIVE

    def add(number: int) -> None:
        for one in range(number):
            made = make_staged_version(f"p{number}-{one}", registry=row.registry, state=state)
            make_inspection(made)
            PolicyState.objects.create(
                staged_version=made, outcome="blocked", sentence="Frozen.", approvals_needed=2
            )

    client = sign_in(ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(reverse(page)).status_code == 200
        return len(found)

    add(2)
    queries()
    with_few = queries()
    add(9)
    assert queries() == with_few

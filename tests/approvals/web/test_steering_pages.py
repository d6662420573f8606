"""The page of a decision: its steps, what waits for what, and the ways to stop it."""

import pytest
from django.urls import reverse

from approvals.decisions.models import Decision, DecisionItem, ItemNeed, ItemState
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_inspection,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def decision(ada: User) -> Decision:
    """Three versions: one is done, one waits for one that waits."""
    core = make_staged_version("@acme/core", "3.0.0")
    make_account(ada, core.registry)
    made = make_decision(core, ada, item_state=ItemState.DONE).decision
    before = None
    for level, name in enumerate(("@acme/ui", "@acme/app"), 1):
        row = make_staged_version(name, "3.0.0", state=State.APPROVING)
        make_inspection(row)
        item = DecisionItem.objects.create(
            decision=made,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
            level=level,
        )
        if before:
            ItemNeed.objects.create(item=item, needed=before)
        before = item
    return made


def test_the_page_shows_steps_and_what_waits_for_what(decision: Decision) -> None:
    response = sign_in(make_user("vic", role="viewer")).get(reverse("decision", args=[decision.pk]))
    assert_strict(response)
    text = text_of(response)
    for words in ("Step 1 of 3", "Step 3 of 3", "Waits for @acme/ui 3.0.0.", "1 of 3 accepted"):
        assert words in text
    html = response.content.decode()
    assert 'id="pause"' not in html
    assert 'id="call-off-rest"' not in html


def test_a_colleague_pauses_and_nobody_else_resumes(decision: Decision, ada: User) -> None:
    grace = sign_in(make_user("grace"))
    url = reverse("decision_pause", args=[decision.pk])
    text = text_of(grace.post(url, follow=True))
    assert "Paused: nothing more is begun." in text
    assert "Paused by grace" in text
    assert "You can resume it until" in text
    assert sign_in(ada).post(reverse("decision_resume", args=[decision.pk])).status_code == 403
    decision.refresh_from_db()
    assert decision.paused_by is not None
    url = reverse("decision", args=[decision.pk])
    assert "Only grace can resume it until" in text_of(sign_in(ada).get(url))
    assert "Resume: go on with 2 versions" in grace.get(url).content.decode()


def test_calling_off_leads_to_approving_what_is_left(decision: Decision, ada: User) -> None:
    client = sign_in(ada)
    response = client.post(reverse("decision_call_off", args=[decision.pk]), follow=True)
    text = text_of(response)
    assert "Called off: 2 versions wait in the queue again." in text
    assert "2 were not carried out and wait in the queue again" in text
    rows = StagedVersion.objects.filter(state=State.STAGED).order_by("package__name")
    left = "&amp;".join(f"version={row.pk}" for row in rows.order_by("pk"))
    assert f'href="{reverse("confirm_approve_several")}?{left}"' in response.content.decode()
    again = client.post(reverse("decision_call_off", args=[decision.pk]), follow=True)
    assert "nothing was called off" in text_of(again)

"""People talk about a version: plain text, to those who may see it, and to nobody else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.models import Comment
from approvals.decisions.talking import comments
from approvals.decisions.talking.comments import (
    CommentRefused,
    comments_of,
    mentioned_in,
    say,
    shown_mentions,
    take_back,
)
from approvals.people.models import Role, Scope, User
from approvals.queue.models import StagedVersion
from tests.approvals.at_once import at_once
from tests.approvals.decisions.conftest import Desk
from tests.approvals.factories import make_staged_version, make_user


def scoped(username: str, packages: str = "@other/*") -> User:
    user = make_user(username)
    Scope.objects.create(user=user, packages=packages)
    return user


def test_somebody_says_something_about_a_line(desk: Desk) -> None:
    viewer = make_user("vic", role=Role.VIEWER)
    say(
        desk.row,
        user=viewer,
        text="Why\r\nthat? <b>",
        path="index.js",
        side="new",
        line=2,
        excerpt="const pad",
    )
    say(desk.row, user=desk.ada, text="Fine.")
    first, second = comments_of(desk.row)
    assert (first.text, first.path, first.side, first.line) == (
        "Why\nthat? <b>",
        "index.js",
        "new",
        2,
    )
    assert (first.user, first.excerpt, second.path) == (viewer, "const pad", "")
    assert comments_of(desk.row, path="index.js") == [first]
    assert comments_of(desk.row, path="") == [second]


def test_those_who_are_mentioned_are_told(desk: Desk) -> None:
    grace = make_user("grace.h")
    comment = say(desk.row, user=desk.ada, text="@Grace.H, and @ada: look. (@grace.h.)")
    assert set(comment.mentions.all()) == {grace, desk.ada}
    (event,) = OutboxEvent.objects.filter(topic="comment.mentioned")
    assert event.payload["people"] == [grace.pk]
    assert "look" not in str(event.payload)
    assert set(shown_mentions(comment)) == {"grace.h", "ada"}


def test_nobody_is_told_again_and_again(desk: Desk) -> None:
    grace = make_user("grace")
    other = make_staged_version("right-pad", registry=desk.row.registry)
    for _ in range(3):
        say(desk.row, user=desk.ada, text="@grace, look.")
    say(desk.row, user=make_user("vic", role=Role.VIEWER), text="@grace, here!")
    told = OutboxEvent.objects.filter(topic="comment.mentioned")
    assert told.count() == 1
    say(StagedVersion.objects.with_package().get(pk=other.pk), user=desk.ada, text="@grace, too.")
    assert told.count() == 2
    Comment.objects.update(at=timezone.now() - comments.TOLD_AGAIN_AFTER)
    say(desk.row, user=desk.ada, text="@grace, once more.")
    assert [one.payload["people"] for one in told] == [[grace.pk]] * 3


def test_whoever_may_not_see_the_package_is_just_text(desk: Desk) -> None:
    scoped("eve")
    make_user("gone", is_active=False)
    comment = say(desk.row, user=desk.ada, text="@eve @gone @nobody ada@example.org @")
    assert not comment.mentions.exists()
    assert not OutboxEvent.objects.filter(topic="comment.mentioned").exists()


def test_a_crowd_is_not_called_together(desk: Desk) -> None:
    names = [make_user(f"p{number}").username for number in range(comments.MOST_MENTIONED + 5)]
    text = " ".join(f"@{name}" for name in names)
    assert len(mentioned_in(text, desk.row)) == comments.MOST_MENTIONED


@pytest.mark.parametrize(
    ("text", "words"),
    [(" \n", "Write something"), ("a\x00", "cannot be stored"), ("a" * 4001, "too long")],
)
def test_what_cannot_be_kept_is_refused(desk: Desk, text: str, words: str) -> None:
    with pytest.raises(CommentRefused, match=words):
        say(desk.row, user=desk.ada, text=text)


@pytest.mark.parametrize(
    "place",
    [
        {"path": "not/there.js"},
        {"path": "index.js\x00"},
        {"path": "a" * 5000},
        {"path": "index.js", "side": "new"},
        {"path": "index.js", "side": "both", "line": 1},
        {"side": "new", "line": 1},
        {"path": "index.js", "line": 1},
        {"path": "index.js", "side": "new", "line": 0},
        {"path": "index.js", "side": "new", "line": 2**40},
    ],
)
def test_a_comment_is_about_something_that_is_there(desk: Desk, place: dict[str, object]) -> None:
    with pytest.raises(CommentRefused):
        say(desk.row, user=desk.ada, text="Hm.", **place)  # type: ignore[arg-type]  # as a form may send it
    assert not Comment.objects.exists()


def test_a_file_of_another_version_is_none_of_this(desk: Desk) -> None:
    other = desk.version("right-pad")
    other.inspection_request.inspection.files.update(path="only/there.js")
    with pytest.raises(CommentRefused, match="no such file"):
        say(desk.row, user=desk.ada, text="Hm.", path="only/there.js")


def test_an_excerpt_is_cut(desk: Desk) -> None:
    comment = say(
        desk.row, user=desk.ada, text="?", path="index.js", side="old", line=1, excerpt="x" * 900
    )
    assert len(comment.excerpt) == 300


def test_whoever_may_not_see_it_says_nothing(desk: Desk) -> None:
    eve = scoped("eve")
    with pytest.raises(CommentRefused):
        say(desk.row, user=eve, text="Hello?")
    User.objects.filter(pk=desk.ada.pk).update(is_active=False)
    with pytest.raises(CommentRefused):
        say(desk.row, user=desk.ada, text="Hello?")


def test_ones_own_comment_is_taken_back_and_its_words_are_gone(desk: Desk) -> None:
    make_user("grace")
    comment = say(desk.row, user=desk.ada, text="A secret, @grace", path="index.js")
    with pytest.raises(CommentRefused, match="Only who wrote"):
        take_back(comment, user=desk.person("ben"))
    take_back(comment, user=desk.ada)
    comment = comments_of(desk.row)[0]
    assert (comment.text, list(comment.mentions.all())) == ("", [])
    assert comment.removed_at
    said = [*OutboxEvent.objects.values_list("payload"), *AuditEvent.objects.values_list("detail")]
    assert "secret" not in str(said)
    with pytest.raises(CommentRefused, match="already"):
        take_back(comment, user=desk.ada)


def test_nobody_writes_faster_than_people_read(desk: Desk) -> None:
    for _ in range(comments.MOST_IN_A_MINUTE):
        said = say(desk.row, user=desk.ada, text="!")
        take_back(said, user=desk.ada)
    with pytest.raises(CommentRefused, match="Wait for a minute"):
        say(desk.row, user=desk.ada, text="!")
    say(desk.row, user=make_user("grace"), text="Slowly.")
    Comment.objects.update(at=timezone.now() - timedelta(minutes=2))
    say(desk.row, user=desk.ada, text="Now.")


def test_nobody_keeps_those_who_decide_from_speaking(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "MOST_ON_ONE_VERSION", 3)
    monkeypatch.setattr(comments, "MOST_OF_ONE_PERSON", 2)
    vic, vera = (make_user(name, role=Role.VIEWER) for name in ("vic", "vera"))
    say(desk.row, user=vic, text="1")
    take_back(say(desk.row, user=vic, text="2"), user=vic)
    with pytest.raises(CommentRefused, match="You have written 2"):
        say(desk.row, user=vic, text="3")
    say(desk.row, user=vera, text="3")
    with pytest.raises(CommentRefused, match="only those who may decide"):
        say(desk.row, user=vera, text="4")
    say(desk.row, user=desk.ada, text="Do not approve this.")


@pytest.mark.django_db(transaction=True)
def test_there_are_no_more_than_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comments, "MOST_OF_ONE_PERSON", 2)
    row = StagedVersion.objects.with_package().get()
    results = at_once(*(lambda: say(row, user=desk.ada, text="!") for _ in range(4)))
    assert sorted(type(one).__name__ for one in results) == [
        "Comment",
        "Comment",
        "CommentRefused",
        "CommentRefused",
    ]

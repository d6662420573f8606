"""One e-mail a person, to nobody who does not want it."""

import smtplib

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

from approvals.audit.models import OutboxEvent
from approvals.notifications.channels.email import send
from approvals.notifications.deliver import deliver_due
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import message_for
from approvals.notifications.models import Delivery
from approvals.people.models import User
from tests.approvals.notifications.conftest import Publish


@pytest.fixture
def delivery(people: dict[str, User], publish: Publish) -> Delivery:
    event: OutboxEvent = publish()
    return Delivery.objects.create(event=event, channel="email", recipient="ben@example.org")


def test_it_arrives(delivery: Delivery, mailoutbox: list[EmailMessage]) -> None:
    send(delivery, message_for(delivery.event))
    (mail,) = mailoutbox
    assert mail.to == ["ben@example.org"]
    assert mail.subject == "[Countersign] Live: left-pad@1.3.0"
    assert "https://countersign.example.org/versions/7/" in str(mail.body)


def test_it_can_be_read_as_a_page_too(
    people: dict[str, User], publish: Publish, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    event = publish(
        package="<script>left</script>", reason='<img src="//eve.example">\nIt is "fine".'
    )
    send(
        Delivery.objects.create(event=event, channel="email", recipient="ben@example.org"),
        message_for(event),
    )
    (mail,) = mailoutbox
    ((page, kind),) = mail.alternatives
    assert kind == "text/html"
    assert "&lt;script&gt;left&lt;/script&gt;@1.3.0" in page
    assert '<a href="https://countersign.example.org/versions/7/">' in page
    assert "because your account says that you want e-mail" in page
    # Nothing in it runs, and nothing tells anybody that it was opened.
    assert "<script" not in page
    assert "<img" not in page
    assert "<script>left</script>" in str(mail.body)
    parts = [part.get_content_type() for part in mail.message().walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


def test_every_try_has_the_same_message_id(
    delivery: Delivery, mailoutbox: list[EmailMessage]
) -> None:
    for _ in range(2):
        send(delivery, message_for(delivery.event))
    first, second = (mail.message() for mail in mailoutbox)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"].endswith("@countersign.example.org>")
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("change", [{"is_active": False}, {"wants_email": False}, {"email": "x@y"}])
def test_whoever_left_meanwhile_gets_nothing(
    delivery: Delivery, mailoutbox: list[EmailMessage], change: dict[str, object]
) -> None:
    User.objects.filter(username="ben").update(**change)
    deliver_due()
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.FAILED
    assert delivery.last_error == "Nobody with this address wants e-mail any more."
    assert mailoutbox == []


@pytest.mark.parametrize(
    ("error", "meaning", "words"),
    [
        (
            smtplib.SMTPRecipientsRefused({"ben@example.org": (550, b"no such user")}),
            (True, HoldsUp.NOTHING),
            "550 no such user",
        ),
        (
            smtplib.SMTPRecipientsRefused({"ben@example.org": (450, b"grey\r\nlisted")}),
            (False, HoldsUp.NOTHING),
            "450 grey  listed",
        ),
        (smtplib.SMTPAuthenticationError(535, b"no"), (False, HoldsUp.CHANNEL), "535 no"),
        (smtplib.SMTPDataError(554, b"looks like spam"), (True, HoldsUp.NOTHING), "554 looks"),
        (smtplib.SMTPDataError(452, b"disk full"), (False, HoldsUp.CHANNEL), "452 disk full"),
        (smtplib.SMTPServerDisconnected("gone"), (False, HoldsUp.CHANNEL), "cannot be reached"),
        (ConnectionRefusedError(111, "Connection refused"), (False, HoldsUp.CHANNEL), "refused"),
        (TimeoutError(), (False, HoldsUp.CHANNEL), "cannot be reached"),
    ],
)
def test_what_went_wrong_is_told_apart(
    delivery: Delivery,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    meaning: tuple[bool, HoldsUp],
    words: str,
) -> None:
    def fail(self: EmailMessage) -> int:
        raise error

    monkeypatch.setattr(EmailMessage, "send", fail)
    with pytest.raises(NotDelivered) as caught:
        send(delivery, message_for(delivery.event))
    assert words in str(caught.value)
    assert (caught.value.final, caught.value.holds_up) == meaning

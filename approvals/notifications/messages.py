"""What people are told: one text for each topic that somebody wants to hear of."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from django.conf import settings

from approvals.audit.models import OutboxEvent

LINE_LIMIT = 300
TEXT_LIMIT = 4000


class Audience(Enum):
    """Whom a topic is for."""

    EVERYONE = "everyone"
    DECIDERS = "who may approve"
    MANAGERS = "administrators"
    # Of those, whoever wants e-mail, and may see the package.
    CONCERNED = "those whom it concerns"
    PERSON = "the person it is about"


@dataclass(frozen=True)
class Topic:
    """`subject` and `sentence` are filled with the fields of `_fields`."""

    subject: str
    sentence: str
    audience: Audience = Audience.EVERYONE
    # Whoever stages twelve packages at once should not cause twelve e-mails to everyone.
    by_email: bool = True
    by_webhook: bool = True
    # A field of the event: where that is empty or false, it is no news.
    only_if: str = ""

    def is_news(self, event: OutboxEvent) -> bool:
        """Whether anybody is told of this very event."""
        return not self.only_if or bool(event.payload.get(self.only_if))


_NOT_YOU = (
    "Your other browsers were signed out. If you know nothing of this, have an administrator "
    "deactivate your account at once."
)

_NOT_ASKED = "If you know nothing of this, have an administrator deactivate your account at once."

_ASK_THEM = (
    "If you did not expect this, ask whoever did it, not by a message alone: it may have been "
    "somebody else in their name."
)

TOPICS: Mapping[str, Topic] = {
    "staged_version.found": Topic(
        "Needs review: {name}",
        "{name} is staged at {registry} for the dist-tag {tag} and waits for an approval.",
        Audience.DECIDERS,
        by_email=False,
    ),
    "staged_version.live": Topic(
        "Live: {name}",
        "{name} is live at {registry} under the dist-tag {tag}: everyone can install it, and it "
        "has the digest that was reviewed.",
    ),
    "staged_version.rejected": Topic(
        "Rejected: {name}",
        "{name} was rejected{by}. It does not go out.",
    ),
    "staged_version.failed": Topic(
        "Failed: {name}",
        "The decision on {name} could not be carried out at {registry}. A person must look at it.",
    ),
    "staged_version.expired": Topic(
        "Too old to be approved: {name}",
        "{name} has waited at {registry} for longer than its policy allows, and may no longer be "
        "approved. Reject it, and have it staged again if it is still wanted.",
        Audience.DECIDERS,
    ),
    "staged_version.held": Topic(
        "Held: {name}",
        "{name} was not tried at {registry}: what it needs did not go out.",
        by_email=False,
    ),
    "release.joined": Topic(
        "Came later: {name}",
        "{name} was staged at {registry} when the release it belongs to was there already, and has "
        "joined it. Look at it before you approve the release.",
        Audience.DECIDERS,
        by_email=False,
        only_if="is_late",
    ),
    "vote.cast": Topic(
        "Waits for your approval: {name}{more}",
        "{name}{more} was approved{by}, and waits for you now.",
        Audience.CONCERNED,
    ),
    "vote.withdrawn": Topic(
        "An approval was taken back: {name}",
        "An approval of {name} was taken back{by}: it counts no more.",
        Audience.DECIDERS,
        by_email=False,
    ),
    "vote.voided": Topic(
        "Your approval counts no more: {name}",
        "Something has changed since {who} approved {name}, so that the approval counts no more. "
        "Look at the version again, and approve it anew if that is right.",
        Audience.CONCERNED,
    ),
    "requirement.overridden": Topic(
        "Let pass in spite of the policy: {name}",
        "{name} was let pass{by} in spite of what its policy wants: {requirement}. The reason is "
        "kept and shown with the version for ever.",
        Audience.DECIDERS,
    ),
    "changes.requested": Topic(
        "Changes wanted: {name}",
        "{name} is held{by} until something in it is changed: nobody can approve it meanwhile.",
        Audience.DECIDERS,
    ),
    "changes.lifted": Topic(
        "Held no more: {name}",
        "{name} is no longer held for changes; it was let go{by}.",
        Audience.DECIDERS,
        by_email=False,
    ),
    "glass.asked": Topic(
        "A second person is wanted: {name}",
        "{name} is to go out at a time when the policy lets nothing out. It was asked for{by}, and "
        "waits for another person who may approve it. Read the reason, and agree only if it "
        f"cannot wait. {_ASK_THEM}",
        Audience.DECIDERS,
    ),
    "glass.broken": Topic(
        "GLASS BROKEN: {name}",
        "{name} may go out at a time when the policy lets nothing out: {who} has asked for it, and "
        f"it was agreed to{{by}}. {_ASK_THEM}",
    ),
    "comment.mentioned": Topic(
        "You were mentioned: {name}",
        "You were mentioned{by} in a comment on {name}.",
        Audience.CONCERNED,
        by_webhook=False,
    ),
    "inspection.failed": Topic(
        "Could not be compared: {name}",
        "The tarball of {name} at {registry} could not be compared, so that nobody can approve it.",
        Audience.DECIDERS,
        by_email=False,
    ),
    "staged_version.alarm": Topic(
        "ALARM: {name}",
        "Something is wrong with {name} at {registry}. Look at it now.",
    ),
    "staged_version.published_elsewhere": Topic(
        "Published without Countersign: {name}",
        "{name} went live at {registry} without a decision made here. Find out who published it.",
    ),
    "registry.failing": Topic(
        "Registry {registry} is failing",
        "Countersign cannot read {registry}: new staged versions are not seen until it can.",
        Audience.MANAGERS,
    ),
    "registry.recovered": Topic(
        "Registry {registry} works again",
        "Countersign can read {registry} again.",
        Audience.MANAGERS,
    ),
    "person.password_changed": Topic(
        "Your password was changed",
        f"The password of your account was changed. {_NOT_YOU}",
        Audience.PERSON,
    ),
    "person.email_changed": Topic(
        "Your e-mail address was changed",
        "The e-mail address of your account was changed: this one gets no more messages. "
        f"{_NOT_ASKED}",
        Audience.PERSON,
    ),
    "person.role_changed": Topic(
        "Your role was changed",
        f"What you may do was changed. You are now: {{role}}. {_ASK_THEM}",
        Audience.PERSON,
    ),
    "administrator.added": Topic(
        "There is another administrator: {who}",
        f"{{who}} is an administrator now{{by}}. {_ASK_THEM}",
        Audience.MANAGERS,
    ),
    "administrator.invited": Topic(
        "Another administrator was invited: {who}",
        f"A link was made{{by}} that lets one person in as an administrator, for {{who}}. "
        f"{_ASK_THEM} Until the link is used, it can be withdrawn under People.",
        Audience.MANAGERS,
    ),
    "account.linked": Topic(
        "An account at a registry was linked: {account}",
        "The account {account} at {registry} is linked to yours: your decisions are carried out "
        f"with it. {_NOT_ASKED}",
        Audience.PERSON,
    ),
    "account.unlinked": Topic(
        "Your account at a registry was unlinked: {account}",
        "The account {account} at {registry} is no longer linked to yours, and its token is "
        f"forgotten. {_NOT_ASKED}",
        Audience.PERSON,
    ),
    "github.connected": Topic(
        "A GitHub account was connected",
        "Your account can be signed in to through GitHub now; your second factor is still asked "
        f"for. {_NOT_ASKED}",
        Audience.PERSON,
    ),
    "github.disconnected": Topic(
        "Your GitHub account was disconnected",
        f"Your account can no longer be signed in to through GitHub. {_NOT_ASKED}",
        Audience.PERSON,
    ),
    "factor.added": Topic(
        "A second factor was added: {factor}",
        f"Your account has a new second factor: {{factor}}. {_NOT_YOU}",
        Audience.PERSON,
    ),
    "factor.removed": Topic(
        "A second factor was removed: {factor}",
        f"A second factor of your account was removed: {{factor}}. {_NOT_YOU}",
        Audience.PERSON,
    ),
    "factors.reset": Topic(
        "Your second factors were removed",
        "All second factors of your account and its recovery codes were removed, so that you can "
        "set up new ones when you sign in. If you did not ask for this, tell an administrator at "
        "once.",
        Audience.PERSON,
    ),
    "accounts.unlinked": Topic(
        "Your registry accounts were unlinked",
        "Your account had no second factor, and now has its first one. What was linked before was "
        f"forgotten: link your registry accounts again. {_NOT_ASKED}",
        Audience.PERSON,
    ),
    "recovery_codes.made": Topic(
        "You have new recovery codes",
        f"New recovery codes were made for your account; the earlier ones are worthless. "
        f"{_NOT_ASKED}",
        Audience.PERSON,
    ),
    "recovery_code.used": Topic(
        "A recovery code of yours was used",
        f"A recovery code of your account was used; {{codes_left}} are left. {_NOT_ASKED}",
        Audience.PERSON,
    ),
}

# What earlier versions published: such news may still be on its way.
TOPICS = {
    **TOPICS,
    **{
        f"authenticator.{how}": Topic(
            f"Your authenticator app was {words}",
            f"The authenticator app of your account was {words}. {_NOT_YOU}",
            Audience.PERSON,
        )
        for how, words in {
            "enrolled": "set up",
            "replaced": "replaced by another one",
            "removed": "removed",
        }.items()
    },
}

# What a message says of its event, and under which label. An event may hold more than these; that
# stays here.
_FACTS = {
    "package": "Package",
    "version": "Version",
    "tag": "Dist-tag",
    "registry": "Registry",
    "stage_id": "Stage id",
    "state": "State",
    "action": "Decision",
    "actor": "By",
    "who": "Who",
    "role": "Role",
    "account": "Account",
    "factor": "Second factor",
    "codes_left": "Codes left",
    "requirement": "In spite of",
    "waits_for": "Still wanted",
}


@dataclass(frozen=True)
class Message:
    """One message in all the forms that channels need. Holds no secret."""

    id: str
    topic: str
    subject: str
    body: str
    payload: dict[str, Any]


def audience_of(topic: str) -> Audience | None:
    """Whom the topic is for; None if nobody is told of it."""
    known = TOPICS.get(topic)
    return known.audience if known else None


def message_for(event: OutboxEvent) -> Message:
    """The message about `event`. Raises KeyError for a topic that nobody is told of."""
    topic = TOPICS[event.topic]
    data = {
        key: one_line(event.payload[key]) for key in _FACTS if event.payload.get(key) is not None
    }
    if event.stage_id:
        data["stage_id"] = str(event.stage_id)
    reason = _lines(event.payload.get("reason") or "")
    fields = _fields(data) | {"more": _more(event.payload.get("more"))}
    sentence = topic.sentence.format(**fields)
    url = _link(event.payload.get("url_path"))
    if reason:
        data["reason"] = reason
    return _message(
        id=f"event_{event.pk}",
        topic=event.topic,
        at=event.at,
        subject=topic.subject.format(**fields),
        sentence=sentence,
        data={**data, "url": url} if url else data,
    )


def subject_of(event: OutboxEvent) -> str:
    """What the event is about, in one line, even if nobody is told of such events any more."""
    return message_for(event).subject if event.topic in TOPICS else event.topic


def trial_message(id: str, at: datetime) -> Message:
    """What the test button sends."""
    return _message(
        id=id,
        topic="test",
        at=at,
        subject="A test of this webhook",
        sentence="Countersign can reach this webhook. Nothing has happened.",
        data={},
    )


def _message(
    *, id: str, topic: str, at: datetime, subject: str, sentence: str, data: dict[str, str]
) -> Message:
    width = max(map(len, _FACTS.values())) + 2
    facts = [f"{_FACTS[key] + ':':<{width}}{data[key]}" for key in _FACTS if key in data]
    parts = [sentence, "\n".join(facts)]
    if "reason" in data:
        parts.append("Reason:\n" + "\n".join(f"  {line}" for line in data["reason"].split("\n")))
    if "url" in data:
        parts.append(f"Look at it: {data['url']}")
    return Message(
        id=id,
        topic=topic,
        subject=one_line(subject, 200),
        body="\n\n".join(part for part in parts if part) + "\n",
        payload={
            "type": topic,
            "schema": 1,
            "id": id,
            "timestamp": at.isoformat(),
            "summary": sentence,
            "data": data,
        },
    )


def _fields(data: Mapping[str, str]) -> dict[str, str]:
    package, version = data.get("package", "a package"), data.get("version", "")
    return {
        "name": f"{package}@{version}" if version else package,
        "registry": data.get("registry", "the registry"),
        "tag": data.get("tag", "latest"),
        "by": f" by {data['actor']}" if data.get("actor") else "",
        "factor": data.get("factor", "a second factor"),
        "who": data.get("who", "somebody"),
        "role": data.get("role", "somebody with another role"),
        "account": data.get("account", "an account"),
        "codes_left": data.get("codes_left", "some"),
        "requirement": data.get("requirement", "one of its requirements"),
    }


def _more(number: object) -> str:
    """How many versions the news is about beside the one that it names, in words."""
    return f" and {number} more" if isinstance(number, int) and number > 0 else ""


def _link(path: object) -> str:
    if not settings.PUBLIC_URL or not isinstance(path, str) or not path.startswith("/"):
        return ""
    return f"{settings.PUBLIC_URL}{one_line(path)}"


def one_line(text: object, limit: int = LINE_LIMIT) -> str:
    """Text from outside for a subject or a line: nothing that hides or turns round what is read."""
    shown = "".join(
        " " if character.isspace() else character
        for character in str(text)
        if character.isspace() or unicodedata.category(character)[0] != "C"
    ).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _lines(text: object) -> str:
    lines = str(text)[:TEXT_LIMIT].splitlines()
    return "\n".join(one_line(line, TEXT_LIMIT) for line in lines).strip()

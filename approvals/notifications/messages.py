"""What people are told: one text for each topic that somebody wants to hear of."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join

from approvals.audit.models import OutboxEvent

LINE_LIMIT = 300
TEXT_LIMIT = 4000
SHORT_LIMIT = 200


class Audience(Enum):
    """Whom a topic is for."""

    EVERYONE = "everyone"
    DECIDERS = "who may approve"
    MANAGERS = "administrators"
    # Of those, whoever wants e-mail, and may see the package.
    CONCERNED = "those whom it concerns"
    PERSON = "the person it is about"


class Urgency(IntEnum):
    """As in `models.Delivery`: what passes quiet hours, and what overtakes all else."""

    NORMAL = 0
    URGENT = 1
    ALARM = 2


KINDS: Mapping[str, str] = {
    "review": "Staged, and needs review",
    "assigned": "Assigned, taken, passed on, snoozed",
    "reminder": "Reminders",
    "escalation": "Escalations",
    "finding": "Findings of critical severity",
    "changes": "Changes wanted",
    "mention": "Comments and mentions",
    "vote": "Approvals that are needed, or count no more",
    "exception": "Exceptions from a policy",
    "approved": "Approved, and not live yet",
    "live": "Live",
    "rejected": "Rejected",
    "failed": "Failed, and needs a person",
    "expiring": "Expiring and expired",
    "vanished": "Vanished from the registry",
    "elsewhere": "Published without Countersign",
    "alarm": "Alarms: a digest that differs",
    "registry": "Registries that fail and recover",
    "rota": "The rota: gaps, swaps and overrides",
    "code": "A code wanted for a running batch",
    "people": "New administrators",
    "account": "Your own account and second factors",
}
"""What one can choose to hear of, in the words of the page."""


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
    # Under which of KINDS one chooses it.
    kind: str = "account"
    # Several of these that come together are told in one message.
    gathers: bool = False
    urgency: Urgency = Urgency.NORMAL
    # Whoever did it knows of it. Elsewhere the event says by `not_to` who does.
    not_to_actor: bool = False

    @property
    def is_personal(self) -> bool:
        """About somebody's own account: nobody opts out, and no quiet hours keep it back."""
        return self.audience is Audience.PERSON

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
        kind="review",
        gathers=True,
    ),
    "staged_version.live": Topic(
        "Live: {name}",
        "{name} is live at {registry} under the dist-tag {tag}: everyone can install it, and it "
        "has the digest that was reviewed.",
        kind="live",
        gathers=True,
    ),
    "staged_version.rejected": Topic(
        "Rejected: {name}",
        "{name} was rejected{by}. It does not go out.",
        kind="rejected",
        gathers=True,
    ),
    "staged_version.failed": Topic(
        "Failed: {name}",
        "The decision on {name} could not be carried out at {registry}. A person must look at it.",
        kind="failed",
        gathers=True,
        urgency=Urgency.URGENT,
    ),
    "staged_version.expired": Topic(
        "Too old to be approved: {name}",
        "{name} has waited at {registry} for longer than its policy allows, and may no longer be "
        "approved. Reject it, and have it staged again if it is still wanted.",
        Audience.DECIDERS,
        kind="expiring",
        gathers=True,
    ),
    "staged_version.held": Topic(
        "Held: {name}",
        "{name} was not tried at {registry}: what it needs did not go out.",
        by_email=False,
        kind="failed",
        gathers=True,
    ),
    "release.joined": Topic(
        "Came later: {name}",
        "{name} was staged at {registry} when the release it belongs to was there already, and has "
        "joined it. Look at it before you approve the release.",
        Audience.DECIDERS,
        by_email=False,
        only_if="is_late",
        kind="review",
        gathers=True,
    ),
    "vote.cast": Topic(
        "Waits for your approval: {name}{more}",
        "{name}{more} was approved{by}, and waits for you now.",
        Audience.CONCERNED,
        kind="vote",
    ),
    "vote.withdrawn": Topic(
        "An approval was taken back: {name}",
        "An approval of {name} was taken back{by}: it counts no more.",
        Audience.DECIDERS,
        by_email=False,
        kind="vote",
        gathers=True,
    ),
    "vote.voided": Topic(
        "Your approval counts no more: {name}",
        "Something has changed since {who} approved {name}, so that the approval counts no more. "
        "Look at the version again, and approve it anew if that is right.",
        Audience.CONCERNED,
        kind="vote",
    ),
    "requirement.overridden": Topic(
        "Let pass in spite of the policy: {name}",
        "{name} was let pass{by} in spite of what its policy wants: {requirement}. The reason is "
        "kept and shown with the version for ever.",
        Audience.DECIDERS,
        kind="exception",
    ),
    "changes.requested": Topic(
        "Changes wanted: {name}",
        "{name} is held{by} until something in it is changed: nobody can approve it meanwhile.",
        Audience.DECIDERS,
        kind="changes",
        gathers=True,
    ),
    "changes.lifted": Topic(
        "Held no more: {name}",
        "{name} is no longer held for changes; it was let go{by}.",
        Audience.DECIDERS,
        by_email=False,
        kind="changes",
        gathers=True,
    ),
    "glass.asked": Topic(
        "A second person is wanted: {name}",
        "{name} is to go out at a time when the policy lets nothing out. It was asked for{by}, and "
        "waits for another person who may approve it. Read the reason, and agree only if it "
        f"cannot wait. {_ASK_THEM}",
        Audience.DECIDERS,
        kind="exception",
        urgency=Urgency.URGENT,
    ),
    "glass.broken": Topic(
        "GLASS BROKEN: {name}",
        "{name} may go out at a time when the policy lets nothing out: {who} has asked for it, and "
        f"it was agreed to{{by}}. {_ASK_THEM}",
        kind="exception",
        urgency=Urgency.ALARM,
    ),
    "comment.mentioned": Topic(
        "You were mentioned: {name}",
        "You were mentioned{by} in a comment on {name}.",
        Audience.CONCERNED,
        by_webhook=False,
        kind="mention",
    ),
    "inspection.failed": Topic(
        "Could not be compared: {name}",
        "The tarball of {name} at {registry} could not be compared, so that nobody can approve it.",
        Audience.DECIDERS,
        by_email=False,
        kind="failed",
        gathers=True,
    ),
    "staged_version.alarm": Topic(
        "ALARM: {name}",
        "Something is wrong with {name} at {registry}. Look at it now.",
        kind="alarm",
        urgency=Urgency.ALARM,
    ),
    "staged_version.published_elsewhere": Topic(
        "Published without Countersign: {name}",
        "{name} went live at {registry} without a decision made here. Find out who published it.",
        kind="elsewhere",
        urgency=Urgency.ALARM,
    ),
    "registry.failing": Topic(
        "Registry {registry} is failing",
        "Countersign cannot read {registry}: new staged versions are not seen until it can.",
        Audience.MANAGERS,
        kind="registry",
    ),
    "registry.recovered": Topic(
        "Registry {registry} works again",
        "Countersign can read {registry} again.",
        Audience.MANAGERS,
        kind="registry",
    ),
    "staged_version.accepted": Topic(
        "Approved: {name}",
        "{name} was approved, and {registry} has accepted it. It is not live yet.",
        kind="approved",
        by_email=False,
        gathers=True,
    ),
    "staged_version.not_visible_yet": Topic(
        "Accepted, not visible yet: {name}",
        "{registry} has accepted {name}, and does not show it to everyone yet. Nothing needs to be "
        "done: it is announced once everyone can install it.",
        kind="approved",
        gathers=True,
    ),
    "staged_version.expiring": Topic(
        "Soon too old to be approved: {name}",
        "{name} waits at {registry}, and can soon no longer be approved{until}. Decide on it "
        "before.",
        Audience.DECIDERS,
        kind="expiring",
        gathers=True,
    ),
    "staged_version.withdrawn": Topic(
        "Vanished: {name}",
        "{name} is no longer staged at {registry}, and no decision made here took it away.",
        kind="vanished",
        by_email=False,
        gathers=True,
    ),
    "finding.critical": Topic(
        "Critical finding: {name}",
        "What is in {name} has a finding of critical severity. Look at it before anybody approves "
        "it.",
        Audience.DECIDERS,
        kind="finding",
    ),
    "assignment.assigned": Topic(
        "Yours to look at: {name}",
        "{name} waits at {registry} and is yours to look at. Take it, so that nobody else is "
        "asked.",
        Audience.CONCERNED,
        kind="assigned",
        gathers=True,
    ),
    "assignment.taken": Topic(
        "Taken: {name}",
        "{who} is looking at {name}.",
        Audience.CONCERNED,
        kind="assigned",
        by_email=False,
        gathers=True,
    ),
    "assignment.passed": Topic(
        "Passed on to you: {name}",
        "{name} was passed on{by} to {who}.",
        Audience.CONCERNED,
        kind="assigned",
        gathers=True,
    ),
    "assignment.snoozed": Topic(
        "Snoozed: {name}",
        "{name} was put off{by}{until}.",
        Audience.CONCERNED,
        kind="assigned",
        by_email=False,
        gathers=True,
    ),
    "assignment.reminder": Topic(
        "Still waits for you: {name}",
        "{name} still waits at {registry}, and you were asked to look at it.",
        Audience.CONCERNED,
        kind="reminder",
        gathers=True,
    ),
    "assignment.escalated": Topic(
        "You are asked now: {name}",
        "{name} waits at {registry}, and those who were asked before are not enough: you are "
        "asked now.",
        Audience.CONCERNED,
        kind="escalation",
        gathers=True,
    ),
    "rota.gap": Topic(
        "Nobody is on call: {schedule}",
        "In the schedule {schedule} there is a time for which nobody is on call{until}. Put "
        "somebody in.",
        Audience.CONCERNED,
        kind="rota",
    ),
    "swap.asked": Topic(
        "A shift for you? {schedule}",
        "You were asked{by} to take over a shift of the schedule {schedule}. It is yours only if "
        "you accept.",
        Audience.CONCERNED,
        kind="rota",
        by_webhook=False,
    ),
    "swap.answered": Topic(
        "Your swap was answered: {schedule}",
        "What you asked for in the schedule {schedule} was answered{by}.",
        Audience.CONCERNED,
        kind="rota",
        by_webhook=False,
    ),
    "override.made": Topic(
        "On call by an override: {who}, {schedule}",
        "{who} was put on call in the schedule {schedule}{by}.",
        Audience.CONCERNED,
        kind="rota",
        by_webhook=False,
    ),
    "override.cancelled": Topic(
        "No longer on call by an override: {who}, {schedule}",
        "{who} is no longer on call by an override in the schedule {schedule}; it was taken "
        "back{by}.",
        Audience.CONCERNED,
        kind="rota",
        by_webhook=False,
    ),
    "comment.said": Topic(
        "Comment: {name}",
        "There is a new comment on {name}{by}.",
        Audience.DECIDERS,
        kind="mention",
        by_email=False,
        by_webhook=False,
        gathers=True,
        not_to_actor=True,
    ),
    "decision.code_wanted": Topic(
        "A code is wanted: {name}{more}",
        "{registry} asks for a one-time code before it carries out what you decided on "
        "{name}{more}. Give it soon, or the decision is not carried out.",
        Audience.CONCERNED,
        kind="code",
        by_webhook=False,
        urgency=Urgency.URGENT,
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
        kind="people",
        urgency=Urgency.ALARM,
    ),
    "administrator.invited": Topic(
        "Another administrator was invited: {who}",
        f"A link was made{{by}} that lets one person in as an administrator, for {{who}}. "
        f"{_ASK_THEM} Until the link is used, it can be withdrawn under People.",
        Audience.MANAGERS,
        kind="people",
        urgency=Urgency.ALARM,
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
    "schedule": "Schedule",
    "until": "Until",
}


def fact_labels() -> dict[str, str]:
    """The fields that a message may say of its event, each in words."""
    return dict(_FACTS)


@dataclass(frozen=True)
class Message:
    """One message in all the forms that channels need. Holds no secret.

    `html` is a fragment of safe HTML; `short` is for a screen that shows two lines.
    """

    id: str
    topic: str
    subject: str
    body: str
    payload: dict[str, Any]
    html: str = ""
    short: str = ""
    url: str = ""
    urgent: bool = False


def audience_of(topic: str) -> Audience | None:
    """Whom the topic is for; None if nobody is told of it."""
    known = TOPICS.get(topic)
    return known.audience if known else None


def urgency_of(event: OutboxEvent) -> Urgency:
    """How urgent this very event is: by its topic, or by what a policy calls urgent."""
    topic = TOPICS[event.topic]
    if topic.is_personal:
        return Urgency.ALARM
    return max(topic.urgency, Urgency.URGENT if event.payload.get("urgent") else Urgency.NORMAL)


def message_for(event: OutboxEvent) -> Message:
    """The message about `event`. Raises KeyError for a topic that nobody is told of."""
    told = _told(event)
    return _message(
        id=f"event_{event.pk}",
        topic=event.topic,
        at=event.at,
        subject=told.subject,
        sentence=told.sentence,
        data=told.data,
        urgent=urgency_of(event) > Urgency.NORMAL,
    )


def gathered_message(events: Sequence[OutboxEvent]) -> Message:
    """One message about several events of one topic; its id is the first one's.

    `payload["events"]` has each with its own id. Raises KeyError as `message_for` does.
    """
    first = events[0]
    if len(events) == 1:
        return message_for(first)
    topic = TOPICS[first.topic]
    told = [_told(event) for event in events]
    name = f"{len(events)} versions" if first.stage_id else f"{len(events)} times"
    subject = one_line(topic.subject.format(**_fields({}) | {"name": name, "more": ""}), 200)
    lines = []
    for one in told:
        lines.append(f"- {one.sentence}")
        lines += [f"  {line}" for line in one.data.get("reason", "").split("\n") if line]
        lines += [f"  {one.data['url']}"] if "url" in one.data else []
    url = _link("/")
    summary = f"{subject}."
    return Message(
        id=f"event_{first.pk}",
        topic=first.topic,
        subject=subject,
        body="\n".join([summary, "", *lines, ""]),
        html=format_html(
            "<p>{}</p><ul>{}</ul>",
            summary,
            format_html_join("", "<li>{}{}{}</li>", map(_item, told)),
        ),
        short=one_line(", ".join(one.name for one in told), SHORT_LIMIT),
        url=url,
        urgent=any(urgency_of(event) > Urgency.NORMAL for event in events),
        payload={
            **_payload(f"event_{first.pk}", first.topic, first.at, summary, {}),
            "events": [
                _payload(f"event_{event.pk}", event.topic, event.at, one.sentence, one.data)
                for event, one in zip(events, told, strict=True)
            ],
        },
    )


@dataclass(frozen=True)
class _Told:
    """What is said of one event."""

    name: str
    subject: str
    sentence: str
    data: dict[str, str]


def _told(event: OutboxEvent) -> _Told:
    topic = TOPICS[event.topic]
    data = {
        key: one_line(event.payload[key])
        for key in _FACTS
        if event.payload.get(key) not in (None, "")
    }
    if "until" in data:
        data["until"] = _moment(data["until"])
    if event.stage_id:
        data["stage_id"] = str(event.stage_id)
    fields = _fields(data) | {"more": _more(event.payload.get("more"))}
    if reason := _lines(event.payload.get("reason") or ""):
        data["reason"] = reason
    if url := _link(event.payload.get("url_path")):
        data["url"] = url
    return _Told(
        fields["name"],
        one_line(topic.subject.format(**fields), 200),
        topic.sentence.format(**fields),
        data,
    )


def _item(told: _Told) -> tuple[str, str, str]:
    reason = told.data.get("reason", "")
    url = told.data.get("url", "")
    return (
        told.sentence,
        format_html("<br>{}", reason) if reason else "",
        format_html('<br><a href="{}">Look at it</a>', url) if url else "",
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
        subject="A test",
        sentence="Countersign can reach you here. Nothing has happened.",
        data={},
    )


def _message(
    *,
    id: str,
    topic: str,
    at: datetime,
    subject: str,
    sentence: str,
    data: dict[str, str],
    urgent: bool = False,
) -> Message:
    width = max(map(len, _FACTS.values())) + 2
    facts = [(_FACTS[key], data[key]) for key in _FACTS if key in data]
    parts = [sentence, "\n".join(f"{label + ':':<{width}}{value}" for label, value in facts)]
    if "reason" in data:
        parts.append("Reason:\n" + "\n".join(f"  {line}" for line in data["reason"].split("\n")))
    if "url" in data:
        parts.append(f"Look at it: {data['url']}")
    return Message(
        id=id,
        topic=topic,
        subject=one_line(subject, 200),
        body="\n\n".join(part for part in parts if part) + "\n",
        payload=_payload(id, topic, at, sentence, data),
        html=_html(sentence, facts, data),
        short=one_line(sentence, SHORT_LIMIT),
        url=data.get("url", ""),
        urgent=urgent,
    )


def _payload(
    id: str, topic: str, at: datetime, summary: str, data: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "type": topic,
        "schema": 1,
        "id": id,
        "timestamp": at.isoformat(),
        "summary": summary,
        "data": dict(data),
    }


def _html(sentence: str, facts: Sequence[tuple[str, str]], data: Mapping[str, str]) -> str:
    rows = format_html_join("", '<tr><th align="left">{}</th><td>{}</td></tr>', facts)
    reason, url = data.get("reason", ""), data.get("url", "")
    parts = [
        format_html("<p>{}</p>", sentence),
        format_html("<table>{}</table>", rows) if facts else "",
        format_html("<p>Reason:</p><blockquote><pre>{}</pre></blockquote>", reason)
        if reason
        else "",
        format_html('<p><a href="{}">Look at it</a></p>', url) if url else "",
    ]
    return "".join(parts)


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
        "schedule": data.get("schedule", "the rota"),
        "until": f" until {data['until']}" if data.get("until") else "",
        "more": "",
    }


def _moment(text: str) -> str:
    """A moment as events hold it, for people; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.astimezone(UTC):%A %d %B, %H:%M} UTC" if at.tzinfo else text


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

"""Taking a live version back at its registry: the exact commands, for a person to run.

Countersign runs none of them: what is published changes by a person's own hand and second factor.
They mean the same in POSIX shells, cmd.exe and PowerShell. Where a word could mean anything else in
one of these, there is no command, and the reason why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from approvals.inspection.models import InspectionRequest
from approvals.queue.models import StagedVersion, State
from registry_client.versions import PLACEHOLDER_VERSION, had_the_tag, parse_version, sort_key

OUT_STATES = (State.LIVE, State.PUBLISHED_ELSEWHERE)
LONGEST_MESSAGE = 200
LATEST = "latest"
# Names that npm takes today, and older ones with capitals. None begins like an option.
_NAME = re.compile(r"(@[A-Za-z0-9~][A-Za-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.-]*")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/@+-]*)?")
_MESSAGE = re.compile(r"[A-Za-z0-9(][A-Za-z0-9 .,:;()/@_+=~?*'#-]*")


class RollbackRefused(Exception):
    """There are no commands for this; the text says why, and what to do instead."""


@dataclass(frozen=True)
class Command:
    """One line for a shell, and in words what it does."""

    line: str
    words: str


@dataclass(frozen=True)
class Rollback:
    """How a version that went out is taken back.

    `back_to` is the version that the dist-tag is moved to, "" for none, and `why` says why that
    one, or none; `choices` are the versions that can be chosen.
    """

    back_to: str
    why: str
    choices: tuple[str, ...]
    message: str
    commands: tuple[Command, ...]


def is_out(staged_version: StagedVersion) -> bool:
    """Whether people can install it, so that it can be taken back."""
    return staged_version.state in OUT_STATES


def rollback_of(staged_version: StagedVersion, *, back_to: str = "", message: str = "") -> Rollback:
    """How this version is taken back; it must be out.

    `back_to` is a version that somebody chose, `message` what they want installers to read.
    Raises RollbackRefused.
    """
    if not is_out(staged_version):
        raise RollbackRefused(
            f"{staged_version} is not out: there is nothing to take back. Reject it instead."
        )
    name, version, tag = (
        staged_version.package.name,
        staged_version.version,
        staged_version.tag,
    )
    _check(name, version, tag, staged_version.registry.url)
    choices = _choices(staged_version)
    if back_to and back_to not in choices:
        raise RollbackRefused(
            "Choose among the published versions that are listed: no other is known to be there."
        )
    newer = _newer_on_the_tag(staged_version)
    if back_to:
        chosen, why = back_to, "Chosen on this page."
    elif newer:
        chosen, why = "", f"The dist-tag {tag} went on to {newer} since: leave it there."
    else:
        chosen, why = _before(staged_version, choices)
    message = _checked_message(message) if message else _usual_message(version, chosen or newer)
    where = _registry_option(name, staged_version.registry.url)
    commands = []
    if chosen:
        commands.append(
            Command(
                f"npm dist-tag add {_quoted(f'{name}@{chosen}')} {_quoted(tag)} {where}",
                f"Move the dist-tag {tag} back to {chosen}: whoever installs by it gets that.",
            )
        )
    elif not newer and tag != LATEST:
        commands.append(
            Command(
                f"npm dist-tag rm {_quoted(name)} {_quoted(tag)} {where}",
                f"Take the dist-tag {tag} away: nobody installs by it any more.",
            )
        )
    commands.append(
        Command(
            f"npm deprecate {_quoted(f'{name}@{version}')} {_quoted(message)} {where}",
            f"Deprecate {version}: npm warns whoever installs it. It stays installable.",
        )
    )
    return Rollback(chosen, why, choices, message, tuple(commands))


def _before(staged_version: StagedVersion, choices: Sequence[str]) -> tuple[str, str]:
    """Which version people had before under its dist-tag, and how that is known; "" for none."""
    tag = staged_version.tag
    earlier = (
        _of_the_tag(staged_version)
        .filter(state_changed_at__lt=staged_version.state_changed_at)
        .order_by("-state_changed_at", "-pk")
        .first()
    )
    asked = _request_of(staged_version)
    had = had_the_tag(asked.baseline_reason, staged_version.version, tag) if asked else None
    if (
        earlier is not None
        and earlier.version in choices
        and (had is None or earlier.state_changed_at > staged_version.found_at)
    ):
        return earlier.version, f"{earlier.version} went out under the dist-tag {tag} before it."
    if had and had in choices:
        return had, f"{had} had the dist-tag {tag} when this version was compared."
    return "", (
        f"No version had the dist-tag {tag} before: publish a repaired one."
        if had == ""
        else f"Which version had the dist-tag {tag} before is not known here: choose one."
    )


def _newer_on_the_tag(staged_version: StagedVersion) -> str:
    """What went out under the same dist-tag after it; "" for nothing."""
    newer = (
        _of_the_tag(staged_version)
        .filter(state_changed_at__gt=staged_version.state_changed_at)
        .order_by("-state_changed_at", "-pk")
        .first()
    )
    return newer.version if newer else ""


def _of_the_tag(staged_version: StagedVersion) -> QuerySet[StagedVersion]:
    return StagedVersion.objects.filter(
        package_id=staged_version.package_id, tag=staged_version.tag, state__in=OUT_STATES
    ).exclude(pk=staged_version.pk)


def _request_of(staged_version: StagedVersion) -> InspectionRequest | None:
    return InspectionRequest.objects.filter(staged_version=staged_version).first()


def _choices(staged_version: StagedVersion) -> tuple[str, ...]:
    """The published versions that a dist-tag can be moved to, newest first."""
    asked = _request_of(staged_version)
    known = {str(one) for one in asked.published_versions} if asked else set()
    known |= set(
        StagedVersion.objects.filter(
            package_id=staged_version.package_id, state__in=OUT_STATES
        ).values_list("version", flat=True)
    )
    known -= {staged_version.version, PLACEHOLDER_VERSION}
    plain = (one for one in known if _is_plain_version(one))
    return tuple(sorted(plain, key=sort_key, reverse=True))


def _usual_message(version: str, instead: str) -> str:
    return f"Do not use {version}: it was taken back." + (
        f" Use {instead}." if instead and _is_plain_version(instead) else ""
    )


def _checked_message(message: str) -> str:
    message = " ".join(message.split())
    if len(message) > LONGEST_MESSAGE:
        raise RollbackRefused(f"Say it in at most {LONGEST_MESSAGE} characters.")
    if not _MESSAGE.fullmatch(message):
        raise RollbackRefused(
            "Begin the message with a letter or digit, and write it with letters, digits, spaces "
            "and . , : ; ( ) / @ _ + = ~ ? * ' # - alone: any other sign means something to one "
            "shell or another."
        )
    return message


def _check(name: str, version: str, tag: str, address: str) -> None:
    for what, is_plain in (
        ("package's name", _NAME.fullmatch(name) is not None),
        ("version", _is_plain_version(version)),
        ("dist-tag", _TAG.fullmatch(tag) is not None),
        ("registry's address", _ADDRESS.fullmatch(address) is not None),
    ):
        if not is_plain:
            raise RollbackRefused(
                f"The {what} has characters that mean something to one shell or another: a "
                "command with them could do something else than it says, so none is shown. Take "
                "it back on the registry's own site, or write the command yourself, with care."
            )


def _is_plain_version(version: str) -> bool:
    return _VERSION.fullmatch(version) is not None and parse_version(version) is not None


def _registry_option(name: str, address: str) -> str:
    # Somebody's npm settings may send a scope to another registry, whatever --registry says.
    scope = name.partition("/")[0] if name.startswith("@") else ""
    option = f"--{scope}:registry" if scope else "--registry"
    return _quoted(f"{option}={address}")


def _quoted(word: str) -> str:
    # In double quotes, nothing that was let through above means anything to any of the shells.
    return f'"{word}"'

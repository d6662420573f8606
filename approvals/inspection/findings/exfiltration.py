"""Code that takes what is secret and can send it away."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.reach import reaching
from approvals.inspection.search.sign import Sign, as_one, close_pair, is_for_tests, joined
from approvals.inspection.search.signs import (
    CREDENTIALS,
    ENVIRONMENT,
    HOME,
    MEMORY,
    METADATA,
    NETWORK,
    SENDS,
    TOKENS,
    is_copy,
)

GROUP = Group.CODE
RULES = {"exfiltration": "New code that takes secrets and can send them away"}
NEEDLES = joined(SENDS.needles, HOME.needles)

_TAKES: tuple[tuple[Sign, str, Severity], ...] = (
    (CREDENTIALS, "files with credentials", Severity.CRITICAL),
    (MEMORY, "the memory of other processes", Severity.CRITICAL),
    (ENVIRONMENT, "all environment variables", Severity.CRITICAL),
    (HOME, "files of the home folder", Severity.HIGH),
    (METADATA, "the credentials of a machine in a cloud", Severity.HIGH),
    (TOKENS, "tokens of build machines", Severity.HIGH),
)


def in_tarball(look: Look) -> Iterator[Finding]:
    sends = reaching(look)
    if not sends:
        return
    taken: list[tuple[Use, Use, str, Severity]] = []
    for sign, words, severity in _TAKES:
        if sign is METADATA and len(sends) < 2:  # noqa: PLR2004 - asking, and telling
            continue
        takes = sign.uses(look)
        if sign is ENVIRONMENT:
            takes = sorted(takes, key=is_copy)
        pair = close_pair(takes, sends)
        if pair is not None:
            if sign is ENVIRONMENT and is_copy(pair[0]):
                # Most copies are for programs that are started with them.
                severity = Severity.MEDIUM if look.is_first else Severity.HIGH  # noqa: PLW2901
            if sign is HOME and look.is_first:
                severity = Severity.LOW  # noqa: PLW2901
            taken.append((*pair, words, severity))
    if not taken:
        yield from _in_two_files(look, sends)
        return
    taken.sort(key=lambda one: one[3].rank)
    take, send, _, severity = taken[0]
    if len(taken) > 2:  # noqa: PLR2004 - who takes everything is no client of one service
        severity = Severity.CRITICAL
    after = [one for one in sends if one.file is send.file and one.match.start > take.match.start]
    kinds = [one[2] for one in taken]
    yield as_one(
        [(after or [send])[-1 if after and not _are_many(after) else 0]],
        rule="exfiltration",
        severity=severity,
        title=f"{_code(look)} takes {_listed(kinds)}, and can send them away.",
        why="Honest packages do one or the other. Code that does both is how tokens were stolen "
        "in most attacks through packages.",
        what_to_check="Follow what is read to where it goes. Unless this package is a client of "
        "exactly the service that the secret is for, reject it.",
        detail="; ".join(
            f"{one[2]}: {one[0].path}:{one[0].line} {one[0].excerpt[:160]}" for one in taken
        ),
    )


def _in_two_files(look: Look, sends: list[Use]) -> Iterator[Finding]:
    """One new file takes, another one sends, in a package that never talked to the network."""
    if look.is_first or look.had(NETWORK.needles):
        return
    for sign, words, severity in _TAKES:
        takes = [use for use in sign.uses(look) if not is_for_tests(use)]
        elsewhere = [use for use in sends if takes and use.file is not takes[0].file]
        if severity is Severity.CRITICAL and elsewhere:
            other = elsewhere[0]
            yield as_one(
                [takes[0]],
                rule="exfiltration",
                severity=Severity.HIGH,
                title=f"New code takes {words}, and other new code can send them away.",
                why="The package did neither before. Taking and sending may be kept apart so that "
                "neither looks bad alone.",
                what_to_check="See whether what the one file takes gets to the other.",
                detail=f"Sent in {other.path}:{other.line} {other.excerpt[:160]}",
            )
            return


def _code(look: Look) -> str:
    return "Its code" if look.is_first else "New code"


def _are_many(uses: list[Use]) -> bool:
    return len(uses) > 8  # noqa: PLR2004 - beyond, the closest is most likely the one


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""Tokens and keys of services that whoever installs the package can take and use.

What is shown of one is its first characters; the digest of it is the evidence.
"""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.secret_forms import (
    FORMS,
    SHOWN,
    Form,
    digest,
    is_known_to_all,
    looks_random,
    mask,
)

GROUP = Group.CONTENT
RULES = {"secret": "Tokens and keys of services", "signed-token": "Signed tokens (JWT)"}
_SIGNED = r"eyJ[A-Za-z0-9_-]{16,800}\.eyJ[A-Za-z0-9_-]{16,1600}\.[A-Za-z0-9_-]{20,800}"
_OF_FORMS = needles(patterns=[form.pattern for form in FORMS])
_OF_SIGNED = needles(patterns=[_SIGNED])
NEEDLES = needles(patterns=[*_OF_FORMS.patterns, *_OF_SIGNED.patterns])
_LONGEST = 400
_AROUND = 300
_NAME = re.compile(r"([A-Za-z][\w.-]{0,30})[\"']?[\t ]{0,4}[:=]{1,2}[\t ]{0,4}[\"'`]?\Z")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_WORD = re.compile(r"[A-Za-z0-9_]")
_WHY = (
    "Whoever installs a package can read all of it, and so can everyone who reads the registry: "
    "scanners find a published token within minutes."
)
_WHAT = (
    "Do not approve it. Have the secret revoked at its issuer, even if this version is never "
    "published, and find out how it came into the package."
)


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = look.uses(_OF_FORMS)
    # To search the baseline takes time, so it is only done where it matters.
    had = _secrets_before(look) if uses else frozenset()
    fresh, seen = set(uses), set()
    for use in [*uses, *look.stayed(_OF_FORMS)]:
        form, secret = _secret_at(use)
        if not secret or (use.path, secret) in seen:
            continue
        seen.add((use.path, secret))
        is_new = use in fresh and secret not in had
        yield _finding(use, form, secret, is_new=is_new)
    yield from _signed(look)


def _finding(use: Use, form: Form, secret: str, *, is_new: bool) -> Finding:
    severity, title, detail = _judged(use, form, secret)
    if not is_new and severity.rank < Severity.LOW.rank:
        severity = Severity.LOW
    return Finding(
        "secret",
        severity,
        title,
        _WHY,
        _WHAT,
        path=use.path,
        line=use.line,
        excerpt=_shown(use, secret),
        detail=detail,
        is_new=is_new,
        evidence=digest(secret),
    )


def _judged(use: Use, form: Form, secret: str) -> tuple[Severity, str, str]:
    title = f"{form.name[0].upper()}{form.name[1:]} is in the package."
    if form.is_right and not form.is_right(secret):
        return (
            Severity.LOW,
            f"What looks like {form.name} is in the package.",
            "Its checksum is wrong: no such token was ever issued, or it was changed.",
        )
    if secret.startswith(("AKIA", "ASIA")):
        if _has_aws_secret(use, secret):
            return Severity.HIGH, title, "With what may be its secret key beside it."
        return Severity.MEDIUM, title, "No secret key was seen beside it."
    if form.is_often_public:
        return Severity.MEDIUM, title, "Such keys are often meant to be public, within limits."
    return Severity.HIGH, title, "Its checksum is right." if form.is_right else ""


def _secret_at(use: Use) -> tuple[Form, str]:
    """The form that is there and its secret; "" where it is none, or an example."""
    content = use.file.content or b""
    start, end = use.match.start, use.match.start + _LONGEST
    text = content[start:end].decode("utf-8", "replace")
    before = content[max(0, start - 1) : start].decode("latin-1")
    for form in FORMS:
        secret = form.match(text)
        if not secret:
            continue
        after = text[text.find(secret) + len(secret) :][:1]
        if _WORD.match(after) or (not form.part and _WORD.match(before)):
            continue
        if looks_random(secret[SHOWN:]) and not is_known_to_all(secret):
            return form, secret
    return FORMS[0], ""


def _has_aws_secret(use: Use, key: str) -> bool:
    around = use.around(_AROUND, _AROUND)
    return any(
        found != key and looks_random(found) and any(char.isdigit() for char in found)
        for found in _AWS_SECRET.findall(around)
    )


def _shown(use: Use, secret: str) -> str:
    """The name that the secret is given, if it has one, and its first characters."""
    text = use.around(60, 0)
    end = text.find(use.needle) if use.needle in text else len(text)
    named = _NAME.search(text[:end])
    name = f"{named[1]} = " if named and not looks_random(named[1]) else ""
    return f"{name}{mask(secret)}"


def _secrets_before(look: Look) -> frozenset[str]:
    texts = [text for _, text in look.before(_OF_FORMS)]
    return frozenset(secret for text in texts for form in FORMS if (secret := form.match(text)))


def _signed(look: Look) -> Iterator[Finding]:
    for use in look.uses(_OF_SIGNED):
        if not use.is_comment and looks_random(use.needle.rpartition(".")[2]):
            yield Finding(
                "signed-token",
                Severity.LOW,
                "A signed token (JWT) is in the package.",
                "Such a token lets in whoever shows it, as long as it has not expired. Most in "
                "packages are examples or public.",
                "See what it is for, and that it is meant to be public.",
                path=use.path,
                line=use.line,
                excerpt=_shown(use, use.needle),
                evidence=digest(use.needle),
            )

"""What a signing certificate says about the CI run that it was issued to.

Fulcio writes the claims of the CI's identity token into extensions of its own (sigstore/fulcio,
docs/oid-info.md). It checked them, so they are the truth; nothing that the run itself wrote is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from cryptography.x509 import (
    Certificate,
    ExtensionNotFound,
    GeneralName,
    ObjectIdentifier,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    UnrecognizedExtension,
)

from registry_client.provenance.builds import Build, NotProven, quoted

_ARC = "1.3.6.1.4.1.57264.1."
# The first six are the text itself, and only GitHub's; the later ones are DER strings.
_RAW_NUMBERS = range(1, 7)
_DER_NUMBERS = range(8, 25)
# What Fulcio says twice since it has the later ones.
_TWINS = {1: 8, 2: 20, 3: 13, 6: 14}
_OLD_REPOSITORY, _REPOSITORY = 5, 12
_MAX_CLAIM = 500
_UTF8_STRING = 0x0C
_LONG_FORM = 0x80
_MAX_LENGTH_BYTES = 2

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/\S+")
_HTML = str.maketrans(
    {"&": "&amp;", "+": "&#43;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
)
# What Go leaves as it is in a path that it writes, and in one that it read and found well written.
_SAFE = ("/$&+,:;=@", "/$&+,:;=@!'()*[]#")
_NAME = r"[A-Za-z0-9_.-]+"
_RUNNERS = {
    "github-hosted": "hosted",
    "gitlab-hosted": "hosted",
    "self-hosted": "self-hosted",
}


@dataclass(frozen=True)
class Platform:
    """A CI system: its name, its tokens' issuers, its repositories' addresses and workflow files.

    `config` matches a workflow's address, where it can be read in one way only: GitHub's files lie
    in no folder with an @, and a path at GitLab with two refs in it is refused.
    """

    name: str
    title: str
    issuer: re.Pattern[str]
    host: str
    repository: re.Pattern[str]
    config: re.Pattern[str]


PLATFORMS = (
    Platform(
        "github",
        "GitHub Actions",
        # An enterprise may have an issuer of its own, with its name at the end.
        re.compile(rf"https://token\.actions\.githubusercontent\.com(/{_NAME})?"),
        "https://github.com/",
        re.compile(rf"https://github\.com/{_NAME}/{_NAME}"),
        re.compile(
            rf"(?P<repository>https://github\.com/{_NAME}/{_NAME})/"
            r"(?P<path>(?:[^/@]+/)*[^/]+?)@(?P<ref>refs/.+)"
        ),
    ),
    Platform(
        "gitlab",
        "GitLab CI",
        re.compile(r"https://gitlab\.com"),
        "https://gitlab.com/",
        re.compile(rf"https://gitlab\.com(/{_NAME}){{2,30}}"),
        re.compile(
            rf"(?P<repository>https://gitlab\.com(?:/{_NAME}){{2,30}})//"
            r"(?P<path>(?!.*@refs/.*@refs/).+)@(?P<ref>refs/.+)"
        ),
    ),
)


def build_of(certificate: Certificate) -> Build:
    """The build that a verified certificate was issued to; NotProven if it is of no known CI."""
    claims = _claims(certificate)
    for old, new in _TWINS.items():
        if old in claims and new in claims and claims[old] != claims[new]:
            raise _at_odds(claims[old], claims[new])
    issuer = claims.get(8) or claims.get(1, "")
    platform = next((one for one in PLATFORMS if one.issuer.fullmatch(issuer)), None)
    if platform is None:
        by = quoted(", ".join(str(name.value) for name in _names(certificate)))
        raise NotProven(
            f"It is signed by {by} with an identity of {quoted(issuer)}, which is no CI system "
            "that Countersign knows."
        )
    if _REPOSITORY in claims:
        build = _build(platform, issuer, claims, _address(certificate))
    elif platform.name == "github" and _OLD_REPOSITORY in claims:
        build = _early_build(platform, issuer, claims, _address(certificate))
    else:
        raise NotProven("The certificate does not say which repository it was issued to.")
    _check(platform, build)
    if _OLD_REPOSITORY in claims and build.repository != platform.host + claims[_OLD_REPOSITORY]:
        raise _at_odds(claims[_OLD_REPOSITORY], build.repository)
    return build


def _at_odds(one: str, other: str) -> NotProven:
    return NotProven(
        f"The certificate contradicts itself: it says both {quoted(one)} and {quoted(other)}."
    )


def _build(platform: Platform, issuer: str, claims: dict[int, str], address: str) -> Build:
    signer = claims.get(9, "")
    if signer and address not in spellings(signer):
        raise _at_odds(signer, address)
    ref = claims.get(14, "")
    repository, workflow, workflow_ref = _config(platform, claims.get(18, ""), ref)
    return Build(
        platform=platform.name,
        issuer=issuer,
        repository=claims[_REPOSITORY].removesuffix("/").removesuffix(".git"),
        repository_id=claims.get(15, ""),
        owner=claims.get(16, "").removesuffix("/"),
        owner_id=claims.get(17, ""),
        ref=ref,
        commit=claims.get(13, "").removeprefix("sha1:"),
        workflow=workflow,
        workflow_ref=workflow_ref,
        workflow_repository=repository,
        signer_workflow=signer or address,
        trigger=claims.get(20, ""),
        runner=_RUNNERS.get(claims.get(11, ""), ""),
        run_url=claims.get(21, ""),
        visibility=claims.get(22, ""),
        environment=claims.get(23, ""),
    )


def _early_build(platform: Platform, issuer: str, claims: dict[int, str], address: str) -> Build:
    """Of a certificate from before May 2023, which says little, and of GitHub only.

    The one workflow it names is that which signed. Where that is of another repository, a reusable
    workflow signed, and which one called it is not known.
    """
    repository, ref = platform.host + claims[_OLD_REPOSITORY], claims.get(6, "")
    if platform.config.fullmatch(address):
        workflow_repository, workflow, workflow_ref = _config(platform, address, ref)
    else:
        workflow_repository = ""
    if workflow_repository != repository:
        workflow_repository = workflow = workflow_ref = ""
    return Build(
        platform=platform.name,
        issuer=issuer,
        repository=repository,
        owner=repository.rpartition("/")[0],
        ref=ref,
        commit=claims.get(3, ""),
        workflow=workflow,
        workflow_ref=workflow_ref,
        workflow_repository=workflow_repository,
        signer_workflow=address,
        trigger=claims.get(2, ""),
    )


def _config(platform: Platform, address: str, ref: str) -> tuple[str, str, str]:
    """Repository, path and ref of a workflow's address; all "" if the certificate has none.

    The run's `ref` stands in the certificate as it is, and tells how the workflow's is meant.
    """
    if not address:
        return "", "", ""
    found = platform.config.fullmatch(address)
    if found is None:
        raise NotProven(f"The certificate names no workflow that can be: {quoted(address)}.")
    own = found["ref"] in spellings(ref)
    return found["repository"], found["path"], ref if own else found["ref"]


def spellings(text: str) -> set[str]:
    """How Fulcio may have written this text into an address.

    It makes addresses with Go's net/url, which escapes with %, and since 2024 with html/template,
    which turns + into &#43; (pkg/identity/ciprovider); the alternative name passes through both.
    Texts are compared by writing them so, never by undoing it: a file's name may contain a %.
    """
    written = {text, text.translate(_HTML)}
    return written | {quote(one, safe=safe) for one in written for safe in _SAFE}


def _check(platform: Platform, build: Build) -> None:
    """The addresses become links on a page, and everything is compared with other builds'."""
    for address in (build.owner, build.run_url, build.signer_workflow):
        if address and not address.startswith(platform.host):
            raise NotProven(
                f"The certificate is for {platform.title}, but says {quoted(address)}, which is "
                f"not at {platform.host}."
            )
    for pattern, text in (
        (platform.repository, build.repository),
        (_COMMIT, build.commit),
        (_REF, build.ref),
    ):
        if not pattern.fullmatch(text):
            raise NotProven(
                f"The certificate is for {platform.title}, where {quoted(text)} can be no "
                "repository, commit or ref."
            )


def _address(certificate: Certificate) -> str:
    """The address that the certificate was issued to: that of the workflow that signs."""
    names = _names(certificate)
    if len(names) != 1 or not isinstance(names[0], UniformResourceIdentifier):
        raise NotProven("The certificate was not issued to a workflow's address.")
    return _text(names[0].value)


def _names(certificate: Certificate) -> list[GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(SubjectAlternativeName).value)
    except ExtensionNotFound:
        return []


def _claims(certificate: Certificate) -> dict[int, str]:
    """The claims by their number; those that are empty are left out."""
    claims = {}
    for extension in certificate.extensions:
        number = _number(extension.oid)
        if number is None or not isinstance(extension.value, UnrecognizedExtension):
            continue
        raw = extension.value.value
        text = _text_of_raw(raw) if number in _RAW_NUMBERS else _text_of_der(raw)
        if text:
            claims[number] = text
    return claims


def _number(oid: ObjectIdentifier) -> int | None:
    last = oid.dotted_string.removeprefix(_ARC)
    number = int(last) if last.isdigit() and len(last) <= len("24") else -1
    return number if number in _RAW_NUMBERS or number in _DER_NUMBERS else None


def _text_of_der(raw: bytes) -> str:
    """The text of a DER UTF8String (X.690, 8.1 and 10.1), with nothing after it."""
    head = 2
    if len(raw) < head or raw[0] != _UTF8_STRING:
        raise NotProven("The certificate has a claim that is no text.")
    length = raw[1]
    if length >= _LONG_FORM:
        head += length - _LONG_FORM
        length = int.from_bytes(raw[2:head], "big")
        shortest = (length.bit_length() + 7) // 8
        if not 0 < shortest == head - 2 <= _MAX_LENGTH_BYTES or length < _LONG_FORM:
            raise NotProven("The certificate has a claim that is no text.")
    if len(raw) != head + length:
        raise NotProven("The certificate has a claim that is no text.")
    return _text_of_raw(raw[head:])


def _text_of_raw(raw: bytes) -> str:
    try:
        return _text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotProven("The certificate has a claim that is no text.") from None


def _text(text: str) -> str:
    if len(text) > _MAX_CLAIM or not text.isprintable():
        raise NotProven("The certificate has a claim that is too long or not printable.")
    return text

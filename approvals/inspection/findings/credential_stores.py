"""Files that are there to hold credentials: .env, .npmrc, .netrc and the like, with values."""

import re
from collections.abc import Callable, Iterator
from posixpath import basename

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.search.secret_forms import looks_random

GROUP = Group.CONTENT
RULES = {
    "credentials-file": "Files with credentials in them: .env, .npmrc, .netrc and the like",
    "environment-file": "Files .env without credentials in them",
    "key-store": "Key stores: .p12, .jks and the like",
}
_LARGEST = 256 * 1024
_ENV = re.compile(r"^(\.env(\..+|rc)?|.+\.env)$")
_EXAMPLE = re.compile(
    r"example|sample|template|dist|default|schema|test|\.d\.ts|\.md$|\.[cm]?[jt]s$"
)
_SECRET_NAME = re.compile(
    r"token|secret|passw|pwd|_pass\b|credential|private|api_?key|access_?key|auth|dsn|webhook"
    r"|database_url|_key$",
    re.IGNORECASE,
)
_LINE = re.compile(
    r"^[\t ]*(?:export[\t ]+)?([A-Za-z_][\w.]{0,80})[\t ]*=[\t ]*([^\r\n]{0,2000})", re.M
)
_NPMRC = re.compile(
    r"^[^\r\n#;=]{0,300}?(_authToken|_auth|_password)[\t ]*=[\t ]*([^\r\n]{1,2000})", re.M
)
_NETRC = re.compile(r"\bmachine\s+\S{1,200}\s+login\s+\S{1,200}\s+(password)\s+(\S{1,500})")
_GIT = re.compile(r"^https?://[^\s:@/]{1,200}:([^\s@/]{6,500})@", re.M)
_DOCKER = re.compile(r"\"(auth|identitytoken)\"\s*:\s*\"([^\"]{8,4000})\"")
_INI = re.compile(
    r"^[\t ]*(password|aws_secret_access_key|aws_session_token)[\t ]*[=:][\t ]*([^\r\n]{6,2000})",
    re.M | re.I,
)
_KUBE = re.compile(
    r"^[\t ]*(?:- )?(token|client-key-data|password)[\t ]*:[\t ]*([^\r\n]{6,4000})", re.M
)
_STORES = (".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".keychain", ".ppk")
_EMPTY = re.compile(
    r"^(\$|%|<|\{|x{3,}$|\.{3}|change|your|none$|null$|true$|false$|undefined$|todo)", re.I
)
_LEAST = 6
_MOST_NAMES = 12
_WHY = (
    "Files of this name hold the credentials of whoever works on the package. Whoever installs a "
    "package can read all of it."
)
_WHAT = (
    "Do not approve it, unless every value is an example. Have the credentials revoked even if "
    "this version is never published."
)


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        name = basename(file.path).lower()
        if name.endswith(_STORES):
            yield _store(file)
            continue
        kind = _kind(file.path.lower(), name)
        if kind is None:
            continue
        secrets = kind(_text(file.content))
        before = kind(_text(file.old_content)) if file.old_info else {}
        if secrets:
            yield _credentials(
                look,
                file,
                secrets,
                is_new=any(before.get(key) != value for key, value in secrets.items()),
            )
        elif kind is _of_environment and file.is_added:
            yield _environment(file)


def _credentials(
    look: Look, file: LookedFile, secrets: dict[str, tuple[str, int]], *, is_new: bool
) -> Finding:
    names = list(secrets)
    text = _text(file.content)
    first = min(place for _, place in secrets.values())
    return Finding(
        "credentials-file",
        Severity.HIGH if is_new else Severity.LOW,
        "A file with credentials is in the package.",
        _WHY,
        _WHAT,
        path=file.path,
        line=text.count("\n", 0, first) + 1,
        excerpt=f"{names[0]} = …",
        detail=f"Values for {', '.join(names[:_MOST_NAMES])}"
        + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""),
        is_new=is_new,
        evidence=file.change.new_sha256,
    )


def _environment(file: LookedFile) -> Finding:
    return Finding(
        "environment-file",
        Severity.LOW,
        "A file with settings of somebody's machine (.env) is in the package.",
        "Such files hold the settings, and often the credentials, of whoever works on the package.",
        "See that nothing in it is secret, and ask why it is published.",
        path=file.path,
        evidence=file.change.new_sha256,
    )


def _store(file: LookedFile) -> Finding:
    return Finding(
        "key-store",
        Severity.MEDIUM if file.is_added else Severity.LOW,
        "A key store is in the package.",
        "Key stores hold private keys, often under a password that is easily guessed.",
        "Find out which keys are in it, and that they were made for tests.",
        path=file.path,
        is_new=file.is_added,
        evidence=file.change.new_sha256,
    )


def _kind(path: str, name: str) -> Callable[[str], dict[str, tuple[str, int]]] | None:
    if _ENV.match(name):
        return None if _EXAMPLE.search(name.removeprefix(".env")) else _of_environment
    for names, expression in _BY_NAME:
        if name in names:
            return lambda text: _found(expression, text)
    if path.endswith((".aws/credentials", ".docker/config.json", ".kube/config")):
        return lambda text: _found(
            _DOCKER if "docker" in path else _KUBE if "kube" in path else _INI, text
        )
    return _of_git if name == ".git-credentials" else None


_BY_NAME = (
    (frozenset({".npmrc", "npmrc", ".yarnrc"}), _NPMRC),
    (frozenset({".netrc", "_netrc"}), _NETRC),
    (frozenset({".dockercfg", ".dockerconfigjson"}), _DOCKER),
    (frozenset({".pypirc", ".my.cnf", ".s3cfg"}), _INI),
    (frozenset({"kubeconfig", "kubeconfig.yml", "kubeconfig.yaml"}), _KUBE),
)


def _found(expression: re.Pattern[str], text: str) -> dict[str, tuple[str, int]]:
    return {
        found[1]: (found[2], found.start(2))
        for found in expression.finditer(text)
        if _is_value(found[2])
    }


def _of_environment(text: str) -> dict[str, tuple[str, int]]:
    return {
        found[1]: (found[2], found.start())
        for found in _LINE.finditer(text)
        if _SECRET_NAME.search(found[1]) and _is_value(found[2]) and _is_strong(found[2])
    }


def _of_git(text: str) -> dict[str, tuple[str, int]]:
    found = next((one for one in _GIT.finditer(text) if _is_value(one[1])), None)
    return {"password": (found[1], found.start())} if found else {}


def _is_value(value: str) -> bool:
    """Whether something stands there that is neither empty, nor a variable, nor an example."""
    value = value.strip().strip("\"'")
    return len(value) >= _LEAST and not _EMPTY.match(value) and not _is_example(value)


def _is_example(value: str) -> bool:
    return not looks_random(value) and not any(char.isdigit() for char in value)


def _is_strong(value: str) -> bool:
    value = value.strip().strip("\"'").partition(" #")[0]
    has_digit = any(char.isdigit() for char in value)
    return looks_random(value) and (has_digit or not value.isalpha())


def _text(content: bytes | None) -> str:
    return (content or b"")[:_LARGEST].decode("utf-8", "replace")

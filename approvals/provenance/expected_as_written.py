"""What a person types of where a package must be built: checked, and in one spelling."""

import re
from collections.abc import Callable, Mapping
from typing import Self

from approvals.provenance.alike import host_of
from approvals.provenance.refs import BRANCHES, TAGS
from approvals.provenance.words import has_hidden, named

LONGEST = {
    **{"repository": 500, "repository_id": 40, "owner_id": 40, "workflow": 300},
    **{"ref_pattern": 300, "environment": 200},
}
LABELS = {
    "repository": "The repository's address",
    "repository_id": "The repository's number",
    "owner_id": "The owner's number",
    "workflow": "The workflow's path",
    "ref_pattern": "The branch or tag",
    "environment": "The environment's name",
}
_HOST = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+(?::[0-9]{1,5})?"
_REPOSITORY = re.compile(rf"https://{_HOST}(?:/[A-Za-z0-9._~-]+){{2,}}")
# What git allows in no ref, the * aside: https://git-scm.com/docs/git-check-ref-format
_NOT_IN_REFS = re.compile(r"[\s~^:?\[\\]|\.\.|//|@\{|/\.|\.lock(?:/|$)")
_WORKFLOW_ENDINGS = (".yml", ".yaml")
_GITHUB = "github.com"
# OWNER/NAME; other hosts have groups of groups.
_GITHUB_SEGMENTS = 2
_GITHUB_WORKFLOWS = ".github/workflows/"


class PinRefused(Exception):
    """This cannot be pinned; the text says why, and what to do.

    `field` names what is wrong as a form would; "" where it is about the whole. `problems` has a
    sentence for each field that is wrong, of which the first is the text.
    """

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field
        self.problems = {field: sentence} if field else {}

    @classmethod
    def of_all(cls, problems: Mapping[str, str]) -> Self:
        """With all of several wrong fields at once."""
        field, sentence = next(iter(problems.items()))
        refusal = cls(sentence, field)
        refusal.problems = dict(problems)
        return refusal


def as_typed(repository: str, workflow: str, ref_pattern: str, environment: str) -> dict[str, str]:
    """All of it checked, in one spelling. Raises PinRefused with all that is wrong."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    checks: dict[str, Callable[[], str]] = {
        "repository": lambda: typed_repository(repository),
        # What a path must be hangs on the host, as far as that is known.
        "workflow": lambda: typed_workflow(workflow, values.get("repository", "")),
        "ref_pattern": lambda: typed_ref_pattern(ref_pattern),
        "environment": lambda: typed_environment(environment),
    }
    for field, check in checks.items():
        try:
            values[field] = check()
        except PinRefused as refusal:
            problems[field] = str(refusal)
    if problems:
        raise PinRefused.of_all(problems)
    return values


def typed_repository(text: str) -> str:
    """A repository's address, with the host in lower case. Raises PinRefused."""
    text = _typed(text, "repository").rstrip("/").removesuffix(".git").rstrip("/")
    scheme, slashes, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    address = f"{scheme.lower()}{slashes}{host.lower()}{slash}{path}"
    if "@" in host or "?" in rest or "#" in rest:
        raise PinRefused(
            "Write the repository's address only: no name, password or token, and no ? or #.",
            "repository",
        )
    segments = path.split("/")
    if not _REPOSITORY.fullmatch(address) or "." in segments or ".." in segments:
        raise PinRefused(
            "Write the repository's whole address, as https://github.com/OWNER/NAME.", "repository"
        )
    if host_of(address) == _GITHUB and len(segments) > _GITHUB_SEGMENTS:
        only = "/".join(segments[:_GITHUB_SEGMENTS])
        raise PinRefused(f"Write the repository only: https://{_GITHUB}/{only}.", "repository")
    return address


def typed_workflow(text: str, repository: str) -> str:
    """A workflow file's path in that repository, or "". Raises PinRefused.

    A file of another repository is written as that one's address and the path.
    """
    path = _typed(text, "workflow")
    is_elsewhere = _REPOSITORY.fullmatch(path) and not path.startswith(f"{repository}/")
    if not path or (is_elsewhere and path.endswith(_WORKFLOW_ENDINGS)):
        return path
    segments = path.split("/")
    is_path = "\\" not in path and ":" not in path and not {"", ".", ".."} & set(segments)
    if not is_path or not path.endswith(_WORKFLOW_ENDINGS):
        raise PinRefused(
            "Write the workflow file's path in the repository, ending in .yml or .yaml, without "
            f"its branch: {_GITHUB_WORKFLOWS}release.yml or .gitlab-ci.yml.",
            "workflow",
        )
    if host_of(repository) == _GITHUB and not path.startswith(_GITHUB_WORKFLOWS):
        raise PinRefused(
            f"GitHub has its workflows in {_GITHUB_WORKFLOWS}: write the whole path, as "
            f"{_GITHUB_WORKFLOWS}{named(segments[-1])}.",
            "workflow",
        )
    return path


def typed_ref_pattern(text: str) -> str:
    """A branch or tag, perhaps with *, or "". Raises PinRefused."""
    pattern = _typed(text, "ref_pattern")
    if not pattern:
        return ""
    if not pattern.startswith((BRANCHES, TAGS)):
        name = named(pattern)
        if pattern.startswith("refs/"):
            sentence = f"{name} is no branch and no tag: write one that starts with {BRANCHES} or "
            raise PinRefused(f"{sentence}{TAGS}.", "ref_pattern")
        raise PinRefused(
            f"{name} may be a branch or a tag: write {BRANCHES}{name} for the branch, or "
            f"{TAGS}{name} for the tag.",
            "ref_pattern",
        )
    name = pattern.removeprefix(BRANCHES).removeprefix(TAGS)
    if not name or name.startswith("/") or name.endswith(("/", ".")) or _NOT_IN_REFS.search(name):
        raise PinRefused(
            f"git allows no such name. Write {BRANCHES}main for a branch, or {TAGS}v* for tags "
            "where * stands for anything.",
            "ref_pattern",
        )
    return pattern


def typed_environment(text: str) -> str:
    """A deployment environment's name, or "". Raises PinRefused."""
    return _typed(text, "environment")


def _typed(text: str, field: str) -> str:
    """What somebody typed, without spaces around it. Raises PinRefused."""
    text = text.strip()
    if len(text) > LONGEST[field]:
        raise PinRefused(
            f"{LABELS[field]} has at most {LONGEST[field]} characters. Write it shorter, or "
            "leave it out.",
            field,
        )
    if has_hidden(text):
        raise PinRefused(
            f"{LABELS[field]} has hidden characters in it. Type it anew instead of pasting it.",
            field,
        )
    return text

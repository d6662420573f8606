"""A finding: one thing that a reviewer should look at, with its evidence. It points, and never
decides."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from django.db.models import TextChoices

from approvals.inspection.text import clean

LONGEST_RULE = 60
"""Characters of a rule's id."""
LONGEST_TITLE = 300
LONGEST_TEXT = 1_000
LONGEST_EXCERPT = 400
LONGEST_PATH = 1_000
_MOST = 2**31 - 1
"""What a column for a number holds."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Severity(TextChoices):
    """The most serious first.

    Critical: looks like an attack under way. High: what attacks do and releases rarely do. Medium:
    worth a look in every release. Low and info: good to know.
    """

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the most serious."""
        return _RANKS[self]

    @property
    def is_serious(self) -> bool:
        return self in (Severity.CRITICAL, Severity.HIGH)


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Group(TextChoices):
    """What a rule is about, in the order in which rules are listed."""

    INSTALLATION = "installation", "Code that runs on installation"
    DEPENDENCIES = "dependencies", "Dependencies"
    CODE = "code", "What the code does"
    HIDING = "hiding", "Code that hides"
    CONTENT = "content", "What is in the package"
    IDENTITY = "identity", "Who staged what, and as what"
    PROVENANCE = "provenance", "Where it was built"
    LIMITS = "limits", "What was not looked at"


@dataclass(frozen=True)
class Finding:
    """One thing to look at. `rule` is a stable id that never changes; the rest is for people.

    `title` is a sentence. Where it is: `path` in the staged tarball, `line` from 1 on in the new
    version of that file, `excerpt` what stands there. `detail` is what else was found, at best as
    "before → now". `is_new` is False where the baseline had the same. `evidence` stands for what a
    person judged who has looked at it, beyond what is shown: the digest of the file, the whole of a
    command. `stands_for` is how many things it counts for, if not all of them are named one by one.
    `is_about_build` is False where it says nothing against where it was built.
    """

    rule: str
    severity: Severity
    title: str
    why: str
    what_to_check: str
    path: str = ""
    line: int | None = None
    excerpt: str = ""
    detail: str = ""
    is_new: bool = True
    evidence: str = ""
    stands_for: int = 1
    is_about_build: bool = True

    @property
    def fingerprint(self) -> str:
        """The same as long as the evidence is: SHA-256 in hex. Moved lines do not change it."""
        parts = [self.rule, self.path, self.excerpt, self.detail, self.evidence, self.is_new]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def bounded(self) -> "Finding":
        """The same as it can be kept: clean texts and numbers that fit, the evidence as a digest.

        What is cut off or replaced is still in the evidence.
        """
        kept = replace(
            self,
            rule=_fitting(self.rule, LONGEST_RULE),
            title=_fitting(self.title, LONGEST_TITLE),
            why=_fitting(self.why, LONGEST_TEXT),
            what_to_check=_fitting(self.what_to_check, LONGEST_TEXT),
            path=_fitting(self.path, LONGEST_PATH),
            line=self.line if self.path and self.line and 0 < self.line <= _MOST else None,
            excerpt=_fitting(self.excerpt, LONGEST_EXCERPT),
            detail=_fitting(self.detail, LONGEST_TEXT),
            evidence=_digest_of(self.evidence),
            stands_for=min(max(self.stands_for, 1), _MOST),
        )
        same = replace(kept, evidence=self.evidence)
        return kept if same == self else replace(kept, evidence=self.fingerprint)

    def as_json(self) -> dict[str, Any]:
        """What programs get."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "title": self.title,
            "path": self.path,
            "line": self.line,
            "new": self.is_new,
            "detail": "; ".join(text for text in (self.excerpt, self.detail) if text),
        }


class Weighed(Protocol):
    """What has a severity, of which there may be several."""

    @property
    def severity(self) -> Severity: ...

    @property
    def is_new(self) -> bool: ...


_Weighed = TypeVar("_Weighed", bound=Weighed)


def most_serious_first(findings: Iterable[_Weighed]) -> list[_Weighed]:
    """In the order in which a person should read them: what is new first among equals."""
    return sorted(findings, key=lambda one: (one.severity.rank, not one.is_new))


def digest(text: str) -> str:
    """SHA-256 in hex, also of what is no proper text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest_of(evidence: str) -> str:
    return evidence if not evidence or _DIGEST.fullmatch(evidence) else digest(evidence)


def _fitting(text: str, longest: int) -> str:
    # What replaces may be longer than what it replaces: the cut comes last.
    text = clean(text[: longest + 1])
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def findings_from(kept: list[dict[str, Any]]) -> list[Finding]:
    """The findings that `dataclasses.asdict` has made JSON of."""
    return [Finding(**one | {"severity": Severity(one["severity"])}) for one in kept]

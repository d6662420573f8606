"""What a person who has looked at a finding has looked at, and nothing else.

Whoever staged it may stage something else in its place, under the same name and with the same
command. So what stands for a finding changes with every byte of what it is about.
"""

import re
from dataclasses import replace

from approvals.inspection.finding import Finding, digest
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look

_WORD = re.compile(r"[^\s,;“”()]+")
_LINE = re.compile(r"(:\d+)+$")


def covering(look: Look, finding: Finding) -> Finding:
    """The same finding, whose evidence stands for all of the files that it points to or names; for
    the whole tarball where it points to none.

    package.json differs in every version by that version alone: a finding in it stands for what
    its rule says, as long as that is anything. Files that it does not name are the rule's to say.
    """
    named = _named(look, finding.detail)
    if finding.path == MANIFEST and (finding.excerpt or finding.detail or finding.evidence):
        judged = look.digest_of(named) if named else ""
    elif finding.path in look.new.files:
        judged = look.digest_of([finding.path, *named])
    else:
        judged = look.digest
    return replace(finding, evidence=digest(finding.evidence + judged)) if judged else finding


def _named(look: Look, text: str) -> list[str]:
    words = (_LINE.sub("", word.rstrip(".:")) for word in _WORD.findall(text))
    return [path for path in words if path in look.new.files and path != MANIFEST]

"""Install scripts of packages inside the package."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.installing import NEW_SCRIPT, is_bundled
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.search.look import Look

GROUP = Group.INSTALLATION
RULES = {
    NEW_SCRIPT: "New or changed install scripts of packages inside the package",
    "nested-script-before": "Install scripts of bundled packages that were there before",
}
_SCRIPT = re.compile(r"script (\w+)")


def in_tarball(look: Look) -> Iterator[Finding]:
    for problem in look.problems:
        if problem.rule not in RULES:
            continue
        sentence, _, command = problem.sentence.partition(": ")
        name = _SCRIPT.search(sentence)
        is_new = problem.rule == NEW_SCRIPT
        is_grave = is_new and is_bundled(problem.path) and " is new" in sentence
        lines = KeyLines(look.content_of(problem.path))
        yield Finding(
            problem.rule,
            Severity.HIGH if is_grave else Severity.MEDIUM if is_new else Severity.INFO,
            f"npm runs its script {name[1]} on installation where this package is bundled."
            if look.is_first and name
            else f"{sentence}.",
            "npm runs the install scripts of bundled packages too, on the machine of everyone who "
            "installs this, and the package's own package.json does not show them.",
            "Read the command and the files that it runs. If it is not needed, reject.",
            path=problem.path,
            line=lines("scripts", name[1]) if name else None,
            excerpt=command,
            is_new=is_new,
            # The command is nothing without what it runs.
            evidence=_digest_of_folder(look, problem.path),
        )


def _digest_of_folder(look: Look, manifest: str) -> str:
    return look.digest_of(look.paths_under(manifest.removesuffix("package.json")))

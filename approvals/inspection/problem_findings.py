"""What was wrong while a tarball was read, as findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.search.look import Look
from registry_client.tar_paths import Problem


@dataclass(frozen=True)
class Weighed:
    """How serious a kind of problem is, why it matters and what to do about it."""

    severity: Severity
    why: str
    what_to_check: str


def weighed_findings(look: Look, weights: Mapping[str, Weighed]) -> Iterator[Finding]:
    """The staged tarball's problems of these rules; what the baseline had too weighs little."""
    before = {(problem.rule, problem.path) for problem in look.old_problems}
    for problem in look.problems:
        if (weight := weights.get(problem.rule)) is not None:
            is_new = (problem.rule, problem.path) not in before
            yield Finding(
                problem.rule,
                weight.severity if is_new else Severity.LOW,
                problem.sentence,
                weight.why,
                weight.what_to_check,
                path=path_of(problem, look),
                is_new=is_new,
                evidence=problem.path,
            )


def path_of(problem: Problem, look: Look) -> str:
    """The path under which its diff is, if it has one; else the one that the tarball writes."""
    if look.file_at(problem.path) is None:
        installed = problem.path.partition("/")[2]
        if installed and look.file_at(installed) is not None:
            return installed
    return problem.path

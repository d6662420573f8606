"""What a comparison does not show, as problems: nothing is left out of sight in silence."""

from collections import Counter

from approvals.inspection.filetree import FileInfo
from approvals.inspection.risk import Risk
from registry_client.tar_paths import Problem, printable

NUL_IN_CODE = "nul-in-code"
BECAME_CODE = "became-code"
LIMITED_DIFF = "limit-diff"
# Stands for dangerous problems that are too many to be named.
MORE_DANGERS = "more-dangers"
_MOST = 40
# Of each rule. Nobody has so many by mistake.
_MOST_DANGERS = 1_000


class Unseen:
    """Collects, riskiest files first, which of them are hidden in whole or part."""

    def __init__(self, risk: Risk) -> None:
        self._risk = risk
        self._dangers: list[Problem] = []
        self._limited: list[Problem] = []
        self._counts: Counter[str] = Counter()
        self._more_dangers = self._more_limited = 0

    def look_at(self, old: FileInfo | None, new: FileInfo, note: str) -> tuple[Problem, ...]:
        """The problems of one file that differs; `note` says what a limit kept from its diff."""
        found = []
        shown = printable(new.path)
        was_text = old is not None and not old.binary and new.binary
        if new.nul and (was_text or self._risk.is_text(new)):
            sentence = (
                "It is text with NUL characters in it, which make programs hide what it says."
            )
            found.append(self._danger(Problem(NUL_IN_CODE, shown, sentence)))
        if note and self._risk.is_code(new):
            limited = Problem(LIMITED_DIFF, shown, f"Not all that differs is shown. {note}")
            found.append(limited)
            if len(self._limited) < _MOST:
                self._limited.append(limited)
            else:
                self._more_limited += 1
        elif note:
            self._more_limited += 1
        return tuple(found)

    def look_at_move(self, old: FileInfo, new: FileInfo) -> tuple[Problem, ...]:
        """The problems of a file that moved or can be executed now, whether it differs or not.

        A diff shows little or nothing of such a file, and nobody had a reason to read it before.
        """
        moved = old.path != new.path
        executable = not old.mode & 0o111 and new.mode & 0o111
        if not (moved or executable) or self._risk.is_code(old):
            return ()
        before = f", as {printable(old.path)}," if moved else ""
        if self._risk.is_code(new):
            now = "is code now"
        elif executable:
            now = "can be executed now"
        else:
            return ()
        sentence = f"It could not run before{before} and {now}."
        return (self._danger(Problem(BECAME_CODE, printable(new.path), sentence)),)

    def problems(self) -> list[Problem]:
        """All that was found, a bounded list with what is dangerous first."""
        found = list(self._dangers)
        if self._more_dangers:
            more = self._more_dangers
            sentence = f"In {more:,} more {_files(more)} there is something like this."
            found.append(Problem(MORE_DANGERS, "", sentence))
        found += self._limited
        if self._more_limited:
            more = self._more_limited
            sentence = f"In {more:,} more {_files(more)} not all that differs is shown."
            found.append(Problem(LIMITED_DIFF, "", sentence))
        return found

    def _danger(self, problem: Problem) -> Problem:
        self._counts[problem.rule] += 1
        if self._counts[problem.rule] <= _MOST_DANGERS:
            self._dangers.append(problem)
        else:
            self._more_dangers += 1
        return problem


def _files(count: int) -> str:
    return "file" if count == 1 else "files"

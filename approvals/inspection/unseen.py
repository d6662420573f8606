"""What a comparison could not show, as problems: nothing is left out of sight in silence."""

from approvals.inspection.filetree import FileInfo
from approvals.inspection.risk import Risk
from registry_client.tar_paths import Problem, printable

NUL_IN_CODE = "nul-in-code"
LIMITED_DIFF = "limit-diff"
_MOST = 40


class Unseen:
    """Collects, riskiest files first, which of them are hidden in whole or part."""

    def __init__(self, risk: Risk) -> None:
        self._risk = risk
        self._code: list[Problem] = []
        self._others = 0

    def look_at(self, old: FileInfo | None, new: FileInfo, note: str) -> tuple[Problem, ...]:
        """The problems of one file that differs; `note` says what a limit kept from its diff."""
        found = []
        shown = printable(new.path)
        was_text = old is not None and not old.binary and new.binary
        if new.nul and (was_text or self._risk.is_text(new)):
            sentence = (
                "It is text with NUL characters in it, which make programs hide what it says."
            )
            found.append(Problem(NUL_IN_CODE, shown, sentence))
        if note and self._risk.is_code(new):
            found.append(Problem(LIMITED_DIFF, shown, f"Not all that differs is shown. {note}"))
        elif note:
            self._others += 1
        self._code += found
        return tuple(found)

    def problems(self) -> list[Problem]:
        """All that was found, a bounded list."""
        found = self._code[:_MOST]
        more = self._others + len(self._code[_MOST:])
        if more:
            sentence = f"In {more:,} more {_files(more)} not all that differs is shown."
            found.append(Problem(LIMITED_DIFF, "", sentence))
        return found


def _files(count: int) -> str:
    return "file" if count == 1 else "files"

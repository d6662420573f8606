from approvals.people.models import Role
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Requirement

_LETTING_GO = frozenset({Role.RELEASE_MANAGER, Role.ADMINISTRATOR})


class ChangesRequested(Requirement):
    """Nobody holds the version until something in it is changed."""

    key = "changes_requested"
    title = "Nobody wants changes"
    words = (
        "While somebody who may approve holds the version until something in it is changed, nobody "
        "approves it."
    )
    is_always_in_force = True

    def look(self, case: Case) -> Answer:
        if not case.wanted_changes:
            return self.satisfied("Nobody wants changes.")
        first, more = case.wanted_changes[0], len(case.wanted_changes) - 1
        others = f", and {more} more" if more else ""
        return self.blocked(
            f"{first.by_name} wants changes: “{first.reason}”{others}.",
            "Who asked, or a release manager, lets it go; or it is rejected and staged again.",
            asks=frozenset(one.by for one in case.wanted_changes)
            | frozenset(one.key for one in case.deciders if one.role in _LETTING_GO),
        )

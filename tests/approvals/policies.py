"""What people do to policies and teams, who prove each time to be here with a code."""

from collections.abc import Mapping

from approvals.people import teams
from approvals.people.models import Team, User
from approvals.people.presence import Proof
from approvals.people.teams import WantedTeam
from approvals.policy.book import Policy, current_book
from approvals.policy.models import PolicyRevision
from approvals.policy.revise import Change, WantedPolicy, revise, setting
from tests.approvals.managing import SESSION, fresh_proof

WHY = "We agreed on it."
ONE = {"wanted": "1 of anyone"}
TWO = {"wanted": "2 of anyone"}


def policy(name: str) -> Policy:
    """The policy that is called so now."""
    return next(one for one in current_book().policies if one.name == name)


def names() -> list[str]:
    """Of all policies, in their order."""
    return [one.name for one in current_book().policies]


def wanted(
    name: str = "Acme",
    packages: str = "@acme/*",
    *,
    seen: int | None = None,
    words: str = WHY,
    requirements: Mapping[str, Mapping[str, str]] | None = None,
    **more: str,
) -> Change:
    """The change that adds this policy, or changes the one whose key is given."""
    values = {"key": "", "registry_url": "", **more}
    return setting(
        WantedPolicy(
            name=name,
            packages=packages,
            requirements={"approvals": TWO} if requirements is None else requirements,
            **values,
        ),
        seen=current_book().number if seen is None else seen,
        words=words,
    )


def carry_out(change: Change, actor: User, proof: Proof | None = None) -> PolicyRevision:
    return revise(change, proof or fresh_proof(actor), actor=actor, session=SESSION)


def put(actor: User, name: str = "Acme", packages: str = "@acme/*", **more: object) -> Policy:
    """Adds a policy, or changes the one whose key is given."""
    carry_out(wanted(name, packages, **more), actor)  # type: ignore[arg-type]  # passed on as it came
    return policy(name)


def make_team(actor: User, name: str, *members: User, words: str = "") -> Team:
    keys = [one.pk for one in members]
    proof = fresh_proof(actor)
    return teams.make_team(WantedTeam(name, words, keys), proof, actor=actor, session=SESSION)

"""What an administrator does to people, who proves each time to be here with a code."""

from collections.abc import Sequence

from approvals.people import factors, invitations, membership
from approvals.people.models import Invitation, SealedTOTPDevice, User
from approvals.people.presence import Proof
from approvals.people.scopes import Reach
from tests.approvals.codes import code_now, enrol

SESSION = "a" * 64


def fresh_proof(user: User) -> Proof:
    """A code of the person's app that was not used yet; makes the app where there is none."""
    if not factors.has_app(user):
        enrol(user)
    SealedTOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return Proof(code=code_now(user))


def invite(
    *, actor: User, role: str, note: str = "", reaches: Sequence[Reach] = ()
) -> tuple[Invitation, str]:
    return invitations.invite(
        fresh_proof(actor), actor=actor, session=SESSION, role=role, note=note, reaches=reaches
    )


def change_role(
    person: User, role: str, *, actor: User, reaches: Sequence[Reach] | None = None
) -> None:
    proof = fresh_proof(actor)
    membership.change_role(person, role, proof, actor=actor, session=SESSION, reaches=reaches)


def reactivate(person: User, *, actor: User) -> None:
    membership.reactivate(person, fresh_proof(actor), actor=actor, session=SESSION)

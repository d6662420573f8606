"""What a person still has to set up before they can decide anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from approvals.people.factors import has_factor
from approvals.people.models import RegistryAccount, User
from approvals.people.permissions import may_decide_anything


@dataclass(frozen=True)
class SetupStep:
    """One thing to do: what and why in a sentence, and the name of the page where it is done."""

    sentence: str
    page: str
    link: str


def missing_setup(user: User, registries: Mapping[str, str]) -> list[SetupStep]:
    """What `user` has to do before approving or rejecting at these registries (address to name).

    Empty for whoever is ready, and for whoever may not decide anyway. Three queries at most.
    """
    if not may_decide_anything(user):
        return []
    steps = []
    if not has_factor(user):
        steps.append(
            SetupStep(
                "Add a passkey or an authenticator app: every approval and rejection asks for it.",
                "security",
                "Set it up",
            )
        )
    linked = dict(
        RegistryAccount.objects.filter(user=user).values_list("registry_url", "refused_at")
    )
    for url, name in sorted(registries.items(), key=lambda item: item[1]):
        if url not in linked:
            sentence = f"Link your own account at {name}: your decisions are carried out with it."
            steps.append(SetupStep(sentence, "accounts", "Link it"))
        elif linked[url]:
            sentence = f"Link your account at {name} again: the registry refused its token."
            steps.append(SetupStep(sentence, "accounts", "Link it again"))
    return steps

"""Tokens for tests, and calls with them."""

import itertools
from typing import Any

from django.test import Client

from approvals.api.models import Token
from approvals.api.tokens import WantedToken, make_token
from approvals.people.models import Role, User
from approvals.people.scopes import Reach
from tests.approvals.factories import make_user

_numbers = itertools.count(1)
ALL = {"may_read": True, "may_hand_in_provenance": True, "may_give_context": True}


def make_api_token(
    *packages: str | Reach, days: int = 30, name: str = "", **may: bool
) -> tuple[Token, str]:
    """A token for these packages (without any, for all) that may do everything, or what is said."""
    actor = User.objects.filter(role=Role.ADMINISTRATOR).first() or make_user(
        role=Role.ADMINISTRATOR
    )
    reaches = [one if isinstance(one, Reach) else Reach("", one) for one in packages or ("*",)]
    wanted = WantedToken(name or f"token {next(_numbers)}", reaches, days, **(may or ALL))
    return make_token(wanted, actor=actor)


class Caller(Client):
    """CI, with this token."""

    def __init__(self, secret: str, **more: Any) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        super().__init__(headers=headers, enforce_csrf_checks=True, **more)

    def ask(self, path: str, **query: Any) -> tuple[int, Any]:
        """The status, and what the answer says."""
        answer = self.get(f"/api/v1/{path}", query)
        return answer.status_code, answer.json()

    def hand_in(self, path: str, body: Any) -> tuple[int, Any]:
        """The same for a POST of JSON."""
        answer = self.post(f"/api/v1/{path}", body, content_type="application/json")
        return answer.status_code, answer.json()

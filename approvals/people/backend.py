"""Who a name and a password belong to."""

from allauth.account.auth_backends import AuthenticationBackend

from approvals.people import sign_in
from approvals.people.models import User


class PeopleBackend(AuthenticationBackend):  # type: ignore[misc] # allauth has no annotations
    """allauth's, but each person has one e-mail address: allauth remembers former ones too."""

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        found: User | None = self._check_password(sign_in.person_written_to(email), password)
        return found

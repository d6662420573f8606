"""One request to the sandbox, with what its routes need to answer it."""

from dataclasses import dataclass

from werkzeug.wrappers import Request

from registry_client.sandbox import accounts, second_factor
from registry_client.sandbox.accounts import Account
from registry_client.sandbox.answers import UNAUTHORISED, Json, Refusal
from registry_client.sandbox.attestations import SigningKey
from registry_client.sandbox.disturbances import Disturbances
from registry_client.sandbox.documents import TARBALL_LIMIT, parse_json
from registry_client.sandbox.store import Store

SMALL_BODY_LIMIT = 64 * 1024
# A tarball in base64, and room for the manifest and the provenance around it.
DOCUMENT_LIMIT = TARBALL_LIMIT * 4 // 3 + 16 * 1024 * 1024


@dataclass(frozen=True)
class Call:
    """A request and the sandbox it came to."""

    request: Request
    store: Store
    mode: second_factor.Mode
    disturbances: Disturbances
    signing_key: SigningKey

    @property
    def now(self) -> float:
        """The sandbox's time in seconds since 1970."""
        return self.disturbances.now()

    @property
    def base_url(self) -> str:
        """The registry's address as this client wrote it, with a slash at the end."""
        return self.request.host_url

    def visitor(self) -> Account | None:
        """Who asks; None for nobody in particular. Raises Refusal 401 for a worthless token."""
        return accounts.account_of(self.store, self.request.headers.get("authorization", ""))

    def account(self) -> Account:
        """Who asks; raises Refusal 401 where that is nobody."""
        visitor = self.visitor()
        if visitor is None:
            raise Refusal(401, UNAUTHORISED)
        return visitor

    def json(self, limit: int = SMALL_BODY_LIMIT) -> Json:
        """The body's JSON; raises Refusal 400, or 413 beyond the limit in bytes."""
        if (self.request.content_length or 0) > limit:
            raise Refusal(413, f"Payload Too Large - The body has at most {limit} bytes")
        self.request.max_content_length = limit
        return parse_json(self.request.get_data(cache=False))

    def demand_second_factor(
        self, account: Account, purpose: str, *, enrolled_only: bool = False
    ) -> None:
        """Raise Refusal 401 or 403 unless the request proves this account's second factor."""
        headers = self.request.headers
        second_factor.demand(
            self.store,
            self.mode,
            account,
            second_factor.Proof(
                code=headers.get("npm-otp", "")[:256],
                takes_web_flow=headers.get("npm-auth-type", "").lower() == "web",
            ),
            purpose=purpose,
            base_url=self.base_url,
            now=self.now,
            enrolled_only=enrolled_only,
        )

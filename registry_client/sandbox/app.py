"""The sandbox's WSGI application: every address it answers, and how it says no."""

import ipaddress
import json
import logging
import socket
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from registry_client.sandbox import routes_accounts, routes_packages, routes_stage
from registry_client.sandbox.answers import AnswerLost, Refusal
from registry_client.sandbox.attestations import SigningKey
from registry_client.sandbox.call import Call
from registry_client.sandbox.control import CONTROL_PATH
from registry_client.sandbox.disturbances import Disturbances, RecordedCall
from registry_client.sandbox.second_factor import Mode
from registry_client.sandbox.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

SANDBOX_NOTICE = "Countersign sandbox: not a real registry"


class _Endpoint(Protocol):
    def __call__(self, call: Call, /, **arguments: str) -> Response: ...


class _PackageConverter(BaseConverter):
    """A package name, scoped or not; the server has decoded `%2f` already."""

    regex = r"(?:@[^/]+/)?[^/@][^/]*"
    part_isolating = False


URLS = Map(
    [
        Rule("/", endpoint=routes_accounts.home, methods=["GET"]),
        Rule("/-/ping", endpoint=routes_accounts.ping, methods=["GET"]),
        Rule("/-/whoami", endpoint=routes_accounts.whoami, methods=["GET"]),
        Rule("/-/user/org.couchdb.user:<user>", endpoint=routes_accounts.sign_in, methods=["PUT"]),
        Rule("/-/user/token/<token>", endpoint=routes_accounts.sign_out, methods=["DELETE"]),
        Rule("/-/npm/v1/user", endpoint=routes_accounts.profile, methods=["GET"]),
        Rule("/-/npm/v1/user", endpoint=routes_accounts.change_profile, methods=["POST"]),
        Rule("/-/v1/login", endpoint=routes_accounts.web_login, methods=["POST"]),
        Rule("/-/v1/done", endpoint=routes_accounts.done, methods=["GET"]),
        Rule(
            "/-/sandbox/confirm/<challenge_id>",
            endpoint=routes_accounts.confirmation_page,
            methods=["GET"],
        ),
        Rule(
            "/-/sandbox/confirm/<challenge_id>",
            endpoint=routes_accounts.confirm,
            methods=["POST"],
        ),
        Rule("/-/sandbox/style.css", endpoint=routes_accounts.style, methods=["GET"]),
        Rule(CONTROL_PATH, endpoint=routes_accounts.control_call, methods=["POST"]),
        Rule("/-/stage", endpoint=routes_stage.list_staged, methods=["GET"]),
        Rule("/-/stage/package/<package:package>", endpoint=routes_stage.stage, methods=["POST"]),
        Rule("/-/stage/<stage_id>", endpoint=routes_stage.view, methods=["GET"]),
        Rule("/-/stage/<stage_id>", endpoint=routes_stage.reject, methods=["DELETE"]),
        Rule("/-/stage/<stage_id>/tarball", endpoint=routes_stage.download, methods=["GET"]),
        Rule("/-/stage/<stage_id>/approve", endpoint=routes_stage.approve, methods=["POST"]),
        Rule("/-/npm/v1/keys", endpoint=routes_packages.keys, methods=["GET"]),
        Rule(
            "/-/npm/v1/attestations/<package:package>@<version>",
            endpoint=routes_packages.attestations,
            methods=["GET"],
        ),
        Rule(
            "/-/npm/v1/security/advisories/bulk",
            endpoint=routes_packages.advisories,
            methods=["POST"],
        ),
        Rule(
            "/-/npm/v1/security/audits/quick",
            endpoint=routes_packages.quick_audit,
            methods=["POST"],
        ),
        Rule(
            "/-/package/<package:package>/dist-tags",
            endpoint=routes_packages.tags,
            methods=["GET"],
        ),
        Rule(
            "/-/package/<package:package>/dist-tags/<tag>",
            endpoint=routes_packages.set_tag,
            methods=["PUT", "POST"],
        ),
        Rule(
            "/-/package/<package:package>/dist-tags/<tag>",
            endpoint=routes_packages.remove_tag,
            methods=["DELETE"],
        ),
        Rule(
            "/-/package/<package:package>/visibility",
            endpoint=routes_packages.visibility,
            methods=["GET"],
        ),
        Rule("/<package:package>", endpoint=routes_packages.show, methods=["GET"]),
        Rule("/<package:package>", endpoint=routes_packages.put, methods=["PUT"]),
        Rule(
            "/<package:package>/-/<file_name>",
            endpoint=routes_packages.tarball,
            methods=["GET"],
        ),
    ],
    converters={"package": _PackageConverter},
)


class SandboxApp:
    """The sandbox as a WSGI application on an open store."""

    def __init__(self, store: Store, mode: Mode) -> None:
        self.store = store
        self.mode = mode
        self.disturbances = Disturbances()
        self._signing_key = SigningKey(store.secret("signing.secret"))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self._answer(request)
        except AnswerLost:
            self.disturbances.record(RecordedCall(request.method, request.path, 0))
            # The server's attempt to write to the closed socket ends this request.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            response = Response(status=HTTPStatus.NO_CONTENT)
            return response(environ, start_response)
        response.headers["x-sandbox"] = SANDBOX_NOTICE
        if request.path != CONTROL_PATH:
            self.disturbances.record(
                RecordedCall(request.method, request.path, response.status_code)
            )
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            if not _is_loopback(request.host):
                raise Refusal(403, "The sandbox answers on the loopback address only")
            if request.path != CONTROL_PATH:
                self._misbehave(request)
            endpoint, arguments = URLS.bind_to_environ(request.environ).match()
            mode = self.disturbances.second_factor(self.mode)
            call = Call(request, self.store, mode, self.disturbances, self._signing_key)
            response: Response = endpoint(call, **arguments)
        except AnswerLost:
            raise
        except Refusal as refusal:
            return self._refuse(refusal)
        except HTTPException as problem:
            return self._refuse(Refusal(problem.code or 500, problem.name))
        except Exception:
            logger.exception("The sandbox failed on %s %s", request.method, request.path)
            return self._refuse(Refusal(500, "An error occurred while processing your request."))
        return response

    def _misbehave(self, request: Request) -> None:
        self.disturbances.wait_latency(request.path)
        rule = self.disturbances.refusal_for(request.method, request.path)
        if rule is None:
            return
        status, retry_after = rule
        words = f"{HTTPStatus(status).phrase} - The sandbox was told to answer so."
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        raise Refusal(status, words, headers=headers)

    def _refuse(self, refusal: Refusal) -> Response:
        # npm's registry words its refusals under `message`, Verdaccio under `error`.
        mode = self.disturbances.second_factor(self.mode)
        key = "error" if mode == "single-use" else "message"
        body = {key: refusal.words} if refusal.body is None else refusal.body
        response = Response(
            json.dumps(body), status=refusal.status, content_type="application/json"
        )
        for name, value in refusal.headers.items():
            response.headers[name] = value
        return response


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine: another name there means a rebound DNS entry."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

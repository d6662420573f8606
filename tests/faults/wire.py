"""The sandbox without sockets: thousands of requests, each of which would cost two threads.

What goes over real connections is tested elsewhere; here it is the sandbox's own code that answers.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import urljoin

import requests
import urllib3
from werkzeug.test import create_environ, run_wsgi_app

from registry_client.connections import PatientAdapter
from registry_client.sandbox.app import SandboxApp


class _Cut:
    """The server's end of a connection, which the sandbox breaks off."""

    def shutdown(self, how: int) -> None:
        raise requests.ConnectionError("the connection broke off")


@contextlib.contextmanager
def without_sockets(app: SandboxApp) -> Iterator[None]:
    """Every request of a registry client is answered by this sandbox, in the same thread."""

    def sent(
        adapter: PatientAdapter, request: requests.PreparedRequest, **more: Any
    ) -> requests.Response:
        environ = create_environ(
            base_url=urljoin(str(request.url), "/"),
            path=request.path_url,
            method=request.method or "GET",
            headers=list(request.headers.items()),
            data=request.body,
        )
        environ["werkzeug.socket"] = _Cut()
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        raw = urllib3.HTTPResponse(
            io.BytesIO(b"".join(body)),
            urllib3.HTTPHeaderDict(list(headers.items())),
            int(status.split()[0]),
            preload_content=False,
            request_method=request.method,
        )
        return adapter.build_response(request, raw)

    with mock.patch.object(PatientAdapter, "send", sent):
        yield

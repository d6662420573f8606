"""What the sandbox says no with, and the shapes every answer shares."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

# The values of JSON documents that npm clients send; each reader checks the part it uses.
Json = Any

UNAUTHORISED = "Unauthorized"
NO_SUCH_PACKAGE = "Not Found - The specified package does not exist."
NO_SUCH_STAGED_VERSION = "Not Found - No staged package version found with the provided ID."
NOT_PERMITTED = "Insufficient permissions to access this resource"


class SandboxProblem(Exception):
    """The sandbox cannot start or go on; the text is a sentence for whoever started it."""


class AnswerLost(Exception):
    """The request was carried out, and its sender shall not hear of it."""


class Refusal(Exception):
    """A request is refused with an HTTP status and the registry's words.

    `body` replaces the usual `{"message": words}`; `headers` are added to the answer.
    """

    def __init__(
        self,
        status: int,
        words: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = dict(headers or {})
        self.body = body


def json_answer(document: Json, status: int = 200) -> Response:
    """A JSON response, never to be kept by a cache."""
    response = Response(json.dumps(document), status=status, content_type="application/json")
    response.headers["cache-control"] = "no-store"
    return response


def iso(moment: float) -> str:
    """Seconds since 1970 as npm writes a time: `2026-03-16T09:00:00.000Z`."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

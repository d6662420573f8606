"""Sending a tarball without reading it into memory."""

from pathlib import Path

from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from registry_client.sandbox.answers import NO_SUCH_STAGED_VERSION, Refusal
from registry_client.sandbox.call import Call


def file_answer(call: Call, path: Path) -> Response:
    """The file as an octet stream; Refusal 404 if it was removed a moment ago."""
    try:
        file = path.open("rb")
    except FileNotFoundError as gone:
        raise Refusal(404, NO_SUCH_STAGED_VERSION) from gone
    response = Response(
        wrap_file(call.request.environ, file),
        content_type="application/octet-stream",
        direct_passthrough=True,
    )
    response.content_length = path.stat().st_size
    return response

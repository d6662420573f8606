"""Whatever is sent to the API, it answers as its own OpenAPI document says."""

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from approvals.api.routes import api
from approvals.decisions.models import Release, ReleaseMember
from tests.approvals.api.factories import make_api_token
from tests.approvals.factories import make_inspection, make_staged_version

STAGE, RELEASE = uuid.uuid4(), uuid.uuid4()
EXAMPLES = 60


class _Django:
    """The application, made anew for each test: its middleware reads the settings of that."""

    handler: WSGIHandler

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.handler(environ, start_response)


document = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema())))
document.app = django = _Django()


@pytest.fixture(autouse=True)
def _one_connection(db: None) -> Iterator[None]:
    """As Django's own test client does it: the connection is the test's, and stays open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    django.handler = WSGIHandler()
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(db: None, settings: object) -> str:
    """A good one, and something to ask for with it."""
    row = make_staged_version("@acme/lib", "1.0.0", stage_id=STAGE)
    make_inspection(row)
    release = Release.objects.create(id=RELEASE, registry=row.registry)
    ReleaseMember.objects.create(release=release, staged_version=row, why="person")
    settings.TRY_LIMITS = settings.TRY_LIMITS | {  # type: ignore[attr-defined]  # pytest-django's
        "api": {"person": (10**6, 300)},
        "api_refused": {"address": (10**6, 300)},
    }
    return make_api_token()[1]


def there(case: Case) -> None:
    """Asks for what is there, as far as the case names something that could be."""
    known = {"stage_id": STAGE, "release_id": RELEASE, "name": "@acme/lib", "version": "1.0.0"}
    for name in set(case.path_parameters or ()) & set(known):
        case.path_parameters[name] = str(known[name])


@document.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_whatever_is_asked(case: Case, token: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"})


@document.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_whatever_is_asked_of_what_is_there(case: Case, token: str) -> None:
    there(case)
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}"},
        checks=[not_a_server_error, status_code_conformance, response_schema_conformance],
    )

"""What the API shows without a token: what it can do, and the script that waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from approvals.api.errors import NotFound
from approvals.api.routes import api, refusal_response

WAIT_SCRIPT = Path(__file__).with_name("wait.sh")


@require_safe
@login_not_required
def docs(request: HttpRequest) -> HttpResponse:
    """Every call, as the OpenAPI document describes it."""
    return render(request, "api/docs.html", {"calls": _calls(), "info": api.get_openapi_schema()})


@require_safe
@login_not_required
def wait_script(request: HttpRequest) -> HttpResponse:
    """A shell script that ends once a version is live, or will not be."""
    return HttpResponse(WAIT_SCRIPT.read_bytes(), content_type="text/x-shellscript; charset=utf-8")


@csrf_exempt
@login_not_required
def nothing_here(request: HttpRequest) -> HttpResponse:
    """For addresses that are none: programs get no page."""
    return refusal_response(request, NotFound("There is no such call. /api/v1/docs lists them."))


def _calls() -> list[dict[str, Any]]:
    """The operations in the order of their definition, for a page."""
    schema = api.get_openapi_schema()
    shapes = schema["components"]["schemas"]
    found = []
    for where, methods in schema["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {})
            content = body.get("content", {}).get("application/json", {}).get("schema", {})
            answer = call["responses"][200]["content"]["application/json"]["schema"]
            found.append(
                {
                    "method": method.upper(),
                    "path": where,
                    "summary": call["summary"],
                    "words": call.get("description", ""),
                    "parameters": [_parameter(one) for one in call.get("parameters", ())],
                    "body_words": body.get("description", ""),
                    "body": _fields(content, shapes),
                    "answer": _fields(answer, shapes),
                }
            )
    return found


def _parameter(one: dict[str, Any]) -> dict[str, str]:
    return {
        "name": one["name"],
        "where": "in the path" if one["in"] == "path" else "query",
        "kind": _kind(one["schema"]),
        "words": one["schema"].get("description", ""),
    }


def _fields(schema: dict[str, Any], shapes: dict[str, Any]) -> list[dict[str, str]]:
    shape = shapes.get(schema.get("$ref", "").rpartition("/")[2], {})
    return [
        {"name": name, "kind": _kind(one), "words": one.get("description", "")}
        for name, one in shape.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    said = str(schema.get("format") or schema.get("type") or "anything")
    if "maximum" in schema:
        said += f", {schema.get('minimum', 0)} to {schema['maximum']}"
    return said

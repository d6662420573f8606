"""The calls every npm client makes of a registry: packuments, tarballs, publishing, dist-tags."""

import json

from werkzeug.wrappers import Response

from registry_client.sandbox import packument, publishing
from registry_client.sandbox.answers import Json, Refusal, json_answer
from registry_client.sandbox.attestations import predicate_type
from registry_client.sandbox.call import DOCUMENT_LIMIT, Call
from registry_client.sandbox.documents import checked_tag, parse_upload
from registry_client.sandbox.files import file_answer

ABBREVIATED_TYPE = "application/vnd.npm.install-v1+json"
NOTE_LIMIT = 1024


def show(call: Call, package: str) -> Response:
    """GET /NAME"""
    document = packument.packument(call.store, call.visitor(), package, call.base_url, call.now)
    wanted = call.request.accept_mimetypes.best_match(
        ["application/json", ABBREVIATED_TYPE], default="application/json"
    )
    if wanted == ABBREVIATED_TYPE:
        document = packument.abbreviated(document)
    response = Response(json.dumps(document), content_type=wanted)
    response.headers["vary"] = "accept, authorization"
    response.headers["cache-control"] = "no-cache"
    response.add_etag()
    response.make_conditional(call.request)
    return response


def tarball(call: Call, package: str, file_name: str) -> Response:
    """GET /NAME/-/FILE.tgz"""
    path = packument.published_tarball(call.store, call.visitor(), package, file_name, call.now)
    return file_answer(call, path)


def put(call: Call, package: str) -> Response:
    """PUT /NAME: publish a version, or deprecate versions that are there."""
    account = call.account()
    account.must_be_able_to_write()
    document = call.json(DOCUMENT_LIMIT)
    if isinstance(document, dict) and not document.get("_attachments"):
        notes = _deprecations(document)
        call.demand_second_factor(account, f"Deprecate {package}", enrolled_only=True)
        publishing.deprecate(call.store, account, package, notes)
        return json_answer({"ok": True, "success": True})
    upload = parse_upload(document, package)
    if account.kind != "automation":
        purpose = f"Publish {package} {upload.version}"
        call.demand_second_factor(account, purpose, enrolled_only=True)
    publishing.publish(call.store, account, upload, call.now)
    return json_answer({"ok": True, "success": True}, 201)


def attestations(call: Call, package: str, version: str) -> Response:
    """GET /-/npm/v1/attestations/NAME@VERSION: of a staged version the publisher's provenance
    alone, since the registry has published nothing yet."""
    found = packument.attested(call.store, call.visitor(), package, version, call.now)
    bundles = [found.bundle]
    if found.integrity:
        own = call.signing_key.publish_attestation(package, version, found.integrity)
        bundles.insert(0, own)
    return json_answer(
        {
            "attestations": [
                {"predicateType": predicate_type(bundle), "bundle": bundle} for bundle in bundles
            ]
        }
    )


def keys(call: Call) -> Response:
    """GET /-/npm/v1/keys"""
    return json_answer(call.signing_key.keys_document())


def tags(call: Call, package: str) -> Response:
    """GET /-/package/NAME/dist-tags"""
    account = call.visitor()
    with call.store.read() as connection:
        packument.readable_package(connection, account, package)
        return json_answer(packument.current_tags(connection, package, call.now))


def set_tag(call: Call, package: str, tag: str) -> Response:
    """PUT /-/package/NAME/dist-tags/TAG"""
    version = call.json()
    if not isinstance(version, str):
        raise Refusal(400, "Bad Request - The body is the version, as a JSON string")
    _change_tag(call, package, tag, version)
    return json_answer({"ok": True}, 201)


def remove_tag(call: Call, package: str, tag: str) -> Response:
    """DELETE /-/package/NAME/dist-tags/TAG"""
    _change_tag(call, package, tag, None)
    return json_answer({"ok": True})


def visibility(call: Call, package: str) -> Response:
    """GET /-/package/NAME/visibility"""
    with call.store.read() as connection:
        row = packument.readable_package(connection, call.visitor(), package)
    return json_answer({"public": row["access"] == "public"})


def advisories(call: Call) -> Response:
    """POST /-/npm/v1/security/advisories/bulk: nothing is known against anything here."""
    return json_answer({})


def quick_audit(call: Call) -> Response:
    """POST /-/npm/v1/security/audits/quick"""
    return json_answer({"actions": [], "advisories": {}, "muted": [], "metadata": {}})


def _change_tag(call: Call, package: str, tag: str, version: str | None) -> None:
    account = call.account()
    account.must_be_able_to_write()
    purpose = f"Change the dist-tag {checked_tag(tag)} of {package}"
    call.demand_second_factor(account, purpose, enrolled_only=True)
    publishing.set_tag(call.store, account, package, tag, version, now=call.now)


def _deprecations(document: dict[str, Json]) -> dict[str, str]:
    versions = document.get("versions")
    if not isinstance(versions, dict) or not versions:
        raise Refusal(400, "Bad Request - Missing required fields: _attachments")
    notes = {
        version: manifest.get("deprecated", "")
        for version, manifest in versions.items()
        if isinstance(manifest, dict)
    }
    if not all(isinstance(note, str) and len(note) <= NOTE_LIMIT for note in notes.values()):
        raise Refusal(400, f"Bad Request - A deprecation has at most {NOTE_LIMIT} characters")
    return notes

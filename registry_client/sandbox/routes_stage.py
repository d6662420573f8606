"""The staged-publishing calls, as npm's own description of its API (stage.yaml) has them."""

import sqlite3
from urllib.parse import unquote

from werkzeug.wrappers import Response

from registry_client.sandbox import publishing
from registry_client.sandbox.accounts import Account
from registry_client.sandbox.answers import AnswerLost, Json, iso, json_answer
from registry_client.sandbox.call import DOCUMENT_LIMIT, Call
from registry_client.sandbox.documents import parse_upload
from registry_client.sandbox.files import file_answer

DEFAULT_PER_PAGE = 10
MOST_PER_PAGE = 100
# Beyond this SQLite could not count.
LAST_PAGE = 10**9
VISIBLE = (
    "FROM staged JOIN collaborators"
    " ON collaborators.package = staged.package AND collaborators.user = :user"
    " WHERE :package IN ('', staged.package)"
)
PAGE = "ORDER BY position DESC LIMIT :limit OFFSET :offset"


def list_staged(call: Call) -> Response:
    """GET /-/stage"""
    account = _reader(call)
    query = call.request.args
    page = min(max(0, query.get("page", 0, type=int)), LAST_PAGE)
    per_page = query.get("perPage", DEFAULT_PER_PAGE, type=int)
    per_page = min(per_page, MOST_PER_PAGE) if per_page > 0 else DEFAULT_PER_PAGE
    # Clients escape the name before it goes into the query, some of them twice.
    package = unquote(query.get("package", ""))
    wanted = {
        "user": account.name,
        "package": package,
        "limit": per_page,
        "offset": page * per_page,
    }
    with call.store.read() as connection:
        rows = connection.execute(f"SELECT staged.* {VISIBLE} {PAGE}", wanted).fetchall()
        total = connection.execute(f"SELECT count(*) AS total {VISIBLE}", wanted).fetchone()
    return json_answer(
        {
            "items": [_item(row) for row in rows],
            "page": page,
            "perPage": per_page,
            "total": total["total"],
        }
    )


def stage(call: Call, package: str) -> Response:
    """POST /-/stage/package/NAME"""
    account = call.account()
    account.must_be_able_to_write()
    upload = parse_upload(call.json(DOCUMENT_LIMIT), package)
    stage_id = publishing.stage(call.store, account, upload, call.now)
    return json_answer(
        {"message": "Package version staged successfully.", "stageId": stage_id}, 201
    )


def view(call: Call, stage_id: str) -> Response:
    """GET /-/stage/ID"""
    account = _reader(call)
    with call.store.read() as connection:
        row = publishing.find_staged(connection, account, stage_id)
    return json_answer(_item(row))


def download(call: Call, stage_id: str) -> Response:
    """GET /-/stage/ID/tarball"""
    account = _reader(call)
    with call.store.read() as connection:
        row = publishing.find_staged(connection, account, stage_id)
    return file_answer(call, call.store.tarball(row["tarball"]))


def approve(call: Call, stage_id: str) -> Response:
    """POST /-/stage/ID/approve"""
    account = _decider(call, stage_id, "Approve and publish")
    call.disturbances.pause("before")
    now = call.now
    publishing.approve(
        call.store, account, stage_id, now, visible_at=call.disturbances.visible_at(now)
    )
    call.disturbances.pause("after")
    if call.disturbances.loses_this_answer():
        raise AnswerLost
    return json_answer({"message": "Package version approved and published successfully."}, 201)


def reject(call: Call, stage_id: str) -> Response:
    """DELETE /-/stage/ID"""
    account = _decider(call, stage_id, "Reject and delete")
    call.disturbances.pause("before")
    publishing.reject(call.store, account, stage_id)
    call.disturbances.pause("after")
    if call.disturbances.loses_this_answer():
        raise AnswerLost
    return Response(status=204)


def _reader(call: Call) -> Account:
    account = call.account()
    account.must_be_a_person()
    return account


def _decider(call: Call, stage_id: str, verb: str) -> Account:
    """Who decides, with permission and second factor. Raises Refusal 401, 403 or 404."""
    account = _reader(call)
    account.must_be_able_to_write()
    # Verdaccio asks for the code before it looks for the version, so that a code is used up even
    # on a version that is gone; npm asks nobody for a passkey in vain.
    if call.mode == "single-use":
        call.demand_second_factor(account, verb)
    with call.store.read() as connection:
        row = publishing.find_staged(connection, account, stage_id, to_decide=True)
    if call.mode != "single-use":
        purpose = f"{verb} {row['package']} {row['version']}"
        call.demand_second_factor(account, purpose)
    return account


def _item(row: sqlite3.Row) -> dict[str, Json]:
    return {
        "id": row["id"],
        "packageName": row["package"],
        "version": row["version"],
        "tag": row["tag"],
        "createdAt": iso(row["created_at"]),
        "actor": row["actor"],
        "actorType": row["actor_type"],
        "access": row["access"],
        "shasum": row["shasum"],
        "status": "staged",
    }

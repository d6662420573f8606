"""Signing up, signing in, and the web flow's page."""

from markupsafe import Markup
from werkzeug.wrappers import Response

from registry_client.sandbox import accounts, control, second_factor
from registry_client.sandbox.accounts import Account
from registry_client.sandbox.answers import Json, Refusal, json_answer
from registry_client.sandbox.call import Call

# Seconds a client waits between two looks at whether the person has confirmed.
POLL_SECONDS = 1

PAGE = Markup(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · sandbox registry</title>
<link rel="stylesheet" href="/-/sandbox/style.css">
</head>
<body><main><p class="notice">This is a sandbox, not a real registry.</p>{content}</main></body>
</html>
"""
)
STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 10vh auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; }
.notice { border-left: .25rem solid #b45309; padding-left: .75rem; }
button { font: inherit; padding: .6rem 1.2rem; min-height: 2.75rem; cursor: pointer; }
"""
PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"


def home(call: Call) -> Response:
    """GET /"""
    return json_answer({"db_name": "sandbox", "sandbox": True, "second_factor": call.mode})


def ping(call: Call) -> Response:
    """GET /-/ping"""
    return json_answer({})


def sign_in(call: Call, user: str) -> Response:
    """PUT /-/user/org.couchdb.user:NAME: sign up, or sign in where the user exists."""
    document = call.json()
    fields = document if isinstance(document, dict) else {}
    name, password, email = (fields.get(key) for key in ("name", "password", "email"))
    if name != user or not isinstance(password, str):
        raise Refusal(400, "Bad Request - The body needs name and password")
    if accounts.user_exists(call.store, user):
        if not accounts.password_is_right(call.store, user, password):
            raise Refusal(401, "bad username/password, access denied")
        account = Account(user, "user")
        call.demand_second_factor(account, "Sign in", enrolled_only=True)
    elif isinstance(email, str) and email:
        accounts.create_user(call.store, user, password, email=email[:254])
    else:
        raise Refusal(400, f"There is no user with the username {user}")
    token = accounts.issue_token(call.store, user)
    return json_answer({"ok": True, "id": f"org.couchdb.user:{user}", "token": token}, 201)


def sign_out(call: Call, token: str) -> Response:
    """DELETE /-/user/token/TOKEN"""
    call.account()
    accounts.revoke_token(call.store, token)
    return json_answer({"ok": True})


def whoami(call: Call) -> Response:
    """GET /-/whoami"""
    return json_answer({"username": call.account().name})


def profile(call: Call) -> Response:
    """GET /-/npm/v1/user"""
    return json_answer(_profile(call, call.account()))


def change_profile(call: Call) -> Response:
    """POST /-/npm/v1/user: enrol a second factor in the two steps that npm clients take."""
    account = call.account()
    account.must_be_able_to_write()
    document = call.json()
    wish = document.get("tfa") if isinstance(document, dict) else None
    if isinstance(wish, list) and wish:
        second_factor.complete_enrolment(call.store, account.name, str(wish[0]), call.now)
        return json_answer({"tfa": []})
    if isinstance(wish, dict) and wish.get("mode") in ("auth-only", "auth-and-writes"):
        if not accounts.password_is_right(call.store, account.name, str(wish.get("password"))):
            raise Refusal(401, "bad username/password, access denied")
        call.demand_second_factor(account, "Change the second factor", enrolled_only=True)
        return json_answer({"tfa": second_factor.begin_enrolment(call.store, account.name)})
    raise Refusal(400, "Bad Request - The sandbox changes nothing but the second factor")


def web_login(call: Call) -> Response:
    """POST /-/v1/login: refused, so that clients ask for name and password instead."""
    raise Refusal(404, "Not Found - The sandbox has no web login")


def confirmation_page(call: Call, challenge_id: str) -> Response:
    """GET /-/sandbox/confirm/ID: where a click stands for the touch of a passkey."""
    challenge = second_factor.open_challenge(call.store, challenge_id, call.now)
    if challenge["token"] is not None:
        return _page("Confirmed", Markup("<h1>Confirmed</h1><p>You can close this page.</p>"))
    content = Markup(
        "<h1>{purpose}</h1><p>{user}, this button stands for the touch of your passkey.</p>"
        '<form method="post"><button>Confirm with passkey</button></form>'
    ).format(purpose=challenge["purpose"], user=challenge["user"])
    return _page("Confirm", content)


def confirm(call: Call, challenge_id: str) -> Response:
    """POST /-/sandbox/confirm/ID"""
    second_factor.confirm_challenge(call.store, challenge_id, call.now)
    response = Response(status=303)
    response.headers["location"] = call.request.path
    return response


def done(call: Call) -> Response:
    """GET /-/v1/done?authId=ID: 202 until the person has confirmed, then the token."""
    challenge = second_factor.open_challenge(
        call.store, call.request.args.get("authId", ""), call.now
    )
    if challenge["token"] is None:
        response = json_answer({}, 202)
        response.headers["retry-after"] = str(POLL_SECONDS)
        return response
    return json_answer({"token": challenge["token"]})


def style(call: Call) -> Response:
    """GET /-/sandbox/style.css"""
    return Response(STYLE, content_type="text/css; charset=utf-8")


def control_call(call: Call) -> Response:
    """POST /-/sandbox/control"""
    return control.carry_out(
        call.disturbances,
        call.store.secret(control.SECRET_FILE),
        call.request.headers.get(control.SECRET_HEADER, ""),
        call.json(),
    )


def _profile(call: Call, account: Account) -> dict[str, Json]:
    enrolled = second_factor.is_enrolled(call.store, account.name)
    return {
        "name": account.name,
        "email": f"{account.name}@example.invalid",
        "email_verified": True,
        "fullname": "",
        "tfa": {"mode": "auth-and-writes", "pending": False} if enrolled else False,
    }


def _page(title: str, content: Markup) -> Response:
    response = Response(
        PAGE.format(title=title, content=content), content_type="text/html; charset=utf-8"
    )
    response.headers["content-security-policy"] = PAGE_POLICY
    response.headers["cache-control"] = "no-store"
    return response

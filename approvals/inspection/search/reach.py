"""Where code reaches the network, by any of the ways that rules know."""

from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.signs import NETWORK, SENDS
from approvals.inspection.search.spelled import loads

_CARRIERS = frozenset(
    {"http", "https", "http2", "net", "tls", "dgram", "dns", "fetch", "XMLHttpRequest", "WebSocket"}
)


def reaching(look: Look) -> list[Use]:
    """The new places that send or fetch; in a file without any, those that load what could, also
    by a name that is spelled so that no search finds it."""
    sends = SENDS.uses(look)
    sending = {use.file for use in sends}
    others = [use for use in NETWORK.uses(look) if use.file not in sending]
    hidden = [use for use, name, _ in loads(look) if name.removeprefix("node:") in _CARRIERS]
    return [*sends, *others, *hidden]

"""Settings of requirements, as a release manager types them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from approvals.policy.requirements import kinds

_TODAY, _WHILE = datetime.now(UTC).date(), timedelta(days=100)
FREEZE = {
    "zone": "UTC",
    "days": "",
    "hours": "",
    "freezes": f"{_TODAY - _WHILE} to {_TODAY + _WHILE} nobody is here",
}


def wanting(*lines: str, void_on: str = "finding baseline policy") -> dict[str, dict[str, Any]]:
    """A policy of these lines: "2 of anyone"."""
    typed = {"wanted": "\n".join(lines)} | {
        f"void_on_{one}": "yes" if one in void_on.split() else ""
        for one in ("finding", "baseline", "policy")
    }
    return {"approvals": kinds()["approvals"].checked(typed)}


def also(key: str, **typed: str) -> dict[str, dict[str, Any]]:
    """One more requirement, of these options."""
    kind = kinds()[key]
    initial = {option.name: option.initial for option in kind.options}
    return {key: kind.checked({**initial, **typed})}

"""Over which packages a role reaches, in words for pages."""

from collections.abc import Mapping, Sequence

from approvals.people.scopes import EVERYTHING, Reach

# A subtitle is one line or two; the profile has all of them.
MOST_IN_A_LINE = 5


def reach_rows(reaches: Sequence[Reach], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Scopes as pages list them: packages, and the registry by its name (`names` by address)."""
    return [
        (one.packages, names.get(one.registry_url, one.registry_url) or "every registry")
        for one in reaches
    ]


def reach_line(reaches: Sequence[Reach], names: Mapping[str, str]) -> str:
    """The same in a line, such as "@acme/*, left-pad at npm and 2 more"; nothing for everything."""
    said = list(dict.fromkeys(_said(one, names) for one in reaches))
    more = len(said) - MOST_IN_A_LINE
    line = ", ".join(said[:MOST_IN_A_LINE])
    return f"{line} and {more} more" if more > 0 else line


def _said(one: Reach, names: Mapping[str, str]) -> str:
    packages = "every package" if one.packages == EVERYTHING else one.packages
    if one.registry_url in names:
        return f"{packages} at {names[one.registry_url]}"
    # Of a registry without a name here, a star alone would read as everything there is.
    at_one = one.registry_url and one.packages == EVERYTHING
    return f"{packages} at one registry" if at_one else packages

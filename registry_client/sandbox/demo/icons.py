"""The icons of the demonstration's icon package, drawn from straight strokes and arcs."""

import semver

# Each icon: its path on a grid of 24 by 24, and the version that brought it.
ICONS: dict[str, tuple[str, str]] = {
    "anchor": ("M12 7v14M5 13a7 7 0 0 0 14 0M9 10h6M12 3v1", "1.0.0"),
    "arrow-down": ("M12 4v16M5 13l7 7 7-7", "1.0.0"),
    "arrow-left": ("M20 12H4M11 5l-7 7 7 7", "1.0.0"),
    "arrow-right": ("M4 12h16M13 5l7 7-7 7", "1.0.0"),
    "arrow-up": ("M12 20V4M5 11l7-7 7 7", "1.0.0"),
    "bell": ("M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21h4", "1.0.0"),
    "boat": ("M3 16h18l-3 5H6zM12 3v11M12 4l7 8h-7", "1.0.0"),
    "check": ("M4 13l5 5L20 6", "1.0.0"),
    "clock": ("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l4 2", "1.0.0"),
    "close": ("M5 5l14 14M19 5L5 19", "1.0.0"),
    "flag": ("M5 21V4h14l-4 5 4 5H5", "1.0.0"),
    "home": ("M4 11l8-7 8 7v9h-6v-6h-4v6H4z", "1.0.0"),
    "lantern": ("M9 3h6M8 8h8v10H8zM10 21h4M12 3v5", "1.0.0"),
    "menu": ("M4 6h16M4 12h16M4 18h16", "1.0.0"),
    "search": ("M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15 15l6 6", "1.0.0"),
    "tower": ("M9 9h6l2 12H7zM8 6h8v3H8zM12 2v4", "1.0.0"),
    "compass": ("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15 9l-2 5-4 1 2-5z", "1.1.0"),
    "map": ("M3 6l6-2 6 2 6-2v14l-6 2-6-2-6 2zM9 4v14M15 6v14", "1.1.0"),
    "rope": ("M5 5c6 0 0 14 6 14s2-10 8-10", "1.1.0"),
    "sun": ("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3", "1.1.0"),
    "wave": ("M2 14c4-6 6 6 10 0s6 6 10 0", "2.1.0"),
    "waves": ("M2 9c4-6 6 6 10 0s6 6 10 0M2 17c4-6 6 6 10 0s6 6 10 0", "2.1.0"),
    "wind": ("M3 9h11a3 3 0 1 0-3-3M3 14h15a3 3 0 1 1-3 3", "2.1.0"),
    "windsock": ("M5 21V4M5 5l14 2v5L5 14M10 6v7M15 7v5", "2.1.0"),
}
REDRAWN = {"anchor": ("2.1.0", "M12 8v13M4 13a8 8 0 0 0 16 0M9 11h6M12 3a2.5 2.5 0 1 0 0 5")}


def icon_files(version: str) -> dict[str, str]:
    """The SVG file of each icon that a version has, and the module that lists their paths."""
    now = semver.Version.parse(version)
    paths = {}
    for name, (path, since) in ICONS.items():
        changed, redrawn = REDRAWN.get(name, ("9999.0.0", path))
        if now >= semver.Version.parse(since):
            paths[name] = redrawn if now >= semver.Version.parse(changed) else path
    files = {
        f"svg/{name}.svg": (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
            f'stroke="{_stroke(version)}" stroke-width="2"><path d="{path}"/></svg>\n'
        )
        for name, path in paths.items()
    }
    lines = "".join(f'  "{name}": "{path}",\n' for name, path in paths.items())
    return files | {"dist/paths.js": f"export const paths = {{\n{lines}}};\n"}


def _stroke(version: str) -> str:
    return "#1b1f24" if version.startswith("1.") else "currentColor"

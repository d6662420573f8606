"""The monorepo's packages: five that are released together, and one that is new."""

from registry_client.sandbox.demo.code import Function, Module, Package
from registry_client.sandbox.demo.icons import icon_files

CORE = Package(
    name="@lighthouse/core",
    description="Signals, events and scheduling that the Lighthouse packages are built on.",
    usage="""
        import { createSignal, watch } from "@lighthouse/core";

        const count = createSignal(0);
        watch(count, (value) => console.log(value));
        count.set(1);
    """,
    keywords=("signals", "events", "scheduler"),
    modules=(
        Module(
            "signal",
            types="""
                export type Listener = (value: unknown) => void;
                export type Compute = (value: unknown) => unknown;
                export interface Signal {
                  listeners: Set<Listener>;
                  get(): unknown;
                  set(value: unknown): void;
                }
                export type Stop = () => void;
            """,
            functions=(
                Function(
                    "createSignal",
                    "(initial: unknown): Signal",
                    "A value that tells its listeners when it changes.",
                    """
                    let current = initial;
                    const listeners = new Set();
                    return {
                      listeners,
                      get: () => current,
                      set(value) {
                        current = value;
                        for (const listener of listeners) listener(value);
                      },
                    };
                    """,
                    bodies={
                        "1.1.0": """
                        let current = initial;
                        const listeners = new Set();
                        return {
                          listeners,
                          get: () => current,
                          set(value) {
                            if (Object.is(value, current)) return;
                            current = value;
                            for (const listener of listeners) listener(value);
                          },
                        };
                        """,
                        "2.1.0": """
                        let current = initial;
                        const listeners = new Set();
                        return {
                          listeners,
                          get: () => current,
                          set(value) {
                            if (Object.is(value, current)) return;
                            current = value;
                            // A listener may stop another one while it runs.
                            for (const listener of [...listeners]) {
                              if (listeners.has(listener)) listener(value);
                            }
                          },
                        };
                        """,
                    },
                ),
                Function(
                    "watch",
                    "(signal: Signal, listener: Listener): Stop",
                    "Calls the listener with every new value until stopped.",
                    """
                    signal.listeners.add(listener);
                    return () => signal.listeners.delete(listener);
                    """,
                ),
                Function(
                    "derive",
                    "(signal: Signal, compute: Compute): Signal",
                    "A signal that follows another one.",
                    """
                    const derived = createSignal(compute(signal.get()));
                    watch(signal, (value) => derived.set(compute(value)));
                    return derived;
                    """,
                    since="1.1.0",
                ),
            ),
        ),
        Module(
            "scheduler",
            types="export type Task = () => void;",
            head="const pending = new Set();",
            functions=(
                Function(
                    "schedule",
                    "(task: Task): void",
                    "Runs a task once, at the end of the current turn.",
                    """
                    if (pending.has(task)) return;
                    pending.add(task);
                    if (pending.size === 1) queueMicrotask(flush);
                    """,
                ),
                Function(
                    "flush",
                    "(): void",
                    "Runs everything that is scheduled, now.",
                    """
                    const tasks = [...pending];
                    pending.clear();
                    for (const task of tasks) task();
                    """,
                    bodies={
                        "2.0.1": """
                        while (pending.size > 0) {
                          const tasks = [...pending];
                          pending.clear();
                          for (const task of tasks) task();
                        }
                        """
                    },
                ),
            ),
        ),
        Module(
            "events",
            types="""
                export type Handler = (detail: unknown) => void;
                export interface Bus {
                  on(name: string, handler: Handler): () => void;
                  emit(name: string, detail: unknown): void;
                }
            """,
            functions=(
                Function(
                    "createBus",
                    "(): Bus",
                    "A place where parts of a page tell each other things.",
                    """
                    const handlers = new Map();
                    return {
                      on(name, handler) {
                        const known = handlers.get(name) ?? new Set();
                        handlers.set(name, known.add(handler));
                        return () => known.delete(handler);
                      },
                      emit(name, detail) {
                        for (const handler of handlers.get(name) ?? []) handler(detail);
                      },
                    };
                    """,
                ),
            ),
        ),
        Module(
            "errors",
            functions=(
                Function(
                    "invariant",
                    "(condition: unknown, message: string): void",
                    "Throws unless the condition holds.",
                    """
                    if (!condition) throw new Error(`Invariant failed: ${message}`);
                    """,
                ),
                Function(
                    "describe",
                    "(problem: unknown): string",
                    "An error's text, whatever was thrown.",
                    """
                    return problem instanceof Error ? problem.message : String(problem);
                    """,
                    since="2.0.0",
                ),
            ),
        ),
        Module(
            "retry",
            since="2.1.0",
            types="""
                export type Action = () => Promise<unknown>;
                export interface RetryOptions { tries: number; firstDelay: number; }
            """,
            functions=(
                Function(
                    "retry",
                    "(action: Action, options: RetryOptions): Promise<unknown>",
                    "Tries an action again, with growing pauses, until it succeeds.",
                    """
                    let delay = options.firstDelay;
                    for (let left = options.tries; ; left -= 1) {
                      try {
                        return await action();
                      } catch (problem) {
                        if (left <= 1) throw problem;
                      }
                      await new Promise((resolve) => setTimeout(resolve, delay));
                      delay *= 2;
                    }
                    """,
                ),
            ),
        ),
    ),
    changes={
        "1.0.0": ("First stable release.",),
        "1.1.0": ("`derive` makes a signal that follows another.", "Equal values tell nobody."),
        "2.0.0": ("Drops Node 16.", "`describe` for whatever was thrown."),
        "2.0.1": ("Tasks scheduled while flushing run in the same flush.",),
        "2.1.0": (
            "`retry` with growing pauses.",
            "Listeners that were stopped during a change are not called any more.",
        ),
    },
)

THEME = Package(
    name="@lighthouse/theme",
    description="Colours, spacing and type as CSS custom properties and as values.",
    usage="""
        import "@lighthouse/theme/css/light.css";
        import { token } from "@lighthouse/theme";

        token("space-2");
    """,
    keywords=("design-tokens", "css"),
    dependencies={"@lighthouse/core": "^*"},
    modules=(
        Module(
            "tokens",
            functions=(
                Function(
                    "token",
                    "(name: string): string",
                    "The custom property of a token, ready for a style.",
                    "return `var(--lh-${name})`;",
                    bodies={
                        "2.0.0": """
                        const known = /^[a-z][a-z0-9-]*$/.test(name);
                        if (!known) throw new TypeError(`No such token: ${name}`);
                        return `var(--lh-${name})`;
                        """
                    },
                ),
            ),
        ),
        Module(
            "contrast",
            types="export type Channels = number[];",
            functions=(
                Function(
                    "luminance",
                    "(channels: Channels): number",
                    "Relative luminance as WCAG 2 defines it; channels from 0 to 255.",
                    """
                    const [red, green, blue] = channels.map((channel) => {
                      const part = channel / 255;
                      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
                    });
                    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
                    """,
                    bodies={
                        "2.1.0": """
                        const [red, green, blue] = channels.map((channel) => {
                          const part = channel / 255;
                          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
                        });
                        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
                        """
                    },
                ),
                Function(
                    "contrast",
                    "(first: Channels, second: Channels): number",
                    "The contrast ratio of two colours, from 1 to 21.",
                    """
                    const both = [luminance(first), luminance(second)];
                    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
                    """,
                ),
            ),
        ),
        Module(
            "scheme",
            since="2.1.0",
            functions=(
                Function(
                    "preferredScheme",
                    "(): string",
                    "What the reader's system asks for: light or dark.",
                    """
                    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
                    """,
                ),
            ),
        ),
    ),
    extra_manifest={"files": ["css", "dist", "src"]},
    extra_files={
        "css/light.css": (
            ":root {\n  --lh-ground: #ffffff;\n  --lh-ink: #1b1f24;\n  --lh-accent: #0b57d0;\n"
            "  --lh-space-1: 0.25rem;\n  --lh-space-2: 0.5rem;\n  --lh-space-3: 1rem;\n}\n"
        ),
        "css/dark.css": (
            ":root {\n  --lh-ground: #0e1116;\n  --lh-ink: #e6eaf0;\n  --lh-accent: #8ab4f8;\n}\n"
        ),
    },
    changes={
        "1.0.0": ("First stable release.",),
        "1.1.0": ("Contrast ratios.",),
        "2.0.0": ("Unknown tokens throw.",),
        "2.1.0": ("`preferredScheme`.", "The threshold of sRGB's linear part is exact."),
    },
)

ICONS_PACKAGE = Package(
    name="@lighthouse/icons",
    description="Twenty-four icons as SVG files and as strings to put into a page.",
    usage="""
        import { icon } from "@lighthouse/icons";

        button.innerHTML = icon("anchor");
    """,
    keywords=("icons", "svg"),
    extra_manifest={"files": ["dist", "src", "svg"]},
    dependencies={"@lighthouse/core": "^*"},
    modules=(
        Module(
            "icon",
            head='import { paths } from "./paths.js";',
            functions=(
                Function(
                    "icon",
                    "(name: string): string",
                    "An icon's markup; it takes the colour of the text around it.",
                    """
                    const path = paths[name];
                    if (!path) throw new TypeError(`No such icon: ${name}`);
                    return `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
                    """,
                ),
            ),
        ),
    ),
    changes={
        "1.0.0": ("Sixteen icons.",),
        "1.1.0": ("Four more icons.",),
        "2.0.0": ("Icons take the colour of the text around them.",),
        "2.1.0": ("Icons for wind and waves.", "A rounder anchor."),
    },
)

UI = Package(
    name="@lighthouse/ui",
    description="Accessible interface parts for pages that render on the server.",
    usage="""
        import { openDialog } from "@lighthouse/ui";

        openDialog(document.querySelector("#settings"));
    """,
    keywords=("ui", "accessibility", "components"),
    dependencies={
        "@lighthouse/core": "^*",
        "@lighthouse/icons": "^*",
        "@lighthouse/theme": "^*",
    },
    modules=(
        Module(
            "button",
            functions=(
                Function(
                    "setBusy",
                    "(button: HTMLButtonElement, busy: boolean): void",
                    "Shows that a button's work is under way.",
                    """
                    button.disabled = busy;
                    button.setAttribute("aria-busy", String(busy));
                    """,
                    bodies={
                        "2.1.0": """
                        // A disabled button would lose the keyboard's focus.
                        button.setAttribute("aria-disabled", String(busy));
                        button.setAttribute("aria-busy", String(busy));
                        """
                    },
                ),
            ),
        ),
        *(
            Module(
                name,
                since=since,
                until=until,
                head='import { focusable } from "./focus.js";',
                functions=(
                    Function(
                        "openDialog",
                        "(element: HTMLDialogElement): void",
                        "Opens a dialog and keeps the focus inside.",
                        """
                        element.showModal();
                        const first = focusable(element)[0] ?? element;
                        first.focus();
                        """,
                    ),
                    Function(
                        "closeDialog",
                        "(element: HTMLDialogElement, result: string): void",
                        "Closes a dialog and gives the focus back.",
                        """
                        element.close(result);
                        element.dispatchEvent(new CustomEvent("lh:closed", { detail: result }));
                        """,
                    ),
                    Function(
                        "isOpen",
                        "(element: HTMLDialogElement): boolean",
                        "Whether a dialog is open.",
                        "return element.open;",
                    ),
                ),
            )
            for name, since, until in (("modal", "1.0.0", "2.1.0"), ("dialog", "2.1.0", ""))
        ),
        Module(
            "focus",
            functions=(
                Function(
                    "focusable",
                    "(root: Element): Element[]",
                    "What the keyboard can reach below an element, in order.",
                    """
                    const selector = "a[href], button, input, select, textarea, [tabindex]";
                    return [...root.querySelectorAll(selector)].filter(
                      (element) => !element.hasAttribute("disabled") && element.tabIndex >= 0,
                    );
                    """,
                ),
                Function(
                    "roving",
                    "(items: Element[], key: string): number",
                    "Where an arrow key moves the focus to in a list.",
                    """
                    const at = items.indexOf(document.activeElement);
                    const step = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
                    return (at + step + items.length) % items.length;
                    """,
                    since="2.0.0",
                ),
            ),
        ),
        Module(
            "tooltip",
            types="export interface Place { top: number; left: number; }",
            functions=(
                Function(
                    "place",
                    "(anchor: DOMRect, tip: DOMRect): Place",
                    "Where a tooltip fits beside its anchor.",
                    """
                    const above = anchor.top - tip.height - 8;
                    const top = above >= 0 ? above : anchor.bottom + 8;
                    const left = anchor.left + (anchor.width - tip.width) / 2;
                    return { top, left: Math.max(8, left) };
                    """,
                ),
            ),
        ),
        Module(
            "tabs",
            since="2.1.0",
            functions=(
                Function(
                    "selectTab",
                    "(tabs: Element[], index: number): void",
                    "Shows one tab's panel and hides the others.",
                    """
                    tabs.forEach((tab, position) => {
                      const selected = position === index;
                      tab.setAttribute("aria-selected", String(selected));
                      tab.tabIndex = selected ? 0 : -1;
                      document.getElementById(tab.getAttribute("aria-controls")).hidden = !selected;
                    });
                    """,
                ),
            ),
        ),
    ),
    changes={
        "1.0.0": ("First stable release.",),
        "1.1.0": ("Tooltips stay inside the window.",),
        "2.0.0": ("`roving` for lists.", "Needs `<dialog>`."),
        "2.0.1": ("A tooltip near the left edge is not cut off.",),
        "2.1.0": (
            "Tabs.",
            "`modal` is called `dialog` now; its functions keep their names.",
            "A busy button keeps the focus.",
        ),
    },
)

CLI = Package(
    name="@lighthouse/cli",
    description="Builds and checks Lighthouse projects from the command line.",
    usage="""
        // npx lighthouse check --config lighthouse.json
        import { run } from "@lighthouse/cli";

        process.exitCode = await run(process.argv.slice(2));
    """,
    keywords=("cli", "build"),
    dependencies={"@lighthouse/core": "^*", "@lighthouse/theme": "^*"},
    extra_manifest={
        "bin": {"lighthouse": "./bin/lighthouse.js"},
        "files": ["bin", "dist", "src"],
    },
    extra_files={
        "bin/lighthouse.js": (
            '#!/usr/bin/env node\nimport { run } from "../dist/index.js";\n\n'
            "process.exitCode = await run(process.argv.slice(2));\n"
        )
    },
    modules=(
        Module(
            "arguments",
            types="""
                export interface Arguments {
                  command: string;
                  options: Record<string, string | true>;
                  rest: string[];
                }
            """,
            functions=(
                Function(
                    "parseArguments",
                    "(words: string[]): Arguments",
                    "Splits a command line into its command, its options and the rest.",
                    """
                    const options = {};
                    const rest = [];
                    for (const word of words) {
                      const match = /^--([a-z-]+)(?:=(.*))?$/.exec(word);
                      if (match) options[match[1]] = match[2] ?? true;
                      else rest.push(word);
                    }
                    return { command: rest.shift() ?? "help", options, rest };
                    """,
                    bodies={
                        "2.1.0": """
                        const options = Object.create(null);
                        const rest = [];
                        let onlyRest = false;
                        for (const word of words) {
                          const match = onlyRest ? null : /^--([a-z-]+)(?:=(.*))?$/.exec(word);
                          if (word === "--" && !onlyRest) onlyRest = true;
                          else if (match) options[match[1]] = match[2] ?? true;
                          else rest.push(word);
                        }
                        return { command: rest.shift() ?? "help", options, rest };
                        """
                    },
                ),
            ),
        ),
        Module(
            "config",
            types="""
                export interface Config {
                  source: string;
                  target: string;
                  include?: string[];
                }
            """,
            functions=(
                Function(
                    "readConfig",
                    "(path: string): Promise<Config>",
                    "Reads a project's configuration and fills in what it leaves out.",
                    """
                    const { readFile } = await import("node:fs/promises");
                    const text = await readFile(path, "utf8");
                    return { source: "src", target: "dist", ...JSON.parse(text) };
                    """,
                ),
            ),
        ),
        Module(
            "output",
            functions=(
                Function(
                    "table",
                    "(rows: string[][]): string",
                    "Rows as text in columns.",
                    """
                    const widths = rows[0].map((_, at) =>
                      Math.max(...rows.map((row) => row[at].length)),
                    );
                    const pad = (row) => row.map((cell, at) => cell.padEnd(widths[at]));
                    return rows.map((row) => pad(row).join("  ").trimEnd()).join("\\n");
                    """,
                ),
                Function(
                    "duration",
                    "(milliseconds: number): string",
                    "A span of time as people say it.",
                    """
                    if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
                    return `${(milliseconds / 1000).toFixed(1)} s`;
                    """,
                    since="1.1.0",
                ),
            ),
        ),
        Module(
            "commands/build",
            functions=(
                Function(
                    "build",
                    "(config: Config): Promise<number>",
                    "Copies and transforms every source file; gives the number of files.",
                    """
                    const { cp, readdir } = await import("node:fs/promises");
                    await cp(config.source, config.target, { recursive: true });
                    const entries = await readdir(config.target, { recursive: true });
                    return entries.length;
                    """,
                ),
            ),
        ),
        Module(
            "commands/check",
            functions=(
                Function(
                    "check",
                    "(config: Config): Promise<string[]>",
                    "What is wrong with a project, as sentences.",
                    """
                    const { access } = await import("node:fs/promises");
                    const problems = [];
                    try {
                      await access(config.source);
                    } catch {
                      problems.push(`There is no folder ${config.source}.`);
                    }
                    return problems;
                    """,
                    bodies={
                        "2.1.0": """
                        const { access } = await import("node:fs/promises");
                        const problems = [];
                        for (const folder of [config.source, ...(config.include ?? [])]) {
                          try {
                            await access(folder);
                          } catch {
                            problems.push(`There is no folder ${folder}.`);
                          }
                        }
                        return problems;
                        """
                    },
                ),
            ),
        ),
        Module(
            "run",
            head="""
                import { parseArguments } from "./arguments.js";
                import { build } from "./commands/build.js";
                import { check } from "./commands/check.js";
                import { readConfig } from "./config.js";
            """,
            functions=(
                Function(
                    "run",
                    "(words: string[]): Promise<number>",
                    "Carries out a command line and gives the exit code.",
                    """
                    const { command, options } = parseArguments(words);
                    const config = await readConfig(options.config ?? "lighthouse.json");
                    if (command === "build") {
                      console.log(`${await build(config)} files`);
                      return 0;
                    }
                    const problems = await check(config);
                    for (const problem of problems) console.error(problem);
                    return problems.length > 0 ? 1 : 0;
                    """,
                ),
            ),
        ),
        Module(
            "commands/watch",
            since="2.1.0",
            types="export type Rebuild = (path: string) => Promise<void>;",
            functions=(
                Function(
                    "watchSources",
                    "(config: Config, rebuild: Rebuild): Promise<void>",
                    "Rebuilds whenever a source file changes.",
                    """
                    const { watch } = await import("node:fs/promises");
                    for await (const change of watch(config.source, { recursive: true })) {
                      await rebuild(change.filename);
                    }
                    """,
                ),
            ),
        ),
    ),
    changes={
        "1.0.0": ("First stable release.",),
        "1.1.0": ("Times are printed as people say them.",),
        "2.0.0": ("Drops Node 16.",),
        "2.0.1": ("`check` names the missing folder.",),
        "2.1.0": ("`lighthouse watch`.", "`--` ends the options.", "`check` looks at `include`."),
    },
)

BEACON = Package(
    name="@lighthouse/beacon",
    description="Sends page timings to your own collector, and only when the reader agreed.",
    usage="""
        import { createBeacon } from "@lighthouse/beacon";

        const beacon = createBeacon({ collector: "/timings", agreed: () => consent.get() });
        beacon.mark("interactive");
    """,
    keywords=("timings", "performance"),
    dependencies={"@lighthouse/core": "^2.0.0"},
    modules=(
        Module(
            "beacon",
            types="""
                export interface BeaconOptions { collector: string; agreed: () => boolean; }
                export interface Beacon { mark(name: string): void; }
            """,
            functions=(
                Function(
                    "createBeacon",
                    "(options: BeaconOptions): Beacon",
                    "Collects marks and sends them when the page is hidden.",
                    """
                    const marks = [];
                    addEventListener("visibilitychange", () => {
                      if (document.visibilityState !== "hidden" || !options.agreed()) return;
                      navigator.sendBeacon(options.collector, JSON.stringify(marks.splice(0)));
                    });
                    return { mark: (name) => marks.push([name, performance.now()]) };
                    """,
                ),
            ),
        ),
        Module(
            "summary",
            functions=(
                Function(
                    "percentile",
                    "(values: number[], share: number): number",
                    "The value below which this share of the values lies.",
                    """
                    const sorted = [...values].sort((a, b) => a - b);
                    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
                    """,
                ),
            ),
        ),
    ),
    changes={"0.1.0": ("First release.",)},
)

MONOREPO = (CORE, THEME, ICONS_PACKAGE, UI, CLI)


def lighthouse_files(package: Package, version: str) -> dict[str, str]:
    """Every file of a monorepo package's version."""
    files = package.files(version)
    return files | icon_files(version) if package is ICONS_PACKAGE else files

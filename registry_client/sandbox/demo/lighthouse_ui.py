"""The monorepo's two larger packages: interface parts, and the command line."""

from registry_client.sandbox.demo.code import Function, Module, Package

UI = Package(
    name="@lighthouse/ui",
    folder="packages/ui",
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
    folder="packages/cli",
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

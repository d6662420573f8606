"""The monorepo's packages: five that are released together, and one that is new."""

from registry_client.sandbox.demo.code import Function, Module, Package
from registry_client.sandbox.demo.icons import icon_files
from registry_client.sandbox.demo.lighthouse_ui import CLI, UI

CORE = Package(
    name="@lighthouse/core",
    folder="packages/core",
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
    folder="packages/theme",
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
    folder="packages/icons",
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

BEACON = Package(
    name="@lighthouse/beacon",
    folder="packages/beacon",
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

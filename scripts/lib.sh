# shellcheck shell=bash
# Shared by the scripts of this folder: sourced, not run.
set -euo pipefail

# A plain user's PATH lacks the folders of dockerd and iptables.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# scripts is this folder, cache holds what is built once for all clones.
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/deployer
export scripts cache

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif has sudo; then
		sudo -- "$@"
	else
		fail "cannot run \`$*\`: it takes root, and this machine has no sudo; run make as root"
	fi
}

#!/usr/bin/env bash
# Runs the end-to-end tests:  e2e/run.sh [flags of go test]
#
# Needs Go, Node and npm. What else is missing it installs where it may: the
# npm packages, and on Debian, as root, Chromium. The tests run in a network
# namespace with nothing but loopback where the system permits, so that the
# sign-in's fixed ports are free and nothing can reach the outside.
#
# With CI=true (or CODEXAUTH_E2E_REQUIRED=1) a test fails where something that
# it needs is missing; otherwise it is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ ${CI:-} == true ]]; then
  export CODEXAUTH_E2E_REQUIRED=1
fi

say() { printf 'e2e: %s\n' "$*" >&2; }

install_packages() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    say "not installed, and not installable from here: $*"
    return 0
  fi
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

missing=()
if [[ -z ${CHROMIUM:-} ]] && ! command -v chromium >/dev/null; then missing+=(chromium); fi
if ! command -v ip >/dev/null; then missing+=(iproute2); fi
if ! command -v curl >/dev/null; then missing+=(curl); fi
if ((${#missing[@]})); then install_packages "${missing[@]}"; fi

for tool in go node npm; do
  if ! command -v "$tool" >/dev/null; then
    say "$tool is not installed; please install it"
    exit 1
  fi
done

# All that comes from the network comes now, and the build cache is filled.
for packages in oidc codex sdk agents axe; do
  if [[ ! $packages/node_modules/.package-lock.json -nt $packages/package-lock.json ]]; then
    say "installing the npm packages of e2e/$packages"
    npm ci --prefix "$packages" --ignore-scripts --no-audit --no-fund --loglevel=error
    touch "$packages/node_modules/.package-lock.json"
  fi
done
go mod download
(cd .. && go mod download && go mod tidy -diff) # a reader's go mod tidy asks for more
if [[ -z ${CODEXAUTH_E2E_BINARY:-} && -d ../cmd/codexauth ]]; then
  (cd .. && go build -o /dev/null ./cmd/codexauth)
fi
go build -o /dev/null ./gosdk
go vet ./...
go test -run '^$' ./... >/dev/null

isolated() {
  unshare "$1" -- bash -c 'ip link set lo up && exec "$@"' _ "${@:2}"
}
# Tests that wait for a server's back-off wait side by side.
tests=(go test -count=1 -timeout 30m -parallel 8 ./... "$@")
for namespace in -n -rn; do # -rn: as nobody in particular, in a user namespace
  if isolated "$namespace" true 2>/dev/null; then
    isolated "$namespace" "${tests[@]}"
    exit
  fi
done
say "no network namespace available: running on this machine's own loopback"
"${tests[@]}"

#!/bin/sh
# The registry on the sample tree, and the sample specs imported through it over real HTTPS: `make run`.
# The argument is the directory for what comes out. Needs `ismirror` in PATH.
set -eu
data=$(dirname "$0")
out=${1:-out}
mkdir -p "$out"

say() { printf '\n== %s\n' "$*"; }

pipe=$out/registry.pipe
rm -f "$pipe"
mkfifo "$pipe"
ismirror registry --data "$data/tree" --config "$data/policy.yaml" --registry 127.0.0.1:0 --tls-dir "$out/tls" \
  >"$pipe" 2>"$out/registry.log" &
registry=$!
trap 'kill "$registry" 2>/dev/null || :; wait "$registry" 2>/dev/null || :; rm -f "$pipe"' EXIT
trap 'exit 130' INT TERM

# Its first line ends in the address; the pipe stays open, for the registry writes more.
exec 3<"$pipe"
if ! read -r line <&3; then
  cat "$out/registry.log" >&2
  exit 1
fi
address=${line##* }

# import FILE-FOR-STATUSES SPEC...: prints the table, and keeps the whole objects.
import() {
  statuses=$1
  shift
  set -- "$@" --connect "$address" --ca "$out/tls/ca.pem" --policy "$data/policy.yaml"
  ismirror --quiet import "$@" --output json >"$statuses" 2>/dev/null || :
  ismirror import "$@"
}

say "the registry listens on $address and is quay.io, docker.io, registry.example.com and more"
ismirror data ls --data "$data/tree"

say "the image streams of $data/specs, imported over HTTPS"
import "$out/statuses.json" "$data"/specs/*.yaml

say "the image streams of $data/failing: none of these can be imported, and the last column says why"
code=0
import "$out/failing.json" "$data"/failing/*.yaml || code=$?
[ "$code" = 1 ]

say "done; the whole statuses are in $out/statuses.json and $out/failing.json"

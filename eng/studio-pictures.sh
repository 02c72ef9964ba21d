#!/usr/bin/env bash
# Makes the pictures of docs/studio.md again: runs the browser tests, which take them, and copies those that the guide shows.
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
export AURA_SCREENSHOTS=${AURA_SCREENSHOTS:-$(mktemp -d)}
"$root/aura" test Aura.Browser.Tests
for picture in "$root"/docs/images/studio/*.png; do
  cp -- "$AURA_SCREENSHOTS/$(basename -- "$picture")" "$picture"
done

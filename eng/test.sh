#!/usr/bin/env bash
# Runs every test project against an embedded PostgreSQL and sums up. Called by ./aura test, which has built everything.
#   eng/test.sh [filter]     the filter is xunit's: part of a test's full name, for example 'FlowchartTests'
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
results=$AURA_STATE/test-results

if [[ -z ${AURA_TEST_POSTGRES:-} ]]; then
  exec dotnet "$root/src/Aura.Host/bin/Release/net10.0/Aura.Host.dll" postgres run -- "${BASH_SOURCE[0]}" "$@"
fi

rm -rf "$results"
mkdir -p "$results"
filter=()
[[ -z ${1:-} ]] || filter=(-method "*$1*" )
failed=0
for project in "$root"/tests/*.Tests; do
  name=$(basename -- "$project")
  printf '== %s\n' "$name"
  dotnet "$project/bin/Release/net10.0/$name.dll" -noColor -trx "$results/$name.trx" "${filter[@]}" </dev/null >"$results/$name.log" 2>&1 || failed=1
  grep -E '\[FAIL\]|\[SKIP\]|=== TEST EXECUTION SUMMARY|Total:' "$results/$name.log" || tail -20 "$results/$name.log"
  # The story of each failure, not of the passing tests around it.
  if grep -q '\[FAIL\]' "$results/$name.log"; then
    awk '/\[FAIL\]/ { show = 25 } show-- > 0' "$results/$name.log"
  fi
done

count() { # attribute of <Counters> summed over all result files
  sed -n "s/.*<Counters[^>]*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$results"/*.trx | awk '{ sum += $1 } END { print sum + 0 }'
}

passed=$(count passed)
bad=$(($(count failed) + $(count error)))
skipped=$(($(count total) - passed - bad))
[[ $failed == 0 || $bad -gt 0 ]] || bad=1 # a project that crashed wrote no result
[[ $passed -gt 0 ]] || bad=$((bad > 0 ? bad : 1))
printf '%s passed, %s failed, %s skipped\n' "$passed" "$bad" "$skipped"
[[ $bad == 0 ]]

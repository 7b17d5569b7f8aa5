#!/usr/bin/env bash
# Kills everything everywhere, for minutes: all pairs of deaths, triples by sample, 10^6 random orders, the whole pipeline. Writes
# what came of it into docs/long-kills.md, and its sum into README.md between the marks.
#
#   tests/long_kills.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

said=$(mktemp)
trap 'rm -f "$said"' EXIT
{
    cargo test --release -p planaria-kernel --lib long_runs::long_ -- --ignored --nocapture --test-threads 1
    cargo test --release -p planaria-stages --test every_death -- --ignored --nocapture --test-threads 1
} | tee "$said"

commit=$(git rev-parse --short HEAD)
today=$(date -u +%F)
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
# A line that counts runs says `N runs,` (its speed, `N runs a second`, counts none), one of the whole pipeline `N random orders`
# or `N pairs`.
runs=$(grep -oE '[0-9]+ (runs,|random orders|pairs of deaths)' "$said" | awk '{ sum += $1 } END { print sum }')

{
    echo "# The long run: everything killed everywhere"
    echo
    echo "Written by \`tests/long_kills.sh\` on $today, commit \`$commit\`, $(rustc --version), $(nproc) processors of \"$cpu\"."
    echo "A run with a violation would have ended the script: there was none in $runs runs."
    echo
    echo '```text'
    # The test runner begins a line, and the test goes on with it.
    sed -E 's/^test [^ ]+ \.\.\. //' "$said" |
        grep -vE '^(running|test result|ok$|ignored|$)|^ *(Compiling|Finished|Running)'
    echo '```'
} >docs/long-kills.md

sum="Its last long run, of $today at \`$commit\`: [$runs runs](docs/long-kills.md) with up to six deaths each, none with another result."
awk -v sum="$sum" '
    /<!-- long kills -->/ { print; print sum; skip = 1; next }
    /<!-- end -->/ { skip = 0 }
    !skip
' README.md >README.md.new
mv README.md.new README.md

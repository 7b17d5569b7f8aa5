#!/usr/bin/env bash
# Kills `planaria serve` at every write, sync, rename and removal that a small job makes, at pairs of them, and sees that the tests
# notice broken promises. Writes what came of it into docs/kill-sweep.md. Needs strace.
#
#   tests/kill_sweep.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

said=$(mktemp)
trap 'rm -f "$said"' EXIT
sweep() { # FEATURES NAME...
    local features=$1
    shift
    cargo test --release $features --test journeys -- --include-ignored --nocapture --test-threads 1 --exact "$@"
}
every=kill_sweep::a_job_killed_at_every_call_ends_once_with_the_same_bytes
pairs=kill_sweep::a_job_killed_at_pairs_of_calls_ends_once_with_the_same_bytes
order=kill_sweep::order::nothing_is_told_or_put_in_place_that_a_loss_of_power_could_take

sweep "" "$every" "$pairs" "$order" | tee "$said"

reddened=""
for control in early-answer no-fsync no-rename; do
    for test in "$every" "$order"; do
        result=red
        PLANARIA_NEGATIVE_CONTROL=$control sweep "--features negative-controls" "$test" >"$said.control" 2>&1 && result=green
        why=$(grep -oE 'an acknowledged job is lost|is damaged \([^)]*\)|before the log is synced|put in place before it is synced|it ended by itself|the life in which nobody is killed' \
            "$said.control" | head -n 1 || true)
        case ${test##*::} in a_job*) what="kill -9 at every call" ;; *) what="order of the calls" ;; esac
        reddened+="| $control | $what | $result | ${why:-} |"$'\n'
    done
done
rm -f "$said.control"

{
    echo "# The kill sweep: a job killed at every call that changes the disk"
    echo
    echo "Written by \`tests/kill_sweep.sh\` on $(date -u +%F), commit \`$(git rev-parse --short HEAD)\`, $(strace -V | head -n 1)."
    echo "The job is a training of thirty steps with a checkpoint at each, submitted to \`planaria serve\`; a point is the n-th call of its"
    echo "kind of some thread. After each death the runtime is started again, and the job must end once with the same result, the same"
    echo "files and nothing left over. Another result would have ended the script."
    echo
    echo '```text'
    sed -E 's/^test [^ ]+ \.\.\. //' "$said" | grep -vE '^(running|test result|ok$|$)|^ *(Compiling|Finished|Running)'
    echo '```'
    echo
    echo "Negative controls: a build that breaks a promise on purpose. A kill does not take what was written and not synced, so"
    echo "a sync that is left out shows in the order of the calls alone."
    echo
    echo "| control | test | result | it says |"
    echo "| --- | --- | --- | --- |"
    printf '%s' "$reddened"
} >docs/kill-sweep.md

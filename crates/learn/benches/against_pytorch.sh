#!/bin/sh
# How many times as fast as a peer does planaria-learn train on one thread?
#
#   benches/against_pytorch.sh ROUNDS 'COMMAND OF THE PEER' [the bench's arguments: SECONDS NET ISA]
#
# Ours and the peer's run in turn, A B A B. Both must print `samples/s ... NUMBER` and
# `per own-CPU-second NUMBER` on one line; the peer trains the same net with the same batch on one
# thread. Printed: the raw figures of each round, then median and range of the rounds' ratios.
# Processor time is the fairer figure on a machine that others use, too.
set -eu
rounds=$1
peer=$2
shift 2
ours=$(cargo bench -p planaria-learn --bench training --no-run 2>&1 | sed -n 's/.*(\(.*training-[0-9a-f]*\)).*/\1/p')
first() { sed -n 's/.*samples\/s[^0-9]*\([0-9.]*\).*per own-CPU-second \([0-9.]*\).*/\1 \2/p' | head -n 1; }
for round in $(seq "$rounds"); do
    a=$("$ours" "$@" | first)
    b=$(sh -c "$peer" | first)
    echo "$a $b"
done | awk '
    function median(values, n,   i, j, t) {
        for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
            t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
        }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
    { printf "round %d: ours %s/s (own CPU %s), peer %s/s (own CPU %s)\n", NR, $1, $2, $3, $4
      wall[NR] = $1 / $3; own[NR] = $2 / $4 }
    END {
        w = median(wall, NR); o = median(own, NR)
        printf "ratio, wall clock: median %.2f (%.2f to %.2f)\n", w, wall[1], wall[NR]
        printf "ratio, processor time: median %.2f (%.2f to %.2f)\n", o, own[1], own[NR]
    }'

#!/usr/bin/env python3
"""How many times as fast as its peers does Planaria train? Ours and theirs in turn, in one run.

    cargo build --release
    python3 benches/against_peers.py --net mnist-cnn --threads 1 --rounds 5 \\
        --peer 'pytorch=python train_torch.py mnist-cnn 1 64 --secs 4' \\
        --peer 'tensorflow=python train_tf.py mnist-cnn 1 64 4'

Ours is the program itself: a whole supervised run with every stage, batch 64, bound to as many
cores as there are threads; `--data` makes it read a folder of pictures instead of the MNIST
inside. A peer's command prints one line with `samples/s ... NUMBER` and, if it can, with
`per own-CPU-second NUMBER`; it trains the same net with the same batch on as many threads.

Printed: the raw figures of every round, then the median and the range of the rounds' ratios, by
the clock on the wall and by processor time, which a busy machine disturbs less (it counts all
that our process did: reading, decoding and evaluating too). Standard library only.
"""
import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

CONFIG = """
[network]
preset = "{net}"
[train]
epochs = {epochs}
batch = 64
gradient_shards = 2
update_slices = 2
schedule = "constant"
[augment]
shift = 0
rotate = 0
scale = 0
[baselines]
models = []
[compute]
instructions = "{instructions}"
{source}
[state]
dir = "state"
"""


def ours(arguments, folder):
    """Samples a second by the wall clock of the training, and by the processor time of it all."""
    report = folder / "report.json"
    cores = set(sorted(os.sched_getaffinity(0))[: arguments.threads])
    command = [arguments.planaria, "run", str(folder / "bench.toml"), "--exit"]
    command += ["--workers", str(arguments.threads), "--report", str(report)]
    command += ["--socket", str(folder / "socket")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    training = json.loads(report.read_text())["training"]
    samples = training["steps"] * 64
    return samples / training["seconds"], samples / own


def theirs(command):
    """What a peer's line says."""
    text = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    wall = re.search(r"samples/s[^0-9]*([0-9.]+)", text)
    own = re.search(r"per own-CPU-second ([0-9.]+)", text)
    if wall is None:
        raise SystemExit(f"`{command}` printed no `samples/s NUMBER`:\n{text}")
    return float(wall.group(1)), float(own.group(1)) if own else float("nan")


def cpu():
    """The processor's name and what of it matters."""
    text = Path("/proc/cpuinfo").read_text()
    field = lambda name: re.search(rf"^{name}\s*:\s*(.*)$", text, re.M).group(1)
    flags = set(field("flags").split())
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{field('model name')}, family {field('cpu family')} model {field('model')}, {' '.join(sets)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--net", default="mnist-cnn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--planaria", default="target/release/planaria")
    parser.add_argument("--instructions", default="fastest", help="as in the config: fastest, avx2, ...")
    parser.add_argument("--data", help="a folder of pictures, train/CLASS/* and test/CLASS/*")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    print(f"{cpu()}; load {os.getloadavg()[0]:.1f}; {arguments.net}, {arguments.threads} thread(s)")
    ratios = {name: ([], []) for name in peers}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = f'[source]\nkind = "folder"\npath = "{arguments.data}"' if arguments.data else ""
        fields = {"net": arguments.net, "epochs": arguments.epochs, "source": source}
        fields["instructions"] = arguments.instructions
        (folder / "bench.toml").write_text(CONFIG.format(**fields))
        for number in range(1, arguments.rounds + 1):
            mine = ours(arguments, folder)
            for name, command in peers.items():
                other = theirs(command)
                for ratio, a, b in zip(ratios[name], mine, other):
                    ratio.append(a / b)
                line = "ours {:.0f}/s (own CPU {:.0f}), {} {:.0f}/s (own CPU {:.0f})"
                print(f"round {number}:", line.format(*mine, name, *other), flush=True)
    for name, (wall, own) in ratios.items():
        for clock, values in (("wall clock", wall), ("processor time", own)):
            median, low, high = statistics.median(values), min(values), max(values)
            print(f"{name}, {clock}: median {median:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How many times as fast as onnxruntime does Planaria predict? Ours and theirs in turn, in one run.

    cargo build --release && cargo bench -p planaria-learn --bench inference --no-run
    target/release/planaria export MODEL.safetensors --out model.onnx
    python3 benches/inference_against_onnxruntime.py --bench target/release/deps/inference-HASH \\
        --net MODEL.safetensors --onnx model.onnx --batch 64 [--images t10k-images-idx3-ubyte]

One thread each, by processor time, which a busy machine disturbs less. A round is one turn of each:
ours with floats (f32), with weights that were stored in 16 bits (bf16), with bytes (int8), and
onnxruntime with floats. Inputs are random, or with `--images` the first 960 of a file of MNIST,
standardised. Printed: the raw figures of every round, then medians and ranges of the rounds' ratios.
Needs numpy and onnxruntime.
"""
import argparse
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

import numpy
import onnxruntime

KINDS = ("f32", "bf16", "int8")


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs(net, batch, images):
    """Batches in the net's shape."""
    shape = net.get_inputs()[0].shape[1:]
    if images is None:
        return [numpy.random.default_rng(1).random((batch, *shape), dtype=numpy.float32)]
    pixels = numpy.frombuffer(Path(images).read_bytes(), numpy.uint8, 960 * 784, 16)
    numbers = (pixels.astype(numpy.float32) / 255 - 0.1307) / 0.3081
    numbers = numbers.reshape(-1, *shape).astype(numpy.float32)
    return [numbers[at : at + batch] for at in range(0, len(numbers), batch)]


def theirs(net, batches, seconds):
    """Samples per second of processor time."""
    name = net.get_inputs()[0].name
    begin, own, samples = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        for batch in batches:
            net.run(None, {name: batch})
            samples += len(batch)
    return samples / (time.process_time() - own)


def ours(arguments, kind):
    """The same of one turn of the bench."""
    command = [arguments.bench, "once", arguments.net, arguments.isa, str(arguments.batch)]
    command += [str(arguments.seconds), kind] + ([arguments.images] if arguments.images else [])
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cpu():
    """The processor's name and what of it matters."""
    text = Path("/proc/cpuinfo").read_text()
    field = lambda name: re.search(rf"^{name}\s*:\s*(.*)$", text, re.M).group(1)
    flags = set(field("flags").split())
    sets = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16") if name in flags]
    return f"{field('model name')}, family {field('cpu family')}, {' '.join(sets)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", required=True)
    parser.add_argument("--net", required=True, help="a preset, or a model file")
    parser.add_argument("--onnx", required=True, help="the same net")
    parser.add_argument("--isa", default="avx512")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images")
    arguments = parser.parse_args()
    net = session(arguments.onnx)
    batches = inputs(net, arguments.batch, arguments.images)
    theirs(net, batches, 0.2)
    print(f"{cpu()}; load {os.getloadavg()[0]:.1f}; onnxruntime {onnxruntime.__version__}")
    what = "MNIST" if arguments.images else "random"
    print(f"{Path(arguments.net).name}, {arguments.isa}, batch {arguments.batch}, {what} input")
    rows = []
    for number in range(1, arguments.rounds + 1):
        row = {kind: ours(arguments, kind) for kind in KINDS}
        row["onnxruntime"] = theirs(net, batches, arguments.seconds)
        rows.append(row)
        print(f"round {number}:", ", ".join(f"{k} {v:.0f}/s" for k, v in row.items()), flush=True)
    for name, peer in [(kind, "onnxruntime") for kind in KINDS] + [("bf16", "f32"), ("int8", "f32")]:
        ratios = [row[name] / row[peer] for row in rows]
        median, low, high = statistics.median(ratios), min(ratios), max(ratios)
        time_of = f"time {1 / median:.3f} of theirs" if peer == "onnxruntime" else ""
        print(f"{name} / {peer}: median {median:.2f} ({low:.2f} to {high:.2f}) {time_of}")


if __name__ == "__main__":
    main()

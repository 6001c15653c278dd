#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks beside ONNX Runtime: one thread, batch 1, both in the same run (pip install onnx onnxruntime).

  networks.py --build BUILD --models FOLDER    BUILD has tmpuc, bench_network and bench_static_network; FOLDER holds those of
                                               resnet50.onnx, mobilenet_v2.onnx, vit_b_16.onnx that are wanted
                                               (example_zoo writes them there)

Prints a markdown table of ratios, ours by theirs. Times are processor time of the process, the least of many runs, so that other work on the
machine counts as little as it can; the two take turns. INT8 of ONNX Runtime is its static quantizer's QDQ form (per channel, u8 activations) of the
model with its batch normalizations folded; ours is the instruction stream for bm1684x, the calls around it included.
"""
import argparse
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

try:
    import numpy
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
except ImportError as missing:
    sys.exit(f"networks.py: error: {missing.name} is missing: pip install onnx onnxruntime")

ROUNDS = 3


def one_thread():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def session(path, options=None):
    return onnxruntime.InferenceSession(str(path), options or one_thread(), providers=["CPUExecutionProvider"])


def sample(where, seed=0):
    dims = [d if isinstance(d, int) else 1 for d in where.shape]
    return numpy.random.RandomState(seed).randn(*dims).astype(numpy.float32)


class Samples(CalibrationDataReader):
    def __init__(self, where):
        self.left = [{where.name: sample(where, seed)} for seed in range(2)]

    def get_next(self):
        return self.left.pop() if self.left else None


def quantized(model, folder):
    """The path of the model in QDQ form."""
    folded = folder / f"{model.stem}.folded.onnx"
    options = one_thread()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    where = session(model, options).get_inputs()[0]
    made = folder / f"{model.stem}.qdq.onnx"
    quantize_static(str(folded), str(made), Samples(where), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return made


def theirs(path, seconds):
    """The least processor time of a run, in milliseconds."""
    runner = session(path)
    where = runner.get_inputs()[0]
    feed = {where.name: sample(where)}
    least, runs, start = 1e9, 0, time.process_time()
    while runs < 3 or time.process_time() - start < seconds:
        begin = time.process_time()
        runner.run(None, feed)
        least = min(least, time.process_time() - begin)
        runs += 1
    return least * 1e3


def ours(command):
    return float(subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True).stdout)


def compiled(tmpuc, model, folder, dims):
    """A .tmodel in INT8, the canonical stage file, and what compiling took: seconds and peak bytes."""
    data = folder / "data.npy"
    numpy.save(data, numpy.random.RandomState(7).randn(2 * dims[0], *dims[1:]).astype(numpy.float32))
    table, program = folder / f"{model.stem}.cali", folder / f"{model.stem}.tmodel"
    bind = ["--input-shape", f"{session(model).get_inputs()[0].name}={','.join(map(str, dims))}"]
    subprocess.run([tmpuc, "calibrate", model, *bind, "--data", data, "-o", table], check=True, stdout=subprocess.DEVNULL)
    arguments = [tmpuc, "compile", model, *bind, "--chip", "bm1684x", "--quantize", "int8", "--calibration", table, "-o", program]
    # A small process starts it: a child's peak begins with the one of its parent.
    starter = ("import resource, subprocess, sys, time; t = time.time(); subprocess.run(sys.argv[1:], check=True, "
               "stdout=subprocess.DEVNULL); print(time.time() - t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    said = subprocess.run([sys.executable, "-c", starter, *(str(a) for a in arguments)], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()
    took = (float(said[0]), int(said[1]) * 1024)
    subprocess.run([tmpuc, "compile", model, *bind, "--chip", "bm1684x", "--quantize", "f32", "--keep-stages", folder,
                    "-o", folder / "f32.tmodel"], check=True, stdout=subprocess.DEVNULL)
    stages = [f for f in folder.iterdir() if f.name.startswith(model.stem) and f.name.endswith(".canonical.onnx")]
    return program, stages[0] if stages else folder / "f32.canonical.onnx", took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--tmpuc", type=pathlib.Path, help="instead of BUILD/tmpuc")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args()
    bench = options.build / "benchmarks"
    tmpuc = options.tmpuc or options.build / "tmpuc"
    source = pathlib.Path(__file__).resolve().parents[1]
    zoo = [options.models / f"{n}.onnx" for n in ("resnet50", "mobilenet_v2", "vit_b_16")]
    models = [m for m in zoo if m.exists()] + [source / "examples/data/digits_cnn.onnx"]

    rows, notes = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for model in models:
            where = session(model).get_inputs()[0]
            dims = [d if isinstance(d, int) else 1 for d in where.shape]
            program, stage, (seconds, peak) = compiled(tmpuc, model, folder, dims)
            size = model.stat().st_size
            notes.append((model.stem, seconds, peak, peak / size))
            qdq = quantized(model, folder)
            pairs = [(f"{model.stem}, Top in F32", [bench / "bench_network", stage, options.seconds], model),
                     (f"{model.stem}, INT8 stream", [bench / "bench_network", program, options.seconds], qdq)]
            if model.stem == "digits_cnn":
                pairs.append((f"{model.stem}, INT8, `tmpu::run<program>`", [bench / "bench_static_network"], qdq))
            for what, command, other in pairs:
                mine, other_time = 1e9, 1e9
                for _ in range(ROUNDS):
                    mine = min(mine, ours(command))
                    other_time = min(other_time, theirs(other, options.seconds))
                rows.append((what, mine, other_time))

    print(f"{platform.machine()}, ONNX Runtime {onnxruntime.__version__}, {time.strftime('%Y-%m-%d')}\n")
    print("| network | ratio | ours, ms | ONNX Runtime, ms |\n|---|---|---|---|")
    for what, mine, other_time in rows:
        print(f"| {what} | {mine / other_time:.2f} | {mine:.3f} | {other_time:.3f} |")
    print("\n| compiled for bm1684x in INT8 | seconds | peak memory, MB | by the model file |\n|---|---|---|---|")
    for name, seconds, peak, ratio in notes:
        print(f"| {name} | {seconds:.2f} | {peak / 1e6:.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()

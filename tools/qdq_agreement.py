#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ONNX Runtime computes of `tmpuc export-qdq` beside what the instruction stream computes.

    tools/qdq_agreement.py --tmpuc build/release/tmpuc --models FOLDER [--model NAME ...] [--form sym|asym ...] [--samples N]
    tools/qdq_agreement.py --tmpuc build/release/tmpuc --onnx MODEL --data FILE:KEY --calib FILE:KEY [--scale S] ...

For each model and form: calibrate, correct, export, compile; both run the same test samples, ONNX Runtime with all its optimizations (kernels of
integers where it has them) and without (floats between the quantizers). Prints how many integers of the outputs are equal and within one,
and the greatest distance; exit code 1 where fewer than --least percent are within one. Outputs that the program keeps in f32 are measured
in 255ths of their range. Needs numpy and onnxruntime.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

from int8_bars import MODELS

FORMS = dict(sym=[], asym=["--asymmetric"])
LEVELS = dict(plain=ort.GraphOptimizationLevel.ORT_DISABLE_ALL, all=ort.GraphOptimizationLevel.ORT_ENABLE_ALL)


def npz(path):
    return next(iter(np.load(path).values()))


def samples(where, how, count):
    path, key = where.rsplit(":", 1)
    x = np.load(path)[key][:count]
    return x.astype(np.float32) * np.float32(how[1]) if how else x


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tmpuc", required=True)
    p.add_argument("--models")
    p.add_argument("--model", action="append")
    p.add_argument("--onnx")
    p.add_argument("--data")
    p.add_argument("--calib")
    p.add_argument("--scale")
    p.add_argument("--form", action="append", choices=list(FORMS))
    p.add_argument("--chip", default="bm1684x")
    p.add_argument("--samples", type=int, default=50)
    p.add_argument("--least", type=float, default=99.9)
    p.add_argument("--work", default=None, help="folder to keep tables and models in; a table that is there is taken")
    a = p.parse_args()
    work = a.work or tempfile.mkdtemp(prefix="tmpu_qdq_")
    os.makedirs(work, exist_ok=True)

    def tmpuc(*words):
        done = subprocess.run([a.tmpuc, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit("tmpuc %s: %s" % (" ".join(words), done.stderr.strip()))

    if a.onnx:
        jobs = [dict(name=os.path.basename(a.onnx).removesuffix(".onnx"), path=a.onnx, calib=a.calib, test=a.data,
                     how=["--scale", a.scale] if a.scale else [], shape=None, calib_samples=100)]
    else:
        jobs = [dict(m, path=os.path.join(a.models, m["name"] + ".onnx"), calib=os.path.join(a.models, m["data"]) + ":" + m["calib"],
                     test=os.path.join(a.models, m["data"]) + ":" + m["test"]) for m in MODELS if not a.model or m["name"] in a.model]
    good = True
    for m in jobs:
        shape = ["--input-shape", m["shape"]] if m["shape"] else []
        at = os.path.join(work, m["name"])
        calib = ["--data", m["calib"], *m["how"], "--samples", str(m["calib_samples"])]
        if not os.path.exists(at + ".cali"):
            tmpuc("calibrate", m["path"], *shape, *calib, "-o", at + ".cali")
            tmpuc("correct", m["path"], *shape, *calib, "--calibration", at + ".cali", "-o", at + ".cali")
        x = samples(m["test"], m["how"], a.samples)
        for form in a.form or list(FORMS):
            how = ["--chip", a.chip, "--calibration", at + ".cali", *FORMS[form]]
            tmpuc("export-qdq", m["path"], *shape, *how, "-o", at + ".qdq.onnx")
            tmpuc("compile", m["path"], *shape, *how, "--quantize", "int8", "-o", at + ".tmodel")
            test = ["--data", m["test"], *m["how"], "--samples", str(a.samples)]
            tmpuc("run", at + ".tmodel", *test, "-o", at + ".chip.npz")
            tmpuc("run", at + ".tmodel", *test, "--raw", "-o", at + ".raw.npz")
            wanted, raw = npz(at + ".chip.npz").reshape(len(x), -1).astype(np.float64), npz(at + ".raw.npz")
            spread = wanted.max() - wanted.min()
            integers = raw.dtype.kind in "iu"
            step = spread / (int(raw.max()) - int(raw.min()) if integers else 255)
            for level, optimizations in LEVELS.items():
                options = ort.SessionOptions()
                options.graph_optimization_level = optimizations
                options.log_severity_level = 3
                session = ort.InferenceSession(at + ".qdq.onnx", options, providers=["CPUExecutionProvider"])
                where = session.get_inputs()[0]
                dims = [d if isinstance(d, int) else 1 for d in where.shape]
                got = np.concatenate([session.run(None, {where.name: one.reshape(dims)})[0].reshape(1, -1) for one in x])
                steps = np.abs(got - wanted) / step
                within = 100.0 * float(np.mean(steps < 1.01))
                good = good and within >= a.least
                print("%-17s %-4s ONNX Runtime %-5s  %-7s  within one %8.4f %%  equal %8.4f %%  farthest %.2f  of %d%s" % (
                    m["name"], form, level, raw.dtype, within, 100.0 * float(np.mean(steps < 0.01)), steps.max(), steps.size,
                    "" if within >= a.least else "  FALLS SHORT"), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

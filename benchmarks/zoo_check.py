#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The networks of the zoo against ONNX and ONNX Runtime (pip install onnx onnxruntime).

  zoo_check.py --tmpuc TMPUC --zoo EXAMPLE_ZOO [--networks resnet50 ...] [--chips bm1684x ...] [--modes f32 ...] [--cores N]

Each passes onnx.checker, Top's outputs have a cosine of at least 0.9999 with ONNX Runtime's, and for each chip and mode every tensor is bit-equal
between Tpu and Chip. Prints a line for each; exit code 1 where one of them fails.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as missing:
    sys.exit(f"zoo_check.py: error: {missing.name} is missing: pip install onnx onnxruntime")

NETWORKS = ["resnet18", "resnet50", "mobilenet_v2", "yolov5s", "yolov5s_decode", "yolov8n", "yolov8n_decode", "vit_b_16", "bert_base"]
LEAST = "0.9999,0.99"


def feed_of(where):
    """A seeded random image, or tokens of which the last quarter is padding."""
    random = numpy.random.RandomState(7)
    if where.type == "tensor(float)":
        return random.randn(*where.shape).astype(numpy.float32)
    if where.name == "attention_mask":
        return (numpy.arange(where.shape[1]) < where.shape[1] * 3 // 4)[None].astype(numpy.int64)
    return random.randint(0, 2 if where.name == "token_type_ids" else 30522, where.shape).astype(numpy.int64)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tmpuc", required=True)
    parser.add_argument("--zoo", required=True, help="example_zoo, which writes the networks")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--chips", nargs="*", default=["bm1684x", "bm1688"])
    parser.add_argument("--modes", nargs="*", default=["f32", "f16", "int8"])
    parser.add_argument("--cores", type=int, default=1)
    options = parser.parse_args()
    failed = False

    def step(what, *words):
        nonlocal failed
        code = subprocess.run([options.tmpuc, *(str(w) for w in words)], stdout=subprocess.DEVNULL, check=False).returncode
        failed = failed or code != 0
        print(f"{'ok    ' if code == 0 else 'FAILED'} {what}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in options.networks:
            subprocess.run([options.zoo, name, "-o", str(folder)], stdout=subprocess.DEVNULL, check=True)
            model = folder / f"{name}.onnx"
            onnx.checker.check_model(str(model), full_check=True)
            session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
            feed = {i.name: feed_of(i) for i in session.get_inputs()}
            reference = dict(zip((o.name for o in session.get_outputs()), session.run(None, feed)))
            numpy.savez(folder / "in.npz", **feed)
            numpy.savez(folder / "reference.npz", **reference)
            data = [word for key in feed for word in ("--data", f"{key}={folder / 'in.npz'}:{key}")]
            step(f"{name}: runs at Top", "run", model, *data, "-o", folder / "top.npz")
            step(f"{name}: Top and ONNX Runtime", "compare", folder / "reference.npz", folder / "top.npz", "--tolerance", LEAST)
            if "int8" in options.modes:
                step(f"{name}: calibration", "calibrate", model, *data, "-o", folder / "t.cali")
            for chip in options.chips:
                for mode in options.modes:
                    words = ["--calibration", folder / "t.cali"] if mode == "int8" else []
                    step(f"{name}: Tpu and Chip on {chip} in {mode}", "check", model, "--chip", chip, "--quantize", mode, *words,
                         "--cores", options.cores, *data, "--tolerance", "-1,-1")
            model.unlink()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

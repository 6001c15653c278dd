#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well the networks of the zoo are scheduled: memory, traffic and predicted time by chip and mode, as markdown tables (pip install numpy).

  schedule.py --tmpuc TMPUC --zoo EXAMPLE_ZOO [--networks resnet50 ...] [--chips bm1684x ...] [--modes f32 f16 int8] [--work FOLDER]

Every figure is what `tmpuc profile --json` says of a program; this script divides and prints. Networks, samples and calibration tables are kept in
--work, so that a second run does not make them again. Bars are those of the project: a row that misses one has its figure in bold.
"""
import argparse
import csv
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

try:
    import numpy
except ImportError as missing:
    sys.exit(f"schedule.py: error: {missing.name} is missing: pip install numpy")

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = ["resnet18", "resnet50", "mobilenet_v2", "yolov5s", "yolov8n", "yolov8s", "vit_b_16", "bert_base"]
# What is reached at most (DDR bytes by weights, inputs and outputs once) or at least (fewer DDR bytes than without layer groups), and seconds.
TRAFFIC_BARS = {("resnet50", "bm1684x", "int8"): 1.15, ("mobilenet_v2", "bm1684x", "int8"): 1.15,
                ("yolov5s", "bm1684x", "int8"): 2.0, ("resnet50", "bm1688", "int8"): 1.6}
GROUPS_BARS = {("resnet50", "bm1684x", "int8"): 3.0, ("yolov5s", "bm1684x", "int8"): 3.0}
OVERLAP_BARS = {("resnet50", "bm1684x", "int8"): 1.15, ("yolov5s", "bm1684x", "int8"): 1.15}
SECONDS_BARS = {"resnet50": 3.0, "yolov5s": 6.0, "vit_b_16": 6.0}
SILICON_BAR = (0.6, 1.4)


def tmpuc(options, *words):
    return subprocess.run([str(options.tmpuc), *(str(w) for w in words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def samples(name, folder):
    """--data words of a network's inputs: seeded random images, or tokens of which the last quarter is padding."""
    random = numpy.random.RandomState(7)
    if name != "bert_base":
        side = 640 if name.startswith("yolo") else 224
        path = folder / f"images{side}.npy"
        if not path.exists():
            numpy.save(path, random.randn(1, 3, side, side).astype(numpy.float32))
        return ["--data", path]
    tokens = {"input_ids": random.randint(0, 30522, (1, 128)), "attention_mask": (numpy.arange(128) < 96)[None],
              "token_type_ids": (numpy.arange(128) > 48)[None]}
    words = []
    for key, content in tokens.items():
        path = folder / f"{key}.npy"
        numpy.save(path, content.astype(numpy.int64))
        words += ["--data", f"{key}={path}"]
    return words


def compiled(options, model, chip, mode, effort, cores, folder):
    """What the profile says of the program, and the processor and wall seconds of compiling."""
    out = folder / f"{model.stem}.{chip}.{mode}.tmodel"
    words = ["compile", model, "--chip", chip, "--quantize", mode, "--opt", effort, "--cores", cores, "-o", out]
    if mode == "int8":
        table = folder / f"{model.stem}.cali"
        if not table.exists():
            tmpuc(options, "calibrate", model, *samples(model.stem, folder), "--samples", 1, "-o", table)
        words += ["--calibration", table]
    before, begin = os.times(), time.time()
    tmpuc(options, *words)
    after = os.times()
    profile = json.loads(tmpuc(options, "profile", out, "--json"))
    info = json.loads(tmpuc(options, "info", out, "--json"))
    if info["host_steps"] != 0:
        sys.exit(f"schedule.py: error: {model.stem} for {chip} in {mode} has {info['host_steps']} host steps")
    out.unlink()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return profile, used, time.time() - begin


def published():
    with open(HERE / "silicon.csv", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {(r["chip"], r["network"], r["quantize"]): float(r["milliseconds"]) for r in rows if r["batch"] == "1"}


def figure(value, bar=None, digits=2, least=None):
    words = f"{value:.{digits}f}"
    return f"**{words}**" if (bar is not None and value > bar) or (least is not None and value < least) else words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tmpuc", type=pathlib.Path, required=True)
    parser.add_argument("--zoo", type=pathlib.Path, required=True, help="example_zoo, which writes the networks")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--chips", nargs="+", default=["bm1684x", "bm1688"])
    parser.add_argument("--modes", nargs="+", default=["f32", "f16", "int8"])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--work", type=pathlib.Path, help="folder for networks and tables (default: a temporary one)")
    options = parser.parse_args()
    silicon = published()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name in options.networks:
            model = folder / f"{name}.onnx"
            if not model.exists():
                subprocess.run([str(options.zoo), name, "-o", str(folder)], check=True, stdout=subprocess.DEVNULL)
            for chip in options.chips:
                for mode in options.modes:
                    print(f"{name} {chip} {mode}", file=sys.stderr)
                    profile, used, wall = compiled(options, model, chip, mode, 2, options.cores, folder)
                    plain, _, _ = compiled(options, model, chip, mode, 0, options.cores, folder)
                    rows.append((name, chip, mode, profile, plain, used, wall))

    print(f"{platform.machine()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}; cores: {options.cores}\n")
    print("| network | chip | mode | DDR bytes / bound | --opt 0 / DDR bytes | time / longer engine | memory peak / bound | "
          "DDR, MB | peak, MB | predicted, ms | compiling: processor s | wall s |\n|" + "---|" * 12)
    for name, chip, mode, p, plain, used, wall in rows:
        key = (name, chip, mode)
        peak, bound = p["activation_bytes"], p["activation_bound"]
        print(f"| {name} | {chip} | {mode} | {figure(p['dma_bytes'] / p['bound_bytes'], TRAFFIC_BARS.get(key))} "
              f"| {figure(plain['dma_bytes'] / p['dma_bytes'], least=GROUPS_BARS.get(key))} "
              f"| {figure(p['cycles'] / max(p['compute_cycles'], p['dma_cycles']), OVERLAP_BARS.get(key))} "
              f"| {'optimal' if peak == bound else figure(peak / bound, 1.0, 3)} "
              f"| {p['dma_bytes'] / 1e6:.1f} | {peak / 1e6:.2f} | {p['milliseconds']:.3f} "
              f"| {figure(used, SECONDS_BARS.get(name), 1)} | {wall:.1f} |")
    print("\n| network | chip | mode | predicted / silicon | predicted, ms | silicon, ms |\n|---|---|---|---|---|---|")
    for name, chip, mode, p, _, _, _ in rows:
        there = silicon.get((chip, name, mode))
        if there is None or options.cores != 1:
            continue
        ratio = p["milliseconds"] / there
        print(f"| {name} | {chip} | {mode} | {figure(ratio, SILICON_BAR[1], least=SILICON_BAR[0])} | {p['milliseconds']:.2f} | {there:.2f} |")


if __name__ == "__main__":
    main()

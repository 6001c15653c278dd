#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of int8 on the reference models, through the instruction stream of a chip, against the bars that the project sets itself.

    tools/int8_bars.py --tmpuc build/release/tmpuc --models FOLDER [--model NAME ...] [--form sym|asym|mixed ...]
                       [--method NAME] [--chip NAME] [--samples N] [--option='--bias-correction' ...] [--json FILE]

For each model and form: calibrate on the calibration data, compile, run all test data on the reference TPU, and measure the
model's own task figure (accuracy, PSNR, perplexity) and the mean cosine of its outputs against the float model's. Prints one row
each, with what is wanted; exit code 1 where a figure falls short. `--samples` makes a quick look of it (no bars). Needs numpy.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

PIXELS = ["--scale", "0.00392156862745098"]


def accuracy(y, data):
    return 100.0 * float(np.mean(np.argmax(y, 1) == data["test_y"][: len(y)]))


def psnr(y, data):
    wanted = data["test_target"][: len(y)]
    error = np.mean((np.clip(y, 0, 1).astype(np.float64) - wanted) ** 2, axis=tuple(range(1, y.ndim)))
    return float(np.mean(-10.0 * np.log10(error)))


def perplexity(y, data):
    y = y.astype(np.float64).reshape(-1, y.shape[-1])
    following = data["test_next"].reshape(-1)[: len(y)]
    y = y - y.max(axis=1, keepdims=True)
    log_p = y - np.log(np.exp(y).sum(axis=1, keepdims=True))
    return float(np.exp(-np.mean(log_p[np.arange(len(y)), following])))


def digits(name, float_accuracy, cosine):
    least = float_accuracy - 0.1
    return dict(name=name, data="digits_data.npz", calib="calib_x", test="test_x", how=PIXELS, shape="input=1,1,28,28",
                figure=accuracy, unit="%", sign=1, calib_samples=200, cosine=cosine,
                bars=dict(sym=least, asym=least))


MODELS = [
    digits("digits_cnn", 98.13, 0.9998),
    digits("digits_resnet", 99.13, 0.9998),
    digits("digits_mobilenet", 99.20, 0.9998),
    digits("digits_vit", 98.33, 0.9996),
    digits("digits_rnn", 98.13, 0.0),
    dict(name="denoise_unet", data="denoise_unet_data.npz", calib="calib", test="test_input", how=[], shape=None,
         figure=psnr, unit="dB", sign=1, calib_samples=64, cosine=0.0, bars=dict(sym=33.15, asym=33.35)),
    dict(name="sr_espcn", data="sr_espcn_data.npz", calib="calib", test="test_input", how=[], shape=None,
         figure=psnr, unit="dB", sign=1, calib_samples=64, cosine=0.0, bars=dict(sym=38.10, asym=38.20, mixed=38.70),
         mixed=["--asymmetric", "--float-io"], search=["--max-float-layers", "2"]),
    dict(name="char_lm", data="char_lm_data.npz", calib="calib", test="test_input", how=[], shape=None,
         figure=perplexity, unit="ppl", sign=-1, calib_samples=48, cosine=0.0, bars=dict(sym=8.10, asym=8.10, mixed=7.90),
         mixed=[], search=["--expect-sqnr", "25"]),
]
FORMS = dict(sym=[], asym=["--asymmetric"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tmpuc", required=True)
    p.add_argument("--models", required=True)
    p.add_argument("--model", action="append")
    p.add_argument("--form", action="append", choices=["sym", "asym", "mixed"])
    p.add_argument("--method", default=None)
    p.add_argument("--chip", default="bm1684x")
    p.add_argument("--samples", type=int, default=0)
    p.add_argument("--option", action="append", default=[], help="for compile, e.g. --option=--bias-correction")
    p.add_argument("--plain", action="store_true", help="ranges only, no corrections")
    p.add_argument("--without", action="append", default=[], help="a correction to leave out (tmpuc correct)")
    p.add_argument("--work", default=None, help="folder to keep tables and results in")
    p.add_argument("--json", default=None)
    a = p.parse_args()
    work = a.work or tempfile.mkdtemp(prefix="tmpu_bars_")
    os.makedirs(work, exist_ok=True)

    def tmpuc(*words):
        done = subprocess.run([a.tmpuc, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit("tmpuc %s: %s" % (" ".join(words), done.stderr.strip()))

    rows = []
    for m in MODELS:
        if a.model and m["name"] not in a.model:
            continue
        path = os.path.join(a.models, m["name"] + ".onnx")
        data_path = os.path.join(a.models, m["data"])
        if not os.path.exists(path):
            print("%s: skipped, %s is not there" % (m["name"], path))
            continue
        data = np.load(data_path)
        shape = ["--input-shape", m["shape"]] if m["shape"] else []
        test = ["--data", data_path + ":" + m["test"], *m["how"]]
        calib = ["--data", data_path + ":" + m["calib"], *m["how"], "--samples", str(m["calib_samples"])]
        if a.samples:
            test += ["--samples", str(a.samples)]
        at = os.path.join(work, m["name"])
        table = at + ".cali"
        started = time.time()
        tmpuc("calibrate", path, *shape, *calib, *(["--method", a.method] if a.method else []), "-o", table)
        if not a.plain:
            tmpuc("correct", path, *shape, *calib, *[w for name in a.without for w in ("--without", name)],
                  "--calibration", table, "-o", table)
        seconds = time.time() - started
        plain = "%s.float.%d.npz" % (at, a.samples)
        if not os.path.exists(plain):
            tmpuc("run", path, *shape, *test, "-o", plain)
        wanted = next(iter(np.load(plain).values()))
        print("%-17s float  %8.3f %-3s  calibrated in %.1f s" % (m["name"], m["figure"](wanted, data), m["unit"], seconds),
              flush=True)
        for form in a.form or ["sym", "asym", "mixed"]:
            if form not in m["bars"]:
                continue
            options = FORMS.get(form) if form in FORMS else list(m["mixed"])
            if form == "mixed":
                tmpuc("sensitivity", path, *shape, *calib, "--chip", a.chip, "--calibration", table, *options,
                      *m["search"], "-o", at + ".qtable")
                options = options + ["--qtable", at + ".qtable"]
            tmpuc("compile", path, *shape, "--chip", a.chip, "--quantize", "int8", "--calibration", table, *options,
                  *a.option, "-o", at + ".tmodel")
            tmpuc("run", at + ".tmodel", *test, "-o", at + ".chip.npz")
            y = next(iter(np.load(at + ".chip.npz").values()))
            r = wanted.reshape(len(wanted), -1).astype(np.float64)
            q = y.reshape(len(y), -1).astype(np.float64)
            cosine = float(np.mean(np.sum(r * q, 1) / np.sqrt(np.sum(r * r, 1) * np.sum(q * q, 1))))
            figure = m["figure"](y, data)
            bar = m["bars"][form]
            ok = m["sign"] * (figure - bar) >= -1e-9 and (form == "mixed" or cosine >= m["cosine"])
            rows.append(dict(model=m["name"], form=form, figure=figure, bar=bar, cosine=cosine,
                             cosine_bar=m["cosine"], reached=ok))
            limits = "bar %.2f%s" % (bar, ", cosine %.4f" % m["cosine"] if m["cosine"] and form != "mixed" else "")
            verdict = "" if a.samples else ("reached" if ok else "FALLS SHORT")
            print("%-17s %-6s %8.3f %-3s  cosine %.6f  %s  %s" % (m["name"], form, figure, m["unit"], cosine, limits, verdict),
                  flush=True)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
    return 0 if a.samples or all(r["reached"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

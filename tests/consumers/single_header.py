# SPDX-License-Identifier: Apache-2.0
"""single_header.py ROOT WORK TMPUC COMPILER: the executor and loader as one header compile alone, and compute the driver's bits."""
import os
import shutil
import struct
import subprocess
import sys
import zipfile

ROOT, WORK, TMPUC, COMPILER = sys.argv[1:5]
DATA = os.path.join(ROOT, "examples/data")


def run(*words, code=0):
    r = subprocess.run(words, cwd=WORK, capture_output=True, text=True, timeout=600)
    if r.returncode != code:
        sys.exit(f"{' '.join(words)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def elements(npz, key):
    with zipfile.ZipFile(npz) as z:
        raw = z.read(key + ".npy")
    return raw[10 + struct.unpack("<H", raw[8:10])[0]:]


shutil.rmtree(WORK, ignore_errors=True)
os.makedirs(WORK)
run(sys.executable, os.path.join(ROOT, "tools/amalgamate.py"), "tmpu_exec.hpp")
run(COMPILER, "-std=c++20", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I.",
    os.path.join(ROOT, "tests/consumers/single_header.cpp"), "-o", "alone")
run(TMPUC, "compile", f"{DATA}/digits_cnn.onnx", "--chip", "nano", "--quantize", "f32", "-o", "m.tmodel")
run(TMPUC, "run", "m.tmodel", "--data", f"{DATA}/digits.npz:test_x", "--scale", "0.00392156862745098", "--samples", "1", "--raw", "-o", "r.npz")

scale = struct.unpack("<f", struct.pack("<f", 0.00392156862745098))[0]
digit = elements(f"{DATA}/digits.npz", "test_x")[:784]
with open(os.path.join(WORK, "x.bin"), "wb") as f:
    f.write(b"".join(struct.pack("<f", x * scale) for x in digit))
run("./alone", "m.tmodel", "x.bin", "y.bin")
with open(os.path.join(WORK, "y.bin"), "rb") as f:
    if f.read() != elements(os.path.join(WORK, "r.npz"), "output"):
        sys.exit("the single header computes other bits than the driver")
if "x.bin" not in run("./alone", "x.bin", "x.bin", "y.bin", code=2).stderr:
    sys.exit("a refusal does not name the file")
print("one header, the driver's bits")

# SPDX-License-Identifier: Apache-2.0
"""pages_in_browser.py ROOT WORK TMPUC: the pages of `check --html` and `profile --html` in a headless Chromium, as wide as a phone and as a
desk: their script runs to its end, without a word on the console, and asks for nothing. Screenshots stay in WORK. Skips without a browser."""
import os
import re
import shutil
import subprocess
import sys

ROOT, WORK, TMPUC = (os.path.abspath(a) for a in sys.argv[1:4])
DATA = os.path.join(ROOT, "examples/data")
DIGITS = ["--data", f"{DATA}/digits.npz:test_x", "--scale", "0.00392156862745098", "--samples", "2"]
browser = next((b for b in ("chromium-headless-shell", "chromium", "google-chrome") if shutil.which(b)), None)
if browser is None:
    print("skipped: no headless browser; on Debian 12: apt-get install chromium-headless-shell")
    sys.exit(0)


def run(*words):
    r = subprocess.run(words, cwd=WORK, capture_output=True, text=True, timeout=300)
    if r.returncode != 0:
        sys.exit(f"{' '.join(words)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
    return r


shutil.rmtree(WORK, ignore_errors=True)
os.makedirs(WORK)
run(TMPUC, "check", f"{DATA}/digits_cnn.onnx", "--chip", "nano", "--quantize", "f16", *DIGITS, "--html", "report.html")
run(TMPUC, "compile", f"{DATA}/digits_cnn.onnx", "--chip", "nano", "--quantize", "f16", "-o", "m.tmodel")
run(TMPUC, "profile", "m.tmodel", "--html", "profile.html")
run(TMPUC, "compile", f"{DATA}/digits_cnn.onnx", "--chip", "bm1688", "--cores", "2", "--quantize", "f16", "-o", "two.tmodel")
run(TMPUC, "profile", "two.tmodel", "--html", "cores.html")
with open(os.path.join(WORK, "broken.html"), "w", encoding="utf-8") as f:
    f.write("<!doctype html><title>broken</title><script>frobnicate();</script>")


def look(page, width):
    """What the console says, and the document after the script has run."""
    r = run(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=3000",
            f"--user-data-dir={WORK}/profile", f"--window-size={width},1600", f"--screenshot={WORK}/{page}.{width}.png", "--dump-dom",
            f"file://{WORK}/{page}.html")
    return [line for line in r.stderr.splitlines() if re.search(r"CONSOLE|Uncaught|net::", line)], r.stdout


for page in ("report", "profile", "cores"):
    for width in (390, 1400):
        console, document = look(page, width)
        if console:
            sys.exit(f"{page}.html at {width}: {console}")
        # The roofline is drawn last.
        if "cycles predicted" not in document or not re.search(r'<canvas id="roof"[^>]* width="[1-9]', document):
            sys.exit(f"{page}.html at {width}: its script did not run to the end")
        if os.path.getsize(f"{WORK}/{page}.{width}.png") < 10000:
            sys.exit(f"{page}.html at {width}: the screenshot is empty")
if not look("broken", 390)[0]:
    sys.exit("a page whose script throws is taken: this test sees nothing")
print("3 pages, 2 widths, nothing on the console")

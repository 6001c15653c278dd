# SPDX-License-Identifier: Apache-2.0
"""driver.py ROOT WORK TMPUC: the driver's contract, from the outside.

What it refuses: exit code 2, nothing on stdout, one line `tmpuc: error: ...` that holds the words named here (the thing and the
cure), no file made, and what was there before is untouched. What it does: exit codes, keys of the JSON forms, files, equal bytes.
"""
import json
import os
import re
import shutil
import subprocess
import sys

import onnx_writer as ow

ROOT, WORK, TMPUC = (os.path.abspath(a) for a in sys.argv[1:4])
CNN = "digits_cnn.onnx"
SCALE = "--scale 0.00392156862745098"
DIGITS = f"--data digits.npz:test_x {SCALE}"
problems = []
done = {"refusals": 0, "commands": 0}


def run(words, **more):
    return subprocess.run([TMPUC] + words.split(), cwd=WORK, capture_output=True, text=True, timeout=300, **more)


def files():
    found = {}
    for folder, _, names in os.walk(WORK):
        for name in names:
            path = os.path.join(folder, name)
            found[path] = (os.stat(path).st_mtime_ns, os.stat(path).st_size)
    return found


def wrong(words, why, r):
    problems.append(f"tmpuc {words}\n  {why}\n  exit {r.returncode}\n  stdout: {r.stdout[:400]!r}\n  stderr: {r.stderr[:800]!r}")


def refused(words, *texts, made=()):
    """`texts` are regular expressions that the one line must hold; `made` are files that may appear nevertheless."""
    before = files()
    r = run(words)
    done["refusals"] += 1
    changed = {os.path.relpath(p, WORK) for p in set(before.items()) ^ set(files().items()) for p in p[:1]}
    if r.returncode != 2:
        wrong(words, "must be refused with exit code 2", r)
    elif not re.fullmatch(r"tmpuc: error: [^\n]+\n", r.stderr) or r.stdout:
        wrong(words, "must print one line on stderr and nothing else", r)
    elif missing := [t for t in texts if not re.search(t, r.stderr)]:
        wrong(words, f"the line does not say {missing}", r)
    elif changed - set(made):
        wrong(words, f"a refusal must leave the files alone: {sorted(changed)}", r)


def ok(words, code=0):
    r = run(words)
    done["commands"] += 1
    if r.returncode != code or r.stderr:
        wrong(words, f"must exit with {code} and print nothing on stderr", r)
    return r.stdout


def check(condition, what):
    if not condition:
        problems.append(what)


def content(name):
    """The bytes of a file; none where it is not there, so that one problem does not hide the others."""
    if not os.path.exists(os.path.join(WORK, name)):
        return b""
    with open(os.path.join(WORK, name), "rb") as f:
        return f.read()


def write(name, data):
    with open(os.path.join(WORK, name), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def write_model(name, *args, **kwargs):
    write(name, ow.model(*args, **kwargs))


def same_json(words, keys, code=0):
    out = ok(words, code)
    try:
        found = json.loads(out)
    except ValueError as e:
        problems.append(f"tmpuc {words}\n  prints no JSON: {e}: {out[:200]}")
        return {}
    head = found[0] if isinstance(found, list) else found
    check(set(keys) <= set(head), f"tmpuc {words}\n  lacks the keys {set(keys) - set(head)}")
    return found


def set_up():
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    for name in (CNN, "digits.npz"):
        shutil.copy(os.path.join(ROOT, "examples/data", name), WORK)
    model = content(CNN)
    write("empty.onnx", b"")
    write("cut.onnx", model[:len(model) // 2])
    write("text.onnx", "this is no model\n" * 20)
    write("picture.onnx", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    relu = ow.node("Relu", ["x"], ["y"], "act")
    y = ow.value_info("y", [1, 4])
    write_model("relu.onnx", [relu], [ow.value_info("x", [1, 4])], [y])
    write_model("free.onnx", [relu], [ow.value_info("x", ["batch", 4])], [ow.value_info("y", ["batch", 4])])
    write_model("no_shape.onnx", [relu], [ow.value_info("x", None)], [y])
    write_model("unknown.onnx",
                [ow.node("FancyAttention", ["x"], ["a"], "att1", "com.example"), ow.node("FancyAttention", ["a"], ["b"], "att2", "com.example"),
                 ow.node("StringNormalizer", ["b"], ["c"], "strings"), ow.node("Relu", ["c"], ["y"], "act")],
                [ow.value_info("x", [1, 4])], [y])
    write_model("old.onnx", [relu], [ow.value_info("x", [1, 4])], [y], opset=0)
    write_model("new.onnx", [relu], [ow.value_info("x", [1, 4])], [y], opset=99)
    write_model("unsorted.onnx", [ow.node("Relu", ["a"], ["y"], "second"), ow.node("Relu", ["x"], ["a"], "first")],
                [ow.value_info("x", [1, 4])], [y])
    write_model("attribute.onnx", [ow.node("Softmax", ["x"], ["y"], "soft", axis=7)], [ow.value_info("x", [1, 4])], [y])
    write_model("shapes.onnx", [ow.node("Add", ["x", "c"], ["y"], "sum")], [ow.value_info("x", [1, 4])], [y],
                [ow.tensor("c", [3], [1.0, 2.0, 3.0])])
    short = ow.field(1, 3) + ow.field(2, ow.FLOAT) + ow.field(8, "c") + ow.field(9, b"\0" * 8)  # 3 elements, 8 bytes
    write_model("short.onnx", [ow.node("Add", ["x", "c"], ["y"], "sum")], [ow.value_info("x", [1, 3])], [y], [short])
    write_model("two.onnx", [ow.node("Add", ["left", "right"], ["y"], "sum")],
                [ow.value_info("left", [2, 3]), ow.value_info("right", [2, 3])], [ow.value_info("y", [2, 3])])
    # windows of two rows of 200,000 elements: one lane must hold whole rows, and no chip's lane does
    write_model("wide.onnx", [ow.node("MaxPool", ["x"], ["y"], "pooled", kernel_shape=[2, 2])], [ow.value_info("x", [1, 1, 2, 200000])],
                [ow.value_info("y", [1, 1, 1, 199999])])
    write_model("spaces.onnx", [ow.node("Sigmoid", ["x"], ["a b"], "n 1"), ow.node("Abs", ["a b"], ["y"], "n2")],
                [ow.value_info("x", [1, 4])], [y])
    ow.write_npz(os.path.join(WORK, "two.npz"), left=ow.array([5, 3], [float(i) for i in range(15)]),
                 right=ow.array([5, 3], [0.5] * 15), fewer=ow.array([4, 3], [0.5] * 12), flat=ow.array([15], [0.5] * 15))
    write("damaged.npz", content("digits.npz")[:2000])
    write("text.npz", "no zip")
    write("array.npy", ow.array([2, 1, 28, 28], [1] * 1568, "|u1"))
    write("bad.npy", b"\x93NUMPY")
    write("objects.npy", ow.npy("|O", [2], b"\0" * 16))
    nan = float("nan")
    ow.write_npz(os.path.join(WORK, "nan.npz"), input=ow.array([1, 1, 28, 28], [nan] * 784))


def test_commands():
    """What works: files, JSON, equal bytes."""
    top = ok("--help")
    for command in "calibrate correct export-qdq merge sensitivity compile run check compare diff info disasm chips ops".split():
        check(re.search(rf"^  {command} ", top, re.M), f"tmpuc --help does not name {command}")
        check(f"Usage: tmpuc {command}" in ok(f"{command} --help"), f"tmpuc {command} --help shows no usage")
    check(re.fullmatch(r"\d+\.\d+\.\d+\n", ok("--version")), "tmpuc --version")

    for method in ("kl", "mse", "percentile", "minmax"):
        ok(f"calibrate {CNN} --data digits.npz:calib_x {SCALE} --samples 20 --method {method} -o {method}.cali")
        lines = content(f"{method}.cali").decode().splitlines()
        check(lines[0].startswith("# tmpu calibration table v1") and f"# method: {method} samples: 20" in lines, f"header of {method}.cali")
        check(all(re.fullmatch(r"\S+ \S+ \S+ \S+", line) for line in lines if line[0] != "#"), f"lines of {method}.cali")
    check(len({content(f"{m}.cali") for m in ("kl", "mse", "percentile", "minmax")}) == 4, "the methods give different tables")

    # options before the model, and the model before the options
    for quantize, more in (("f32", ""), ("f16", ""), ("bf16", ""), ("int8", ""), ("int8", "--asymmetric")):
        name = quantize + more[2:]
        table = " --calibration kl.cali" if quantize == "int8" else ""
        ok(f"compile --input-shape input=1,1,28,28 {CNN} --chip nano --quantize {quantize} {more}{table} --keep-stages one -o {name}.tmodel")
        ok(f"compile --chip nano --quantize {quantize}{table} {more} -o again.tmodel --keep-stages two {CNN}")
        check(content(f"{name}.tmodel") == content("again.tmodel") != b"", f"{name}: two compilations give the same .tmodel")
        stages = ["origin", "canonical"] + (["cali"] if quantize == "int8" else []) + ["tpu", "lg", "addr"]
        for stage in stages:
            check(content(f"one/digits_cnn.{stage}.onnx") == content(f"two/digits_cnn.{stage}.onnx") != b"", f"{name}: the same {stage} stage")
        results = {}
        for stage in stages:
            same_json(f"info one/digits_cnn.{stage}.onnx --json", ("kind", "stage", "nodes", "weight_bytes", "operators", "inputs", "outputs"))
            ok(f"info one/digits_cnn.{stage}.onnx")
            ok(f"run one/digits_cnn.{stage}.onnx {DIGITS} --samples 3 -o {stage}.npz")
            results[stage] = content(f"{stage}.npz")
        ok(f"run {name}.tmodel {DIGITS} --samples 3 --checked -o chip.npz")
        check(results["tpu"] == results["lg"] == results["addr"] == content("chip.npz") != b"", f"{name}: lowered, grouped, addressed and chip agree")
        check(ow.read_npz(os.path.join(WORK, "chip.npz"))["output"][:2] == ("<f4", (3, 10)), f"{name}: the result is f32 [3, 10]")
        shutil.rmtree(os.path.join(WORK, "one"))
        shutil.rmtree(os.path.join(WORK, "two"))

    keys = ("chip", "quantize", "instructions", "weight_bytes", "global_bytes", "local_bytes_peak", "gdma_bytes", "macs", "cycles")
    facts = same_json("info int8.tmodel --json", keys)
    check(facts.get("chip") == "nano" and facts.get("quantize") == "int8", "info --json names chip and dtype")
    check(all(facts.get(k, 0) > 0 for k in keys[2:]), "the numbers of info --json are positive")
    listing = ok("disasm int8.tmodel")
    check("conv" in listing and "dma.load" in listing, "disasm lists instructions")
    chips = ok("chips")
    check("nano" in chips and "bm1684x" in chips, "chips lists nano and bm1684x")
    operators = same_json("ops --json", ("onnx", "name", "f32", "f16", "bf16", "int8"))
    check(any(o["onnx"] == "Conv" and o["int8"] == "yes" for o in operators), "ops --json knows Conv")
    ok("ops")
    ok("info int8.tmodel")

    # run: --raw, --all-tensors, one sample joined after the other
    ok(f"run int8.tmodel {DIGITS} --samples 3 --raw -o raw.npz")
    check(ow.read_npz(os.path.join(WORK, "raw.npz"))["output"][:2] == ("|i1", (3, 10)), "--raw gives the machine's i8")
    ok(f"run int8.tmodel {DIGITS} --samples 2 --all-tensors -o all.npz")
    check(len(ow.read_npz(os.path.join(WORK, "all.npz"))) > 3, "--all-tensors writes every tensor")

    # a batch of two, two inputs, five samples: the third run is filled up, and the filling is left out
    for words in ("--data two.npz", "--data left=two.npz:left --data right=two.npz:right"):
        ok(f"run two.onnx {words} -o sum.npz")
        descr, dims, values = ow.read_npz(os.path.join(WORK, "sum.npz"))["y"]
        check((descr, dims, list(values)) == ("<f4", (5, 3), [i + 0.5 for i in range(15)]), f"run two.onnx {words}: {dims} {values}")
    ok("run two.onnx --data left=two.npz:left --data right=two.npz:left --mean 1,2,3 --scale 2 -o sum.npz")
    values = ow.read_npz(os.path.join(WORK, "sum.npz"))["y"][2]
    check(list(values) == [4.0 * (i - (1 + i % 3)) for i in range(15)], f"(x - mean) * scale a channel: {values}")

    # names with spaces are quoted in the table, which can be edited and fed back
    ow.write_npz(os.path.join(WORK, "four.npz"), x=ow.array([8, 4], [(i - 16) / 8 for i in range(32)]))
    ok("calibrate spaces.onnx --data four.npz --method minmax -o spaces.cali")
    table = content("spaces.cali").decode()
    check(re.search(r'^"a b" \S+ \S+ \S+$', table, re.M), f"the name 'a b' stands in quotes:\n{table}")
    ok("compile spaces.onnx --chip nano --quantize int8 --calibration spaces.cali -o spaces.tmodel")
    before = content("spaces.tmodel")
    write("spaces.cali", re.sub(r'^("a b") .*$', r"\1 2 0 2", table, flags=re.M) + "\n# edited by hand\n")
    ok("compile spaces.onnx --chip nano --quantize int8 --calibration spaces.cali -o spaces.tmodel")
    check(content("spaces.tmodel") != before, "an edited table changes the program")

    # parts of the samples, merged in any order, give the table of one run
    for i in range(3):
        ok(f"calibrate {CNN} --data digits.npz:calib_x {SCALE} --samples 20 --shard {i}/3 -o part{i}.stats")
    ok(f"calibrate {CNN} --data digits.npz:calib_x {SCALE} --samples 20 -o auto.cali")
    ok("merge part2.stats part0.stats part1.stats -o merged.cali")
    check(content("merged.cali") == content("auto.cali") != b"", "merged parts give the table of the whole")
    ok("merge part2.stats part0.stats part1.stats --method kl -o merged.cali")
    check(content("merged.cali") == content("kl.cali"), "merged parts give the table of the whole, method kl")

    # corrections: the same bytes each time, other bytes than without; what is left out is not there
    correct = f"correct {CNN} --calibration kl.cali --data digits.npz:calib_x {SCALE} --samples 20"
    out = ok(f"{correct} -o corrected.cali")
    check(re.search(r"^20 samples in .* s: \d+ tensors scaled, 3 layers rounded, 3 biases$", out, re.M), f"what was corrected: {out!r}")
    ok(f"{correct} -o again.cali")
    check(content("corrected.cali") == content("again.cali") != content("kl.cali"), "two corrections give the same table")
    check(content("corrected.cali").count(b"\n@rounding ") == 3, "three layers are rounded")
    ok(f"{correct} --without equalize --without ranges --without rounding --without bias -o again.cali")
    check(content("again.cali") == content("kl.cali"), "without all corrections the table is what it was")
    ok(f"compile {CNN} --chip nano --quantize int8 --calibration corrected.cali -o corrected.tmodel")
    found = same_json(f"check {CNN} --chip nano --quantize int8 --calibration corrected.cali {DIGITS} --samples 2 --json", ("passed",))
    check(found.get("passed") is True, "check passes with corrections")
    check(content("corrected.tmodel") != content("int8.tmodel"), "corrections change the program")

    # int8 as a model with quantizers, which compiles without a table, to the same results
    ok(f"export-qdq {CNN} --chip nano --calibration corrected.cali -o quantizers.onnx")
    ok("compile quantizers.onnx --chip nano --quantize int8 -o quantizers.tmodel")
    for name in ("corrected", "quantizers"):
        ok(f"run {name}.tmodel {DIGITS} --samples 20 -o {name}.npz")
    check(ow.read_npz(os.path.join(WORK, "corrected.npz"))["output"][2] == ow.read_npz(os.path.join(WORK, "quantizers.npz"))["output"][2],
          "a model with quantizers keeps its scales")

    # mixed precision: the report, the qtable, and what it does to the program
    sensitivity = f"sensitivity {CNN} --chip nano --calibration kl.cali --data digits.npz:calib_x {SCALE} --samples 2"
    report = ok(f"{sensitivity} --html report.html")
    check(len(re.findall(r"^\S+ +(conv|gemm|max_pool) +-?\d+\.\d+ +\d\.\d+$", report, re.M)) >= 3, f"sensitivity lists layers: {report!r}")
    check(b"<table>" in content("report.html"), "sensitivity writes a page")
    report = ok(f"{sensitivity} --max-float-layers 1 -o one.qtable")
    check(re.search("^1 layers in f16: SQNR", report, re.M), f"sensitivity keeps one layer: {report!r}")
    check(re.fullmatch(r"# tmpu qtable v1\n# layer dtype\n\S+ f16\n", content("one.qtable").decode()), "a qtable of one layer")
    first = dict(re.findall(r"(layers in int8|layers in f16): SQNR (\S+) dB", report))
    reached = float(first["layers in f16"])
    check(reached > float(first["layers in int8"]), "a float layer helps")
    report = ok(f"{sensitivity} --expect-sqnr {reached - 0.01:.2f} -o asked.qtable")
    check(content("asked.qtable") == content("one.qtable"), "as few layers as are needed")
    check("FAILED" in ok(f"{sensitivity} --expect-sqnr 100 --max-float-layers 1", 1), "sensitivity says FAILED")
    ok(f"{sensitivity} --expect-cosine 0.9 -o none.qtable")
    check(content("none.qtable") == b"# tmpu qtable v1\n# layer dtype\n", "no layer where int8 is good enough")
    compile = f"compile {CNN} --chip nano --quantize int8 --calibration kl.cali"
    ok(f"{compile} --qtable one.qtable -o mixed.tmodel")
    ok(f"{compile} --qtable none.qtable -o again.tmodel")
    check(content("again.tmodel") == content("int8.tmodel") != content("mixed.tmodel"), "a qtable changes the program, an empty one does not")
    ok(f"{compile} --float-io -o float_io.tmodel")
    ok(f"run float_io.tmodel {DIGITS} --samples 2 --raw --checked -o float_io.npz")
    check(ow.read_npz(os.path.join(WORK, "float_io.npz"))["output"][:2] == ("<f4", (2, 10)), "--float-io leaves outputs in f32")

    # comparisons: exit code 1 where they fail
    four_way = f"check {CNN} --chip nano --quantize int8 --calibration kl.cali {DIGITS} --samples 2"
    found = same_json(f"{four_way} --json", ("passed", "chip", "quantize", "samples", "tolerance", "table"))
    check(found.get("passed") is True and found.get("samples") == 2, "check --json says passed")
    check(same_json(f"{four_way} --tolerance 0.9999999,0.9999999 --json", ("passed",), 1).get("passed") is False, "check --json says failed")
    check("FAILED" in ok(f"{four_way} --tolerance 0.9999999,0.9999999", 1), "check says FAILED")
    check("no --reference" in ok(four_way), "check says that the first column is our own inference")
    ok(f"run {CNN} {DIGITS} --samples 3 -o float.npz")
    check("float.npz" in ok(f"{four_way} --reference float.npz"), "check names the reference")
    ok("compare float.npz float.npz --tolerance 1,1")
    check("FAILED" in ok("compare float.npz chip.npz --tolerance 0.9999999,0.9999999", 1), "compare says FAILED")
    found = same_json("compare float.npz chip.npz --tolerance 0.9999999,0.9999999 --json", ("passed", "tolerance", "rows", "in_one_only"), 1)
    check(found.get("passed") is False, "compare --json says failed")

    # the page of a check: in itself, and with everything in it that the check found
    ok(f"{four_way} --html report.html")
    page = content("report.html").decode()
    check(not re.search(r"https?:|src=|href=|@import|url\(|fetch\(|<link", page), "report.html needs something from outside")
    for words in ("<meta name=\"viewport\"", "canonical", "lowered", " instructions", "signal to noise", "bit-equal",
                  "passed", "const data = ", "Local memory of a lane"):
        check(words in page, f"report.html does not show {words!r}")
    names = [r["name"] for r in same_json(f"{four_way} --json", ("table",)).get("table", {}).get("rows", [])]
    check(names and all(f"<td>{n}</td>" in page for n in names), "report.html lacks a tensor")
    dbs = [float(x) for x in re.findall(r"</span> (-?[0-9.]+) dB", page)]
    check(len(dbs) > 3, f"report.html has bars of signal to noise: {dbs}")
    ok(f"{four_way} --tolerance 0.9999999,0.9999999 --html report.html", 1)
    check('class="bad">FAILED' in content("report.html").decode(), "the page of a failed check says so")

    # several cores: the results of one, a profile of all
    for cores in (1, 2):
        ok(f"compile {CNN} --chip bm1688 --quantize f16 --cores {cores} -o cores{cores}.tmodel")
        ok(f"run cores{cores}.tmodel {DIGITS} --samples 4 --checked -o cores{cores}.npz")
    ok("compare cores1.npz cores2.npz --tolerance 1,1")
    ok("compile %s --chip bm1688 --quantize f16 -o cores.tmodel" % CNN)
    check(content("cores.tmodel") == content("cores1.tmodel"), "one core is what --cores says by default")
    of_all = same_json("profile cores2.tmodel --json", ("network", "cycles", "milliseconds", "dma_bytes", "bound_bytes", "layers", "groups"))
    check(of_all["dma_bytes"] >= of_all["bound_bytes"] > 0, "a program moves at least its bound")
    check(of_all["cycles"] == same_json("info cores2.tmodel --json", ("cycles",))["cycles"], "profile and info predict the same")
    ok("profile cores2.tmodel --html cores.html")
    check('"cores":2' in content("cores.html").decode(), "the page shows both cores")
    refused(f"compile {CNN} --chip bm1688 --quantize f16 --cores 3 -o out.tmodel", "--cores 3", "at most 2")

    # two programs
    ok(f"compile {CNN} --chip nano --quantize f16 -o one.tmodel")
    ok(f"compile {CNN} --chip nano --quantize f16 -o same.tmodel")
    ok(f"compile {CNN} --chip bm1684x --quantize f32 -o other.tmodel")
    check("equal, byte for byte" in ok("diff one.tmodel same.tmodel"), "diff of equal programs")
    out = ok("diff one.tmodel other.tmodel", 1)
    for words in ("chip", "bm1684x", "quantize", "cycles of digits_cnn", "weight bytes", "cycles of layer", "the programs differ"):
        check(words in out, f"diff does not say {words!r}:\n{out}")
    found = same_json("diff one.tmodel other.tmodel --json", ("same", "differences"), 1)
    check(found.get("same") is False and {"what": "chip", "a": "nano", "b": "bm1684x"} in found.get("differences", []), "diff --json")
    check(same_json("diff one.tmodel same.tmodel --json", ("same",)) == {"same": True, "differences": []}, "diff --json of equal programs")


def test_tflite():
    """TensorFlow Lite models go wherever ONNX models go; the reference is TensorFlow Lite's own."""
    folder = os.path.join(ROOT, "tests/tflite/data")
    for name in ("network_f32", "network_int8", "operators"):
        for ending in ("tflite", "npz"):
            shutil.copy(os.path.join(folder, f"{name}.{ending}"), WORK)
    image = "serving_default_image:0"
    ok("info network_f32.tflite")
    check("conv" in ok("ops network_int8.tflite"), "ops lists the operators of a .tflite")
    check("no --reference" not in ok(f"check network_f32.tflite --chip nano --quantize f32 --data network_f32.npz:{image} --reference network_f32.npz"),
          "check of a .tflite takes a reference")
    # Its own scales: no calibration.
    ok(f"check network_int8.tflite --chip nano --quantize int8 --data network_int8.npz:{image}")
    names = [f"serving_default_{n}:0" for n in ("places", "x")]
    data = " ".join(f"--data {n}=operators.npz:{n}" for n in names)
    ok(f"check operators.tflite --chip bm1684x --quantize f32 {data} --reference operators.npz")
    write("cut.tflite", content("network_f32.tflite")[:5000])
    refused("compile cut.tflite --chip nano --quantize f32 -o cut.tmodel", "damaged|no TensorFlow Lite model", "convert it again")
    refused("info network_f32.tflite --input-shape nobody=1,2", "'nobody'", image)


def test_interrupted_writes():
    """Files that may not grow: what is written halfway leaves the old file, and nothing beside it."""
    import resource
    ok(f"compile {CNN} --chip nano --quantize f32 -o old.tmodel")
    ok(f"run old.tmodel {DIGITS} --samples 2 -o old.npz")
    for words, name in ((f"compile {CNN} --chip bm1684x --quantize f32 -o old.tmodel", "old.tmodel"),
                        (f"run old.tmodel {DIGITS} --samples 300 --all-tensors -o old.npz", "old.npz"),
                        ("profile old.tmodel --html old.html", "old.html")):
        before, there = content(name), set(files())
        r = run(words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)), restore_signals=False)
        check(r.returncode == 2 and "cannot be written" in r.stderr, f"{words} into a full disk: exit {r.returncode}, {r.stderr!r}")
        check(content(name) == before and set(files()) == there, f"{words} into a full disk leaves other files")


def test_same_bytes():
    """One thread, two or five, once and again: files of the same bytes."""
    made = []
    for turn, threads in enumerate((1, 2, 5, 2)):
        name, more = f"same{turn}", f"--threads {threads}"
        ok(f"calibrate {CNN} --data digits.npz:calib_x {SCALE} --samples 20 {more} -o {name}.cali")
        how = f"--chip bm1688 --cores 2 --quantize int8 --calibration {name}.cali"
        ok(f"compile {CNN} {how} --keep-stages {name} -o {name}.tmodel")
        ok(f"run {name}.tmodel {DIGITS} --samples 7 {more} -o {name}.npz")
        ok(f"run {CNN} {DIGITS} --samples 7 --all-tensors {more} -o {name}_top.npz")
        table = same_json(f"check {CNN} {how} {DIGITS} --samples 3 {more} --json", ("table",)).get("table")
        stages = sorted(os.listdir(os.path.join(WORK, name)))
        made.append({"table": table, "stages": stages,
                     **{f: content(f"{name}{f}") for f in (".cali", ".tmodel", ".npz", "_top.npz")},
                     **{f: content(f"{name}/{f}") for f in stages}})
    check(len(made[0]["stages"]) >= 5 and made[0][".npz"] != b"", "all the files are made")
    for turn, found in enumerate(made[1:], 1):
        check(found == made[0], f"turn {turn} makes others: {[k for k in found if found[k] != made[0].get(k)]}")


def test_refusals():
    f32 = "--chip nano --quantize f32 -o out.tmodel"
    int8 = "--chip nano --quantize int8 -o out.tmodel"
    write("out.tmodel", "was here before")
    write("out.npz", "was here before")
    write("out.cali", "was here before")

    # the command line
    refused("", "command", "--help")
    refused("frobnicate", "frobnicate", "--help")
    refused("compile", "MODEL", "--help")
    refused(f"compile {CNN} --chip nano --quantize f32", "--output", "--help")
    refused(f"compile {CNN} {f32} --frobnicate", "--frobnicate")
    refused(f"compile {CNN} --chip atari --quantize f32 -o out.tmodel", "'atari'", "nano", "bm1684x")
    refused(f"compile {CNN} --chip nano --quantize int4 -o out.tmodel", "'int4'", "f32, f16, bf16, int8, w8a16", "or f8e5m2")
    refused(f"compile {CNN} --chip nano --quantize f16 --weight-group 8 -o out.tmodel", "--weight-group", "leave it out")
    refused(f"embed {CNN} --quantize w4a16 -o out.hpp", "tmpuc compile")
    for quantize in ("f32", "f16", "bf16"):
        refused(f"compile {CNN} --chip nano --quantize {quantize} --asymmetric -o out.tmodel", "--asymmetric", "int8")
    refused("diff one.tmodel nowhere.tmodel", "nowhere.tmodel", "cannot be opened")
    refused(f"diff one.tmodel {CNN}", "no .tmodel")
    refused(f"check {CNN} --chip nano --quantize f16 {DIGITS} --samples 1 --html nowhere/report.html", "nowhere/report.html", "folder")
    refused(f"calibrate {CNN} --data digits.npz:calib_x --method guess -o out.cali", "'guess'", "kl", "percentile")
    for samples in ("-3", "many"):
        refused(f"run {CNN} --data digits.npz:test_x --samples {samples} -o out.npz", "--samples")
    for word in ("x", "1,,2", "1,", "nan", "inf", "1e999"):
        refused(f"run {CNN} --data digits.npz:test_x --scale {word} -o out.npz", "--scale", word)
    refused(f"run {CNN} --data digits.npz:test_x --mean 1,2 -o out.npz", "--mean", "2 values", "1 channel")
    for word in ("0.9", "a,b", "1,2,3"):
        refused(f"check {CNN} --chip nano --quantize f32 {DIGITS} --tolerance {word}", "--tolerance", "COS,EUCLID" if word[0] != "a" else "a,b")

    # models
    refused(f"compile missing.onnx {f32}", "'missing.onnx'", "is there such a file")
    refused(f"compile . {f32}", "folder", "give a file")
    for name in ("empty", "cut", "text", "picture"):
        for words in (f"compile {name}.onnx {f32}", f"calibrate {name}.onnx --data digits.npz:calib_x -o out.cali",
                      f"run {name}.onnx --data digits.npz:test_x -o out.npz", f"info {name}.onnx"):
            refused(words, f"'{name}.onnx'", {"empty": "empty", "cut": "only a part of one"}.get(name, "no ONNX model"))
    for words in (f"compile unknown.onnx {f32}", "info unknown.onnx"):
        refused(words, r"com\.example::FancyAttention x2 \('att1', 'att2'\)", r"StringNormalizer x1 \('strings'\)", "tmpuc ops")
    refused(f"compile old.onnx {f32}", "operator set 0", "version_converter")
    refused(f"compile new.onnx {f32}", "operator set 99", "version_converter")
    refused(f"compile unsorted.onnx {f32}", "'second'", "'a'")
    refused(f"compile attribute.onnx {f32}", "'soft'", "softmax|Softmax", "axis")
    refused(f"compile shapes.onnx {f32}", "'sum'", r"add|Add", r"\[3\]")
    refused(f"compile short.onnx {f32}", "'c'", "12|3 elements")
    refused(f"compile free.onnx {f32}", "'x'", "--input-shape x=1,4")
    refused(f"run free.onnx --data four.npz -o out.npz", "'x'", "--input-shape x=1,4")
    refused(f"compile no_shape.onnx {f32}", "'x'", "--input-shape x=")
    ok("info free.onnx")
    refused(f"compile free.onnx --input-shape y=1,4 {f32}", "'y'", "'x'")
    refused(f"compile free.onnx --input-shape x=1,5 {f32}", "x=1,5", "4")
    refused(f"compile free.onnx --input-shape x=1,4,1 {f32}", "x=1,4,1", "4")
    for word in ("x", "=1,4", "x=", "x=1,a", "x=0,4", "x=-1,4", "x=99999999999,4", "x=1,1,1,1,1,1,1,1,4"):
        refused(f"compile free.onnx --input-shape {word} {f32}", "--input-shape", re.escape(word.split("=")[-1]))
    for chip in ("nano", "bm1684x"):
        refused(f"compile wide.onnx --chip {chip} --quantize f32 -o out.tmodel", "'pooled'", r"pool", r"\d+ bytes", "chip|fit")

    # calibration tables
    refused(f"compile {CNN} {int8}", "--calibration", "tmpuc calibrate")
    refused(f"compile {CNN} {int8} --calibration missing.cali", "'missing.cali'")
    table = content("kl.cali").decode()
    first = next(line for line in table.splitlines() if not line.startswith("#"))
    tensor = [line.split(" ")[0] for line in table.splitlines() if not line.startswith("#")][1]
    with_line = lambda new: re.sub(rf"^{re.escape(tensor)} .*$", new, table, flags=re.M)
    for name, text, *says in (
            ("no_table", "hello\n", "line 1", "no calibration table", "tmpuc calibrate"),
            ("empty", "", "no calibration table", "tmpuc calibrate"),
            ("lacks", re.sub(rf"^{re.escape(tensor)} .*\n", "", table, flags=re.M), re.escape(tensor), "tmpuc calibrate"),
            ("nan", with_line(f"{tensor} nan 0 1"), r"line \d+", re.escape(tensor), "NaN", "tmpuc calibrate"),
            ("infinite", with_line(f"{tensor} 1 -inf 1"), r"line \d+", re.escape(tensor), "infinity"),
            ("zero", with_line(f"{tensor} 0 0 0"), r"line \d+", re.escape(tensor), "not positive"),
            ("flat", with_line(f"{tensor} 1 0 0"), r"line \d+", re.escape(tensor), "zero width"),
            ("negative", with_line(f"{tensor} -1 0 1"), r"line \d+", re.escape(tensor), "not positive"),
            ("crossed", with_line(f"{tensor} 1 2 1"), r"line \d+", re.escape(tensor), "minimum above"),
            ("short", with_line(f"{tensor} 1 2"), r"line \d+", "three numbers"),
            ("twice", table + first + "\n", r"line \d+", re.escape(first.split(" ")[0]), "already"),
            ("version", table.replace("table v1", "table v9"), "version '9'", "tmpuc calibrate"),
            ("rules", re.sub("# rules: .*", "# rules: 0123456789abcdef", table), "rules", "tmpuc calibrate"),
            ("other", re.sub("# model: .*", "# model: 0123456789abcdef", table), "model", "tmpuc calibrate")):
        write(f"{name}.cali", text)
        refused(f"compile {CNN} {int8} --calibration {name}.cali", *says)
    refused(f"compile spaces.onnx {int8} --calibration kl.cali", "another model|other model", "tmpuc calibrate")

    # corrections
    refused(f"correct {CNN} --calibration kl.cali --data digits.npz:calib_x {SCALE} --without luck -o out.cali", "'luck'", "equalize, ranges, rounding and bias")
    refused(f"correct spaces.onnx --calibration kl.cali --data four.npz -o out.cali", "another model|other model", "tmpuc calibrate")
    write("bad.cali", table + "@bias\n")
    refused(f"compile {CNN} {int8} --calibration bad.cali", r"bad.cali line \d+", "names no tensor")

    # statistics and qtables
    for word in ("1", "3/3", "-1/3", "a/b", "0/0", "1/2/3"):
        refused(f"calibrate {CNN} --data digits.npz:calib_x --shard {word} -o out.cali", "--shard", re.escape(word), "0/4")
    refused("merge kl.cali -o out.cali", "'?kl.cali", "no calibration statistics", "--shard")
    refused("merge part0.stats part1.stats --method guess -o out.cali", "'guess'", "auto")
    ok("calibrate spaces.onnx --data four.npz --shard 0/1 -o spaces.stats")
    refused("merge part0.stats spaces.stats -o out.cali", "'spaces.stats'", "another model")
    write("unknown.qtable", "# tmpu qtable v1\nnothing f16\n")
    refused(f"compile {CNN} {int8} --calibration kl.cali --qtable unknown.qtable", "'nothing'", "tmpuc sensitivity")
    refused(f"compile {CNN} {int8} --calibration kl.cali --qtable kl.cali", "kl.cali line 1", "no qtable")
    for option in ("--float-io", "--qtable unknown.qtable"):
        refused(f"compile {CNN} {f32} {option}", option.split(" ")[0], "int8", "leave it out")
    refused(f"sensitivity {CNN} --chip nano --calibration kl.cali {DIGITS} --float-dtype f8", "'f8'", "f16, bf16 or f32")

    # data
    refused(f"run {CNN} --data missing.npz:x -o out.npz", "missing.npz")
    refused(f"run {CNN} --data digits.npz:tset_x -o out.npz", "'tset_x'", "'test_x'")
    refused(f"run {CNN} --data digits.npz -o out.npz", "'input'", "'test_x'", "--data")
    refused(f"run {CNN} --data digits.npz:test_y -o out.npz", "'input'", r"\[\d+\]", r"\[samples,1,28,28\]")
    refused(f"run {CNN} --data image=digits.npz:test_x -o out.npz", "'image'", "'input'")
    refused(f"run {CNN} --data input= -o out.npz", "--data", "FILE")
    refused(f"run {CNN} --data damaged.npz:test_x -o out.npz", "'damaged.npz'", "numpy.savez")
    refused(f"run {CNN} --data text.npz:test_x -o out.npz", "'text.npz'", "numpy.savez")
    refused(f"run {CNN} --data bad.npy -o out.npz", "'bad.npy'", "numpy.save")
    refused(f"run {CNN} --data objects.npy -o out.npz", "'objects.npy'", r"\|O", "float32")
    refused("run two.onnx --data two.npz:left -o out.npz", "2 inputs", "--data NAME=")
    refused("run two.onnx --data left=two.npz:left --data right=two.npz:fewer -o out.npz", "'left'", "'right'", "5 and 4")
    refused("run two.onnx --data left=two.npz:left -o out.npz", "'right'", "--data right=")
    refused("run two.onnx --data left=two.npz:left --data right=two.npz:flat -o out.npz", "'right'", r"\[15\]")
    refused(f"calibrate {CNN} --data nan.npz -o out.cali", "'input'", "NaN", "sample 0")
    refused(f"check {CNN} --chip nano --quantize f32 {DIGITS} --reference missing.npz", "missing.npz")
    refused(f"check {CNN} --chip nano --quantize f32 {DIGITS} --reference digits.npz", "'output'", "'test_x'")
    refused(f"check {CNN} --chip nano --quantize f32 {DIGITS} --samples 5 --reference float.npz", "3 samples", "--samples")
    refused("compare float.npz missing.npz", "missing.npz")
    refused("compare float.npz digits.npz", "no array name in common")
    ow.write_npz(os.path.join(WORK, "other.npz"), output=ow.array([2], [1.0, 2.0]))
    refused("compare float.npz other.npz", "'output'", r"\[2\]", r"\[3,10\]")

    # programs
    program = content("int8.tmodel")
    def changed(at, byte):
        return program[:at] + bytes([program[at] ^ byte]) + program[at + 1:]
    for name, data, *says in (
            ("half", program[:len(program) // 2], "truncated", "compile"),
            ("head", program[:20], "truncated", "compile"),
            ("flipped", changed(100, 1), "damaged", "compile"),
            ("weights", changed(len(program) - 600, 128), "damaged", "compile"),
            ("longer", program + b"\0" * 8, "behind its end", "compile"),
            ("version", changed(8, 6), "version 7", "compile"),
            ("order", program[:12] + program[12:16][::-1] + program[16:], "byte order", "compile")):
        write(f"{name}.tmodel", data)
        for words in (f"run {name}.tmodel {DIGITS} -o out.npz", f"info {name}.tmodel", f"disasm {name}.tmodel"):
            refused(words, f"'{name}.tmodel'", *says)
    refused(f"disasm {CNN}", f"'{CNN}'", "tmpuc compile")
    refused("disasm missing.tmodel", "'missing.tmodel'")
    refused(f"compile int8.tmodel {f32}", "'int8.tmodel'", ".onnx")
    refused(f"run int8.tmodel {DIGITS} --input-shape input=1,1,28,28 -o out.npz", "--input-shape", "tmodel")
    refused(f"run {CNN} {DIGITS} --checked -o out.npz", "--checked", "tmodel")

    # rules of canonicalize
    refused(f"compile {CNN} --chip nano --quantize f32 --disable-rule no-such-rule -o out.tmodel", "'no-such-rule'", "fuse-clamp")
    without = f"--disable-rule fuse-clamp --disable-rule fold-constants {CNN}"
    fired = ok(f"compile {without} --chip nano --quantize f16 --keep-stages without -o without.tmodel")
    check("fuse-clamp" not in fired and re.search(r"^matmul-to-gemm: |^reshape-to-attribute: 1$", fired, re.M), f"rules that fired: {fired!r}")
    ok(f"calibrate {CNN} --data digits.npz:calib_x --samples 2 -o all_rules.cali")
    refused(f"compile {without} --chip nano --quantize int8 --calibration all_rules.cali -o out.tmodel", "other canonicalize rules")
    ok(f"calibrate {without} --data digits.npz:calib_x --samples 2 -o fewer_rules.cali")
    ok(f"compile {without} --chip nano --quantize int8 --calibration fewer_rules.cali -o without.tmodel")

    # stage files
    fired = ok(f"compile {CNN} --chip nano --quantize f16 --keep-stages stages -o kept.tmodel")
    check(re.search(r"^fuse-clamp: 2$", fired, re.M), f"rules that fired: {fired!r}")
    refused(f"compile stages/digits_cnn.tpu.onnx {f32}", "lowered", "give the model itself")
    refused(f"run stages/digits_cnn.tpu.onnx {DIGITS} --input-shape input=1,1,28,28 -o out.npz", "--input-shape", "stage file")
    addressed = content("stages/digits_cnn.addr.onnx")
    for at, find, replace in (("stage", b"addressed", b"addresses"), ("operator", b"tmpu.tpu", b"tmpu.tpx")):
        write(f"bad_{at}.onnx", addressed.replace(find, replace))
        refused(f"info bad_{at}.onnx", replace.decode(), "newer version|does not know")

    # outputs that cannot be written
    os.mkfifo(os.path.join(WORK, "pipe"))
    for words in (f"compile {CNN} --chip nano --quantize f32 -o", f"run {CNN} {DIGITS} --samples 1 -o",
                  f"calibrate {CNN} --data digits.npz:calib_x --samples 1 -o"):
        refused(f"{words} nowhere/out", "'nowhere/out'", "folder exist")
        refused(f"{words} .", "'.' is a folder")
        refused(f"{words} pipe", "'pipe' is no regular file")
        refused(f"{words} {CNN}/out", f"'{CNN}/out'", "cannot be written")
    refused(f"compile {CNN} --chip nano --quantize f32 --keep-stages {CNN} -o out.tmodel", f"'{CNN}'")
    for name in ("out.tmodel", "out.npz", "out.cali"):
        check(content(name) == b"was here before", f"{name} is what it was")


set_up()
test_commands()
test_tflite()
test_interrupted_writes()
test_same_bytes()
test_refusals()
for p in problems:
    print(p, file=sys.stderr)
print(f"{done['refusals']} refusals and {done['commands']} commands, {len(problems)} problems")
sys.exit(1 if problems or done["refusals"] < 100 else 0)

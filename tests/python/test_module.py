# SPDX-License-Identifier: Apache-2.0
"""The Python module: the bytes and bits of the driver, its words where it refuses, threads, arrays that are not copied."""
import os
import statistics
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tmpu

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples/data"
CNN = DATA / "digits_cnn.onnx"
SCALE = np.float32(0.00392156862745098)
DIGITS = ["--data", f"{DATA}/digits.npz:test_x", "--scale", "0.00392156862745098"]


def tmpuc(*words, code=0):
    r = subprocess.run([os.environ["TMPU_TMPUC"], *map(str, words)], capture_output=True, text=True, timeout=300)
    assert r.returncode == code, r.stderr
    return r.stderr if code else r.stdout


@pytest.fixture(scope="module")
def digits():
    """Test digits as the network takes them: float32 [N, 1, 28, 28], each the driver's (x - 0) * scale."""
    return np.load(DATA / "digits.npz")["test_x"].astype(np.float32) * SCALE


@pytest.fixture(scope="module")
def table():
    samples = np.load(DATA / "digits.npz")["calib_x"].astype(np.float32) * SCALE
    return tmpu.calibrate(CNN, samples=(s[None] for s in samples[:20]))


@pytest.fixture(scope="module", params=["f32", "f16", "int8"])
def compiled(request, table):
    return tmpu.compile(CNN, chip="nano", quantize=request.param, calibration=table if request.param == "int8" else None)


def driver_compile(mode, folder, table):
    table.save(folder / "t.cali")
    words = ["--calibration", folder / "t.cali"] if mode == "int8" else []
    tmpuc("compile", CNN, "--chip", "nano", "--quantize", mode, *words, "-o", folder / "m.tmodel")
    return folder / "m.tmodel"


def test_calibration_is_the_drivers(table, tmp_path):
    tmpuc("calibrate", CNN, "--data", f"{DATA}/digits.npz:calib_x", "--scale", "0.00392156862745098", "--samples", 20, "-o", tmp_path / "d.cali")
    assert table.text == (tmp_path / "d.cali").read_text()
    table.save(tmp_path / "p.cali")
    assert tmpu.Calibration.load(tmp_path / "p.cali").text == table.text


def test_programs_and_results_are_the_drivers(compiled, digits, table, tmp_path):
    program = driver_compile(compiled.quantize, tmp_path, table)
    assert compiled.to_bytes() == program.read_bytes()
    tmpuc("run", program, *DIGITS, "--samples", 8, "-o", tmp_path / "r.npz")
    tmpuc("run", program, *DIGITS, "--samples", 8, "--raw", "-o", tmp_path / "raw.npz")
    for name, raw in (("r.npz", False), ("raw.npz", True)):
        wanted = np.load(tmp_path / name)
        for i in range(8):
            got = compiled.run({"input": digits[i:i + 1]}, raw=raw)
            assert list(got) == list(wanted)
            for key in got:
                assert got[key].dtype == wanted[key].dtype
                assert got[key].tobytes() == wanted[key][i:i + 1].tobytes()


def test_a_program_from_a_file_from_bytes_and_saved_again(compiled, tmp_path):
    compiled.save(tmp_path / "a.tmodel")
    content = (tmp_path / "a.tmodel").read_bytes()
    assert tmpu.Model(tmp_path / "a.tmodel").to_bytes() == content
    assert tmpu.Model(content).to_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tmodel"]


def test_cores_share_a_program_with_the_same_results(digits, tmp_path):
    alone, both = (tmpu.compile(CNN, chip="bm1688", quantize="f16", cores=n) for n in (1, 2))
    subject = digits[:1]
    assert alone.to_bytes() != both.to_bytes()
    assert np.array_equal(*(m.run(subject)[m.outputs[0].name] for m in (alone, both)))
    with pytest.raises(tmpu.Error, match="--cores 3 is more than bm1688 has"):
        tmpu.compile(CNN, chip="bm1688", cores=3)


def test_models_from_bytes_are_those_from_files():
    assert len(tmpu.compile(CNN.read_bytes(), chip="nano", quantize="f16").to_bytes()) > 4096
    assert tmpu.chips() == ["bm1684x", "bm1688", "bm1690", "cv184x", "nano"]


def test_what_a_program_says_of_itself(compiled):
    x = compiled.inputs[0]
    assert (compiled.networks, compiled.chip) == (["digits_cnn"], "nano")
    assert (x.name, x.shape, x.dtype) == ("input", (1, 1, 28, 28), "float32")
    assert x.element == {"f32": "f32", "f16": "f16", "int8": "u8"}[compiled.quantize]
    assert (x.scale is None) == (compiled.quantize != "int8") and (x.zero_point is None) == (x.scale is None)
    assert [t.shape for t in compiled.outputs] == [(1, 10)]
    assert compiled.cycles > 0
    assert repr(compiled) == f"<tmpu.Model digits_cnn: {compiled.quantize} on nano>"


def test_arrays_of_any_layout_and_real_type(compiled, digits):
    x = digits[:1]
    wanted = compiled.run(x)["output"]
    assert wanted.flags.c_contiguous and wanted.flags.writeable
    wide = np.zeros((1, 1, 28, 56), np.float32)
    wide[..., ::2] = x
    for same in (x.astype(np.float64), np.asfortranarray(x), wide[..., ::2], x.tolist(), {"input": x}):
        assert compiled.run(same)["output"].tobytes() == wanted.tobytes()
    whole = (x * 255).round().astype(np.uint8)
    assert compiled.run(whole)["output"].tobytes() == compiled.run(whole.astype(np.float32))["output"].tobytes()


def test_results_stay_when_the_model_goes(digits):
    out = tmpu.compile(CNN, chip="nano").run(digits[:1])["output"]
    copy = out.copy()
    tmpu.compile(CNN, chip="nano").run(digits[1:2])
    assert (out == copy).all()


def test_refusals_are_the_drivers_lines(compiled, digits, tmp_path):
    def line(call, *words, code=2):
        with pytest.raises(tmpu.Error) as e:
            call()
        assert "\n" not in str(e.value)
        if words:
            assert f"tmpuc: error: {e.value}\n" == tmpuc(*words, code=code)
        return str(e.value)

    line(lambda: tmpu.Model("nowhere.tmodel"), "run", "nowhere.tmodel", *DIGITS, "-o", tmp_path / "r.npz")
    line(lambda: tmpu.compile(CNN, chip="tpu9"), "compile", CNN, "--chip", "tpu9", "--quantize", "f32", "-o", tmp_path / "m.tmodel")
    line(lambda: tmpu.compile(CNN, chip="nano", quantize="int8"), "compile", CNN, "--chip", "nano", "--quantize", "int8", "-o",
         tmp_path / "m.tmodel")
    line(lambda: tmpu.compile(CNN, chip="nano", quantize="i9"), "compile", CNN, "--chip", "nano", "--quantize", "i9", "-o",
         tmp_path / "m.tmodel")
    line(lambda: tmpu.compile(CNN, chip="nano", input_shapes={"input": (0, 1)}), "compile", CNN, "--chip", "nano", "--quantize", "f32",
         "--input-shape", "input=0,1", "-o", tmp_path / "m.tmodel")
    assert "takes f32[1,1,28,28], not float32[2,1,28,28]" in line(lambda: compiled.run(digits[:2]))
    assert "no array for the input 'input'" in line(lambda: compiled.run({}))
    assert "there is no input 'more'" in line(lambda: compiled.run({"input": digits[:1], "more": digits[:1]}))
    assert "is no array" in line(lambda: compiled.run(object())) or "takes f32" in line(lambda: compiled.run(object()))
    assert "takes f32" in line(lambda: compiled.run(digits[:1].astype(np.complex64)))
    assert "has 1 networks, but number 3" in line(lambda: compiled.run(digits[:1], network=3))
    assert "method 'best' is not known" in line(lambda: tmpu.calibrate(CNN, samples=[digits[:1]], method="best"))
    assert "saw no sample" in line(lambda: tmpu.calibrate(CNN, samples=[]))
    assert "sample 1: input 'input' takes [1,1,28,28], not [2,1,28,28]" in line(
        lambda: tmpu.calibrate(CNN, samples=[digits[:1], digits[:2]]))
    damaged = bytearray(compiled.to_bytes())
    damaged[100] ^= 1
    assert "checksum does not fit" in line(lambda: tmpu.Model(bytes(damaged)))


def test_an_error_of_the_samples_comes_through():
    def samples():
        raise KeyError("mine")
        yield

    with pytest.raises(KeyError, match="mine"):
        tmpu.calibrate(CNN, samples=samples())


def test_check_finds_what_the_driver_finds(digits, table, tmp_path):
    words = ["check", CNN, "--chip", "nano", *DIGITS, "--samples", 2]
    report = tmpu.check(CNN, chip="nano", quantize="f16", data=digits, samples=2)
    assert report.passed and report.text == tmpuc(*words, "--quantize", "f16")
    assert {r["name"] for r in report.table["rows"]} > {"input", "output"}
    assert all(r["tpu_chip"] is None or r["tpu_chip"]["bit_equal"] for r in report.table["rows"])
    table.save(tmp_path / "t.cali")
    int8 = tmpu.check(CNN, chip="nano", quantize="int8", calibration=table, data={"input": digits}, samples=2, tolerance=(0.9999, 0.999))
    tmpuc(*words, "--quantize", "int8", "--calibration", tmp_path / "t.cali", "--tolerance", "0.9999,0.999", "--html", tmp_path / "r.html",
          code=1)
    assert not int8.passed and "FAILED" in int8.text
    assert int8.html == (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("mode", ["f32", "int8"])
def test_onnx_runtime_is_the_first_column(digits, table, mode):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install onnxruntime")
    report = tmpu.check(CNN, chip="bm1684x", quantize=mode, calibration=table if mode == "int8" else None, data=digits, samples=4,
                        reference="onnxruntime")
    assert report.passed, report.text
    assert report.table["reference"].endswith("onnxruntime.npz")
    row = next(r for r in report.table["rows"] if r["name"] == "output")
    assert row["onnx_top"]["cosine"] > 0.9999999 and row["onnx_chip"]["cosine"] > (0.99999 if mode == "f32" else 0.99)


def test_threads_share_a_model(compiled, digits):
    wanted = [compiled.run(digits[i:i + 1])["output"].tobytes() for i in range(8)]
    wrong = []

    def work(i):
        for _ in range(5):
            if compiled.run(digits[i:i + 1])["output"].tobytes() != wanted[i]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_the_interpreter_is_free_while_the_machine_works(compiled, digits):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            compiled.run(digits[:1])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        # Without the release this thread would come to its turn only between runs: 1,000 turns would take as many runs.
        begin, turns = time.perf_counter(), 0
        inside = compiled._native.last_seconds
        while time.perf_counter() - begin < max(0.2, 3 * inside):
            turns += 1
        assert turns > 1000
    finally:
        stop.set()
        thread.join()


def test_a_run_costs_little_more_than_the_machine(digits, table):
    """At most 20 microseconds (the median of many) above the C++ call that is inside."""
    model = tmpu.compile(CNN, chip="nano", quantize="int8", calibration=table)
    x = {"input": digits[:1]}
    above = []
    for _ in range(200):
        begin = time.perf_counter()
        model.run(x)
        above.append(time.perf_counter() - begin - model._native.last_seconds)
    median = statistics.median(above)
    print(f"above the C++ call: {median * 1e6:.1f} us")
    assert median < 20e-6


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    import re
    import shutil
    for name in ("digits.npz", "digits_cnn.onnx"):
        shutil.copy(DATA / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.M | re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)  # one after the other, with the names of those before
    assert names["scores"].shape == (1, 10) and Path("digits.tmodel").exists() and "</html>" in Path("report.html").read_text()


def test_the_stubs_name_what_there_is():
    import re
    stubs = (ROOT / "python/tmpu/__init__.pyi").read_text()
    for name in tmpu.__all__:
        assert re.search(rf"^(class|def) {name}\b|^{name}:", stubs, re.M), name
    for name in [n for n in dir(tmpu.Model) if not n.startswith("_")]:
        assert re.search(rf"^    def {name}\b", stubs, re.M), name
        assert getattr(tmpu.Model, name).__doc__

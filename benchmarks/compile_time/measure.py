#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each public header costs to compile: seconds, peak MB, template instantiations (python3, standard library only).

  measure.py --check            compares the instantiations with budget.json: exit 1 where one grew by more than 10 %
  measure.py --update           rewrites budget.json
  measure.py --table            prints a markdown table: instantiations, and seconds and MB (the median of three)
  measure.py --self-test        proves that the count repeats and that the check can fail

Instantiations are the InstantiateClass and InstantiateFunction events of `clang++ -ftime-trace`. With one compiler and one
standard library the count is the same in every run and under any load, so it is judged; seconds and MB are only printed.
Growth by up to ten instantiations passes in any case, so that tiny headers may change.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUDGET = pathlib.Path(__file__).resolve().with_name("budget.json")
COUNTED = ("InstantiateClass", "InstantiateFunction")
GROWTH = 0.10
SLACK = 10
SKIPPED = 77


def command(compiler, include, header, extra):
    flags = ["-std=c++20", "-O0", "-ffp-contract=off", "-DONNX_ML=1", "-DONNX_NAMESPACE=onnx", "-w"]
    return [compiler, *flags, f"-I{include}", *extra, "-include", header, "-x", "c++"]


def run(arguments):
    """Runs a command; gives (exit code, stderr, seconds, peak MB)."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        log.seek(0)
        text = log.read().decode(errors="replace")
    return process.returncode, text, seconds, usage.ru_maxrss / 1024.0


def count(compiler, include, header):
    """The template instantiations of one header."""
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "trace.o")
        trace = ["-ftime-trace", "-ftime-trace-granularity=0", "-c", "-o", output]
        code, text, _, _ = run([*command(compiler, include, header, trace), "/dev/null"])
        if code != 0:
            raise RuntimeError(f"{header} does not compile:\n{text}")
        with open(os.path.join(directory, "trace.json"), encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
    return sum(1 for event in events if event.get("ph") == "X" and event.get("name") in COUNTED)


def public_headers():
    return sorted(str(path.relative_to(ROOT / "include")) for path in (ROOT / "include").rglob("*.hpp"))


def version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def count_all(compiler, include, headers, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(lambda header: count(compiler, include, header), headers))
    return dict(zip(headers, counts))


def limit(budget):
    return max(int(budget * (1 + GROWTH)), budget + SLACK)


def judge(counts, budget):
    """Gives the complaints, one line each."""
    complaints = []
    for header, number in counts.items():
        if header not in budget:
            complaints.append(f"{header}: {number} instantiations, but no budget (new header: run measure.py --update)")
        elif number > limit(budget[header]):
            growth = 100.0 * (number / budget[header] - 1) if budget[header] else 100.0
            complaints.append(f"{header}: {number} instantiations, budget {budget[header]} (+{growth:.0f} %, allowed 10 %)")
    complaints += [f"{header}: in the budget, but gone (run measure.py --update)" for header in budget if header not in counts]
    return complaints


def self_test(compiler):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)

        def write(name, depth):
            (path / name).write_text(
                "template <int N> struct down { static constexpr int value = down<N - 1>::value + 1; };\n"
                f"template <> struct down<0> {{ static constexpr int value = 0; }};\nstatic_assert(down<{depth}>::value == {depth});\n")

        write("small.hpp", 100)
        write("large.hpp", 150)
        first, second = count(compiler, path, "small.hpp"), count(compiler, path, "small.hpp")
        assert first == second == 100, f"counted {first} and {second}, not 100"
        assert count(compiler, path, "large.hpp") == 150
    assert judge({"a": 110}, {"a": 100}) == []
    assert "(+11 %" in judge({"a": 111}, {"a": 100})[0]
    assert judge({"a": 12}, {"a": 3}) == []
    assert "no budget" in judge({"a": 1}, {})[0]
    assert "gone" in judge({}, {"a": 1})[0]
    print("the count repeats, and the check can fail")


def table(compiler, headers, counts):
    include = ROOT / "include"
    print(f"{version(compiler)}, -O0; seconds and MB are the median of three.\n")
    print("| header | seconds | peak MB | instantiations |\n|---|---:|---:|---:|")
    for header in headers:
        runs = [run([*command(compiler, include, header, ["-c", "-o", "/dev/null"]), "/dev/null"]) for _ in range(3)]
        seconds, megabytes = (statistics.median(column) for column in list(zip(*runs))[2:])
        print(f"| {header.removeprefix('tmpu/')} | {seconds:.2f} | {megabytes:.0f} | {counts[header]} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="What each public header costs to compile.")
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("check", "update", "table", "self-test"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--compiler", default="clang++-16")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    compiler = arguments.compiler

    if arguments.self_test:
        self_test(compiler)
        return 0
    budget = json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.exists() else {"compiler": "", "instantiations": {}}
    if arguments.check and not budget["instantiations"]:
        print("skipped: there is no budget yet (run measure.py --update)")
        return SKIPPED
    if arguments.check and budget["compiler"] != version(compiler):
        print(f"skipped: the budget was counted with {budget['compiler']}, this is {version(compiler)}")
        return SKIPPED

    headers = public_headers()
    try:
        counts = count_all(compiler, ROOT / "include", headers, arguments.jobs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.table:
        table(compiler, headers, counts)
    elif arguments.update:
        text = json.dumps({"compiler": version(compiler), "instantiations": counts}, indent=2)
        BUDGET.write_text(text + "\n", encoding="utf-8")
        print(f"{BUDGET.name}: {len(counts)} headers, {sum(counts.values())} instantiations")
    else:
        complaints = judge(counts, budget["instantiations"])
        print("\n".join(complaints) if complaints else f"{len(counts)} headers are within their budget")
        return 1 if complaints else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

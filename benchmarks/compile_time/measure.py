#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the headers, lists and constexpr models cost to compile: seconds, peak MB, template instantiations (python3, standard library only).

  measure.py --check            compares the instantiations with budget.json: exit 1 where one grew by more than 10 %
  measure.py --update           rewrites budget.json
  measure.py --report FOLDER    measures each public header and the cases of cases.py with g++ and clang++; writes compile_time.json,
                                pictures (.svg) and a table for people (table.md)
  measure.py --self-test        proves that the count repeats and that the check can fail

Instantiations are the InstantiateClass and InstantiateFunction events of `clang++ -ftime-trace`. With one compiler and one
standard library the count is the same in every run and under any load, so it is judged; processor seconds and MB are only printed.
Growth by up to ten instantiations passes in any case, so that tiny headers may change.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import cases
import plot

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUDGET = pathlib.Path(__file__).resolve().with_name("budget.json")
COUNTED = ("InstantiateClass", "InstantiateFunction")
GROWTH = 0.10
SLACK = 10
SKIPPED = 77


def flags_of(compiler, include):
    family = "clang++" if "clang" in compiler else "g++"
    return [compiler, "-std=c++20", "-O0", "-ffp-contract=off", "-DONNX_ML=1", "-DONNX_NAMESPACE=onnx", "-w", *cases.LIMITS[family],
            f"-I{include}", f"-I{BUDGET.parent}", "-x", "c++"]


def run(arguments, source):
    """Compiles a source; gives (exit code, stderr, processor seconds, peak MB)."""
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as log:
        path = os.path.join(directory, "source.cpp")
        pathlib.Path(path).write_text(source, encoding="utf-8")
        process = subprocess.Popen([*arguments, path], stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode(errors="replace")
    return process.returncode, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0


def events_of(trace):
    """The counted events of a trace, piece by piece: as a whole it takes a GB, which would be the peak of each compiler started later."""
    names = re.compile(rb'"name":"(?:' + "|".join(COUNTED).encode() + rb')"')
    longest = max(len(found) for found in COUNTED) + len('"name":""')
    number, rest = 0, b""
    with open(trace, "rb") as file:
        while piece := file.read(1 << 20):
            piece = rest + piece
            end = 0
            for found in names.finditer(piece):
                number, end = number + 1, found.end()
            rest = piece[max(end, len(piece) - longest):]
    return number


def count(compiler, include, name, source):
    """The template instantiations of a source."""
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "trace.o")
        trace = ["-ftime-trace", "-ftime-trace-granularity=0", "-c", "-o", output]
        code, text, _, _ = run([*flags_of(compiler, include), *trace], source)
        if code != 0:
            raise RuntimeError(f"{name} does not compile:\n{text}")
        return events_of(os.path.join(directory, "trace.json"))


def alone(header):
    return f'#include "{header}"\n'


def public_headers():
    return sorted(str(path.relative_to(ROOT / "include")) for path in (ROOT / "include").rglob("*.hpp"))


def version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def operators_of_top():
    """How many operators Top has: the names between the brackets of its list, comments apart."""
    text = (ROOT / "include/tmpu/top/operators.hpp").read_text(encoding="utf-8")
    listed = re.search(r"constexpr list<(.*?)>\s*operators;", text, re.S).group(1)
    return len([name for name in re.sub(r"//.*", "", listed).split(",") if name.strip()])


def sources_of(headers, slow):
    """{name: source} of each header alone and of the cases, those of long constant evaluation only where asked for."""
    made = {header: alone(header) for header in headers}
    made.update({c.name: c.source for c in cases.all_cases(operators_of_top()) if slow or not c.slow})
    return made


def count_all(compiler, include, sources, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(lambda name: count(compiler, include, name, sources[name]), sources))
    return dict(zip(sources, counts))


def limit(budget):
    return max(int(budget * (1 + GROWTH)), budget + SLACK)


def judge(counts, budget):
    """Gives the complaints, one line each."""
    complaints = []
    for header, number in counts.items():
        if header not in budget:
            complaints.append(f"{header}: {number} instantiations, but no budget (new: run measure.py --update)")
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
        first, second = (count(compiler, path, "small", alone("small.hpp")) for _ in range(2))
        assert first == second == 100, f"counted {first} and {second}, not 100"
        assert count(compiler, path, "large", alone("large.hpp")) == 150
    assert judge({"a": 110}, {"a": 100}) == []
    assert "(+11 %" in judge({"a": 111}, {"a": 100})[0]
    assert judge({"a": 12}, {"a": 3}) == []
    assert "no budget" in judge({"a": 1}, {})[0]
    assert "gone" in judge({}, {"a": 1})[0]
    print("the count repeats, and the check can fail")


def report(compilers, folder, jobs):
    folder.mkdir(parents=True, exist_ok=True)
    headers = public_headers()
    sources = sources_of(headers, slow=True)
    counter = next(c for c in compilers if "clang" in c)
    counts = count_all(counter, ROOT / "include", sources, jobs)
    rows = []
    for name, source in sources.items():
        row = {"name": name, "instantiations": counts[name]}
        for compiler in compilers:
            code, text, seconds, megabytes = run([*flags_of(compiler, ROOT / "include"), "-c", "-o", "/dev/null"], source)
            if code != 0:
                raise RuntimeError(f"{name} does not compile with {compiler}:\n{text}")
            row[compiler] = {"seconds": round(seconds, 3), "peak_mb": round(megabytes, 1)}
        rows.append(row)
        print(f"{name}: " + ", ".join(f"{c} {row[c]['seconds']:.2f} s {row[c]['peak_mb']:.0f} MB" for c in compilers), flush=True)
    result = {"compilers": {c: version(c) for c in compilers}, "rows": rows}
    (folder / "compile_time.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    by_name = {row["name"]: row for row in rows}
    kinds = {}
    for c in cases.all_cases(operators_of_top()):
        kinds.setdefault(c.kind, []).append(c)
    lists = [kind for kind in kinds if kind.startswith("types in a list")]
    for kind, members in kinds.items():
        if len(members) < 2 or kind in lists:
            continue
        series = {c: [(m.size, by_name[m.name][c]["seconds"]) for m in members] for c in compilers}
        (folder / f"{kind.replace(' ', '_')}.svg").write_text(plot.lines(kind, kind, "seconds", series), encoding="utf-8")
    series = {f"{kind.split(', ')[1]}, {c}": [(m.size, by_name[m.name][c]["seconds"]) for m in kinds[kind]]
              for kind in lists for c in compilers}
    (folder / "lists.svg").write_text(plot.lines("keep, look for, tabulate the types of a list", "types", "seconds", series), encoding="utf-8")
    dear = sorted(headers, key=lambda h: -by_name[h][compilers[0]]["seconds"])[:30]
    groups = [(h.removeprefix("tmpu/"), {c: by_name[h][c]["seconds"] for c in compilers}) for h in dear]
    (folder / "headers.svg").write_text(plot.bars("public headers alone, seconds: the thirty dearest", groups), encoding="utf-8")

    lines = ["| what | " + " | ".join(f"{c}, s | {c}, MB" for c in compilers) + " | instantiations |",
             "|---|" + "---:|" * (2 * len(compilers) + 1)]
    for name in [h for h in dear[:12]] + [c.name for members in kinds.values() for c in members]:
        row = by_name[name]
        cells = " | ".join(f"{row[c]['seconds']:.2f} | {row[c]['peak_mb']:.0f}" for c in compilers)
        lines.append(f"| {name.removeprefix('tmpu/')} | {cells} | {row['instantiations']} |")
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="What headers, lists and constexpr models cost to compile.")
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("check", "update", "self-test"):
        mode.add_argument(f"--{name}", action="store_true")
    mode.add_argument("--report", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--other-compiler", default="g++", help="the one beside it in --report")
    parser.add_argument("--compiler", default="clang++-16")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    compiler = arguments.compiler

    if arguments.self_test:
        self_test(compiler)
        return 0
    if arguments.report is not None:
        report([arguments.other_compiler, compiler], arguments.report, arguments.jobs)
        return 0
    budget = json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.exists() else {"compiler": "", "instantiations": {}}
    if arguments.check and not budget["instantiations"]:
        print("skipped: there is no budget yet (run measure.py --update)")
        return SKIPPED
    if arguments.check and budget["compiler"] != version(compiler):
        print(f"skipped: the budget was counted with {budget['compiler']}, this is {version(compiler)}")
        return SKIPPED

    try:
        counts = count_all(compiler, ROOT / "include", sources_of(public_headers(), slow=False), arguments.jobs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.update:
        text = json.dumps({"compiler": version(compiler), "instantiations": counts}, indent=2)
        BUDGET.write_text(text + "\n", encoding="utf-8")
        print(f"{BUDGET.name}: {len(counts)} headers and cases, {sum(counts.values())} instantiations")
    else:
        complaints = judge(counts, budget["instantiations"])
        print("\n".join(complaints) if complaints else f"{len(counts)} headers and cases are within their budget")
        return 1 if complaints else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

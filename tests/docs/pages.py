# SPDX-License-Identifier: Apache-2.0
"""Checks of the project's pages (README.md, CONTRIBUTING.md, CHANGELOG.md, docs/*.md).

pages.py links ROOT            every relative link leads to a file, every #anchor to a heading; the include table of docs/design.md and
                               of CONTRIBUTING.md is that of tests/checks/layering.cmake; docs/errors.md has every number of core/diag.hpp
pages.py run ROOT WORK TMPUC   runs every ```sh block, in order, a page in a folder of its own; where a ```text block follows it
                               directly, the output must be that text. Blocks of other languages are not run.
pages.py update ROOT WORK TMPUC   the same, but writes the output into the page
"""
import os
import re
import shutil
import subprocess
import sys


def pages(root):
    names = [n for n in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md") if os.path.exists(os.path.join(root, n))]
    names += sorted(os.path.join("docs", n) for n in os.listdir(os.path.join(root, "docs")) if n.endswith(".md"))
    return names


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def blocks(lines):
    """Fenced blocks as (language, first line inside, line of the closing fence)."""
    found, begin, language = [], None, ""
    for i, line in enumerate(lines):
        m = re.match(r"^```(\w*)\s*$", line)
        if begin is None and m:
            begin, language = i + 1, m.group(1)
        elif begin is not None and line.rstrip() == "```":
            found.append((language, begin, i))
            begin = None
    return found


def without_code(text):
    return re.sub(r"`[^`\n]*`", "`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    found = set()
    for line in re.sub(r"^```.*?^```", "", text, flags=re.M | re.S).splitlines():
        if m := re.match(r"^#+\s+(.*?)\s*$", line):
            slug = re.sub(r"[^\w\- ]", "", m.group(1).lower()).replace(" ", "-")
            n, unique = 1, slug
            while unique in found:
                unique, n = f"{slug}-{n}", n + 1
            found.add(unique)
    return found


def include_table(root):
    out = subprocess.run(["cmake", "-DPRINT=ON", "-P", os.path.join(root, "tests/checks/layering.cmake")],
                         capture_output=True, text=True, check=True)
    return dict((room, words.split()) for room, words in
                (line.split(":", 1) for line in (out.stdout + out.stderr).splitlines() if ":" in line))


def check_links(root):
    bad, count = [], 0
    for name in pages(root):
        text = read(os.path.join(root, name))
        for m in re.finditer(r"\]\(([^)\s]+)\)", without_code(text)):
            target = m.group(1)
            if re.match(r"^[a-z]+:", target):
                continue
            count += 1
            path, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(root, os.path.dirname(name), path)) if path else os.path.join(root, name)
            if not os.path.exists(full):
                bad.append(f"{name}: there is no {path}")
            elif anchor and full.endswith(".md") and anchor not in anchors(read(full)):
                bad.append(f"{name}: {path or name} has no heading #{anchor}")

    table = include_table(root)
    design = {}
    for m in re.finditer(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", read(os.path.join(root, "docs/design.md")), flags=re.M):
        if m.group(1) in table:
            design[m.group(1)] = [] if m.group(2).strip() == "–" else m.group(2).split()
    short = {}
    for m in re.finditer(r"((?:\w+, )*\w+):((?: [a-z]+)*)(?=\s{2,}|$)", read(os.path.join(root, "CONTRIBUTING.md")), flags=re.M):
        for room in m.group(1).split(", "):
            if room in table:
                short[room] = m.group(2).split()
    for where, found in (("docs/design.md", design), ("CONTRIBUTING.md", short)):
        for room, may in table.items():
            if found.get(room) != may:
                bad.append(f"{where}: the include table has {found.get(room)} for {room}; tests/checks/layering.cmake has {may}")

    errors = read(os.path.join(root, "docs/errors.md"))
    for number in re.findall(r"tmpu-[A-Z]\d{3}(?=:)", read(os.path.join(root, "include/tmpu/core/diag.hpp"))):
        if f"## {number}: " not in errors:
            bad.append(f"docs/errors.md: has no heading for {number}")
    if count == 0:
        bad.append("no links found at all")
    print(f"{count} links")
    return bad


def run(root, work, tmpuc, update):
    bad, commands, texts = [], 0, 0
    environment = dict(os.environ, PATH=os.path.dirname(os.path.abspath(tmpuc)) + os.pathsep + os.environ["PATH"], LC_ALL="C.UTF-8")
    for name in pages(root):
        path = os.path.join(root, name)
        lines = read(path).split("\n")
        found = blocks(lines)
        folder = os.path.join(work, re.sub(r"\W", "_", name))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        os.symlink(os.path.join(root, "examples"), os.path.join(folder, "examples"))
        replaced = []
        for k, (language, first, last) in enumerate(found):
            if language != "sh":
                continue
            script = "\n".join(lines[first:last])
            commands += len(re.findall(r"\btmpuc ", script))
            done = subprocess.run(["sh", "-eu", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
            where = f"{name}:{first + 1}"
            if done.returncode != 0:
                bad.append(f"{where}: exit {done.returncode}\n{script}\n{done.stdout}{done.stderr}")
                continue
            if k + 1 == len(found) or found[k + 1][0] != "text" or "".join(lines[last + 1:found[k + 1][1] - 1]).strip():
                continue
            texts += 1
            _, begin, end = found[k + 1]
            got = [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]
            want = [line.rstrip() for line in lines[begin:end]]
            if got != want:
                replaced.append((begin, end, got))
                if not update:
                    bad.append(f"{where}: the output of\n{script}\nis not what the page shows.\n--- page\n" + "\n".join(want) +
                               "\n--- now\n" + "\n".join(got))
        if update and replaced:
            for begin, end, got in reversed(replaced):
                lines[begin:end] = got
            with open(path, "w", encoding="utf-8") as f:
                f.write("\n".join(lines))
            print(f"{name}: {len(replaced)} texts written")
    if commands == 0 or texts == 0:
        bad.append("no commands, or no texts to compare, found in the pages")
    print(f"{commands} commands of tmpuc run, {texts} texts compared")
    return bad


def main():
    mode, root = sys.argv[1], os.path.abspath(sys.argv[2])
    if mode == "links":
        bad = check_links(root)
    else:
        bad = run(root, os.path.abspath(sys.argv[3]), sys.argv[4], mode == "update")
    for line in bad:
        print("error:", line, file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

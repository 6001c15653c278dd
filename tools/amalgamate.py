#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""amalgamate.py OUT.hpp [HEADER ...]: headers of tmpu and all of tmpu that they include, as one file that needs only the C++ library
and Boost.Hana. Without headers it is what runs a .tmodel: the loader, the executor and its checked mode."""
import os
import re
import sys

INCLUDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "include")
RUNTIME = ["tmpu/isa/tmodel.hpp", "tmpu/exec/checked.hpp", "tmpu/version.hpp"]


def lines_of(name, seen):
    if name in seen:
        return []
    seen.add(name)
    out = []
    with open(os.path.join(INCLUDE, name), encoding="utf-8") as f:
        lines = f.read().splitlines()
    for line in lines:
        if line.startswith("// SPDX-License-Identifier") or line == "#pragma once":
            continue
        if own := re.match(r'#include "(tmpu/[^"]+)"', line):
            out += lines_of(own.group(1), seen)
        else:
            out.append(line)
    while out and not out[0]:
        out.pop(0)
    return [f"// ---- {name}", *out]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    seen, body = set(), []
    for name in sys.argv[2:] or RUNTIME:
        body += lines_of(name, seen)
    head = ["// SPDX-License-Identifier: Apache-2.0", f"// {len(seen)} headers of tmpu in one, made by tools/amalgamate.py: do not edit. Compile with "
            "-std=c++20 -ffp-contract=off.", "#pragma once", ""]
    text = "\n".join(head + body) + "\n"
    with open(sys.argv[1] + ".part", "w", encoding="utf-8") as f:
        f.write(re.sub(r"\n{3,}", "\n\n", text))
    os.replace(sys.argv[1] + ".part", sys.argv[1])


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/core/f8_vectors.hpp: what ml_dtypes (PyPI) says of the f8 formats.

The value of every code, as float bits; and for each code the first f16 (as bits, going up from +0) that is rounded to it. Rounding
is monotonous and symmetric, which is checked here for all 65,536 f16, so these say it for all of them.
"""
import pathlib
import ml_dtypes
import numpy as np

FORMATS = (("e4m3", ml_dtypes.float8_e4m3fn, 0x7E), ("e5m2", ml_dtypes.float8_e5m2, 0x7B))


def rows(name, numbers, digits, each):
    out = [f"inline constexpr std::uint{digits * 4}_t {name}[] = {{"]
    for at in range(0, len(numbers), each):
        out.append("    " + " ".join(f"0x{int(n):0{digits}X}," for n in numbers[at:at + each]))
    return out + ["};"]


def main():
    out = ["// SPDX-License-Identifier: Apache-2.0",
           f"// Made by tools/f8_vectors.py with ml_dtypes {ml_dtypes.__version__}; not to be edited.",
           "#pragma once", "", "#include <cstdint>", "",
           "// NAME_values: the float bits of all 256 codes (NaNs as ml_dtypes has them). NAME_first: the least positive f16 that becomes code 1, 2, ...,",
           "// the greatest finite one. NAME_last: the greatest f16 that becomes the greatest finite code without saturation.",
           "// clang-format off", "namespace f8_vectors {", ""]
    halves = np.arange(0x10000, dtype=np.uint16)
    for name, kind, greatest in FORMATS:
        values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32).view(np.uint32)
        codes = halves.view(np.float16).astype(kind).view(np.uint8)
        assert (codes[0x8000:0xFC01] == (codes[:0x7C01] | 0x80)).all()
        finite = codes[:0x7C00].astype(int)
        assert (np.diff(finite) >= 0).all()
        first = [int(np.argmax(finite == code)) for code in range(1, greatest + 1)]
        assert all(finite[f] == c + 1 for c, f in enumerate(first))
        last = int(np.nonzero(finite == greatest)[0].max())
        out += rows(f"{name}_values", values, 8, 8) + rows(f"{name}_first", first, 4, 16)
        out += [f"inline constexpr std::uint16_t {name}_last = 0x{last:04X};", ""]
    out += ["} // namespace f8_vectors", "// clang-format on"]
    path = pathlib.Path(__file__).parent.parent / "tests" / "core" / "f8_vectors.hpp"
    path.write_text("\n".join(out) + "\n")


main()

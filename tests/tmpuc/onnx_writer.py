# SPDX-License-Identifier: Apache-2.0
"""Writes small ONNX models and numpy files with nothing but Python's own library: models that no exporter would write, too."""
import collections
import os
import struct
import zipfile

FLOAT, UINT8, INT8, INT32, INT64, STRING = 1, 2, 3, 6, 7, 8
FORMATS = {FLOAT: "f", UINT8: "B", INT8: "b", INT32: "i", INT64: "q"}


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A field of protobuf: integers as varints, texts, bytes and messages with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, dims, values, kind=FLOAT):
    raw = struct.pack(f"<{len(values)}{FORMATS[kind]}", *values)
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, raw)


def attribute(name, value):
    head = field(1, name)
    if isinstance(value, float):
        return head + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return head + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return head + field(4, value) + field(20, 3)
    return head + b"".join(field(8, v) for v in value) + field(20, 7)


def node(op, inputs, outputs, name="", domain="", **attributes):
    return (b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name) + field(4, op) +
            b"".join(field(5, attribute(k, v)) for k, v in attributes.items()) + field(7, domain))


def value_info(name, dims, kind=FLOAT):
    """A text among the dimensions is a free one; dims None: no shape at all."""
    shape = b"" if dims is None else field(2, b"".join(
        field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims))
    return field(1, name) + field(2, field(1, field(1, kind) + shape))


def model(nodes, inputs, outputs, initializers=(), opset=13):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in initializers) +
             b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))
    return field(1, 8) + field(7, graph) + field(8, field(2, opset))


def npy(descr, dims, raw):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({''.join(f'{d},' for d in dims)}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + raw


def array(dims, values, descr="<f4"):
    code = {"<f4": "f", "<f8": "d", "|u1": "B", "|i1": "b", "<i4": "i", "<i8": "q"}[descr]
    return npy(descr, dims, struct.pack(f"<{len(values)}{code}", *values))


def write_npz(path, **arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in arrays.items():
            z.writestr(name + ".npy", content)


def read_npz(path):
    """name -> (descr, shape, values); nothing where there is no file"""
    found = collections.defaultdict(lambda: ("", (), ()))
    if not os.path.exists(path):
        return found
    with zipfile.ZipFile(path) as z:
        for entry in z.namelist():
            raw = z.read(entry)
            size = struct.unpack("<H", raw[8:10])[0]
            head = eval(raw[10:10 + size].decode(), {})  # numpy's own form: a dict literal
            code = {"<f4": "f", "<f2": "e", "|u1": "B", "|i1": "b", "<i4": "i", "<i8": "q"}[head["descr"]]
            count = 1
            for d in head["shape"]:
                count *= d
            found[entry[:-4]] = (head["descr"], head["shape"], struct.unpack(f"<{count}{code}", raw[10 + size:]))
    return found

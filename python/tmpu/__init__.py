# SPDX-License-Identifier: Apache-2.0
"""tmpu: compiles neural networks (ONNX) for a TPU and runs them on the reference TPU.

    import numpy as np
    import tmpu

    samples = np.load("digits.npz")["calib_x"].astype(np.float32) / 255
    table = tmpu.calibrate("digits_cnn.onnx", samples=(s[None] for s in samples[:200]))
    model = tmpu.compile("digits_cnn.onnx", chip="nano", quantize="int8", calibration=table)
    scores = model.run({"input": samples[:1]})["output"]

What is refused raises `tmpu.Error` with the one line that the driver `tmpuc` would print.
"""
from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass

from . import _native
from ._native import Error, __version__
from .frameworks import from_tensorflow, from_torch

__all__ = ["Calibration", "Error", "Model", "Report", "Tensor", "calibrate", "check", "chips", "compile", "from_tensorflow",
           "from_torch", "__version__"]


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a network.

    name: its name in the model.
    shape: elements along each axis, outermost first; -1 where only a run tells it (outputs of host steps).
    dtype: numpy's name of what `Model.run` takes and gives: "float32" for floats and quantized integers, else the model's integer type.
    element: the type in which the chip holds it: "f32", "f16", "bf16", "i8", "u8", "i32", ...
    scale, zero_point: real = scale * (q - zero_point) of quantized integers; None of others.
    """
    name: str
    shape: tuple
    dtype: str
    element: str
    scale: float | None
    zero_point: int | None


class Model:
    """A compiled program and the reference TPU that runs it.

    Model("sample.tmodel") reads a file; Model(content) takes its bytes. The program is verified before anything of it runs.
    """

    def __init__(self, source):
        if isinstance(source, _native.Model):
            self._native = source
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._native = _native.Model.from_bytes(bytes(source))
        else:
            self._native = _native.Model.load(os.fspath(source))

    @property
    def networks(self) -> list:
        """The names of the networks in the program; methods take their number."""
        return self._native.networks()

    @property
    def inputs(self) -> list:
        """The inputs of the first network, in its order: a list of Tensor."""
        return self.inputs_of(0)

    @property
    def outputs(self) -> list:
        """The outputs of the first network, in its order: a list of Tensor."""
        return self.outputs_of(0)

    def inputs_of(self, network: int) -> list:
        """The inputs of a network, by its number."""
        return [Tensor(**facts) for facts in self._native.inputs(network)]

    def outputs_of(self, network: int) -> list:
        """The outputs of a network, by its number."""
        return [Tensor(**facts) for facts in self._native.outputs(network)]

    @property
    def chip(self) -> str:
        """The chip that the program was compiled for."""
        return self._native.chip

    @property
    def quantize(self) -> str:
        """What the program computes in: "f32", "f16", "bf16", "int8", ..."""
        return self._native.quantize

    @property
    def cycles(self) -> int:
        """Clock cycles of one run of the first network on the chip: a prediction of a model, not a measurement."""
        return self._native.cycles(0)

    def run(self, inputs, *, network: int = 0, raw: bool = False) -> dict:
        """Runs a network once: {name: array} in, {name: array} out; of a network with one input the array alone will do.

        Arrays have the shapes of `inputs`, the network's batch included. Float inputs take any real numbers (they are rounded to float32,
        then to the network's own type), integer inputs take integers in their range. C-contiguous arrays of the network's own type are
        read where they are; float32 and int64 outputs are not copied either.

        raw: give outputs as the chip holds them (int8 of a quantized network), not as real numbers.

        The interpreter's lock is released while the machine works. Calls for one model from several threads follow each other.
        """
        return self._native.run(inputs, network, raw)

    def save(self, path) -> None:
        """Writes the program as a .tmodel file, as a whole or not at all."""
        self._native.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes of the .tmodel file."""
        return self._native.to_bytes()

    def __repr__(self) -> str:
        return f"<tmpu.Model {', '.join(self.networks)}: {self.quantize} on {self.chip}>"


class Calibration:
    """A table of ranges, one line a tensor: what int8 covers. `text` is the .cali file, to be read and edited."""

    def __init__(self, text: str):
        self.text = text

    @classmethod
    def load(cls, path) -> Calibration:
        """Reads a .cali file."""
        with open(path, encoding="utf-8") as f:
            return cls(f.read())

    def save(self, path) -> None:
        """Writes the .cali file, as a whole or not at all."""
        path = os.fspath(path)
        part = f"{path}.part{os.getpid()}"
        try:
            with open(part, "w", encoding="utf-8", newline="\n") as f:
                f.write(self.text)
            os.replace(part, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(part)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Report:
    """What `check` found.

    passed: every comparison is within its tolerance, and Tpu and Chip agree in every bit.
    table: {"reference", "rows", "worst"}; a row has the tensor's name and, for each pair of places ("onnx_top", "top_tpu", "tpu_chip",
        "onnx_chip"), cosine, euclid, sqnr_db, max_abs_difference, bit_equal, or None where the tensor is not at both.
    text: the table as `tmpuc check` prints it.
    html: the page that `tmpuc check --html` writes.
    """
    passed: bool
    table: dict
    text: str
    html: str


@contextlib.contextmanager
def _as_files(model, calibration):
    """Paths of a model and of a table: of what is not in a file, of a temporary one."""
    with contextlib.ExitStack() as stack:
        def temporary(name, content):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tmpu-"))
            path = os.path.join(folder, name)
            with open(path, "wb") as f:
                f.write(content)
            return path

        if hasattr(model, "SerializeToString"):  # an onnx.ModelProto
            model = model.SerializeToString()
        if isinstance(model, (bytes, bytearray, memoryview)):
            model = temporary("model.onnx", bytes(model))
        if isinstance(calibration, Calibration):
            calibration = temporary("table.cali", calibration.text.encode())
        yield os.fspath(model), "" if calibration is None else os.fspath(calibration)


def _how(chip, quantize, calibration, asymmetric, weight_group, float_io, qtable, opt, cores, disable_rules):
    how = _native.How()
    how.chip, how.quantize, how.calibration, how.asymmetric = chip, quantize, calibration, asymmetric
    how.weight_group, how.float_io, how.qtable = weight_group, float_io, "" if qtable is None else os.fspath(qtable)
    how.opt, how.cores, how.without = opt, cores, list(disable_rules)
    return how


def _shapes(input_shapes):
    return {name: [int(d) for d in dims] for name, dims in (input_shapes or {}).items()}


def _onnxruntime(path, data, samples, folder):
    """ONNX Runtime's outputs on the first samples, as an .npz whose keys are the outputs' names."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    arrays = data if isinstance(data, dict) else {inputs[0].name: data}
    wanted = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    arrays = {i.name: np.asarray(arrays[i.name]).astype(wanted.get(i.type, np.asarray(arrays[i.name]).dtype)) for i in inputs}
    first = inputs[0].shape[0] if inputs[0].shape else 1
    batch = first if isinstance(first, int) and first > 0 else 1
    ranks = {i.name: len(i.shape) for i in inputs}
    count = len(arrays[inputs[0].name])
    count = min(count, samples) if samples > 0 else count
    names = [o.name for o in session.get_outputs()]
    runs = []
    for at in range(0, count, batch):
        rows = {n: a[at:at + batch].reshape(a[at:at + batch].shape if a.ndim == ranks[n] else a.shape[1:]) for n, a in arrays.items()}
        runs.append(session.run(names, rows))
    reference = os.path.join(folder, "onnxruntime.npz")
    np.savez(reference, **{n: np.concatenate([r[i] for r in runs]) for i, n in enumerate(names)})
    return reference


def compile(model, *, chip: str, quantize: str = "f32", calibration=None, asymmetric: bool = False, weight_group: int = 0,
            float_io: bool = False, qtable=None, opt: int = 2, cores: int = 1, input_shapes=None, disable_rules=()) -> Model:
    """Compiles an ONNX model to the instruction stream of a chip, as `tmpuc compile` does: the bytes are the same.

    model: the path of an .onnx or .tflite file, its bytes, or an onnx.ModelProto.
    chip: one of `tmpu.chips()`.
    quantize: "f32", "f16", "bf16", "int8", or weights of fewer bits: "w8a16", "w4a16", "w8abf16", "w4abf16", "f8e4m3", "f8e5m2".
    calibration: for int8: a Calibration or the path of a .cali file.
    asymmetric: int8 activations with a zero point.
    weight_group: weights of fewer bits: elements of a sum that share a scale, at most (0: 16 of four bits, 32 of eight).
    float_io: int8 whose inputs and outputs stay float32.
    qtable: int8 with layers in another dtype: the path of a table as `tmpuc sensitivity` writes it.
    opt: how layer groups are searched: 0 none, 1 greedy, 2 full search.
    cores: how many of the chip's cores share the layer groups.
    input_shapes: {name: shape} of inputs with free dimensions.
    disable_rules: names of rules of canonicalize that are left out.
    """
    with _as_files(model, calibration) as (path, table):
        how = _how(chip, quantize, table, asymmetric, weight_group, float_io, qtable, opt, cores, disable_rules)
        return Model(_native.compile(path, _shapes(input_shapes), how))


def calibrate(model, *, samples, method: str = "auto", input_shapes=None, disable_rules=()) -> Calibration:
    """Runs samples through a model and tells the range of each tensor, as `tmpuc calibrate` does.

    samples: an iterable of the inputs of one run each: {name: array}, or the array of the only input, in the network's shapes (the batch
        included) and preprocessed as the network expects it. They are drawn one by one, so a generator need not hold them all.
    method: how the threshold is chosen: "auto" (the best of all, tensor by tensor), "kl", "mse", "percentile", "minmax", ...
    """
    with _as_files(model, None) as (path, _):
        return Calibration(_native.calibrate(path, _shapes(input_shapes), list(disable_rules), method, samples))


def check(model, *, chip: str, quantize: str = "f32", data, calibration=None, samples: int = 16, reference=None, tolerance=None,
          asymmetric: bool = False, weight_group: int = 0, float_io: bool = False, qtable=None, opt: int = 2, cores: int = 1,
          input_shapes=None, disable_rules=()) -> Report:
    """Compiles a model, runs it at every stage on the data and compares ONNX, Top, Tpu and Chip tensor by tensor.

    data: {name: array} or the array of the only input; the first axis counts the samples. Preprocessed as the network expects it.
    samples: take the first ones only (0: all).
    reference: "onnxruntime": the first column is what ONNX Runtime computes (onnxruntime must be installed); or the path of an .npz with
        such outputs on the same samples, keys = output names. Without it, it is tmpu's own inference of the imported model.
    tolerance: (least cosine, least euclid), each at most 1; None: by dtype.
    The others are those of `compile`.
    """
    with _as_files(model, calibration) as (path, table), tempfile.TemporaryDirectory(prefix="tmpu-") as folder:
        if reference == "onnxruntime":
            reference = _onnxruntime(path, data, samples, folder)
        how = _how(chip, quantize, table, asymmetric, weight_group, float_io, qtable, opt, cores, disable_rules)
        found = _native.check(path, _shapes(input_shapes), how, data, samples, "" if reference is None else os.fspath(reference),
                              tolerance)
    return Report(found["passed"], json.loads(found["json"])["table"], found["text"], found["html"])


def chips() -> list:
    """The names of the chips that there are."""
    return _native.chips()

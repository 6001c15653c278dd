# SPDX-License-Identifier: Apache-2.0
from os import PathLike
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

__version__: str
_Path = Union[str, PathLike[str]]
_OnnxModel = Union[str, PathLike[str], bytes, Any]  # Any: onnx.ModelProto
_Arrays = Union[np.ndarray, Mapping[str, np.ndarray]]

class Error(ValueError): ...

class Tensor:
    name: str
    shape: Tuple[int, ...]
    dtype: str
    element: str
    scale: Optional[float]
    zero_point: Optional[int]

class Model:
    def __init__(self, source: Union[_Path, bytes]) -> None: ...
    @property
    def networks(self) -> List[str]: ...
    @property
    def inputs(self) -> List[Tensor]: ...
    @property
    def outputs(self) -> List[Tensor]: ...
    def inputs_of(self, network: int) -> List[Tensor]: ...
    def outputs_of(self, network: int) -> List[Tensor]: ...
    @property
    def chip(self) -> str: ...
    @property
    def quantize(self) -> str: ...
    @property
    def cycles(self) -> int: ...
    def run(self, inputs: _Arrays, *, network: int = ..., raw: bool = ...) -> Dict[str, np.ndarray]: ...
    def save(self, path: _Path) -> None: ...
    def to_bytes(self) -> bytes: ...

class Calibration:
    text: str
    def __init__(self, text: str) -> None: ...
    @classmethod
    def load(cls, path: _Path) -> Calibration: ...
    def save(self, path: _Path) -> None: ...

class Report:
    passed: bool
    table: Dict[str, Any]
    text: str
    html: str

def compile(
    model: _OnnxModel,
    *,
    chip: str,
    quantize: str = ...,
    calibration: Union[Calibration, _Path, None] = ...,
    asymmetric: bool = ...,
    weight_group: int = ...,
    float_io: bool = ...,
    qtable: Optional[_Path] = ...,
    opt: int = ...,
    cores: int = ...,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = ...,
    disable_rules: Sequence[str] = ...,
) -> Model: ...
def calibrate(
    model: _OnnxModel,
    *,
    samples: Iterable[_Arrays],
    method: str = ...,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = ...,
    disable_rules: Sequence[str] = ...,
) -> Calibration: ...
def check(
    model: _OnnxModel,
    *,
    chip: str,
    data: _Arrays,
    quantize: str = ...,
    calibration: Union[Calibration, _Path, None] = ...,
    samples: int = ...,
    reference: Optional[_Path] = ...,
    tolerance: Optional[Tuple[float, float]] = ...,
    asymmetric: bool = ...,
    weight_group: int = ...,
    float_io: bool = ...,
    qtable: Optional[_Path] = ...,
    opt: int = ...,
    cores: int = ...,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = ...,
    disable_rules: Sequence[str] = ...,
) -> Report: ...
def chips() -> List[str]: ...
def from_torch(module: Any, example: Any, *, input_names: Optional[Sequence[str]] = ..., output_names: Optional[Sequence[str]] = ..., opset: int = ...) -> bytes: ...
def from_tensorflow(model: Any, *, signature: Optional[Any] = ..., opset: int = ...) -> bytes: ...

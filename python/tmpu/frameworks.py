# SPDX-License-Identifier: Apache-2.0
"""From PyTorch and TensorFlow to ONNX, through the frameworks' own exporters."""
from __future__ import annotations

import io
import os


def from_torch(module, example, *, input_names=None, output_names=None, opset: int = 17) -> bytes:
    """A PyTorch module as the bytes of an ONNX model, for `compile`, `calibrate` and `check`.

    module: a torch.nn.Module; it is exported as it is in evaluation mode.
    example: a tensor, or a tuple of the tensors that `module.forward` takes; their shapes become the model's.
    input_names, output_names: what the model calls them; by default "input", or "input_0", "input_1", ..., and the same with "output".
    opset: the ONNX operator set to export to.
    """
    import inspect

    import torch

    example = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    if input_names is None:
        input_names = ["input"] if len(example) == 1 else [f"input_{i}" for i in range(len(example))]
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            made = module(*example)
            count = len(made) if isinstance(made, (tuple, list)) else 1
            if output_names is None:
                output_names = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
            options = {"opset_version": opset, "input_names": list(input_names), "output_names": list(output_names)}
            if "dynamo" in inspect.signature(torch.onnx.export).parameters:
                options["dynamo"] = False
            content = io.BytesIO()
            torch.onnx.export(module, example, content, **options)
    finally:
        module.train(training)
    return content.getvalue()


def from_tensorflow(model, *, signature=None, opset: int = 17) -> bytes:
    """A TensorFlow model as the bytes of an ONNX model, through tf2onnx.

    model: a Keras model, a tf.function (with `signature`, a list of tf.TensorSpec), or the path of a SavedModel.
    opset: the ONNX operator set to export to.
    """
    import tensorflow as tf
    import tf2onnx

    if isinstance(model, (str, os.PathLike)):
        loaded = tf.saved_model.load(os.fspath(model))
        function = loaded.signatures["serving_default"]
        names = [t for t in function.structured_input_signature[1].values()]
        wrapped = tf.function(lambda *tensors: function(**{s.name: t for s, t in zip(names, tensors)}))
        proto, _ = tf2onnx.convert.from_function(wrapped, input_signature=names, opset=opset)
    elif isinstance(model, tf.keras.Model):
        # Through a function: Keras 3 has no outputs that tf2onnx knows.
        spec = signature or [tf.TensorSpec(i.shape, i.dtype, name=i.name.split(":")[0]) for i in model.inputs]
        proto, _ = tf2onnx.convert.from_function(tf.function(lambda *t: model(t[0] if len(t) == 1 else list(t))),
                                                 input_signature=spec, opset=opset)
    else:
        proto, _ = tf2onnx.convert.from_function(model, input_signature=signature, opset=opset)
    return proto.SerializeToString()

# SPDX-License-Identifier: Apache-2.0
"""Writes tests/tflite/data: small TensorFlow Lite models, and what TensorFlow Lite makes of their samples.

Usage: python3 tools/tflite_models.py FOLDER    (needs tensorflow and numpy from PyPI; made with TensorFlow 2.21)

Each NAME.tflite has a NAME.npz beside it: the arrays are called as the model's inputs and outputs, the first axis counts samples. Of models
of quantized integers they are the real numbers that the integers stand for.
"""
import pathlib
import sys

import numpy as np
import tensorflow as tf

random = np.random.default_rng(5)


def network():
    """Convolutions of every kind, pools, a residual, a concatenation, images made larger, a classifier."""
    layers = tf.keras.layers

    def normal(t, activation=None):
        t = layers.BatchNormalization()(t)
        return layers.ReLU(6.0)(t) if activation else t

    image = tf.keras.Input((12, 10, 3), batch_size=1, name="image")
    x = normal(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image), "relu6")
    y = normal(layers.DepthwiseConv2D(3, padding="same")(x), "relu6")
    x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    y = layers.Conv2D(8, 3, dilation_rate=2, padding="same", groups=2, activation="relu")(x)
    z = layers.AveragePooling2D(3, strides=1, padding="same")(layers.MaxPooling2D(2)(layers.UpSampling2D(2, interpolation="bilinear")(x)))
    x = layers.Concatenate()([y, z])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(layers.ZeroPadding2D(1)(x))
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    model = tf.keras.Model(image, layers.Softmax()(x))
    for layer in model.layers:
        layer.set_weights([w + random.uniform(0.0, 0.3, w.shape) for w in layer.get_weights()])
    return model


class Operators(tf.Module):
    """One of each operator that the network has not."""

    def __init__(self):
        super().__init__()
        self.table = tf.constant(random.normal(size=(9, 6)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((2, 4, 6, 3), tf.float32, "x"), tf.TensorSpec((5,), tf.int32, "places")])
    def __call__(self, x, places):
        rows = tf.gather(self.table, places)
        square = tf.matmul(rows, rows, transpose_b=True)
        x = tf.pad(x, [[0, 0], [1, 0], [0, 2], [0, 0]])
        x = tf.pad(x, [[0, 0], [0, 1], [2, 1], [0, 0]], mode="REFLECT")
        first, second = tf.split(tf.nn.leaky_relu(x, 0.2), [2, 4], axis=1)
        a = tf.nn.space_to_depth(first[:, ::-1, 1:9:2, :] - 0.25, 2)
        b = tf.nn.depth_to_space(tf.tile(second, [1, 1, 1, 4]), 2)
        c = tf.image.resize(second, (7, 5), method="nearest")
        d = tf.compat.v1.image.resize_bilinear(second, (7, 5), align_corners=True)
        e = tf.stack(tf.unstack(tf.math.squared_difference(c, d), axis=3)[::-1], axis=1)
        f = tf.math.l2_normalize(tf.nn.gelu(e) + tf.sqrt(tf.abs(e)) - tf.exp(-tf.square(e)), axis=-1)
        g = tf.where(f > 0.1, tf.math.floor(f * 4.0), tf.math.rsqrt(tf.abs(f) + 1.0))
        best, where = tf.math.top_k(square, 2)
        hot = tf.one_hot(tf.argmax(square, axis=1, output_type=tf.int32), 5, on_value=2.0, off_value=-1.0)
        batches = tf.batch_to_space(tf.space_to_batch(second, [2, 3], [[0, 0], [1, 0]]), [2, 3], [[0, 0], [1, 0]])
        return {
            "a": tf.nn.elu(a), "b": tf.reduce_max(b, axis=[1, 3]), "c": tf.nn.log_softmax(c), "g": g, "best": best,
            "where": where, "hot": tf.cumsum(hot, axis=1, exclusive=True), "batches": batches,
            "square": tf.transpose(tf.maximum(tf.minimum(square, 3.0), rows[:, :5]) / 1.5),
            "slice": tf.squeeze(second[1, 1:3, ..., 0:1], axis=2) + tf.reduce_mean(second),
            "truth": tf.logical_and(f[0] >= 0.1, tf.not_equal(tf.round(f[0]), 1.0)),
        }


def samples_of(details, count):
    made = []
    for _ in range(count):
        made.append([random.integers(0, 9, d["shape"]).astype(d["dtype"]) if d["dtype"] == np.int32 else
                     random.uniform(-1.0, 1.0, d["shape"]).astype(np.float32) for d in details])
    return made


def write(folder, name, converter, count):
    content = converter.convert()
    (folder / f"{name}.tflite").write_bytes(content)
    run = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    run.allocate_tensors()
    inputs, outputs = run.get_input_details(), run.get_output_details()
    arrays = {}
    for sample in samples_of(inputs, count):
        for detail, x in zip(inputs, sample):
            scale, zero = detail["quantization"]
            fed = np.clip(np.round(x / scale) + zero, -128, 127) if detail["dtype"] == np.int8 else x
            run.set_tensor(detail["index"], fed.astype(detail["dtype"]))
            arrays.setdefault(detail["name"], []).append(x)
        run.invoke()
        for detail in outputs:
            y = run.get_tensor(detail["index"])
            if detail["dtype"] == np.int8:
                scale, zero = detail["quantization"]
                y = ((y.astype(np.float64) - zero) * scale).astype(np.float32)
            arrays.setdefault(detail["name"], []).append(y)
    np.savez_compressed(folder / f"{name}.npz", **{key: np.stack(values) for key, values in arrays.items()})
    print(name, len(content))


def main():
    folder = pathlib.Path(sys.argv[1])
    model = network()
    for mode in ("f32", "f16", "int8", "int8_io"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if mode != "f32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "f16":
            converter.target_spec.supported_types = [tf.float16]
        if mode.startswith("int8"):
            converter.representative_dataset = lambda: ([random.uniform(-1.0, 1.0, (1, 12, 10, 3)).astype(np.float32)] for _ in range(64))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if mode == "int8_io":
            converter.inference_input_type = converter.inference_output_type = tf.int8
        write(folder, f"network_{mode}", converter, 4)
    operators = Operators()
    write(folder, "operators", tf.lite.TFLiteConverter.from_concrete_functions([operators.__call__.get_concrete_function()], operators), 2)


main()

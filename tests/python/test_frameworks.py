# SPDX-License-Identifier: Apache-2.0
"""From frameworks to chip results. Each part skips where its framework is not installed."""
import importlib.util

import numpy as np
import pytest

import tmpu

CHIP = "bm1684x"


def cosine(a, b):
    a, b = (np.concatenate([y.ravel() for y in all]).astype(np.float64) for all in (a, b))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def four_way(model, shape, reference, f16=0.999, int8=0.98, seed=1):
    """Framework against Chip in every mode, and ONNX Runtime (where it is installed), Top, Tpu and Chip in f16 and int8."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, *shape[1:])).astype(np.float32)
    samples = [x[i:i + 1] for i in range(4)]
    wanted = [reference(s) for s in samples]
    table = tmpu.calibrate(model, samples=iter(samples))
    for mode, least in (("f32", 0.99999), ("f16", f16), ("int8", int8)):
        how = {"chip": CHIP, "quantize": mode, "calibration": table if mode == "int8" else None}
        compiled = tmpu.compile(model, **how)
        name = compiled.outputs[0].name
        found = cosine([compiled.run(s)[name] for s in samples], wanted)
        print(f"{mode}: framework-chip {found:.7f}")
        assert found >= least
        if mode == "f32":
            continue
        runtime = "onnxruntime" if importlib.util.find_spec("onnxruntime") else None
        report = tmpu.check(model, data=x, samples=2, reference=runtime, tolerance=(-1, -1), **how)
        assert report.passed, report.text
        pairs = ("onnx_top", "top_tpu", "tpu_chip", "onnx_chip")
        for row in report.table["rows"]:
            assert row["tpu_chip"] is None or row["tpu_chip"]["bit_equal"], row["name"]
            if row["name"] == name:
                print(f"{mode}: {name} " + ", ".join(f"{pair} {row[pair]['cosine']:.7f}" for pair in pairs))
                assert all(row[pair]["cosine"] >= least for pair in pairs)
        worst = min((r for r in report.table["rows"] if r["top_tpu"]), key=lambda r: r["top_tpu"]["cosine"])
        print(f"{mode}: {len(report.table['rows'])} tensors, worst top_tpu {worst['top_tpu']['cosine']:.7f} of {worst['name']}")


def torch_model(module, shape):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch, or apt-get install python3-torch")
    example = torch.zeros(shape)
    content = tmpu.from_torch(module, example)

    def reference(x):
        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()

    return content, reference


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch, or apt-get install python3-torch")
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed: pip install torchvision, or apt-get install "
                                 "python3-torchvision")
    torch.manual_seed(0)
    module = getattr(models, name)(num_classes=10).eval()
    # Without trained weights the running statistics would not fit the activations.
    with torch.no_grad():
        module.train()
        for _ in range(3):
            module(torch.randn(8, 3, 64, 64))
    module.eval()
    shape = (1, 3, 64, 64)
    content, reference = torch_model(module, shape)
    four_way(content, shape, reference)


def test_torch_encoder_block():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch, or apt-get install python3-torch")

    class Encoder(torch.nn.Module):
        """A block in the form of BERT's: attention of four heads, a feed-forward part, both with residual and layer norm."""

        def __init__(self, width=64, heads=4):
            super().__init__()
            self.heads = heads
            self.query, self.key, self.value, self.out = (torch.nn.Linear(width, width) for _ in range(4))
            self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)
            self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)

        def forward(self, x):
            n, t, w = x.shape
            q, k, v = (f(x).view(n, t, self.heads, w // self.heads).transpose(1, 2) for f in (self.query, self.key, self.value))
            scores = torch.softmax(q @ k.transpose(-1, -2) / (w // self.heads) ** 0.5, dim=-1)
            x = self.norm1(x + self.out((scores @ v).transpose(1, 2).reshape(n, t, w)))
            return self.norm2(x + self.down(torch.nn.functional.gelu(self.up(x))))

    torch.manual_seed(0)
    module = Encoder().eval()
    shape = (1, 16, 64)
    content, reference = torch_model(module, shape)
    four_way(content, shape, reference)


def test_from_torch_leaves_the_module_as_it_was():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch, or apt-get install python3-torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Dropout(0.5)).train()
    content = tmpu.from_torch(module, torch.zeros(1, 1, 8, 8), input_names=["x"], output_names=["y"])
    assert module.training
    model = tmpu.compile(content, chip="nano")
    assert (model.inputs[0].name, model.outputs[0].name) == ("x", "y")


def keras_model():
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install tensorflow tf2onnx")
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: pip install tf2onnx")
    tf.keras.utils.set_random_seed(0)
    return tf, tf.keras.applications.MobileNetV2(input_shape=(64, 64, 3), alpha=0.35, weights=None, classes=10,
                                                classifier_activation=None)


def settle(tf, module):
    """Running statistics that fit the activations; they move slowly."""
    x = tf.random.normal((16, 64, 64, 3))
    for _ in range(60):
        module(x, training=True)


def test_keras_mobilenet_v2():
    tf, module = keras_model()
    settle(tf, module)
    content = tmpu.from_tensorflow(module, signature=[tf.TensorSpec((1, 64, 64, 3), tf.float32, name="input")])
    four_way(content, (1, 64, 64, 3), lambda x: module(x, training=False).numpy())


def test_saved_model(tmp_path):
    tf, _ = keras_model()

    class Small(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.random.normal((3, 3, 2, 4)))

        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 2), tf.float32, name="x")])
        def __call__(self, x):
            return {"y": tf.nn.relu(tf.nn.conv2d(x, self.w, 1, "SAME"))}

    module = Small()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.__call__)
    content = tmpu.from_tensorflow(tmp_path / "saved")
    four_way(content, (1, 8, 8, 2), lambda x: module(x)["y"].numpy())


def lite(tmp_path, module, shape, integers):
    """A Keras model as a TensorFlow Lite file: (path, what TensorFlow Lite computes)."""
    tf, _ = keras_model()
    rng = np.random.default_rng(2)
    converter = tf.lite.TFLiteConverter.from_keras_model(module)
    if integers:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([rng.standard_normal(shape).astype(np.float32)] for _ in range(20))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()

    def reference(x):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return path, reference


@pytest.mark.parametrize("integers", [False, True])
def test_tflite(tmp_path, integers):
    tf, _ = keras_model()
    x = tf.keras.Input((8, 8, 2), batch_size=1)
    y = tf.keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    module = tf.keras.Model(x, tf.keras.layers.Dense(5)(tf.keras.layers.GlobalAveragePooling2D()(y)))
    path, reference = lite(tmp_path, module, (1, 8, 8, 2), integers)
    model = tmpu.compile(path, chip=CHIP, quantize="int8" if integers else "f32")
    x = np.random.default_rng(3).standard_normal((1, 8, 8, 2)).astype(np.float32)
    wanted = reference(x)
    got = model.run(x)[model.outputs[0].name]
    # Integers: the machine rounds where TensorFlow Lite does, but not by the same multiplier; two steps of the output at most.
    step = model.outputs[0].scale if integers else 0
    assert np.abs(got - wanted).max() <= max(2.01 * step, 1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("integers", [False, True])
def test_tflite_mobilenet_v2(tmp_path, integers):
    tf, module = keras_model()
    settle(tf, module)
    path, reference = lite(tmp_path, module, (1, 64, 64, 3), integers)
    x = np.random.default_rng(1).standard_normal((4, 64, 64, 3)).astype(np.float32)
    samples = [x[i:i + 1] for i in range(4)]
    wanted = [reference(s) for s in samples]
    exact = [module(s, training=False).numpy() for s in samples]
    table = None if integers else tmpu.calibrate(path, samples=iter(samples))
    for mode, least in (("int8", 0.98),) if integers else (("f32", 0.99999), ("f16", 0.999), ("int8", 0.98)):
        how = {"chip": CHIP, "quantize": mode, "calibration": table if mode == "int8" else None}
        compiled = tmpu.compile(path, **how)
        got = [compiled.run(s)[compiled.outputs[0].name] for s in samples]
        print(f"{mode}: lite-chip {cosine(got, wanted):.7f}, keras-chip {cosine(got, exact):.7f}, keras-lite {cosine(wanted, exact):.7f}")
        assert cosine(got, wanted) >= least
        report = tmpu.check(path, data=x, samples=2, tolerance=(-1, -1), **how)
        assert report.passed, report.text
        worst = min((r for r in report.table["rows"] if r["top_tpu"]), key=lambda r: r["top_tpu"]["cosine"])
        print(f"{mode}: {len(report.table['rows'])} tensors, worst top_tpu {worst['top_tpu']['cosine']:.7f} of {worst['name']}")

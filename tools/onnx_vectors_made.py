# SPDX-License-Identifier: Apache-2.0
"""Writes further cases of tests/onnx/vectors: attributes that ONNX's own cases leave out, and cases of a still newer ONNX.

    python3 -m venv venv && venv/bin/pip install onnx==1.23.2 onnxruntime==1.32.0
    venv/bin/python tools/onnx_vectors_made.py tests/onnx/vectors

Those in FROM_ONNX are cases of the onnx package, whose outputs are computed by its reference implementation; the others have
inputs from a seeded generator and outputs by ONNX Runtime or, from operator set 23 on, by ONNX's reference implementation. A
model's producer_name says which it is. Operator sets above 25 are written as 25 (the operators here did not change since).
"""
import os
import shutil
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FROM_ONNX = """
test_affine_grid_2d_align_corners test_affine_grid_3d_align_corners
test_averagepool_3d_dilations_small test_averagepool_2d_ceil_last_window_starts_on_pad
test_averagepool_2d_dilations
test_basic_deform_conv_without_padding test_deform_conv_with_mask_bias test_deform_conv_with_multiple_offset_groups
test_col2im test_col2im_pads test_col2im_dilations
test_dft test_dft_irfft
test_group_normalization_epsilon
test_gridsample_volumetric_bilinear_align_corners_0 test_gridsample_bicubic_align_corners_1_additional_1
test_gridsample_reflection_padding test_gridsample_nearest_align_corners_0_additional_1
test_l2normalization_axis_1 test_lppool_2d_dilations
test_resize_downsample_scales_cubic_antialias test_resize_downsample_scales_linear_antialias
test_resize_downsample_scales_linear_half_pixel_symmetric test_resize_tf_crop_and_resize_axes_3_2
test_resize_upsample_sizes_nearest_not_larger test_resize_upsample_sizes_nearest_not_smaller
test_resize_downsample_sizes_cubic_antialias test_resize_upsample_scales_nearest_axes_3_2
test_rms_normalization_3d_axis1_epsilon test_roialign_mode_max
""".split()

random = np.random.default_rng(3)


def numbers(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def write(folder, model, inputs, outputs):
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = min(entry.version, 25)
    data = os.path.join(folder, "test_data_set_0")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(data)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for kind, values, infos in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
        for i, (v, info) in enumerate(zip(values, infos)):
            t = v if isinstance(v, TensorProto) else numpy_helper.from_array(np.asarray(v), info.name)
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as file:
                file.write(t.SerializeToString())


def from_onnx(root):
    from onnx.backend.test.case.node import collect_testcases

    cases = {c.name: c for c in collect_testcases(None)}
    for name in FROM_ONNX:
        c = cases[name]
        c.model.producer_name = f"onnx {onnx.__version__} reference"
        write(os.path.join(root, name), c.model, *c.data_sets[0])


def made(root, name, op, inputs, outputs=1, opset=17, constant=(), **attributes):
    """One node. Absent inputs are None; those in `constant` are initializers (lists of sizes)."""
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], **attributes)

    def info(n, x):
        return helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)

    given = {n: x for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in constant}
    stored = [numpy_helper.from_array(inputs[i], names[i]) for i in constant]
    graph = helper.make_graph(
        [node], name, [info(n, x) for n, x in given.items()],
        [helper.make_empty_tensor_value_info(o) for o in node.output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if opset < 23:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        model.producer_name = f"onnxruntime {onnxruntime.__version__}"
    else:
        session = ReferenceEvaluator(model)
        model.producer_name = f"onnx {onnx.__version__} reference"
    results = session.run(None, given)
    del model.graph.output[:]
    model.graph.output.extend(info(o, y) for o, y in zip(node.output, results))
    write(os.path.join(root, f"test_{name}"), model, list(given.values()), results)


def recurrent(root):
    length, batch, width, hidden = 4, 3, 3, 5
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}

    def case(op, what, directions=1, layout=0, states=True, lengths=True, peepholes=False, **attributes):
        g = gates[op] * hidden
        x = numbers(batch, length, width) if layout else numbers(length, batch, width)
        state = (batch, directions, hidden) if layout else (directions, batch, hidden)
        inputs = [x, numbers(directions, g, width), numbers(directions, g, hidden), numbers(directions, 2 * g),
                  np.array([4, 2, 3], np.int32) if lengths else None, numbers(*state) if states else None]
        if op == "LSTM":
            inputs += [numbers(*state) if states else None, numbers(directions, 3 * hidden) if peepholes else None]
        while inputs[-1] is None:
            inputs.pop()
        made(root, f"{op.lower()}_{what}", op, inputs, 3 if op == "LSTM" else 2, hidden_size=hidden, **attributes)

    case("RNN", "reverse_lengths", direction="reverse")
    case("RNN", "both_functions", 2, direction="bidirectional", activations=["LeakyRelu", "HardSigmoid"],
         activation_alpha=[0.3, 0.25], activation_beta=[0.4])
    case("RNN", "softsign_clip", activations=["Softsign"], clip=0.6, lengths=False)
    case("GRU", "reverse_lengths", direction="reverse")
    case("GRU", "both_linear_before_reset", 2, direction="bidirectional", linear_before_reset=1)
    case("GRU", "functions_clip", activations=["HardSigmoid", "Relu"], activation_alpha=[0.3], activation_beta=[0.45],
         clip=0.8)
    case("LSTM", "reverse_lengths", direction="reverse")
    case("LSTM", "both_peepholes", 2, direction="bidirectional", peepholes=True)
    case("LSTM", "input_forget_clip", input_forget=1, clip=0.7, peepholes=True)
    case("LSTM", "both_functions", 2, direction="bidirectional",
         activations=["Sigmoid", "ScaledTanh", "Tanh", "HardSigmoid", "Elu", "Softsign"],
         activation_alpha=[0.9, 0.22, 0.7], activation_beta=[1.1, 0.48], states=False)


def windows(root):
    x = numbers(1, 4, 5)
    made(root, "convtranspose_1d_groups_pads", "ConvTranspose", [x, numbers(4, 3, 3), numbers(6)], group=2, pads=[1, 0],
               strides=[2], output_padding=[1])
    made(root, "convtranspose_2d_output_shape_same_upper", "ConvTranspose", [numbers(1, 2, 3, 3), numbers(2, 2, 3, 3)],
               output_shape=[7, 8], strides=[3, 3], auto_pad="SAME_UPPER")
    made(root, "convtranspose_3d_dilations", "ConvTranspose", [numbers(1, 2, 2, 3, 2), numbers(2, 2, 2, 2, 2)],
               dilations=[1, 2, 1], strides=[2, 1, 2])
    made(root, "conv_3d_same_lower", "Conv", [numbers(1, 2, 3, 4, 4), numbers(2, 2, 2, 2, 3)], strides=[1, 2, 2],
               auto_pad="SAME_LOWER")
    made(root, "conv_1d_dilated_groups", "Conv", [numbers(2, 4, 9), numbers(6, 2, 3), numbers(6)], group=2, dilations=[2],
               pads=[2, 1], strides=[2])
    made(root, "lppool_2d_p3_pads", "LpPool", [numbers(1, 2, 5, 5)], p=3, kernel_shape=[3, 2], pads=[1, 0, 1, 1],
               strides=[2, 1])
    made(root, "globallppool_p1", "GlobalLpPool", [numbers(2, 3, 3, 4)], p=1)
    made(root, "maxroipool", "MaxRoiPool",
               [numbers(2, 2, 6, 7), np.array([[0, 1, 1, 5, 4], [1, 0, 2, 12, 11], [0, 3, 3, 3, 3]], np.float32)],
               pooled_shape=[2, 3], spatial_scale=0.5)
    made(root, "roialign_v10", "RoiAlign",
               [numbers(1, 2, 6, 7), np.array([[1, 1, 9, 8], [0, 2, 3, 2.5]], np.float32), np.array([0, 0], np.int64)], opset=10,
               output_height=2, output_width=3, sampling_ratio=2, spatial_scale=0.6)
    made(root, "lpnormalization_p1_axis0", "LpNormalization", [numbers(3, 4, 2)], p=1, axis=0)
    made(root, "lrn_size5", "LRN", [numbers(1, 6, 2, 3)], size=5, alpha=0.3, beta=0.6, bias=1.5)
    made(root, "batchnormalization_training", "BatchNormalization",
               [numbers(3, 2, 4), numbers(2), numbers(2), numbers(2), np.abs(numbers(2))], 3, training_mode=1, momentum=0.7)
    made(root, "maxpool_3d_ceil_indices", "MaxPool", [numbers(1, 2, 4, 5, 5)], 2, kernel_shape=[2, 3, 2], ceil_mode=1,
               strides=[2, 2, 2], dilations=[1, 1, 2])
    made(root, "resize_3d_linear_align_corners", "Resize",
               [numbers(1, 1, 2, 3, 4), None, None, np.array([1, 1, 3, 5, 6], np.int64)], mode="linear",
               coordinate_transformation_mode="align_corners", constant=(3,), opset=18)
    made(root, "resize_nearest_i32_ceil", "Resize",
               [np.arange(12, dtype=np.int32).reshape(1, 1, 3, 4), None, np.array([1, 1, 1.7, 0.6], np.float32)],
               mode="nearest", nearest_mode="ceil", coordinate_transformation_mode="asymmetric", constant=(2,), opset=18)


def attention(root):
    def case(what, q, k, v, mask=None, past=None, valid=None, outputs=1, **attributes):
        inputs = [numbers(*q), numbers(*k), numbers(*v), mask, None, None, valid]
        if past:
            inputs[4:6] = numbers(*past, k[-1]), numbers(*past, v[-1])
        while inputs[-1] is None:
            inputs.pop()
        made(root, f"attention_{what}", "Attention", inputs, outputs, opset=24, **attributes)

    four = (2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6)
    case("4d_grouped_causal", *four, is_causal=1)
    case("4d_mask_bool", *four, random.integers(0, 2, (2, 1, 3, 5)).astype(bool), scale=0.3)
    case("4d_mask_short_softcap", *four, numbers(3, 4), softcap=0.8, outputs=4, qk_matmul_output_mode=1)
    case("4d_past_causal", *four, numbers(4, 3, 7), past=(2, 2, 2), outputs=4, is_causal=1, qk_matmul_output_mode=2)
    case("4d_valid_keys_causal", *four, valid=np.array([5, 2], np.int64), is_causal=1)
    case("4d_softmax_shown", *four, outputs=4, qk_matmul_output_mode=3)
    case("3d", (2, 3, 16), (2, 4, 8), (2, 4, 6), q_num_heads=4, kv_num_heads=2, outputs=3)
    for what, shape, more, table in (
            ("4d", (2, 3, 4, 6), {}, (8, 3)), ("3d_interleaved", (2, 4, 18), {"num_heads": 3, "interleaved": 1}, (8, 3)),
            ("partial", (2, 3, 4, 6), {"rotary_embedding_dim": 4}, (8, 2)),
            ("partial_interleaved", (2, 3, 4, 6), {"rotary_embedding_dim": 4, "interleaved": 1}, (2, 4, 2))):
        inputs = [numbers(*shape), numbers(*table), numbers(*table)]
        if len(table) == 2:
            inputs.append(random.integers(0, 8, (2, 4)))
        made(root, f"rotaryembedding_{what}", "RotaryEmbedding", inputs, opset=23, **more)


def main():
    root = sys.argv[1]
    from_onnx(root)
    recurrent(root)
    windows(root)
    attention(root)


if __name__ == "__main__":
    main()

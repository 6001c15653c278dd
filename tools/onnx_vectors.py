# SPDX-License-Identifier: Apache-2.0
"""Writes tests/onnx/vectors: cases of the backend tests of a newer ONNX than Debian's, for the operators, element types and
modes that came after operator set 17. The inputs and outputs are those of ONNX's own reference (Apache-2.0, github.com/onnx/onnx).

    python3 -m venv venv && venv/bin/pip install onnx==1.20.1 ml_dtypes && venv/bin/python tools/onnx_vectors.py tests/onnx/vectors
"""
import fnmatch
import os
import sys

import numpy
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

CASES = """
test_bitwise_and_i16_3d test_bitwise_and_ui64_bcast_3v1d test_bitwise_not_2d test_bitwise_or_i32_2d test_bitwise_xor_ui8_bcast_4v3d
test_cast_FLOAT_to_FLOAT8* test_cast_FLOAT8E?M?FNUZ_to_FLOAT test_cast_no_saturate_FLOAT_to_FLOAT8* test_cast_FLOAT_to_INT4
test_cast_UINT4_to_FLOAT test_castlike_FLOAT_to_FLOAT8E5M2 test_center_crop_pad_crop_and_pad
test_center_crop_pad_crop_negative_axes_hwc test_clip_min_greater_than_max test_constant_pad_negative_axes test_wrap_pad
test_cumsum_1d_int32_exclusive test_dequantizelinear_blocked test_dequantizelinear_e4m3fn_zero_point test_dequantizelinear_int4
test_dequantizelinear_uint16 test_quantizelinear_blocked_asymmetric test_quantizelinear_e5m2 test_quantizelinear_int16
test_quantizelinear_uint4 test_quantizelinear_float4e2m1 test_dequantizelinear_uint2 test_cast_FLOAT_to_FLOAT4E2M1
test_castlike_INT2_to_INT8 test_div_int8 test_div_uint64 test_equal_uint64 test_greater_uint64 test_less_int16 test_einsum_scalar
test_gelu_default_2 test_gelu_tanh_2 test_swish test_isinf_float16 test_isnan_float16 test_qlinearmatmul_3D_uint8_float16
test_reduce_*_empty_set test_reduce_max_bool_inputs test_reduce_sum_empty_axes_input_noop test_reduce_sum_empty_set_non_reduced_axis_zero
test_scatter_elements_with_reduction_max test_scatternd_min test_shape_start_greater_than_end test_split_1d_uneven_split_opset18
test_split_zero_size_splits_opset18 test_tensorscatter* test_top_k_same_values_2d test_top_k_uint64 test_unique_length_1
""".split()


def put(path, message):
    with open(path, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))


def main(directory):
    unused = set(CASES)
    for case in sorted(collect_testcases(None), key=lambda c: c.name):
        patterns = [p for p in CASES if fnmatch.fnmatchcase(case.name, p)]
        if not patterns:
            continue
        unused.difference_update(patterns)
        data = os.path.join(directory, case.name, "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        put(os.path.join(directory, case.name, "model.onnx"), case.model)
        inputs, outputs = case.data_sets[0]
        for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
            for i, (value, info) in enumerate(zip(values, infos)):
                tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(numpy.asarray(value))
                tensor.name = info.name
                put(os.path.join(data, f"{kind}_{i}.pb"), tensor)
    if unused:
        sys.exit("no case matches " + " ".join(sorted(unused)))


if __name__ == "__main__":
    main(sys.argv[1])

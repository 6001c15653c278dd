// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string_view>

/// The door to protobuf: models in, stage files in and out. Nothing outside of this room includes its headers unless it
/// handles ONNX files.
namespace tmpu::onnx {

namespace pb = ::onnx;

/// The ONNX name of a type's number, for messages. The protobuf of ONNX 1.12 has names up to BFLOAT16 (16).
inline std::string_view onnx_type_name(std::int32_t onnx_type) {
  constexpr std::string_view newer[] = {"FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",
                                        "INT4",         "FLOAT4E2M1",     "FLOAT8E8M0", "UINT2",          "INT2"};
  if (onnx_type > pb::TensorProto::BFLOAT16 && onnx_type <= 26) return newer[onnx_type - 17];
  if (!pb::TensorProto::DataType_IsValid(onnx_type)) return "unknown";
  return pb::TensorProto::DataType_Name(static_cast<pb::TensorProto::DataType>(onnx_type));
}

} // namespace tmpu::onnx

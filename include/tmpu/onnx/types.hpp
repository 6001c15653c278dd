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

/// Element types by ONNX's numbers (onnx.proto, TensorProto.DataType); dtype_id::none for those that tmpu has not.
constexpr dtype_id dtype_of(std::int32_t onnx_type) {
  switch (onnx_type) {
  case pb::TensorProto::FLOAT: return dtype_id::f32;
  case pb::TensorProto::UINT8: return dtype_id::u8;
  case pb::TensorProto::INT8: return dtype_id::i8;
  case pb::TensorProto::UINT16: return dtype_id::u16;
  case pb::TensorProto::INT16: return dtype_id::i16;
  case pb::TensorProto::INT32: return dtype_id::i32;
  case pb::TensorProto::INT64: return dtype_id::i64;
  case pb::TensorProto::STRING: return dtype_id::string;
  case pb::TensorProto::BOOL: return dtype_id::boolean;
  case pb::TensorProto::FLOAT16: return dtype_id::f16;
  case pb::TensorProto::DOUBLE: return dtype_id::f64;
  case pb::TensorProto::UINT32: return dtype_id::u32;
  case pb::TensorProto::UINT64: return dtype_id::u64;
  case pb::TensorProto::BFLOAT16: return dtype_id::bf16;
  default: return dtype_id::none;
  }
}

/// The other way; every dtype that a graph of today holds has a number.
constexpr std::int32_t onnx_type_of(dtype_id type) {
  for (std::int32_t t = pb::TensorProto::FLOAT; t <= pb::TensorProto::BFLOAT16; ++t) {
    if (type != dtype_id::none && dtype_of(t) == type) return t;
  }
  return pb::TensorProto::UNDEFINED;
}

/// The ONNX name of a type's number, for messages.
inline std::string_view onnx_type_name(std::int32_t onnx_type) {
  if (!pb::TensorProto::DataType_IsValid(onnx_type)) return "unknown";
  return pb::TensorProto::DataType_Name(static_cast<pb::TensorProto::DataType>(onnx_type));
}

} // namespace tmpu::onnx

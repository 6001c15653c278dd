// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/onnx/types.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace tmpu::onnx {

namespace detail {
/// The shape of an initializer; refuses negative, too many and too large dimensions.
inline shape dims_of(const pb::TensorProto& t) {
  if (static_cast<std::size_t>(t.dims_size()) > shape::max_rank) {
    refuse(text("tensor '") << t.name() << "' has " << t.dims_size() << " dimensions; tmpu takes at most 8");
  }
  shape s;
  std::int64_t count = 1;
  for (const std::int64_t d : t.dims()) {
    if (d < 0 || (d > 0 && count > (std::int64_t{1} << 40) / d)) {
      refuse(text("tensor '") << t.name() << "' has the impossible dimension " << d << ": the model is damaged");
    }
    count *= d;
    s.push_back(d);
  }
  return s;
}

[[noreturn]] inline void refuse_size(const pb::TensorProto& t, std::size_t given, std::size_t needed) {
  refuse(text("tensor '") << t.name() << "' holds " << given << " bytes, but its shape " << dims_of(t).print() << " of "
                          << onnx_type_name(t.data_type()) << " needs " << needed << ": the model is damaged");
}

/// Bytes that lie in a file beside the model (onnx.proto, TensorProto.external_data).
inline vec<std::uint8_t> external_bytes(const pb::TensorProto& t, std::size_t needed, std::string_view directory) {
  std::string location;
  std::uint64_t offset = 0;
  for (const auto& entry : t.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") {
      for (const char c : entry.value())
        offset = c >= '0' && c <= '9' ? offset * 10 + static_cast<unsigned>(c - '0') : ~0ULL;
    }
  }
  const std::filesystem::path relative(location);
  bool inside = !location.empty() && relative.is_relative();
  for (const auto& part : relative) inside = inside && part != "..";
  if (!inside) {
    refuse(text("tensor '") << t.name() << "' keeps its data in '" << location
                            << "', which is not beside the model: move the file there");
  }
  const std::filesystem::path path = std::filesystem::path(std::string(directory)) / relative;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    refuse(text("tensor '") << t.name() << "' keeps its data in '" << path.string() << "', which cannot be opened");
  const auto size = static_cast<std::uint64_t>(file.tellg());
  if (offset > size || needed > size - offset) {
    refuse(text("file '") << path.string() << "' of " << size << " bytes is too short for tensor '" << t.name() << "' ("
                          << needed << " bytes at " << offset << ')');
  }
  vec<std::uint8_t> bytes(needed);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(needed)); // NOLINT: bytes from a stream
  if (!file) refuse(text("file '") << path.string() << "' cannot be read");
  return bytes;
}

template <class Word, class List> void put_typed(vec<std::uint8_t>& bytes, const List& list) {
  for (const auto x : list) tmpu::detail::store_word(bytes, static_cast<Word>(x));
}
} // namespace detail

/// A tensor of a model: type, shape, and its elements as little-endian bytes, from raw, typed or external storage.
struct stored_tensor {
  dtype_id type = dtype_id::none;
  shape dims;
  vec<std::uint8_t> bytes;
};

/// Reads an initializer or the value of a Constant. `directory`: where external data is looked for.
inline stored_tensor read_tensor(const pb::TensorProto& t, std::string_view directory = ".") {
  stored_tensor out;
  out.type = dtype_of(t.data_type());
  out.dims = detail::dims_of(t);
  if (out.type == dtype_id::none || out.type == dtype_id::string) {
    refuse(text("tensor '") << t.name() << "' has elements of type " << onnx_type_name(t.data_type())
                            << ", which tmpu does not know");
  }
  const auto needed = static_cast<std::size_t>(out.dims.elements() * bytes_of(out.type));
  if (t.data_location() == pb::TensorProto::EXTERNAL) {
    out.bytes = detail::external_bytes(t, needed, directory);
    return out;
  }
  if (t.has_raw_data()) {
    if (t.raw_data().size() != needed) detail::refuse_size(t, t.raw_data().size(), needed);
    out.bytes.reserve(needed);
    for (const char c : t.raw_data()) out.bytes.push_back(static_cast<std::uint8_t>(c));
    return out;
  }
  switch (out.type) {
  case dtype_id::f32: detail::put_typed<float>(out.bytes, t.float_data()); break;
  case dtype_id::f64: detail::put_typed<double>(out.bytes, t.double_data()); break;
  case dtype_id::i64: detail::put_typed<std::int64_t>(out.bytes, t.int64_data()); break;
  case dtype_id::u64: detail::put_typed<std::uint64_t>(out.bytes, t.uint64_data()); break;
  case dtype_id::u32: detail::put_typed<std::uint32_t>(out.bytes, t.uint64_data()); break;
  case dtype_id::i32: detail::put_typed<std::int32_t>(out.bytes, t.int32_data()); break;
  default: // int32_data holds the narrow integers and the bits of f16 and bf16
    if (bytes_of(out.type) == 2) {
      detail::put_typed<std::uint16_t>(out.bytes, t.int32_data());
    } else {
      detail::put_typed<std::uint8_t>(out.bytes, t.int32_data());
    }
  }
  if (out.bytes.size() != needed) detail::refuse_size(t, out.bytes.size(), needed);
  return out;
}

/// A constant of a graph as an initializer, its bytes as raw_data.
inline void write_tensor(pb::TensorProto& to, std::string_view name, const tensor& t,
                         std::span<const std::uint8_t> bytes) {
  to.set_name(std::string(name));
  to.set_data_type(onnx_type_of(t.type));
  for (const std::int64_t d : t.dims) to.add_dims(d);
  to.set_raw_data(bytes.data(), bytes.size());
}

/// The type and shape of an input, output or intermediate tensor. A dimension without a value is -1.
inline void read_type(const pb::ValueInfoProto& info, dtype_id& type, shape& dims) {
  if (!info.type().has_tensor_type()) {
    refuse(text("'") << info.name() << "' is no tensor (a sequence, map or optional), which tmpu does not take");
  }
  const auto& t = info.type().tensor_type();
  type = dtype_of(t.elem_type());
  if (type == dtype_id::none || type == dtype_id::string) {
    refuse(text("tensor '") << info.name() << "' has elements of type " << onnx_type_name(t.elem_type())
                            << ", which tmpu does not know");
  }
  if (static_cast<std::size_t>(t.shape().dim_size()) > shape::max_rank) {
    refuse(text("tensor '") << info.name() << "' has " << t.shape().dim_size() << " dimensions; tmpu takes at most 8");
  }
  dims = shape();
  for (const auto& d : t.shape().dim()) {
    if (d.has_dim_value() && (d.dim_value() < -1 || d.dim_value() > (std::int64_t{1} << 40))) {
      refuse(text("tensor '") << info.name() << "' has the impossible dimension " << d.dim_value()
                              << ": the model is damaged");
    }
    dims.push_back(d.has_dim_value() ? d.dim_value() : -1);
  }
}

inline void write_type(pb::ValueInfoProto& to, std::string_view name, const tensor& t) {
  to.set_name(std::string(name));
  if (t.type == dtype_id::none) return;
  auto& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx_type_of(t.type));
  auto& s = *type.mutable_shape();
  for (const std::int64_t d : t.dims) {
    auto& dim = *s.add_dim();
    if (d >= 0) dim.set_dim_value(d);
  }
}

} // namespace tmpu::onnx

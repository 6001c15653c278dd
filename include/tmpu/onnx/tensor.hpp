// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/packed.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/onnx/external_files.hpp"
#include "tmpu/onnx/types.hpp"

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>

namespace tmpu::onnx {

namespace detail {
/// Beyond it no tensor can be meant. Shape rules count on it: sums and products of two such numbers stay within 64 bits.
inline constexpr std::int64_t most_elements = std::int64_t{1} << 31;

/// The shape of an initializer; refuses negative, too many and too large dimensions.
inline shape dims_of(const pb::TensorProto& t) {
  if (static_cast<std::size_t>(t.dims_size()) > shape::max_rank) {
    refuse(text("tensor '") << t.name() << "' has " << t.dims_size() << " dimensions; tmpu takes at most 8");
  }
  shape s;
  std::int64_t count = 1;
  for (const std::int64_t d : t.dims()) {
    if (d < 0 || (d > 0 && count > most_elements / d)) {
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

/// Where a tensor's bytes lie in a file beside the model (onnx.proto, TensorProto.external_data).
inline std::span<const std::uint8_t> external_bytes(const pb::TensorProto& t, std::size_t needed,
                                                    std::string_view directory, external_files& files) {
  std::string location;
  std::uint64_t offset = 0;
  std::uint64_t length = needed;
  for (const auto& entry : t.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length") continue;
    std::uint64_t& number = entry.key() == "offset" ? offset : length;
    const char* end = entry.value().data() + entry.value().size();
    const auto read = std::from_chars(entry.value().data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) {
      refuse(text("tensor '") << t.name() << "' keeps its data at the " << entry.key() << " '" << entry.value()
                              << "', which is no number: the model is damaged");
    }
  }
  const std::filesystem::path relative(location);
  bool inside = !location.empty() && relative.is_relative();
  for (const auto& part : relative) inside = inside && part != "..";
  if (!inside) {
    refuse(text("tensor '") << t.name() << "' keeps its data in '" << location
                            << "', which is not beside the model: move the file there");
  }
  if (length != needed) refuse_size(t, length, needed);
  const std::string path = (std::filesystem::path(std::string(directory)) / relative).string();
  const std::span<const std::uint8_t> file = files.open(path, t.name());
  if (offset > file.size() || needed > file.size() - offset) {
    refuse(text("file '") << path << "' of " << file.size() << " bytes is too short for tensor '" << t.name() << "' ("
                          << needed << " bytes at " << offset << ')');
  }
  return file.subspan(static_cast<std::size_t>(offset), needed);
}

template <class Word, class List> void put_typed(vec<std::uint8_t>& bytes, const List& list) {
  for (const auto x : list) tmpu::detail::store_word(bytes, static_cast<Word>(x));
}
} // namespace detail

/// A tensor of a model: type, shape, and its elements as little-endian bytes, from raw, typed or external storage.
struct stored_tensor {
  dtype_id type = dtype_id::none;
  shape dims;
  vec<std::uint8_t> own;
  std::span<const std::uint8_t> view; ///< not empty: instead of `own`, bytes in one of the external files
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return view.empty() ? own.span() : view; }
};

/// Reads an initializer or the value of a Constant. `directory`: where external data is looked for.
inline stored_tensor read_tensor(const pb::TensorProto& t, std::string_view directory, external_files& files) {
  stored_tensor out;
  out.type = dtype_of_onnx(t.data_type());
  out.dims = detail::dims_of(t);
  if (out.type == dtype_id::none || out.type == dtype_id::string) {
    refuse(text("tensor '") << t.name() << "' has elements of type " << onnx_type_name(t.data_type())
                            << ", which tmpu does not know");
  }
  const bool packed = is_packed(out.type);
  const auto count = static_cast<std::size_t>(out.dims.elements());
  const std::size_t needed = static_cast<std::size_t>(packed ? packed_bytes(out.type, out.dims.elements())
                                                             : out.dims.elements() * bytes_of(out.type));
  if (t.data_location() == pb::TensorProto::EXTERNAL) {
    out.view = detail::external_bytes(t, needed, directory, files);
  } else if (t.has_raw_data()) {
    if (t.raw_data().size() != needed) detail::refuse_size(t, t.raw_data().size(), needed);
    out.own.append({reinterpret_cast<const std::uint8_t*>(t.raw_data().data()), needed}); // NOLINT: chars as bytes
  } else {
    switch (out.type) {
    case dtype_id::f32: detail::put_typed<float>(out.own, t.float_data()); break;
    case dtype_id::f64: detail::put_typed<double>(out.own, t.double_data()); break;
    case dtype_id::i64: detail::put_typed<std::int64_t>(out.own, t.int64_data()); break;
    case dtype_id::u64: detail::put_typed<std::uint64_t>(out.own, t.uint64_data()); break;
    case dtype_id::u32: detail::put_typed<std::uint32_t>(out.own, t.uint64_data()); break;
    case dtype_id::i32: detail::put_typed<std::int32_t>(out.own, t.int32_data()); break;
    default: // int32_data holds the narrow integers and the bits of small floats
      if (bytes_of(out.type) == 2) {
        detail::put_typed<std::uint16_t>(out.own, t.int32_data());
      } else {
        detail::put_typed<std::uint8_t>(out.own, t.int32_data());
      }
    }
    if (out.own.size() != needed) detail::refuse_size(t, out.own.size(), needed);
  }
  if (packed) {
    out.own = unpack_elements(out.type, out.bytes(), count);
    out.view = {};
  }
  return out;
}
/// The same without external data.
inline stored_tensor read_tensor(const pb::TensorProto& t) {
  if (t.data_location() == pb::TensorProto::EXTERNAL) {
    refuse(text("tensor '") << t.name() << "' keeps its data in another file, which is not allowed here");
  }
  external_files files;
  return read_tensor(t, ".", files);
}

/// A constant of a graph as an initializer, its bytes as raw_data.
inline void write_tensor(pb::TensorProto& to, std::string_view name, const tensor& t,
                         std::span<const std::uint8_t> bytes) {
  to.set_name(std::string(name));
  to.set_data_type(static_cast<std::int32_t>(onnx_number_of(t.type)));
  for (const std::int64_t d : t.dims) to.add_dims(d);
  if (is_packed(t.type)) {
    const vec<std::uint8_t> packed = pack_elements(t.type, bytes);
    to.set_raw_data(packed.data(), packed.size());
  } else {
    to.set_raw_data(bytes.data(), bytes.size());
  }
}

/// The type and shape of an input, output or intermediate tensor. A dimension without a value is -1.
inline void read_type(const pb::ValueInfoProto& info, dtype_id& type, shape& dims) {
  if (!info.type().has_tensor_type()) {
    refuse(text("'") << info.name() << "' is no tensor (a sequence, map or optional), which tmpu does not take");
  }
  const auto& t = info.type().tensor_type();
  type = dtype_of_onnx(t.elem_type());
  if (type == dtype_id::none || type == dtype_id::string) {
    refuse(text("tensor '") << info.name() << "' has elements of type " << onnx_type_name(t.elem_type())
                            << ", which tmpu does not know");
  }
  if (static_cast<std::size_t>(t.shape().dim_size()) > shape::max_rank) {
    refuse(text("tensor '") << info.name() << "' has " << t.shape().dim_size() << " dimensions; tmpu takes at most 8");
  }
  dims = shape();
  for (const auto& d : t.shape().dim()) {
    if (d.has_dim_value() && (d.dim_value() < -1 || d.dim_value() > detail::most_elements)) {
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
  type.set_elem_type(static_cast<std::int32_t>(onnx_number_of(t.type)));
  auto& s = *type.mutable_shape();
  for (const std::int64_t d : t.dims) {
    auto& dim = *s.add_dim();
    if (d >= 0) dim.set_dim_value(d);
  }
}

} // namespace tmpu::onnx

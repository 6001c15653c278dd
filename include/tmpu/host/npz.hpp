// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/core/shape.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/ir/value.hpp"

#include <zip.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

/// numpy's .npy and .npz (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
namespace tmpu::host {

/// A named array as numpy keeps it: row-major, little-endian.
struct array {
  std::string name;
  dtype_id type = dtype_id::none;
  shape dims;
  vec<std::uint8_t> bytes;
};

namespace detail {

struct npy_type {
  std::string_view descr;
  dtype_id type;
};
inline constexpr npy_type npy_types[] = {{"<f4", dtype_id::f32}, {"<f8", dtype_id::f64}, {"<f2", dtype_id::f16},
                                         {"|u1", dtype_id::u8},  {"|i1", dtype_id::i8},  {"|b1", dtype_id::boolean},
                                         {"<i2", dtype_id::i16}, {"<u2", dtype_id::u16}, {"<i4", dtype_id::i32},
                                         {"<u4", dtype_id::u32}, {"<i8", dtype_id::i64}, {"<u8", dtype_id::u64}};

/// What stands between two marks after a key of the header: a dict literal as numpy writes it.
inline std::string_view after(std::string_view header, std::string_view key, char open, char close) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) return {};
  const auto from = header.find(open, at + key.size());
  if (from == std::string_view::npos) return {};
  const auto to = header.find(close, from + 1);
  return to == std::string_view::npos ? std::string_view{} : header.substr(from + 1, to - from - 1);
}

inline array parse_npy(std::span<const std::uint8_t> bytes, const std::string& what) {
  constexpr std::string_view magic = "\x93NUMPY";
  const auto damaged = [&](std::string_view why) {
    refuse(text(what) << " is no numpy array: " << why << "; write it again with numpy.save or numpy.savez");
  };
  if (bytes.size() < 12 || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    damaged("its first bytes are wrong");
  const std::size_t wide = bytes[6] >= 2 ? 4 : 2;
  std::size_t length = 0;
  for (std::size_t i = 0; i < wide; ++i) length |= std::size_t{bytes[8 + i]} << (8 * i);
  const std::size_t start = 8 + wide + length;
  if (start > bytes.size()) damaged("its header is cut off");
  const auto literal = bytes.subspan(8 + wide, length);
  const std::string header(literal.begin(), literal.end());

  array a;
  const std::string_view descr = after(header, "'descr':", '\'', '\'');
  for (const npy_type& t : npy_types) {
    if (t.descr == descr ||
        (t.descr[0] == '<' && descr.size() == 3 && descr[0] == '=' && descr.substr(1) == t.descr.substr(1)))
      a.type = t.type;
  }
  if (a.type == dtype_id::none) {
    refuse(text(what) << " has elements of the numpy type '" << descr
                      << "', which tmpu does not read: use float32 or an integer type");
  }
  if (header.find("'fortran_order': True") != std::string::npos) {
    refuse(text(what) << " is in Fortran order: save numpy.ascontiguousarray of it");
  }
  const std::string_view dims = after(header, "'shape':", '(', ')');
  if (header.find("'shape': (") == std::string::npos) damaged("its header names no shape");
  std::int64_t count = 1;
  std::int64_t number = -1;
  for (std::size_t i = 0; i <= dims.size(); ++i) {
    const char c = i < dims.size() ? dims[i] : ',';
    if (c >= '0' && c <= '9') {
      number = (number < 0 ? 0 : number) * 10 + (c - '0');
      if (number > (std::int64_t{1} << 40)) damaged("its shape is impossible");
    } else if (c == ',' && number >= 0) {
      if (a.dims.rank() == shape::max_rank) refuse(text(what) << " has more than 8 dimensions");
      if (number > 0 && count > (std::int64_t{1} << 40) / number) damaged("its shape is impossible");
      count *= number;
      a.dims.push_back(number);
      number = -1;
    }
  }
  const auto needed = static_cast<std::size_t>(count * bytes_of(a.type));
  if (bytes.size() - start < needed) damaged("its elements are cut off");
  a.bytes = vec<std::uint8_t>(bytes.subspan(start, needed));
  return a;
}

inline vec<std::uint8_t> make_npy(const array& a) {
  std::string_view descr = "<f4";
  for (const npy_type& t : npy_types) {
    if (t.type == a.type) descr = t.descr;
  }
  text header("{'descr': '");
  header << descr << "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < a.dims.rank(); ++i) header << (i == 0 ? "" : " ") << a.dims[i] << ',';
  header << "), }";
  while ((header.view().size() + 11) % 64 != 0) header << ' ';
  header << '\n';
  vec<std::uint8_t> out;
  for (const char c : std::string_view("\x93NUMPY\x01\x00", 8)) out.push_back(static_cast<std::uint8_t>(c));
  out.push_back(static_cast<std::uint8_t>(header.view().size()));
  out.push_back(static_cast<std::uint8_t>(header.view().size() >> 8));
  for (const char c : header.view()) out.push_back(static_cast<std::uint8_t>(c));
  out.append(a.bytes);
  return out;
}

struct close_zip {
  void operator()(zip_t* z) const { zip_discard(z); }
};
using zip_handle = std::unique_ptr<zip_t, close_zip>;

inline zip_handle open_zip(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    refuse(text("'") << path << "' cannot be opened: is there such a file, and may you read it?");
  int code = 0;
  zip_handle z(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!z) refuse(text("'") << path << "' is no .npz file, or only a part of one: write it again with numpy.savez");
  return z;
}
inline std::string key_of(zip_t* z, zip_uint64_t i) {
  const char* name = zip_get_name(z, i, ZIP_FL_ENC_RAW);
  std::string key = name == nullptr ? "" : name;
  if (key.size() > 4 && key.compare(key.size() - 4, 4, ".npy") == 0) key.resize(key.size() - 4);
  return key;
}
} // namespace detail

/// The keys of an .npz in their order.
inline std::vector<std::string> npz_keys(const std::string& path) {
  const auto z = detail::open_zip(path);
  std::vector<std::string> keys;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(z.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) keys.push_back(detail::key_of(z.get(), i));
  return keys;
}

/// One array of an .npz. Errors: no such file or key (the keys that are there are named), damage, unread element types.
inline array read_npz(const std::string& path, const std::string& key) {
  const auto z = detail::open_zip(path);
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(z.get(), 0));
  text names;
  for (zip_uint64_t i = 0; i < count; ++i) {
    const std::string name = detail::key_of(z.get(), i);
    names << (i == 0 ? "'" : ", '") << name << '\'';
    if (name != key) continue;
    const std::string what = "'" + path + ":" + key + "'";
    zip_stat_t facts;
    const bool known = zip_stat_index(z.get(), i, 0, &facts) == 0;
    // numpy writes these two; of others a few bytes can become as many as they like.
    if (known && facts.comp_method != ZIP_CM_STORE && facts.comp_method != ZIP_CM_DEFLATE)
      refuse(text(what) << " is compressed in a way that numpy does not use: write it again with numpy.savez");
    zip_file_t* file = known ? zip_fopen_index(z.get(), i, 0) : nullptr;
    if (file == nullptr) refuse(text(what) << " cannot be read: the file is damaged");
    vec<std::uint8_t> bytes; // grows with what is really there, whatever the entry says of its size
    std::vector<std::uint8_t> chunk(std::size_t{1} << 20);
    zip_int64_t got = 0;
    while ((got = zip_fread(file, chunk.data(), chunk.size())) > 0) {
      bytes.append({chunk.data(), static_cast<std::size_t>(got)});
    }
    zip_fclose(file);
    if (got < 0 || bytes.size() != facts.size) refuse(text(what) << " cannot be read: the file is damaged");
    array a = detail::parse_npy(bytes, what);
    a.name = key;
    return a;
  }
  refuse(text("'") << path << "' has no array '" << key << "'; it has " << names);
}

/// A .npy file.
inline array read_npy(const std::string& path) { return detail::parse_npy(read_file(path), "'" + path + "'"); }

/// Writes an .npz as a whole or not at all; the same arrays give the same bytes.
inline void write_npz(const std::string& path, const std::vector<array>& arrays) {
  if (arrays.empty()) refuse(text("there is nothing to write to '") << path << '\'');
  pending_file pending(path);
  int code = 0;
  detail::zip_handle z(zip_open(pending.temporary().c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  const auto failed = [&] {
    refuse(text("'") << path << "' cannot be written: does its folder exist, may you write there, is there space?");
  };
  if (!z) failed();
  std::vector<vec<std::uint8_t>> files; // live until the archive is closed
  files.reserve(arrays.size());
  for (const array& a : arrays) {
    files.push_back(detail::make_npy(a));
    zip_source_t* source = zip_source_buffer(z.get(), files.back().data(), files.back().size(), 0);
    if (source == nullptr) failed();
    const zip_int64_t at =
        zip_file_add(z.get(), (a.name + ".npy").c_str(), source, ZIP_FL_OVERWRITE | ZIP_FL_ENC_UTF_8);
    if (at < 0) {
      zip_source_free(source);
      failed();
    }
    constexpr zip_uint16_t first_day_of_dos = 0x21;
    zip_set_file_compression(z.get(), static_cast<zip_uint64_t>(at), ZIP_CM_STORE, 0);
    zip_file_set_dostime(z.get(), static_cast<zip_uint64_t>(at), 0, first_day_of_dos, 0);
  }
  if (zip_close(z.get()) != 0) failed();
  static_cast<void>(z.release());
  pending.finish();
}

/// A value as an array. Element types that numpy has not (bf16) are written as f32.
inline array to_array(std::string name, const value& v) {
  array a;
  a.name = std::move(name);
  a.dims = v.dims;
  if (v.type == dtype_id::bf16) {
    value wide = v;
    wide.type = dtype_id::f32;
    a.type = dtype_id::f32;
    a.bytes = to_bytes(wide);
  } else {
    a.type = v.type;
    a.bytes = to_bytes(v);
  }
  return a;
}
inline value to_value(const array& a) { return from_bytes(a.type, a.dims, a.bytes); }

} // namespace tmpu::host

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/check.hpp"

#include <cstdint>
#include <string_view>

/// Listing of a program, one line an instruction:
///
///     12 dma.load  wait compute 5  src=weights+0x40 [1,16,3,9] f32  dst=0x0 [1,16,3,9] f32 compact
///
/// An operand is its address, [n,c,h,w], type and layout (isa::layout); strides n,c,h in bytes and the first lane are
/// written where they are those of no layout. Members that are zero, and operands that an instruction does not use, are left out.
namespace tmpu::isa {

namespace detail {

constexpr void put_hex(text& out, std::uint64_t value) {
  int digits = 1;
  while (digits < 16 && value >> (4 * digits) != 0) ++digits;
  out << "0x";
  while (digits-- > 0) out << "0123456789abcdef"[(value >> (4 * digits)) & 15U];
}
constexpr void put_dims(text& out, const auto& r) {
  out << " [" << r.n << ',' << r.c << ',' << r.h << ',' << r.w << "] " << name_of(r.type);
}
constexpr bool is_layout(const local_ref& r, layout l, const chip::facts& chip) {
  if (r.lane < 0 || r.lane >= chip.lanes || r.n < 1 || r.c < 1 || r.h < 1 || r.w < 1) return false;
  const local_ref made = make_local(chip, l, r.type, r.n, std::int64_t{r.lane} + r.c, r.h, r.w, 0);
  const bool one_row = r.spread == spread::copy ? r.c == 1 : r.lane + r.c <= chip.lanes;
  return made.spread == r.spread && (r.n == 1 || made.n_stride == r.n_stride) &&
         (one_row || made.c_stride == r.c_stride) && (r.h == 1 || made.h_stride == r.h_stride);
}
constexpr void put_operand(text& out, const local_ref& r, const chip::facts& chip) {
  put_hex(out, r.address);
  put_dims(out, r);
  if (r.lane != 0) out << " lane " << r.lane;
  if (is_layout(r, layout::copy, chip)) {
    out << " copy";
  } else if (is_layout(r, layout::aligned, chip)) {
    out << " aligned";
  } else if (is_layout(r, layout::compact, chip)) {
    out << " compact";
  } else {
    out << (r.spread == spread::copy ? " copy /" : " /") << r.n_stride << ',' << r.c_stride << ',' << r.h_stride;
  }
}
constexpr void put_address(text& out, std::uint64_t address) {
  const region part = region_of(address);
  out << (part == region::weights       ? "weights+"
          : part == region::activations ? "activations+"
          : part == region::host        ? "host+"
                                        : "nowhere+");
  put_hex(out, static_cast<std::uint64_t>(offset_of(address)));
}
constexpr void put_operand(text& out, const global_ref& r, const chip::facts&) {
  put_address(out, r.address);
  put_dims(out, r);
  const std::int64_t w = bytes_of(r.type);
  const std::int64_t h = w * r.w;
  const std::int64_t c = h * r.h;
  const std::int64_t n = c * r.c;
  const bool dense = (r.w == 1 || r.w_stride == w) && (r.h == 1 || r.h_stride == h) && (r.c == 1 || r.c_stride == c) &&
                     (r.n == 1 || r.n_stride == n);
  if (!dense) out << " /" << r.n_stride << ',' << r.c_stride << ',' << r.h_stride << ',' << r.w_stride;
}

template <class T>
constexpr void put_member(text& out, std::string_view name, const T& value, const chip::facts& chip) {
  if constexpr (std::is_same_v<T, local_ref> || std::is_same_v<T, global_ref>) {
    if (value.n == 0) return;
    out << "  " << name << '=';
    put_operand(out, value, chip);
  } else if constexpr (std::is_same_v<T, sum_part>) {
    out << "  " << name << '='
        << (value.resume ? (value.finish ? "last" : "middle") : (value.finish ? "whole" : "first"));
  } else if constexpr (std::is_enum_v<T> || std::is_same_v<T, bool>) {
    if constexpr (std::is_same_v<T, bool>) {
      if (value) out << "  " << name;
    } else {
      out << "  " << name << '=';
      tmpu::detail::print_value(out, value);
    }
  } else if constexpr (std::is_same_v<T, float>) {
    if (value != 0.0F) out << "  " << name << '=' << value;
  } else if constexpr (std::is_integral_v<T>) {
    if (value != 0) out << "  " << name << '=' << value;
  } else {
    out << "  " << name << '=';
    tmpu::detail::print_value(out, value);
  }
}

} // namespace detail

/// The line of one instruction, without its number.
template <class Instruction> constexpr text line_of(const header& h, const Instruction& i, const chip::facts& chip) {
  text out(Instruction::name);
  for (const wait& w : {h.first, h.second}) {
    if (w.count == 0) continue;
    out << "  wait ";
    if (w.core != 0) out << "core " << static_cast<std::uint32_t>(w.core) << ' ';
    out << name_of(w.engine) << ' ' << w.count;
  }
  for_each_member(i, [&](std::string_view name, const auto& member) { detail::put_member(out, name, member, chip); });
  return out;
}

/// The listing of a program; every line ends in a line end.
/// Errors: what `fault_of` finds.
template <class Instructions = unpack<decltype(instructions)>> constexpr text disassemble(const program& p) {
  if (text bad = fault_of<Instructions>(p); !bad.empty()) refuse(text("the program cannot be listed: ") << bad);
  const target& t = p.info.target;
  chip::facts chip;
  chip.lanes = t.lanes;
  chip.eu_bytes = t.eu_bytes;
  text out;
  out << "# " << p.info.producer << ", " << p.info.quantize << " for " << t.chip << ": " << t.lanes << " lanes of "
      << t.local_bytes << " bytes, weights " << p.weights.size() << " bytes\n";
  for (const network& n : p.info.networks) {
    out << "network " << n.name << ", activations " << n.activation_bytes << " bytes\n";
    const auto put_io = [&out](std::string_view side, const io_tensor& io) {
      out << side << ' ' << io.name << ' ';
      detail::put_address(out, io.address);
      out << " [" << join(io.dims, ",") << "] " << name_of(io.type);
      if (!is_floating(io.type) && io.scale != 0.0F) out << " scale " << io.scale << " zero " << io.zero_point;
      if (io.edge != dtype_id::none) out << " for " << name_of(io.edge);
      out << '\n';
    };
    for (const io_tensor& io : n.inputs) put_io("input", io);
    for (const io_tensor& io : n.outputs) put_io("output", io);
    for (std::size_t s = 0; s < n.segments.size(); ++s) {
      if (n.segments[s].kind == segment_kind::host) {
        const host_step& step = n.segments[s].step;
        out << "segment " << s << " host " << step.op << " '" << step.node << '\'';
        const auto put = [&out](std::string_view side, const vec<host_tensor>& list) {
          for (const host_tensor& x : list) {
            out << "  " << side << '=';
            if (x.type == dtype_id::none) {
              out << "absent";
              continue;
            }
            detail::put_address(out, x.address);
            out << " [" << join(x.dims, ",") << "] " << name_of(x.type);
          }
        };
        put("in", step.operands);
        put("out", step.results);
        out << '\n';
        continue;
      }
      for (std::size_t c = 0; c < n.segments[s].cores.size(); ++c) {
        const core_stream& stream = n.segments[s].cores[c];
        out << "segment " << s << " core " << c << ", " << stream.count << " instructions\n";
        std::uint32_t number = 0;
        for (std::size_t at = 0; at < stream.words.size();) {
          const std::size_t size = size_of(stream.words[at]);
          decoder<Instructions>::decode(stream.words.span().subspan(at, size), [&](const header& h, const auto& i) {
            out << number << ' ' << line_of(h, i, chip) << '\n';
          });
          at += size;
          ++number;
        }
      }
    }
  }
  return out;
}

} // namespace tmpu::isa

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/program.hpp"

#include <cstdint>
#include <string_view>
#include <type_traits>

/// Whether a program hangs together: what a loader must know before anything else looks at it. Addresses of operands are
/// held against the machine's memory by the executor.
namespace tmpu::isa {

namespace detail {
// Greatest enumerator of each enumeration that stands in files; an enumeration of one's own is taken as it is.
template <class Enum> inline constexpr std::int64_t last_enumerator = 0x7FFF'FFFF;
template <> inline constexpr std::int64_t last_enumerator<engine> = static_cast<std::int64_t>(engine::dma);
template <> inline constexpr std::int64_t last_enumerator<spread> = static_cast<std::int64_t>(spread::copy);
template <> inline constexpr std::int64_t last_enumerator<pool_kind> = static_cast<std::int64_t>(pool_kind::average);
template <> inline constexpr std::int64_t last_enumerator<combine_kind> = static_cast<std::int64_t>(combine_kind::min);
template <> inline constexpr std::int64_t last_enumerator<binary_kind> = static_cast<std::int64_t>(binary_kind::rest);
template <> inline constexpr std::int64_t last_enumerator<unary_kind> = static_cast<std::int64_t>(unary_kind::swish);
template <>
inline constexpr std::int64_t last_enumerator<compare_kind> = static_cast<std::int64_t>(compare_kind::logical_or);
template <>
inline constexpr std::int64_t last_enumerator<integer_kind> = static_cast<std::int64_t>(integer_kind::shift_right);
template <>
inline constexpr std::int64_t last_enumerator<reduce_kind> = static_cast<std::int64_t>(reduce_kind::product);
template <> inline constexpr std::int64_t last_enumerator<segment_kind> = static_cast<std::int64_t>(segment_kind::host);
template <> inline constexpr std::int64_t last_enumerator<dtype_id> = static_cast<std::int64_t>(dtype_id::u2);
} // namespace detail

/// Every enumeration in a struct has a value that it knows (so that `name_of` may be asked).
template <class T> constexpr bool enumerators_known(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    const auto number = static_cast<std::int64_t>(value);
    return number >= 0 && number <= detail::last_enumerator<T>;
  } else if constexpr (reflected<T>) {
    bool known = true;
    for_each_member(value, [&](std::string_view, const auto& member) { known = known && enumerators_known(member); });
    return known;
  } else {
    return true;
  }
}

/// Bytes of an input, an output or a traced tensor; -1 for more than 8 dimensions, a negative one, or more than 2^40 bytes (without the
/// dimensions of 0).
template <class Tensor> constexpr std::int64_t bytes_needed(const Tensor& t) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  if (t.dims.size() > shape::max_rank) return -1;
  std::int64_t bytes = bytes_of(t.type);
  bool empty = false;
  for (const std::int64_t d : t.dims) {
    if (d < 0 || (d > 0 && bytes > most / d)) return -1;
    empty = empty || d == 0;
    if (d > 0) bytes *= d;
  }
  return empty ? 0 : bytes;
}
/// The same of what lies in a slot of the host, where a run may decide about a dimension (-1).
template <class Tensor> constexpr bool fits_a_slot(const Tensor& t) {
  Tensor least = t;
  for (std::int64_t& d : least.dims) d = d == -1 ? 1 : d;
  return bytes_needed(least) >= 0;
}

namespace detail {

/// Of an input, an output or a tensor that is seen in global memory.
template <class Tensor> constexpr text fault(const Tensor& t, std::string_view side, const network& n) {
  if (!enumerators_known(t.type) || bytes_of(t.type) == 0)
    return text(side) << " '" << t.name << "' has an unknown element type";
  const bool slot = region_of(t.address) == region::host;
  const std::int64_t bytes = bytes_needed(t);
  if (slot ? !fits_a_slot(t) : bytes < 0) return text(side) << " '" << t.name << "' has impossible dimensions";
  if (slot) return {};
  if (region_of(t.address) != region::activations || offset_of(t.address) + bytes > n.activation_bytes) {
    return text(side) << " '" << t.name << "' ends at byte " << offset_of(t.address) + bytes
                      << ", outside of the activation region of " << n.activation_bytes << " bytes";
  }
  return {};
}

/// Empty, or what is wrong with a host step.
constexpr text fault(const host_step& s, const network& n, std::int64_t weight_bytes) {
  const auto look = [&](const host_tensor& t, bool made) {
    if (t.type == dtype_id::none) return true;
    if (!enumerators_known(t.type) || bytes_of(t.type) == 0) return false;
    const region where = region_of(t.address);
    if (where == region::host) return fits_a_slot(t);
    std::int64_t bytes = bytes_needed(t);
    if (where == region::weights && is_packed(t.type) && bytes > 0) bytes = packed_bytes(t.type, bytes);
    const std::int64_t size = where == region::weights ? weight_bytes : n.activation_bytes;
    return bytes >= 0 && offset_of(t.address) + bytes <= size &&
           (where == region::activations || (where == region::weights && !made));
  };
  for (const host_tensor& t : s.operands) {
    if (!look(t, false)) return text("host step '") << s.node << "' reads outside of the program's memory";
  }
  for (const host_tensor& t : s.results) {
    if (!look(t, true)) return text("host step '") << s.node << "' writes outside of the program's memory";
  }
  return {};
}

/// Empty, or what is wrong with a stream.
template <class Instructions> constexpr text fault(const core_stream& stream, const network& n) {
  std::uint64_t count = 0;
  std::size_t at = 0;
  while (at < stream.words.size()) {
    const std::size_t size = size_of(stream.words[at]);
    bool fine = false;
    if (size > 0 && size <= stream.words.size() - at) {
      decoder<Instructions>::decode(stream.words.span().subspan(at, size), [&](const header& h, const auto& i) {
        fine = enumerators_known(h) && enumerators_known(i);
      });
    }
    if (!fine) {
      return text("instruction ") << count << " (opcode " << static_cast<std::uint32_t>(opcode_of(stream.words[at]))
                                  << ", " << size << " words) is not in this version's instruction set";
    }
    at += size;
    ++count;
  }
  if (count != stream.count) return text("a stream says ") << stream.count << " instructions and holds " << count;
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < stream.owners.size(); ++i) {
    const owner& o = stream.owners[i];
    if (o.index >= stream.count || (i > 0 && o.index <= stream.owners[i - 1].index))
      return text("the owners name instruction ") << o.index << " of " << stream.count << " out of order";
    if (o.layer < 0 || static_cast<std::size_t>(o.layer) >= n.layers.size() || o.group < 0)
      return text("the owners name layer ") << o.layer << " of " << n.layers.size();
  }
  for (const trace_point& t : stream.trace) {
    if (t.index >= stream.count || t.index < before)
      return text("the trace names instruction ") << t.index << " of " << stream.count << " out of order";
    if (t.tensor < 0 || static_cast<std::size_t>(t.tensor) >= n.tensors.size()) {
      return text("the trace names tensor ") << t.tensor << " of " << n.tensors.size();
    }
    if (t.in_global) {
      const traced_tensor& seen = n.tensors[static_cast<std::size_t>(t.tensor)];
      if (region_of(seen.address) == region::host)
        return text("tensor '") << seen.name << "' is seen in global memory, but lies in a slot of the host";
      if (text bad = fault(seen, "tensor", n); !bad.empty()) return bad;
    }
    before = t.index;
  }
  return {};
}

} // namespace detail

/// Empty, or in one line what contradicts itself in a program with this many bytes of weights.
template <class Instructions = unpack<decltype(instructions)>>
constexpr text fault_of(const program& p, std::int64_t weight_bytes) {
  const target& t = p.info.target;
  if (t.lanes < 1 || t.eu_bytes < 1 || t.banks < 1 || t.cores < 1 || t.local_bytes < 1)
    return text("the target has a size of 0 or less");
  for (const network& n : p.info.networks) {
    if (n.activation_bytes < 0) return text("network '") << n.name << "' has a negative activation region";
    for (const vec<io_tensor>* side : {&n.inputs, &n.outputs}) {
      for (const io_tensor& io : *side) {
        if (!enumerators_known(io.edge) || (io.edge != dtype_id::none && carrier_of(io.edge) != io.type))
          return text("tensor '") << io.name << "' has an unknown element type";
      }
    }
    for (const io_tensor& io : n.inputs) {
      if (text bad = detail::fault(io, "input", n); !bad.empty()) return bad;
    }
    for (const io_tensor& io : n.outputs) {
      if (text bad = detail::fault(io, "output", n); !bad.empty()) return bad;
    }
    for (const traced_tensor& traced : n.tensors) {
      if (!enumerators_known(traced.type) || bytes_of(traced.type) == 0)
        return text("tensor '") << traced.name << "' has an unknown element type";
      if (!fits_a_slot(traced)) return text("tensor '") << traced.name << "' has impossible dimensions";
    }
    for (const segment& s : n.segments) {
      if (!enumerators_known(s.kind)) return text("network '") << n.name << "' has a segment of unknown kind";
      if (s.kind == segment_kind::host) {
        if (!s.cores.empty()) return text("host step '") << s.step.node << "' has instructions";
        if (text bad = detail::fault(s.step, n, weight_bytes); !bad.empty()) return bad;
        continue;
      }
      if (s.cores.empty() || s.cores.size() > static_cast<std::size_t>(t.cores)) {
        return text("a segment has ") << s.cores.size() << " cores, the chip " << t.cores;
      }
      for (const core_stream& c : s.cores) {
        if (text bad = detail::fault<Instructions>(c, n); !bad.empty()) return bad;
      }
    }
  }
  return {};
}

template <class Instructions = unpack<decltype(instructions)>> constexpr text fault_of(const program& p) {
  return fault_of<Instructions>(p, static_cast<std::int64_t>(p.weights.size()));
}

} // namespace tmpu::isa

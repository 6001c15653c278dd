// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/op.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu::calibrate {

/// FNV-1a with 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv). The same on every machine and in constant evaluation.
class fingerprint_hash {
public:
  constexpr fingerprint_hash& put(std::uint8_t byte) {
    state_ = (state_ ^ byte) * 0x100000001b3U;
    return *this;
  }
  constexpr fingerprint_hash& put(std::uint64_t word) {
    for (int shift = 0; shift < 64; shift += 8) put(static_cast<std::uint8_t>(word >> shift));
    return *this;
  }
  constexpr fingerprint_hash& put(std::string_view s) {
    put(static_cast<std::uint64_t>(s.size()));
    for (const char c : s) put(static_cast<std::uint8_t>(c));
    return *this;
  }
  constexpr fingerprint_hash& put(std::span<const std::uint8_t> bytes) {
    put(static_cast<std::uint64_t>(bytes.size()));
    for (const std::uint8_t b : bytes) put(b);
    return *this;
  }
  /// Never 0, which stands for: not known.
  [[nodiscard]] constexpr std::uint64_t digest() const { return state_ == 0 ? 1 : state_; }

private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// Tells models apart: names, types, shapes and constants of the tensors that nodes read and write, operators and their
/// attributes. Node names, ranges, scales and addresses do not count.
constexpr std::uint64_t fingerprint(const graph_body& g) {
  fingerprint_hash hash;
  vec<std::uint8_t> done(g.tensors.size());
  const auto put_tensor = [&](tensor_id id) {
    hash.put(g.name(id));
    if (id == none || done[static_cast<std::size_t>(id)] != 0) return;
    done[static_cast<std::size_t>(id)] = 1;
    const tensor& t = g.at(id);
    hash.put(static_cast<std::uint8_t>(t.type)).put(static_cast<std::uint64_t>(t.dims.rank()));
    for (const std::int64_t d : t.dims) hash.put(static_cast<std::uint64_t>(d));
    if (t.constant != none) hash.put(g.bytes(id));
  };
  const auto put_list = [&](std::span<const tensor_id> ids) {
    hash.put(static_cast<std::uint64_t>(ids.size()));
    for (const tensor_id id : ids) put_tensor(id);
  };
  put_list(g.inputs);
  for (const node& n : g.nodes) {
    hash.put(n.op->domain).put(n.op->info.name);
    hash.put(static_cast<std::uint64_t>(g.words(n).size()));
    for (const std::uint32_t word : g.words(n)) hash.put(static_cast<std::uint64_t>(word));
    put_list(g.operands(n));
    put_list(g.results(n));
  }
  put_list(g.outputs);
  return hash.digest();
}

/// Tells lists of rules apart, by the names of the rules in their order.
template <class... Rules> constexpr std::uint64_t fingerprint(list<Rules...>) {
  fingerprint_hash hash;
  (hash.put(std::string_view(Rules::name)), ...);
  return hash.digest();
}

} // namespace tmpu::calibrate

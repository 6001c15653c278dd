// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/text.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace tmpu {

/// Dimensions of a tensor, outermost first, in elements. A dimension of -1 is not known yet.
/// At most 8 dimensions (the importer refuses more).
class shape {
public:
  static constexpr std::size_t max_rank = 8;

  constexpr shape() = default;
  constexpr shape(std::initializer_list<std::int64_t> dims) {
    for (const auto d : dims) push_back(d);
  }
  constexpr explicit shape(std::span<const std::int64_t> dims) {
    for (const auto d : dims) push_back(d);
  }

  [[nodiscard]] constexpr std::size_t rank() const { return rank_; }
  constexpr std::int64_t& operator[](std::size_t i) { return dims_[i]; }
  constexpr std::int64_t operator[](std::size_t i) const { return dims_[i]; }
  [[nodiscard]] constexpr const std::int64_t* begin() const { return dims_; }
  [[nodiscard]] constexpr const std::int64_t* end() const { return dims_ + rank_; }
  [[nodiscard]] constexpr std::span<const std::int64_t> span() const { return {dims_, rank_}; }
  constexpr void push_back(std::int64_t d) { dims_[rank_++] = d; }

  /// No dimension is unknown.
  [[nodiscard]] constexpr bool known() const {
    for (const auto d : *this) {
      if (d < 0) return false;
    }
    return true;
  }
  /// Number of elements; 1 for a scalar, -1 where a dimension is unknown, the greatest integer where it is beyond it.
  [[nodiscard]] constexpr std::int64_t elements() const {
    constexpr std::int64_t greatest = 9223372036854775807;
    std::int64_t count = 1;
    bool empty = false;
    for (const auto d : *this) {
      if (d < 0) return -1;
      empty = empty || d == 0;
      count = d != 0 && count > greatest / d ? greatest : count * (d == 0 ? 1 : d);
    }
    return empty ? 0 : count;
  }
  [[nodiscard]] constexpr text print() const { return text("[") << join(*this, ",") << "]"; }

  friend constexpr bool operator==(const shape& a, const shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < a.rank_; ++i) {
      if (a.dims_[i] != b.dims_[i]) return false;
    }
    return true;
  }

private:
  std::int64_t dims_[max_rank] = {};
  std::size_t rank_ = 0;
};

/// The shape of a and b broadcast against each other (ONNX, Broadcasting in ONNX: multidirectional).
/// ok is false where two dimensions differ and neither is 1.
struct broadcast_result {
  shape dims;
  bool ok = true;
};
constexpr broadcast_result broadcast(const shape& a, const shape& b) {
  broadcast_result out;
  const std::size_t rank = a.rank() > b.rank() ? a.rank() : b.rank();
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t da = i + a.rank() < rank ? 1 : a[i + a.rank() - rank];
    const std::int64_t db = i + b.rank() < rank ? 1 : b[i + b.rank() - rank];
    if (da != db && da != 1 && db != 1) out.ok = false;
    out.dims.push_back(da == 1 ? db : da);
  }
  return out;
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t to) { return ceil_div(a, to) * to; }

} // namespace tmpu

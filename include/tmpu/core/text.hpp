// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/vec.hpp"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string_view>

namespace tmpu {

/// A text under construction: messages, printed graphs, listings. Integers and texts can be added in constant
/// evaluation; floating-point numbers (shortest form that reads back to the same value) at run time only.
class text {
public:
  constexpr text() = default;
  constexpr text(std::string_view s) { *this << s; } // NOLINT: a text is made from a view freely
  constexpr text(const char* s) : text(std::string_view(s)) {}

  [[nodiscard]] constexpr std::string_view view() const { return {chars_.data(), chars_.size()}; }
  constexpr operator std::string_view() const { return view(); } // NOLINT: and read as one
  [[nodiscard]] constexpr bool empty() const { return chars_.empty(); }

  constexpr text& operator<<(std::string_view s) {
    chars_.append({s.data(), s.size()});
    return *this;
  }
  constexpr text& operator<<(const char* s) { return *this << std::string_view(s); }
  constexpr text& operator<<(const text& t) { return *this << t.view(); }
  constexpr text& operator<<(char c) {
    chars_.push_back(c);
    return *this;
  }
  constexpr text& operator<<(bool b) { return *this << (b ? std::string_view("true") : std::string_view("false")); }
  template <std::integral Int> constexpr text& operator<<(Int value) {
    char digits[24] = {};
    int at = 24;
    const bool negative = value < 0;
    // Work on the negative side: the magnitude of the least integer has no positive twin.
    std::uint64_t rest =
        negative ? std::uint64_t{0} - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    do {
      digits[--at] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest != 0);
    if (negative) digits[--at] = '-';
    return *this << std::string_view(digits + at, static_cast<std::size_t>(24 - at));
  }
  template <std::floating_point Float> text& operator<<(Float value) {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
  }

  /// Wrappers that stand for a value (defaulted attributes).
  template <class Wrapper>
  requires requires(const Wrapper& w) { w.value + Wrapper::fallback; }
  constexpr text& operator<<(const Wrapper& wrapper) { return *this << wrapper.value; }

  friend constexpr bool operator==(const text& a, const text& b) { return a.view() == b.view(); }

private:
  vec<char> chars_;
};

/// `"1x3x28x28"` for a list of integers with a separator.
template <class Range> constexpr text join(const Range& items, std::string_view separator) {
  text out;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out << separator;
    out << item;
    first = false;
  }
  return out;
}

} // namespace tmpu

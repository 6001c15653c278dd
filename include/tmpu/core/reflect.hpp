// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/struct.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

/// Reflection: attribute structs, instructions and file records declare their members once (core/struct.hpp:
/// `TMPU_STRUCT((ints, pads), (defaulted<std::int64_t, 1>, group));`), and this alone writes the ONNX attribute reader, the stage files, the printer, equality and the instruction encodings.
namespace tmpu {

/// A scalar member that may be absent in ONNX and then has the value Num / Den.
template <class T, std::int64_t Num, std::int64_t Den = 1> struct defaulted {
  using value_type = T;
  static constexpr T fallback = static_cast<T>(static_cast<T>(Num) / static_cast<T>(Den));
  T value = fallback;

  constexpr defaulted() = default;
  constexpr defaulted(T v) : value(v) {}         // NOLINT: stands for its value
  constexpr operator T() const { return value; } // NOLINT: stands for its value
};

using ints = vec<std::int64_t>;
using floats = vec<float>;
using texts = vec<text>;

/// Calls f(name, member) for each member of a reflected struct, in order of declaration. `object` may be const.
template <class Struct, class F> constexpr void for_each_member(Struct&& object, F&& f) {
  std::remove_cvref_t<Struct>::visit_members(object, f);
}

namespace detail {
struct any_visitor {
  constexpr void operator()(std::string_view, auto&&) const {}
};
} // namespace detail
template <class T> concept reflected = requires(T& object) { T::visit_members(object, detail::any_visitor{}); };

namespace detail {
template <class T> struct is_defaulted : std::false_type {};
template <class T, std::int64_t N, std::int64_t D> struct is_defaulted<defaulted<T, N, D>> : std::true_type {};
template <class T> struct is_vec : std::false_type {};
template <class T> struct is_vec<vec<T>> : std::true_type {};
} // namespace detail

/// Writes values as 32-bit words: integers of 64 bits and more take two (low first), lists a count first, texts a count
/// of bytes and then a word a byte.
class word_writer {
public:
  constexpr explicit word_writer(vec<std::uint32_t>& words) : words_(&words) {}

  template <class T> constexpr void put(const T& value) {
    if constexpr (reflected<T>) {
      for_each_member(value, [&](std::string_view, const auto& member) { this->put(member); });
    } else if constexpr (detail::is_defaulted<T>::value) {
      put(value.value);
    } else if constexpr (std::is_same_v<T, text>) {
      words_->push_back(static_cast<std::uint32_t>(value.view().size()));
      for (const char c : value.view()) words_->push_back(static_cast<unsigned char>(c));
    } else if constexpr (detail::is_vec<T>::value) {
      words_->push_back(static_cast<std::uint32_t>(value.size()));
      for (const auto& item : value) put(item);
    } else if constexpr (std::is_same_v<T, float>) {
      words_->push_back(std::bit_cast<std::uint32_t>(value));
    } else if constexpr (std::is_array_v<T>) {
      for (const auto& item : value) put(item);
    } else if constexpr (sizeof(T) == 8) {
      const auto bits = static_cast<std::uint64_t>(value);
      words_->push_back(static_cast<std::uint32_t>(bits));
      words_->push_back(static_cast<std::uint32_t>(bits >> 32));
    } else {
      words_->push_back(static_cast<std::uint32_t>(value));
    }
  }

private:
  vec<std::uint32_t>* words_;
};

/// Reads what word_writer wrote. `ok` turns false, and values stay zero, where the words end too early.
class word_reader {
public:
  constexpr explicit word_reader(std::span<const std::uint32_t> words) : words_(words) {}

  template <class T> constexpr void get(T& value) {
    if constexpr (reflected<T>) {
      for_each_member(value, [&](std::string_view, auto& member) { this->get(member); });
    } else if constexpr (detail::is_defaulted<T>::value) {
      get(value.value);
    } else if constexpr (std::is_same_v<T, text>) {
      const std::uint32_t count = counted();
      for (std::uint32_t i = 0; i < count; ++i) value << static_cast<char>(next());
    } else if constexpr (detail::is_vec<T>::value) {
      const std::uint32_t count = counted();
      value.reserve(count);
      for (std::uint32_t i = 0; i < count; ++i) {
        typename T::value_type item{};
        get(item);
        value.push_back(item);
      }
    } else if constexpr (std::is_same_v<T, float>) {
      value = std::bit_cast<float>(next());
    } else if constexpr (std::is_array_v<T>) {
      for (auto& item : value) get(item);
    } else if constexpr (sizeof(T) == 8) {
      const std::uint64_t low = next();
      value = static_cast<T>(low | (static_cast<std::uint64_t>(next()) << 32));
    } else {
      value = static_cast<T>(next());
    }
  }
  template <class T> constexpr T get() {
    T value{};
    get(value);
    return value;
  }

  [[nodiscard]] constexpr bool ok() const { return ok_; }
  [[nodiscard]] constexpr bool at_end() const { return at_ == words_.size(); }

private:
  constexpr std::uint32_t next() {
    if (at_ == words_.size()) {
      ok_ = false;
      return 0;
    }
    return words_[at_++];
  }
  // A count never exceeds the words that are left, so that a damaged one cannot ask for memory.
  constexpr std::uint32_t counted() {
    const std::uint32_t count = next();
    if (count <= words_.size() - at_) return count;
    ok_ = false;
    return 0;
  }

  std::span<const std::uint32_t> words_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

namespace detail {
template <class T> constexpr void print_value(text& out, const T& value) {
  if constexpr (is_defaulted<T>::value) {
    print_value(out, value.value);
  } else if constexpr (std::is_same_v<T, text>) {
    out << '"' << value << '"';
  } else if constexpr (is_vec<T>::value || std::is_array_v<T>) {
    out << '[';
    bool first = true;
    for (const auto& item : value) {
      if (!first) out << ',';
      print_value(out, item);
      first = false;
    }
    out << ']';
  } else if constexpr (reflected<T>) {
    out << '{';
    bool first = true;
    for_each_member(value, [&](std::string_view name, const auto& member) {
      if (!first) out << ' ';
      out << name << '=';
      print_value(out, member);
      first = false;
    });
    out << '}';
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (requires { name_of(value); }) {
      out << name_of(value);
    } else {
      out << static_cast<std::int64_t>(value);
    }
  } else {
    out << value;
  }
}

template <class T> constexpr bool is_absent(const T& value) {
  if constexpr (is_defaulted<T>::value) {
    return value.value == T::fallback;
  } else if constexpr (std::is_same_v<T, text> || is_vec<T>::value) {
    return value.empty();
  } else {
    return false;
  }
}
} // namespace detail

/// `name=value name=value`, members that hold their default left out.
template <reflected Struct> constexpr void print_members(text& out, const Struct& object) {
  bool first = true;
  for_each_member(object, [&](std::string_view name, const auto& member) {
    if (detail::is_absent(member)) return;
    if (!first) out << ' ';
    out << name << '=';
    detail::print_value(out, member);
    first = false;
  });
}

/// Equality of two structs, member by member.
template <reflected Struct> constexpr bool equal_members(const Struct& a, const Struct& b) {
  vec<std::uint32_t> wa;
  vec<std::uint32_t> wb;
  word_writer(wa).put(a);
  word_writer(wb).put(b);
  return wa == wb;
}

/// An operator or instruction without attributes.
struct no_attributes {
  TMPU_STRUCT();
};

} // namespace tmpu

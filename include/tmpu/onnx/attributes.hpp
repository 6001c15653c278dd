// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/reflect.hpp"
#include "tmpu/ir/op.hpp"
#include "tmpu/onnx/types.hpp"

#include <span>
#include <string>
#include <string_view>

/// Attribute structs from and to ONNX attributes, by reflection: the member's name is the attribute's, its type tells the kind.
/// A plain scalar is required, `defaulted` ones, lists and texts may be absent.
namespace tmpu::onnx {

namespace detail {
template <class T> constexpr pb::AttributeProto::AttributeType kind_of() {
  if constexpr (tmpu::detail::is_defaulted<T>::value) {
    return kind_of<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, text>) {
    return pb::AttributeProto::STRING;
  } else if constexpr (std::is_same_v<T, floats>) {
    return pb::AttributeProto::FLOATS;
  } else if constexpr (std::is_same_v<T, ints>) {
    return pb::AttributeProto::INTS;
  } else if constexpr (std::is_same_v<T, texts>) {
    return pb::AttributeProto::STRINGS;
  } else if constexpr (std::is_same_v<T, texts>) {
    return pb::AttributeProto::STRINGS;
  } else if constexpr (std::is_floating_point_v<T>) {
    return pb::AttributeProto::FLOAT;
  } else {
    return pb::AttributeProto::INT;
  }
}

/// Attributes whose integers are data or stand for "to the end".
inline constexpr std::string_view wide_attributes[] = {"end", "start", "pool_int64s", "ngram_counts", "ngram_indexes"};
/// All others are sizes, places, numbers of things: they fit into 32 bits, and what shape rules compute of them into 64.
inline std::int64_t checked(std::string_view name, std::int64_t x) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  bool wide = x >= -most && x <= most;
  for (const std::string_view w : wide_attributes) wide = wide || w == name;
  if (!wide)
    refuse(text("the attribute '") << name << "' is " << x << ", which no model can mean: the model is damaged");
  return x;
}

template <class T> void read_attribute(const pb::AttributeProto& from, T& to) {
  if constexpr (tmpu::detail::is_defaulted<T>::value) {
    read_attribute(from, to.value);
  } else if constexpr (std::is_same_v<T, text>) {
    to = text(from.s());
  } else if constexpr (std::is_same_v<T, floats>) {
    for (const float x : from.floats()) to.push_back(x);
  } else if constexpr (std::is_same_v<T, ints>) {
    for (const std::int64_t x : from.ints()) to.push_back(checked(from.name(), x));
  } else if constexpr (std::is_same_v<T, texts>) {
    for (const std::string& x : from.strings()) to.push_back(text(x));
  } else if constexpr (std::is_same_v<T, texts>) {
    for (const std::string& x : from.strings()) to.push_back(text(x));
  } else if constexpr (std::is_floating_point_v<T>) {
    to = from.f();
  } else {
    to = static_cast<T>(checked(from.name(), from.i()));
  }
}

template <class T> void write_attribute(pb::AttributeProto& to, const T& from) {
  if constexpr (tmpu::detail::is_defaulted<T>::value) {
    write_attribute(to, from.value);
  } else if constexpr (std::is_same_v<T, text>) {
    to.set_s(std::string(from.view()));
  } else if constexpr (std::is_same_v<T, floats>) {
    for (const float x : from) to.add_floats(x);
  } else if constexpr (std::is_same_v<T, ints>) {
    for (const std::int64_t x : from) to.add_ints(x);
  } else if constexpr (std::is_same_v<T, texts>) {
    for (const text& x : from) to.add_strings(std::string(x.view()));
  } else if constexpr (std::is_same_v<T, texts>) {
    for (const text& x : from) to.add_strings(std::string(x.view()));
  } else if constexpr (std::is_floating_point_v<T>) {
    to.set_f(from);
  } else {
    to.set_i(static_cast<std::int64_t>(from));
  }
}
} // namespace detail

/// The attributes of an operator as words of the graph's pool. `where` begins the messages: `node 'conv1' (Conv)`.
/// Attributes of the node that the struct has not are refused, unless `passes_over` says otherwise.
template <op Op, class PassesOver>
vec<std::uint32_t> read_attributes(const pb::NodeProto& n, std::string_view where, PassesOver&& passes_over) {
  typename Op::attributes a{};
  vec<std::string_view> used;
  for_each_member(a, [&]<class T>(std::string_view name, T& member) {
    for (const auto& from : n.attribute()) {
      if (from.name() != name) continue;
      if (from.type() != detail::kind_of<T>()) {
        refuse(text(where) << ": attribute '" << name << "' must be of the kind "
                           << pb::AttributeProto::AttributeType_Name(detail::kind_of<T>()) << ", not "
                           << pb::AttributeProto::AttributeType_Name(from.type()));
      }
      detail::read_attribute(from, member);
      used.push_back(from.name());
      return;
    }
    if constexpr (std::is_arithmetic_v<T>) refuse(text(where) << " lacks the attribute '" << name << "'");
  });
  for (const auto& from : n.attribute()) {
    bool known = passes_over(from);
    for (const std::string_view name : used) known = known || name == from.name();
    if (!known) refuse(text(where) << " has the attribute '" << from.name() << "', which tmpu does not know");
  }
  return encode_attributes<Op>(a);
}

/// The other way: every member that does not hold its default.
template <op Op> void write_attributes(pb::NodeProto& n, std::span<const std::uint32_t> words) {
  auto a = word_reader(words).get<typename Op::attributes>();
  for_each_member(a, [&]<class T>(std::string_view name, T& member) {
    if (tmpu::detail::is_absent(member)) return;
    auto& to = *n.add_attribute();
    to.set_name(std::string(name));
    to.set_type(detail::kind_of<T>());
    detail::write_attribute(to, member);
  });
}

} // namespace tmpu::onnx

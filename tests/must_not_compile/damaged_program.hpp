// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/builder.hpp"
#include "tmpu/static_check.hpp"

/// A program of one layer, and what a wrong emitter would make of it.
namespace damaged_program {

using namespace tmpu;

struct one_relu {
  static constexpr std::string_view name = "one_relu";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph(model_builder m = {}) {
    m.output(m.add<top::relu>("activation", {}, {m.input("x", dtype_id::f32, {1, 2, 4, 4})}));
    return m.take();
  }
};
constexpr auto good = compile<one_relu, chip::nano>();

/// The file of `good` with each instruction as `change(header, instruction, stream)` appends it.
template <class Change> constexpr vec<std::uint8_t> changed(Change&& change) {
  isa::program p = isa::from_bytes(good.bytes());
  isa::core_stream& stream = p.info.networks[0].segments[0].cores[0];
  const vec<std::uint32_t> words = std::move(stream.words);
  stream.words = vec<std::uint32_t>();
  stream.count = 0;
  for (std::size_t at = 0; at < words.size(); at += isa::size_of(words[at])) {
    isa::decoder<unpack<decltype(isa::instructions)>>::decode(
        words.span().subspan(at, isa::size_of(words[at])),
        [&](const isa::header& h, const auto& i) { change(h, i, stream); });
  }
  return isa::to_bytes(p);
}
template <class Change> constexpr auto with(Change change) {
  constexpr std::size_t size = changed(Change{}).size();
  static_program<size> out{};
  const vec<std::uint8_t> file = changed(change);
  for (std::size_t i = 0; i < size; ++i) out.file[i] = file[i];
  return out;
}

} // namespace damaged_program

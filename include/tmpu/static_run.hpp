// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/quantize.hpp"
#include "tmpu/exec/executor.hpp"
#include "tmpu/static_program.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

/// Execution of a program that the C++ compiler knows: `auto scores = tmpu::run<program>(image);`. The stream is decoded and checked
/// while it is compiled; what runs is one function for each distinct instruction, with all shapes, types and strides constant,
/// called in the order of the stream. Nothing is allocated, parsed or looked up. It runs in constant evaluation as well.
namespace tmpu {

namespace detail {

struct static_io {
  dtype_id type = dtype_id::none;
  std::size_t elements = 0;
  quantization quant{};
  std::size_t offset = 0; ///< in the activation region
};

/// Operands' addresses apart, two instructions are one function.
template <class Instruction, class Visit> constexpr void for_each_address(Instruction& i, Visit&& visit) {
  for_each_member(i, [&]<class Member>(std::string_view, Member& member) {
    if constexpr (std::is_same_v<Member, isa::local_ref> || std::is_same_v<Member, isa::global_ref>)
      visit(member.address);
  });
}
template <class Instruction> constexpr std::uint64_t hash_without_addresses(Instruction i) {
  for_each_address(i, [](auto& address) { address = 0; });
  vec<std::uint32_t> words;
  word_writer(words).put(i);
  std::uint64_t hash = 14695981039346656037U ^ Instruction::opcode;
  for (const std::uint32_t w : words) {
    hash = (hash ^ w) * 1099511628211U;
    hash ^= hash >> 29;
  }
  return hash;
}

template <class Instructions> struct static_stream;
template <class... Is> struct static_stream<list<Is...>> {
  /// What the tables need room for.
  struct sizes {
    std::size_t steps = 0;
    std::size_t addresses = 0;
    std::size_t inputs = 0;
    std::size_t outputs = 0;
    std::size_t functions[sizeof...(Is)] = {}; ///< distinct instructions of each type
    std::int32_t lanes = 0;
    std::int64_t local_bytes = 0; ///< used of a lane
    std::int64_t activation_bytes = 0;
    std::size_t weights_at = 0; ///< place of the weights in the file
    std::size_t weight_bytes = 0;
    std::size_t floats = 0; ///< elements of the largest operand
    std::size_t integers = 0;
    std::size_t packed = 0; ///< elements of the largest packed weights
    exec::fast::room_needed room;
  };
  struct step {
    std::uint32_t kind = 0;     ///< which type of the list
    std::uint32_t function = 0; ///< which distinct instruction of that type
    std::uint32_t first = 0;    ///< its addresses
  };

  /// Calls visit(instruction, kind) for each instruction.
  template <class Visit> static constexpr void each(const isa::program& p, Visit&& visit) {
    for (const isa::segment& s : p.info.networks[0].segments) {
      for (const isa::core_stream& stream : s.cores) {
        for (std::size_t at = 0; at < stream.words.size();) {
          const std::size_t size = isa::size_of(stream.words[at]);
          isa::decoder<list<Is...>>::decode(stream.words.span().subspan(at, size),
                                            [&]<class I>(const isa::header&, const I& i) {
                                              std::uint32_t kind = 0;
                                              static_cast<void>(((std::is_same_v<I, Is> || (++kind, false)) || ...));
                                              visit(i, kind);
                                            });
          at += size;
        }
      }
    }
  }
  /// Which distinct instruction of its type each one is.
  class numbering {
  public:
    constexpr std::uint32_t number(std::uint32_t kind, std::uint64_t hash, bool& fresh) {
      for (std::size_t i = 0; i < seen_[kind].size(); ++i) {
        if (seen_[kind][i] == hash) {
          fresh = false;
          return static_cast<std::uint32_t>(i);
        }
      }
      fresh = true;
      seen_[kind].push_back(hash);
      return static_cast<std::uint32_t>(seen_[kind].size()) - 1;
    }

  private:
    vec<std::uint64_t> seen_[sizeof...(Is)];
  };

  template <class Instruction> static constexpr void measure(const Instruction& i, sizes& s) {
    const auto see = [&](const auto& r) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(r)>, isa::local_ref>) {
        const auto count = static_cast<std::size_t>(std::int64_t{r.n} * r.c * r.h * r.w);
        std::size_t& most = is_floating(r.type) ? s.floats : s.integers;
        most = count > most ? count : most;
      }
    };
    i.reads(see);
    i.writes(see);
    s.room.cover(exec::fast::room_of(i));
    if constexpr (requires { i.weight; }) {
      const auto depth = static_cast<std::size_t>(std::int64_t{i.weight.h} * i.weight.w) *
                         static_cast<std::size_t>(exec::detail::block);
      s.packed = depth > s.packed ? depth : s.packed;
    }
  }

  static constexpr sizes measure(std::span<const std::uint8_t> file) {
    const isa::program p = isa::from_bytes<list<Is...>>(file);
    const isa::network& n = p.info.networks[0];
    const exec::basic_executor<list<Is...>> checks(p); // bounds, types, waits: refused while compiling
    sizes s;
    s.inputs = n.inputs.size();
    s.outputs = n.outputs.size();
    s.lanes = p.info.target.lanes;
    s.local_bytes = n.local_bytes_peak;
    s.activation_bytes = n.activation_bytes;
    s.weights_at = static_cast<std::size_t>(isa::detail::get_number(file, 40, 8));
    s.weight_bytes = p.weights.size();
    numbering seen;
    each(p, [&](auto i, std::uint32_t kind) {
      ++s.steps;
      measure(i, s);
      for_each_address(i, [&](auto&) { ++s.addresses; });
      bool fresh = false;
      seen.number(kind, hash_without_addresses(i), fresh);
      if (fresh) ++s.functions[kind];
    });
    return s;
  }

  template <const sizes& S, class Indexes = std::index_sequence_for<Is...>> struct tables;
  template <const sizes& S, std::size_t... K> struct tables<S, std::index_sequence<K...>> {
    std::array<step, S.steps> steps{};
    std::array<std::uint64_t, S.addresses + 1> addresses{};
    std::tuple<std::array<Is, S.functions[K]>...> functions{};
    std::array<static_io, S.inputs> inputs{};
    std::array<static_io, S.outputs> outputs{};
  };

  static constexpr static_io io_of(const isa::io_tensor& t) {
    return {t.type,
            static_cast<std::size_t>(isa::bytes_needed(t) / bytes_of(t.type)),
            {t.scale, t.zero_point},
            static_cast<std::size_t>(isa::offset_of(t.address))};
  }
  template <const sizes& S> static constexpr auto fill(std::span<const std::uint8_t> file) {
    const isa::program p = isa::from_bytes<list<Is...>>(file);
    tables<S> t{};
    numbering seen;
    std::size_t at = 0;
    std::size_t address = 0;
    each(p, [&]<class I>(I i, std::uint32_t kind) {
      bool fresh = false;
      const std::uint32_t number = seen.number(kind, hash_without_addresses(i), fresh);
      if (fresh) std::get<std::array<I, S.functions[index_of<I>()]>>(t.functions)[number] = i;
      t.steps[at++] = {kind, number, static_cast<std::uint32_t>(address)};
      for_each_address(i, [&](const auto& a) { t.addresses[address++] = a; });
    });
    for (std::size_t k = 0; k < S.inputs; ++k) t.inputs[k] = io_of(p.info.networks[0].inputs[k]);
    for (std::size_t k = 0; k < S.outputs; ++k) t.outputs[k] = io_of(p.info.networks[0].outputs[k]);
    return t;
  }
  template <class I> static constexpr std::size_t index_of() {
    std::size_t kind = 0;
    static_cast<void>(((std::is_same_v<I, Is> || (++kind, false)) || ...));
    return kind;
  }
};

/// A program, decoded; and the machine that it runs on, in static storage.
template <const auto& Program> struct static_machine {
  using stream = static_stream<unpack<decltype(isa::instructions)>>;
  static constexpr typename stream::sizes sizes = stream::measure(Program.file);
  static constexpr auto tables = stream::template fill<sizes>(Program.file);

  static constexpr std::size_t local_size =
      static_cast<std::size_t>(sizes.lanes * sizes.local_bytes + exec::memory::slack);
  static constexpr std::size_t activation_size = static_cast<std::size_t>(sizes.activation_bytes);
  struct storage {
    alignas(64) std::uint8_t local[local_size];
    alignas(64) std::uint8_t activations[activation_size];
    alignas(64) float floats[4][sizes.floats + 1];
    alignas(64) float packed_floats[sizes.floats == 0 ? 1 : sizes.packed + 1];
    alignas(64) std::int32_t integers[4][sizes.integers + 1];
    alignas(64) std::int32_t packed_integers[sizes.integers == 0 ? 1 : sizes.packed + 1];
    alignas(64) std::uint32_t room_x[static_cast<std::size_t>(sizes.room.x) + 1];
    alignas(64) std::uint32_t room_w[static_cast<std::size_t>(sizes.room.w) + 1];
    std::int32_t room_offsets[static_cast<std::size_t>(sizes.room.offsets) + 1];
    alignas(64) std::int32_t room_sums[static_cast<std::size_t>(sizes.room.sums) + 1];
    alignas(64) std::uint8_t room_lines[static_cast<std::size_t>(sizes.room.lines) + 1];
  };
  /// One inference at a time: a program that runs in several threads is compiled once for each.
  static constinit inline storage space{};

  static constexpr std::span<const std::uint8_t> weights() {
    return std::span<const std::uint8_t>(Program.file).subspan(sizes.weights_at, sizes.weight_bytes);
  }

  template <std::size_t Kind, std::size_t Function>
  [[gnu::flatten]] static constexpr void call(const std::uint64_t* addresses, exec::memory& m, exec::workspace& w) {
    auto i = std::get<Kind>(tables.functions)[Function];
    for_each_address(i, [&]<class A>(A& address) { address = static_cast<A>(*addresses++); });
    exec::perform(i, m, w);
  }
  template <std::size_t Step> static constexpr void run_step(exec::memory& m, exec::workspace& w) {
    constexpr typename stream::step s = tables.steps[Step];
    call<s.kind, s.function>(tables.addresses.data() + s.first, m, w);
  }
  template <std::size_t... Steps>
  static constexpr void run_all(exec::memory& m, exec::workspace& w, std::index_sequence<Steps...>) {
    (run_step<Steps>(m, w), ...);
  }
  static constexpr void run(exec::memory& m, exec::workspace& w) {
    run_all(m, w, std::make_index_sequence<sizes.steps>{});
  }

  static constexpr void write_input(const static_io& io, exec::memory& m, std::span<const float> from) {
    std::uint8_t* to = m.activations().data() + io.offset;
    if (!std::is_constant_evaluated() && exec::detail::integer8(io.type)) {
      simd::kernels_of(simd::best())
          .quantize(to, from.data(), static_cast<std::int64_t>(from.size()), io.quant.scale, io.quant.zero_point,
                    static_cast<std::int32_t>(least_of(io.type)), static_cast<std::int32_t>(greatest_of(io.type)));
      return;
    }
    exec::with_storage(io.type, [&]<class Storage>(Storage) {
      using word = typename Storage::word;
      for (const float x : from) {
        if constexpr (std::is_integral_v<word> && Storage::id != dtype_id::f16 && Storage::id != dtype_id::bf16) {
          exec::store<word>(to, static_cast<word>(quantize_input(x, io.quant.scale, io.quant.zero_point,
                                                                 least_of(io.type), greatest_of(io.type))));
        } else {
          exec::store<word>(to, exec::narrow<Storage>(x));
        }
        to += sizeof(word);
      }
    });
  }
  static constexpr void read_output(const static_io& io, exec::memory& m, std::span<float> to) {
    const std::uint8_t* from = m.activations().data() + io.offset;
    exec::with_storage(io.type, [&]<class Storage>(Storage) {
      using word = typename Storage::word;
      for (float& x : to) {
        const auto v = exec::widen<Storage>(exec::load<word>(from));
        x = io.quant.present() ? dequantize_value(static_cast<std::int64_t>(v), io.quant.scale, io.quant.zero_point)
                               : static_cast<float>(v);
        from += sizeof(word);
      }
    });
  }

  /// Inference in a machine of its own (constant evaluation), or in static storage.
  template <std::size_t... Sizes> static constexpr auto infer(const std::array<float, Sizes>&... inputs) {
    if (std::is_constant_evaluated()) {
      exec::memory m(sizes.lanes, sizes.local_bytes, sizes.activation_bytes, weights());
      exec::workspace w;
      return infer_in(m, w, inputs...);
    }
    exec::memory m(sizes.lanes, sizes.local_bytes, vec<std::uint8_t>::borrowing(space.local),
                   vec<std::uint8_t>::borrowing(space.activations), weights());
    exec::workspace w{.fa = vec<float>::borrowing(space.floats[0]),
                      .fb = vec<float>::borrowing(space.floats[1]),
                      .fc = vec<float>::borrowing(space.floats[2]),
                      .fy = vec<float>::borrowing(space.floats[3]),
                      .ia = vec<std::int32_t>::borrowing(space.integers[0]),
                      .ib = vec<std::int32_t>::borrowing(space.integers[1]),
                      .ic = vec<std::int32_t>::borrowing(space.integers[2]),
                      .iy = vec<std::int32_t>::borrowing(space.integers[3]),
                      .packed_f = vec<float>::borrowing(space.packed_floats),
                      .packed_i = vec<std::int32_t>::borrowing(space.packed_integers),
                      .room = {.x = vec<std::uint32_t>::over(space.room_x),
                               .w = vec<std::uint32_t>::over(space.room_w),
                               .offsets = vec<std::int32_t>::over(space.room_offsets),
                               .sums = vec<std::int32_t>::over(space.room_sums),
                               .lines = vec<std::uint8_t>::over(space.room_lines)}};
    return infer_in(m, w, inputs...);
  }

private:
  template <std::size_t... Sizes>
  static constexpr auto infer_in(exec::memory& m, exec::workspace& w, const std::array<float, Sizes>&... inputs) {
    std::size_t i = 0;
    (write_input(tables.inputs[i++], m, inputs), ...);
    run(m, w);
    return [&]<std::size_t... O>(std::index_sequence<O...>) {
      std::tuple<std::array<float, tables.outputs[O].elements>...> outputs{};
      (read_output(tables.outputs[O], m, std::get<O>(outputs)), ...);
      if constexpr (sizeof...(O) == 1) {
        return std::get<0>(outputs);
      } else {
        return outputs;
      }
    }
    (std::make_index_sequence<sizes.outputs>{});
  }
};

template <const auto& Program, std::size_t... I>
constexpr auto input_elements(std::index_sequence<I...>)
    -> diag::elements<static_machine<Program>::tables.inputs[I].elements...>;
} // namespace detail

/// One inference of a program in static storage (`constexpr auto program = compile<model, chip>();` at namespace scope): an array of
/// floats for each input, in the network's order; gives the array of the output, or a tuple of arrays. Elements are quantized
/// and dequantized as `host::runner` does. At run time not reentrant: the machine's memory is static.
/// Errors: arrays of other sizes do not compile (tmpu-S001).
template <const auto& Program, std::size_t... Sizes> constexpr auto run(const std::array<float, Sizes>&... inputs) {
  using machine = detail::static_machine<Program>;
  using given = diag::elements<Sizes...>;
  using wanted = decltype(detail::input_elements<Program>(std::make_index_sequence<machine::sizes.inputs>{}));
  if constexpr (std::is_same_v<given, wanted>) {
    return machine::infer(inputs...);
  } else {
    return diag::wrong_inputs<given, wanted>{};
  }
}

/// Place of the greatest element, the first of equal ones.
template <class T, std::size_t Size> constexpr std::size_t argmax(const std::array<T, Size>& values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < Size; ++i) best = values[i] > values[best] ? i : best;
  return best;
}

} // namespace tmpu

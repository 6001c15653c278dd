// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/compile.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Models that are C++ types, compiled by the C++ compiler:
///
///     constexpr auto program = tmpu::compile<digits_cnn, tmpu::chip::nano>();
///     static_assert(program.local_bytes_peak() <= 48_KiB);
namespace tmpu {

namespace literals {
constexpr std::int64_t operator""_KiB(unsigned long long n) { return static_cast<std::int64_t>(n) * 1024; }
constexpr std::int64_t operator""_MiB(unsigned long long n) { return static_cast<std::int64_t>(n) * 1024 * 1024; }
} // namespace literals

/// A model as a type: `name`; `dtype`, what it is compiled to; `graph()`, the graph at any stage from origin to lowered. Optional:
/// `asymmetric`, and `calibration()` where int8 is still to be lowered. `tmpuc embed` writes such a type, ir/builder.hpp helps by hand.
template <class M> concept static_model = requires {
  { M::name } -> std::convertible_to<std::string_view>;
  typename M::dtype;
  M::graph();
};

/// A compiled model without a heap: the bytes of its `.tmodel` file and what there is to know of it.
template <std::size_t Size> struct static_program {
  alignas(64) std::array<std::uint8_t, Size> file;
  std::int64_t local_bytes;
  std::int64_t activation_region;
  std::int64_t weight_region;
  std::int64_t predicted_cycles;
  std::int64_t mac_count;
  std::int64_t moved_bytes;
  std::int64_t instruction_count;

  /// Exactly what `tmpuc compile` writes for the same model.
  [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const { return file; }
  /// Greatest byte of a lane that is used.
  [[nodiscard]] constexpr std::int64_t local_bytes_peak() const { return local_bytes; }
  /// Bytes of global memory for inputs, outputs and what lies between.
  [[nodiscard]] constexpr std::int64_t activation_bytes() const { return activation_region; }
  [[nodiscard]] constexpr std::int64_t weight_bytes() const { return weight_region; }
  /// A prediction (timing/).
  [[nodiscard]] constexpr std::int64_t cycles() const { return predicted_cycles; }
  [[nodiscard]] constexpr std::int64_t macs() const { return mac_count; }
  /// Bytes between global and local memory.
  [[nodiscard]] constexpr std::int64_t dma_bytes() const { return moved_bytes; }
  [[nodiscard]] constexpr std::int64_t instructions() const { return instruction_count; }
};

namespace detail {

/// The passes of a pipeline that come after a stage.
template <stage S, class Pipeline> struct pipeline_from;
template <stage S, class Pass, class... Rest> struct pipeline_from<S, pipeline<Pass, Rest...>> {
  using type = typename pipeline_from<S, pipeline<Rest...>>::type;
};
template <stage S, class Pass, class... Rest>
requires(Pass::from == S) struct pipeline_from<S, pipeline<Pass, Rest...>> {
  using type = pipeline<Pass, Rest...>;
};

template <class Model, class Chip, class Lists> constexpr isa::program compile_model() {
  using graph_type = decltype(Model::graph());
  using whole = typename pipeline_for<typename Model::dtype, Lists>::type;
  static_assert(all_operators<typename Lists::operators>);
  session s{.chip = chip::checked<Chip>, .network = Model::name};
  if constexpr (requires { Model::asymmetric; }) s.asymmetric = Model::asymmetric;
  const auto run = [&] {
    return pipeline_from<graph_type::at_stage, whole>::type::run(Model::graph(), s, see_nothing{});
  };
  if constexpr (requires { Model::calibration(); }) {
    const auto ranges = Model::calibration();
    s.calibration = &ranges;
    return run();
  } else {
    return run();
  }
}

/// A program in a space that is large enough, or the size that it needs.
template <std::size_t Capacity> struct captured {
  static_program<Capacity> program{};
  std::size_t size = 0;
};
template <std::size_t Capacity, class Model, class Chip, class Lists> constexpr captured<Capacity> capture() {
  const isa::program p = compile_model<Model, Chip, Lists>();
  const vec<std::uint8_t> file = isa::to_bytes(p);
  const isa::network& n = p.info.networks[0];
  for (const isa::segment& s : n.segments) {
    if (s.kind == isa::segment_kind::host) {
      refuse(text("node '")
             << s.step.node << "' (" << s.step.op
             << ") is a host step, which a program without a host cannot run: append a lowering rule for it");
    }
  }
  captured<Capacity> out{};
  out.size = file.size();
  if (file.size() > Capacity) return out;
  for (std::size_t i = 0; i < file.size(); ++i) out.program.file[i] = file[i];
  out.program.local_bytes = n.local_bytes_peak;
  out.program.activation_region = n.activation_bytes;
  out.program.weight_region = static_cast<std::int64_t>(p.weights.size());
  out.program.predicted_cycles = n.cycles;
  out.program.mac_count = n.macs;
  out.program.moved_bytes = n.dma_bytes;
  for (const isa::segment& s : n.segments) {
    for (const isa::core_stream& c : s.cores) out.program.instruction_count += c.count;
  }
  return out;
}

template <std::size_t Size, std::size_t Capacity>
constexpr static_program<Size> shrink(const captured<Capacity>& from) {
  static_program<Size> out{};
  for (std::size_t i = 0; i < Size; ++i) out.file[i] = from.program.file[i];
  out.local_bytes = from.program.local_bytes;
  out.activation_region = from.program.activation_region;
  out.weight_region = from.program.weight_region;
  out.predicted_cycles = from.program.predicted_cycles;
  out.mac_count = from.program.mac_count;
  out.moved_bytes = from.program.moved_bytes;
  out.instruction_count = from.program.instruction_count;
  return out;
}

/// Room for the file of most models: unused room costs the compiler memory, a second evaluation doubles the time.
template <class Model> constexpr std::size_t likely_size() {
  const auto g = Model::graph();
  std::size_t constants = 0;
  for (const constant_bytes& c : g.constants) constants += c.bytes().size();
  return 4096 + constants + constants / 4 + g.nodes.size() * 2048;
}

template <class Model, class Chip, class Lists> struct compiled {
  static constexpr std::size_t likely = likely_size<Model>();
  static constexpr auto first = capture<likely, Model, Chip, Lists>();
  static constexpr auto program = [] {
    if constexpr (first.size <= likely) {
      return shrink<first.size>(first);
    } else {
      return shrink<first.size>(capture<first.size, Model, Chip, Lists>());
    }
  }();
};

} // namespace detail

/// Compiles a model that is a type for a chip, in constant evaluation; each pair is compiled once in a translation unit.
/// Errors: refusals of the passes are compile errors.
template <static_model Model, class Chip, class Lists = standard> constexpr auto compile() {
  return detail::compiled<Model, Chip, Lists>::program;
}

} // namespace tmpu

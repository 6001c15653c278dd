// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/compile.hpp"
#include "tmpu/ir/builder.hpp"
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
/// `asymmetric`, and `calibration()` where int8 is still to be lowered. `tmpuc embed` writes such a type, ir/builder.hpp helps by hand:
/// with `graph(model_builder m = {})` a layer that is refused is named.
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

template <class Model, class Lists>
constexpr isa::program compile_model(const chip::facts& chip, group::misfit& misfit, bool structure_only = false) {
  using graph_type = decltype(Model::graph());
  using whole = typename pipeline_for<typename Model::dtype, Lists>::type;
  static_assert(all_operators<typename Lists::operators>);
  session s{.chip = chip, .network = Model::name};
  s.misfit = &misfit;
  s.structure_only = structure_only;
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

/// Why a model became no program.
struct problem {
  enum class kind : std::uint8_t { none, local_memory, host_step };
  kind what = kind::none;
  short_text layer{};
  short_text op{};
  std::int64_t bytes = 0; ///< local_memory: of the smallest tile in a lane
};

/// A program in a space that is large enough, or the size that it needs, or why there is none.
template <std::size_t Capacity> struct captured {
  static_program<Capacity> program{};
  std::size_t size = 0;
  problem bad{};
};
template <std::size_t Capacity, class Model, class Chip, class Lists> constexpr captured<Capacity> capture() {
  captured<Capacity> out{};
  group::misfit misfit;
  const isa::program p = compile_model<Model, Lists>(chip::checked<Chip>, misfit);
  if (misfit.found()) {
    out.bad = {problem::kind::local_memory, short_text(misfit.node.view()), short_text(misfit.op.view()), misfit.bytes};
    return out;
  }
  const isa::network& n = p.info.networks[0];
  for (const isa::segment& s : n.segments) {
    if (s.kind != isa::segment_kind::host) continue;
    out.bad = {problem::kind::host_step, short_text(s.step.node.view()), short_text(s.step.op.view())};
    return out;
  }
  const vec<std::uint8_t> file = isa::to_bytes(p);
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

template <class Model> using builder_of = graph_builder<decltype(Model::graph())::at_stage>;
template <class Model> constexpr bool build() {
  static_cast<void>(Model::graph());
  return true;
}
template <class Model, std::int32_t Count> constexpr bool build_up_to() {
  static_cast<void>(Model::graph(builder_of<Model>::up_to(Count)));
  return true;
}
template <class Model> concept builds = requires { typename std::bool_constant<build<Model>()>; };
template <class Model> concept builds_by_layer = requires { Model::graph(builder_of<Model>::up_to(0)); };
template <class Model, std::int32_t Count> concept builds_up_to = requires {
  typename std::bool_constant<build_up_to<Model, Count>()>;
};

/// The node that is refused, of a model whose first `Good` nodes are not: more and more nodes are tried, then between the bounds.
template <class Model, std::int32_t Good, std::int32_t Bad> consteval std::int32_t refused_between() {
  if constexpr (Bad - Good == 1) {
    return Good;
  } else if constexpr (constexpr std::int32_t middle = Good + (Bad - Good) / 2; builds_up_to<Model, middle>) {
    return refused_between<Model, middle, Bad>();
  } else {
    return refused_between<Model, Good, middle>();
  }
}
template <class Model, std::int32_t Good = 0> consteval std::int32_t refused_node() {
  constexpr std::int32_t more = 2 * Good + 1;
  if constexpr (builds_up_to<Model, more>) {
    return refused_node<Model, more>();
  } else {
    return refused_between<Model, Good, more>();
  }
}

/// Labels of the last node of a graph: name, operator, shapes of operands.
struct node_labels {
  short_text name{};
  short_text op{};
  short_text operands{};
};
template <class Model, std::int32_t Count> constexpr node_labels last_of_first() {
  const auto g = Model::graph(builder_of<Model>::up_to(Count));
  const node_id id = static_cast<node_id>(g.nodes.size()) - 1;
  text shapes;
  for (const tensor_id t : g.operands(id)) {
    if (t != none) shapes << (shapes.empty() ? "" : " ") << g.at(t).dims.print();
  }
  return {short_text(g.node_name(id)), short_text(g.node_at(id).op->info.name), short_text(shapes.view())};
}

/// The diagnostic of a model whose graph is refused.
template <class Model> consteval void report_refused_graph() {
  if constexpr (builds_by_layer<Model>) {
    constexpr node_labels at = last_of_first<Model, refused_node<Model>()>();
    static_cast<void>(diag::shapes_do_not_fit<diag::operands<label_of<at.operands>>, diag::layer<label_of<at.name>>,
                                              diag::of_operator<label_of<at.op>>>{});
  } else {
    static_cast<void>(diag::graph_is_refused<Model>{});
  }
}

template <problem Bad, class Chip> consteval void report() {
  using layer = diag::layer<label_of<Bad.layer>>;
  using of_operator = diag::of_operator<label_of<Bad.op>>;
  if constexpr (Bad.what == problem::kind::local_memory) {
    static_cast<void>(
        diag::local_memory_exceeded<diag::needed<Bad.bytes>, diag::there_are<chip::checked<Chip>.local_bytes>, layer,
                                    of_operator>{});
  } else {
    static_cast<void>(diag::host_step_in_static_program<layer, of_operator>{});
  }
}

/// The program, or a diagnostic and an empty one.
template <class Model, class Chip, class Lists> consteval auto compile_or_report() {
  if constexpr (!builds<Model>) {
    report_refused_graph<Model>();
    return static_program<0>{};
  } else {
    constexpr std::size_t likely = likely_size<Model>();
    constexpr auto first = capture<likely, Model, Chip, Lists>();
    if constexpr (first.bad.what != problem::kind::none) {
      report<first.bad, Chip>();
      return static_program<0>{};
    } else if constexpr (first.size <= likely) {
      return shrink<first.size>(first);
    } else {
      return shrink<first.size>(capture<first.size, Model, Chip, Lists>());
    }
  }
}
template <class Model, class Chip, class Lists> struct compiled {
  static constexpr auto program = compile_or_report<Model, Chip, Lists>();
};

} // namespace detail

/// Compiles a model that is a type for a chip, in constant evaluation; each pair is compiled once in a translation unit.
/// Errors: tmpu-G001, H001, T001, T002; other refusals of the passes are calls of `refuse` in a constant expression.
template <static_model Model, class Chip, class Lists = standard> constexpr auto compile() {
  return detail::compiled<Model, Chip, Lists>::program;
}

/// What a model costs on a chip.
struct design_point {
  bool fits = false; ///< in local memory; otherwise nothing else is known
  std::int64_t cycles = 0;
  std::int64_t local_bytes = 0; ///< greatest byte of a lane that is used
  std::int64_t dma_bytes = 0;
};

/// Compiles a model that is a type for a chip that is a value, at run time or in constant evaluation: for a loop over chips. Of a lowered
/// graph only the shapes matter: constants may have no bytes.
/// Errors: one line where the chip's facts contradict each other; refusals of the passes.
template <static_model Model, class Lists = standard> constexpr design_point design(const chip::facts& chip) {
  if (!chip::usable(chip)) refuse(text("the facts of chip '") << chip.name << "' contradict each other (tmpu-C001)");
  group::misfit misfit;
  const isa::program p = detail::compile_model<Model, Lists>(chip, misfit, true);
  if (misfit.found()) return {};
  const isa::network& n = p.info.networks[0];
  return {true, n.cycles, n.local_bytes_peak, n.dma_bytes};
}

} // namespace tmpu

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/apply.hpp"
#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/chip/chip.hpp"
#include "tmpu/codegen/codegen.hpp"
#include "tmpu/group/cores.hpp"
#include "tmpu/group/group.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/lower/lower.hpp"
#include "tmpu/memory/assign.hpp"
#include "tmpu/top/operators.hpp"
#include "tmpu/tpu/operators.hpp"

/// The pipeline on one page: origin -> canonical -> (calibrated) -> lowered -> grouped -> addressed -> program.
namespace tmpu {

/// The lists that a compiler is made of. One's own compiler derives from it and names shorter or longer lists.
struct standard {
  using operators = unpack<decltype(top::operators)>;
  using canonical_rules = unpack<decltype(canonicalize::rules)>;
  using lowering_rules = unpack<decltype(lower::rules)>;
  using without_rule = lower::host_only;                          ///< operators that deliberately have no rule
  template <class DType> using mixed_with = lower::beside<DType>; ///< dtypes of single layers (session::layers)
  using emitters = unpack<decltype(codegen::emitters)>;
};

/// What a compilation is told besides the model.
struct session {
  chip::facts chip;
  std::string_view network = "network";
  bool asymmetric = false;                              ///< int8 activations with a zero point
  tmpu::lower::weight_format weights{};                 ///< f16, bf16: constant weights in fewer bits
  bool structure_only = false;                          ///< for sizes and cycles: the program has no weights
  bool float_io = false;                                ///< int8: inputs and outputs stay f32
  const tmpu::calibrate::qtable* layers = nullptr;      ///< int8: layers that compute in another dtype
  tmpu::group::effort opt = tmpu::group::effort::full;  ///< of the search for layer groups
  std::int32_t cores = 1;                               ///< of the chip, that share the layer groups
  const tmpu::calibrate::table* calibration = nullptr;  ///< for int8
  tmpu::canonicalize::options canonicalize{};           ///< rules that are left out
  vec<tmpu::canonicalize::rule_count>* fired = nullptr; ///< where to put how often each rule changed the graph
  tmpu::group::misfit* misfit =
      nullptr; ///< where to put a node that exceeds local memory, with an empty program; otherwise a refusal
};

/// The passes in one form: `run(graph<from>, session)` gives the graph of stage `to`, or the program.
namespace passes {

template <class Lists> struct canonicalize {
  static constexpr stage from = stage::origin;
  using pass = tmpu::canonicalize::canonicalize_pass<typename Lists::canonical_rules>;
  static constexpr graph<stage::canonical> run(graph<from> g, const session& s) {
    return pass::run(std::move(g), s.canonicalize, s.fired);
  }
};

template <class Lists> struct calibrate {
  static constexpr stage from = stage::canonical;
  static constexpr graph<stage::calibrated> run(graph<from> g, const session& s) {
    const tmpu::calibrate::table none_given;
    if (s.calibration == nullptr && !tmpu::calibrate::has_own_scales(g)) {
      refuse("int8 needs a calibration table (--calibration), made with `tmpuc calibrate`, or a model that holds "
             "QuantizeLinear and DequantizeLinear");
    }
    return tmpu::calibrate::apply_calibration{}(std::move(g), s.calibration == nullptr ? none_given : *s.calibration,
                                                canonicalize<Lists>::pass::fingerprint(s.canonicalize), s.layers);
  }
};

/// To a floating dtype from the canonical graph, to i8 from the calibrated one.
template <class Lists, class DType> struct lower {
  using pass =
      tmpu::lower::lower<typename Lists::operators, typename Lists::lowering_rules, DType, typename Lists::without_rule,
                         tmpu::lower::any_chip, typename Lists::template mixed_with<DType>>;
  static constexpr stage from = pass::from;
  static constexpr graph<stage::lowered> run(graph<from> g, const session& s) {
    return pass{}(g, s.chip,
                  {.asymmetric = s.asymmetric, .weights = s.weights, .float_io = s.float_io, .layers = s.layers});
  }
};

struct group {
  static constexpr stage from = stage::lowered;
  static constexpr graph<stage::grouped> run(graph<from> g, const session& s) {
    if (s.cores < 1 || s.cores > s.chip.cores)
      refuse(text("a program for ") << s.cores << " cores was asked for, but " << s.chip.name << " has "
                                    << s.chip.cores);
    auto grouped = tmpu::group::layer_group_pass::run(std::move(g), s.chip, s.opt, s.misfit);
    if (s.cores > 1) tmpu::group::share_among_cores(grouped, s.chip, s.cores);
    return grouped;
  }
};

struct memory {
  static constexpr stage from = stage::grouped;
  static constexpr graph<stage::addressed> run(graph<from> g, const session& s) {
    return tmpu::memory::memory_pass::run(std::move(g), s.chip);
  }
};

template <class Lists, class DType> struct codegen {
  static constexpr stage from = stage::addressed;
  static constexpr isa::program run(const graph<from>& g, const session& s) {
    const std::string_view mode = tmpu::lower::mode_name(DType::id, s.weights.type);
    return tmpu::codegen::codegen_pass<typename Lists::emitters>::run(
        g, s.chip, s.network, s.asymmetric ? std::string_view("int8 asymmetric") : mode, s.structure_only, s.cores);
  }
};

} // namespace passes

namespace detail {
template <stage S> constexpr void check_border(const graph<S>& g) {
#ifdef TMPU_DEEP_CHECKS
  if (text bad = verify(g); !bad.empty()) refuse(text("internal error at stage ") << name_of(S) << ": " << bad);
#else
  static_cast<void>(g);
#endif
}
constexpr void check_border(const isa::program&) {}
} // namespace detail

/// Passes one after the other. A pass that stands where its stage has not been reached does not compile (tmpu-P001). `see` is called
/// with the graph of every stage (and the program), the first one included: it saves stages, prints, counts.
template <class... Passes> struct pipeline {
  template <class Graph, class See> static constexpr auto run(Graph g, const session&, See&& see) {
    detail::check_border(g);
    see(std::as_const(g));
    return g;
  }
};
template <class Pass, class... Rest> struct pipeline<Pass, Rest...> {
  template <stage S, class See> static constexpr auto run(graph<S> g, const session& s, See&& see) {
    if constexpr (Pass::from != S) {
      diag::pass_cannot_run<Pass, graph<S>>{};
      return isa::program{};
    } else {
      detail::check_border(g);
      see(std::as_const(g));
      auto next = Pass::run(std::move(g), s);
      const auto go_on = [&] { return pipeline<Rest...>::run(std::move(next), s, see); };
      if (s.misfit != nullptr && s.misfit->found()) return decltype(go_on()){};
      return go_on();
    }
  }
};

/// The whole way for a dtype (f32, f16, bf16, i8), assembled from lists.
template <class DType, class Lists = standard>
using whole_pipeline = pipeline<passes::canonicalize<Lists>, passes::lower<Lists, DType>, passes::group, passes::memory,
                                passes::codegen<Lists, DType>>;
template <class Lists>
using int8_pipeline = pipeline<passes::canonicalize<Lists>, passes::calibrate<Lists>, passes::lower<Lists, i8>,
                               passes::group, passes::memory, passes::codegen<Lists, i8>>;

namespace detail {
struct see_nothing {
  constexpr void operator()(const auto&) const {}
};
template <class DType, class Lists> struct pipeline_for { using type = whole_pipeline<DType, Lists>; };
template <class Lists> struct pipeline_for<i8, Lists> { using type = int8_pipeline<Lists>; };
} // namespace detail

/// Compiles a model to a program: `compile<f16>(std::move(model), {.chip = chip::nano::info})`. Runs in constant evaluation as well.
/// Errors: one line (tmpu::error) that names the node, what is wrong with it and the cure.
template <class DType, class Lists = standard, class See = detail::see_nothing>
constexpr isa::program compile(graph<stage::origin> model, const session& s, See&& see = {}) {
  static_assert(all_operators<typename Lists::operators>);
  return detail::pipeline_for<DType, Lists>::type::run(std::move(model), s, see);
}

} // namespace tmpu

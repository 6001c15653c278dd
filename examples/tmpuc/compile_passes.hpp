// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models.hpp"
#include "tmpu/compile.hpp"

namespace tmpuc {

inline tmpu::lower::weight_format weights_of(const compile_request& r) {
  tmpu::lower::weight_format w;
  w.type = mode_named(r.quantize).weights;
  w.group = r.weight_group;
  return w;
}

/// The pipeline of one dtype, with the driver's observer. Included where a pipeline is instantiated, and nowhere else.
template <class DType>
tmpu::isa::program compile_as(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                              const stage_observer& see) {
  return tmpu::compile<DType>(std::move(model),
                              {.chip = r.chip,
                               .network = r.network,
                               .asymmetric = r.asymmetric,
                               .weights = weights_of(r),
                               .float_io = r.float_io,
                               .layers = r.layers,
                               .opt = r.opt,
                               .cores = r.cores,
                               .calibration = r.calibration,
                               .canonicalize = r.rules,
                               .fired = r.fired},
                              [&]<class Stage>(const Stage& g) {
                                if constexpr (!std::is_same_v<Stage, tmpu::isa::program>) see(g, Stage::at_stage);
                              });
}

/// The pipeline up to the lowered graph.
template <class DType> void lower_as(tmpu::graph<tmpu::stage::origin> model, const compile_request& r) {
  const tmpu::session s{.chip = r.chip, .network = r.network, .asymmetric = r.asymmetric, .weights = weights_of(r)};
  auto canonical = tmpu::passes::canonicalize<tmpu::standard>::run(std::move(model), s);
  using lower = tmpu::passes::lower<tmpu::standard, DType>;
  if constexpr (DType::id == tmpu::dtype_id::i8) {
    tmpu::graph<lower::from> calibrated(std::move(canonical));
    for (tmpu::tensor& t : calibrated.tensors) t.range = {true, 1.0F, -1.0F, 1.0F};
    static_cast<void>(lower::run(std::move(calibrated), s));
  } else {
    static_cast<void>(lower::run(std::move(canonical), s));
  }
}

} // namespace tmpuc

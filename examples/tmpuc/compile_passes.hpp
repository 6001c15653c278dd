// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models.hpp"
#include "tmpu/compile.hpp"

namespace tmpuc {

/// The pipeline of one dtype, with the driver's observer. Included where a pipeline is instantiated, and nowhere else.
template <class DType>
tmpu::isa::program compile_as(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                              const stage_observer& see) {
  return tmpu::compile<DType>(
      std::move(model),
      {.chip = r.chip, .network = r.network, .asymmetric = r.asymmetric, .calibration = r.calibration},
      [&]<class Stage>(const Stage& g) {
        if constexpr (!std::is_same_v<Stage, tmpu::isa::program>) see(g, Stage::at_stage);
      });
}

} // namespace tmpuc

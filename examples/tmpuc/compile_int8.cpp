// SPDX-License-Identifier: Apache-2.0
#include "compile_passes.hpp"

namespace tmpuc {

tmpu::isa::program compile_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                const stage_observer& see) {
  return compile_as<tmpu::i8>(std::move(model), r, see);
}

void lower_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r) {
  lower_as<tmpu::i8>(std::move(model), r);
}

namespace {
tmpu::session session_of(const compile_request& r) {
  return {.chip = r.chip,
          .network = r.network,
          .asymmetric = r.asymmetric,
          .float_io = r.float_io,
          .layers = r.layers,
          .calibration = r.calibration,
          .canonicalize = r.rules};
}
using passes_lower = tmpu::passes::lower<tmpu::standard, tmpu::i8>;
} // namespace

tmpu::graph<tmpu::stage::calibrated> calibrate_int8(const canonical_model& model, const compile_request& r) {
  return tmpu::passes::calibrate<tmpu::standard>::run(model.graph, session_of(r));
}
tmpu::graph<tmpu::stage::lowered> lower_int8(const tmpu::graph<tmpu::stage::calibrated>& g, const compile_request& r) {
  return passes_lower::run(g, session_of(r));
}
tmpu::vec<tmpu::node_id> int8_layers(const tmpu::graph<tmpu::stage::calibrated>& g, const compile_request& r) {
  return passes_lower::pass::layers(g, r.chip, {.asymmetric = r.asymmetric});
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/canonicalize/rules.hpp"

namespace tmpuc {

canonical_model canonicalize(tmpu::graph<tmpu::stage::origin> model) {
  using pass = tmpu::canonicalize::canonicalize_pass<tmpu::unpack<decltype(tmpu::canonicalize::rules)>>;
  return {pass::run(std::move(model)), pass::fingerprint()};
}

} // namespace tmpuc

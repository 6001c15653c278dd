// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/canonicalize/rules.hpp"

namespace tmpuc {

canonical_model canonicalize(tmpu::graph<tmpu::stage::origin> model, const tmpu::canonicalize::options& rules) {
  using pass = tmpu::canonicalize::canonicalize_pass<tmpu::unpack<decltype(tmpu::canonicalize::rules)>>;
  return {pass::run(std::move(model), rules), pass::fingerprint(rules)};
}

tmpu::canonicalize::options rules_of(const rule_options& options) {
  tmpu::canonicalize::options rules;
  for (const std::string& name : options.without) rules.without.push_back(name);
  return rules;
}

} // namespace tmpuc

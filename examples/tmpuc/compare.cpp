// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/compare/similarity.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace tmpuc {

using namespace tmpu;

namespace {

floats as_floats(const host::array& a) {
  value v = host::to_value(a);
  if (is_floating(v.type)) return std::move(v.f);
  floats out;
  for (const std::int64_t x : v.i) out.push_back(static_cast<float>(x));
  return out;
}

std::string number(double x) {
  if (math::is_nan(x)) return "\"nan\"";
  if (math::is_inf(x)) return x > 0 ? "\"inf\"" : "\"-inf\"";
  return fmt::format("{}", x);
}

} // namespace

void add_compare(CLI::App& app, work& chosen) {
  struct options {
    std::string a;
    std::string b;
    std::string tolerance = "0.99,0.9";
    bool json = false;
  };
  auto* command = app.add_subcommand(
      "compare", "Compare the arrays of two .npz files by name; exit code 1 where they differ more than allowed");
  auto o = std::make_shared<options>();
  command->add_option("A", o->a, "The reference")->required();
  command->add_option("B", o->b, "What is compared with it")->required();
  command->add_option("--tolerance", o->tolerance, "Least cosine and least euclidean similarity")
      ->type_name("COS,EUCLID")
      ->capture_default_str();
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([&chosen, o] {
    chosen = [o] {
      const tolerance_words least = parse_tolerance(o->tolerance);
      const auto in_a = host::npz_keys(o->a);
      const auto in_b = host::npz_keys(o->b);
      const auto has = [](const std::vector<std::string>& keys, const std::string& k) {
        return std::find(keys.begin(), keys.end(), k) != keys.end();
      };
      bool passed = true;
      std::size_t compared = 0;
      std::string rows;
      std::size_t width = 6;
      for (const std::string& key : in_a) width = std::max(width, key.size());
      if (!o->json) rows = fmt::format("{:<{}}  {:>9}  {:>9}  {:>9}\n", "tensor", width, "cosine", "euclid", "SQNR dB");
      for (const std::string& key : in_a) {
        if (!has(in_b, key)) continue;
        const host::array a = host::read_npz(o->a, key);
        const host::array b = host::read_npz(o->b, key);
        if (!(a.dims == b.dims)) {
          refuse(text("array '") << key << "' is " << a.dims.print() << " in '" << o->a << "' and " << b.dims.print()
                                 << " in '" << o->b << "': they cannot be compared");
        }
        const compare::similarity s = compare::compare(as_floats(a), as_floats(b));
        const bool ok = s.within(least.cosine, least.euclid);
        passed = passed && ok;
        ++compared;
        if (o->json) {
          rows += fmt::format(
              "{}{{\"name\": {}, \"cosine\": {}, \"euclid\": {}, \"sqnr_db\": {}, \"max_abs_difference\": {}, "
              "\"bit_equal\": {}, \"passed\": {}}}",
              rows.empty() ? "" : ", ", json_text(key), number(s.cosine), number(s.euclid), number(s.sqnr_db),
              number(s.max_abs_difference), s.bit_equal, ok);
        } else {
          rows += fmt::format("{:<{}}  {:>9.6f}  {:>9.6f}  {:>9.2f}{}\n", key, width, s.cosine, s.euclid, s.sqnr_db,
                              s.bit_equal ? "  bit-equal" : (ok ? "" : "  FAILED"));
        }
      }
      if (compared == 0)
        refuse(text("'") << o->a << "' and '" << o->b << "' have no array name in common: there is nothing to compare");
      std::string only;
      for (const std::string& k : in_a) {
        if (!has(in_b, k)) only += fmt::format("{}{}", only.empty() ? "" : ", ", json_text(k));
      }
      for (const std::string& k : in_b) {
        if (!has(in_a, k)) only += fmt::format("{}{}", only.empty() ? "" : ", ", json_text(k));
      }
      if (o->json) {
        fmt::print("{{\"passed\": {}, \"tolerance\": [{}, {}], \"rows\": [{}], \"in_one_only\": [{}]}}\n", passed,
                   least.cosine, least.euclid, rows, only);
      } else {
        fmt::print("{}", rows); // only now: a refusal prints nothing else
        if (!only.empty()) fmt::print("in one file only: {}\n", only);
        fmt::print("{} of {} arrays compared: {}\n", compared, in_a.size(), passed ? "passed" : "FAILED");
      }
      return passed ? 0 : 1;
    };
  });
}

} // namespace tmpuc

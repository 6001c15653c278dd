// SPDX-License-Identifier: Apache-2.0
// The page of `check`: what happened to a model on its way, and how near each layer stayed.
#include "check.hpp"
#include "pages.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace tmpuc {

using namespace tmpu;

namespace {

/// The way as boxes, with what each stage holds.
std::string pipeline(const checked_model& m) {
  std::string out = "<h2>Pipeline</h2>\n<div class=\"flow\">";
  const auto box = [&](std::string_view name, const std::string& holds) {
    if (!out.ends_with("\"flow\">")) out += "<span>&rarr;</span>";
    out += "<div class=\"stage\"><b>" + html_text(name) + "</b>" + html_text(holds) + "</div>\n";
  };
  for (const stage_size& s : m.stages) {
    box(name_of(s.at),
        s.groups > 0 ? fmt::format("{} nodes in {} groups", s.nodes, s.groups) : fmt::format("{} nodes", s.nodes));
  }
  std::int64_t instructions = 0;
  std::int64_t steps = 0;
  for (const isa::network& n : m.program.info.networks) {
    steps += n.host_steps();
    for (const isa::segment& s : n.segments) {
      for (const isa::core_stream& c : s.cores) instructions += c.count;
    }
  }
  box("program", fmt::format("{} instructions, {} bytes of weights{}", instructions, m.program.weights.size(),
                             steps > 0 ? fmt::format(", {} host steps", steps) : std::string()));
  return out + "</div>\n";
}

/// The measure of the way's end, or the last one that the tensor has.
const compare::cell* decisive(const compare::row& r) {
  for (const std::size_t pair : {std::size_t{3}, std::size_t{1}, std::size_t{0}, std::size_t{2}}) {
    if (r.cells[pair].present) return &r.cells[pair];
  }
  return nullptr;
}
double badness(const compare::row& r) {
  const compare::cell* c = decisive(r);
  if (c == nullptr) return -2.0;
  return c->measure.bit_equal ? -1.0 : math::is_nan(c->measure.cosine) ? 2.0 : 1.0 - c->measure.cosine;
}

std::string bar(const compare::cell& c) {
  const double db = c.measure.sqnr_db;
  if (c.measure.bit_equal || db == math::infinity<double>) return "bit-equal";
  if (math::is_nan(db)) return "<span class=\"bad\">nan</span>";
  constexpr double most = 80.0; // dB of the longest bar
  const double share = std::clamp(db / most, 0.0, 1.0);
  return fmt::format("<span class=\"bar\" style=\"width:{:.2f}em\"></span> {:.1f} dB", 0.2 + 8.0 * share, db);
}

std::string table(const checked_model& m) {
  std::vector<const compare::row*> rows;
  for (const compare::row& r : m.table.rows()) rows.push_back(&r);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const compare::row* a, const compare::row* b) { return badness(*a) > badness(*b); });
  std::string out =
      "<h2>Tensors, the worst first</h2>\n<p>Cosine and euclidean similarity of each place against the one "
      "before, and of the last against the first. First column: " +
      html_text(m.table.reference()) + ".</p>\n<div class=\"wide\"><table><tr><th>tensor</th><th>signal to noise</th>";
  for (std::size_t p = 0; p < compare::pairs.size(); ++p)
    out += "<th>" + html_text(compare::detail::pair_name(p, " > ").view()) + "</th>";
  out += "</tr>\n";
  for (const compare::row* r : rows) {
    const compare::cell* worst = decisive(*r);
    out += "<tr><td>" + html_text(r->name.view()) + "</td><td class=\"left\">" +
           (worst == nullptr ? std::string("&ndash;") : bar(*worst)) + "</td>";
    for (std::size_t p = 0; p < compare::pairs.size(); ++p) {
      const compare::cell& c = r->cells[p];
      const compare::tolerance least = p == 0 ? compare::tolerance{0.99999, 0.999} : m.least;
      const bool good = !c.present || (p == 2 ? c.measure.bit_equal : c.measure.within(least.cosine, least.euclid));
      std::string words = "&ndash;";
      if (c.present) {
        words = c.measure.bit_equal ? "bit-equal"
                                    : std::string(compare::detail::share(c.measure.cosine).view()) + " / " +
                                          std::string(compare::detail::share(c.measure.euclid).view());
      }
      out += fmt::format("<td{}>{}</td>", good ? "" : " class=\"bad\"", words);
    }
    out += "</tr>\n";
  }
  out += "</table></div>\n";
  if (!m.partial.empty())
    out += "<p>Computed only where they are read, and compared there: " + html_text(m.partial) + ".</p>\n";
  return out;
}

} // namespace

std::string page_of(const check_request& r, const checked_model& m) {
  const isa::network& n = m.program.info.networks[0];
  std::string body = fmt::format(
      "<p class=\"{}\">{}</p>\n<p>{} samples in {} on {}; least cosine {}, least euclid {}. Activations: {}.</p>\n",
      m.passed() ? "good" : "bad", m.passed() ? "passed" : "FAILED", m.samples,
      html_text(m.program.info.quantize.view()), html_text(r.compile.chip), m.least.cosine, m.least.euclid,
      html_text(activation_line(n)));
  body += pipeline(m) + table(m);
  std::string code;
  if (can_be_profiled(m.program)) {
    const chip::facts chip = chip_named(r.compile.chip);
    const timing::profile p = timing::profile_of(n, chip);
    body += timeline_body();
    code = timeline_code(n, p, chip, compute_type(m.program.info.quantize));
  } else {
    body += "<p>The program has host steps, whose time is not predicted: there is no timeline.</p>\n";
  }
  return page("tmpu check: " + std::string(n.name.view()) + " on " + r.compile.chip, body, code);
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include "tmpu/host/files.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/host/threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

namespace tmpuc {

using namespace tmpu;
using compare::place;

namespace {

/// What one tensor is at the four places, all samples one after the other.
struct tensor_results {
  std::array<floats, 4> values;
  std::vector<std::uint8_t>
      made; ///< 1 for each element that the chip computes; empty where the chip has not the tensor

  [[nodiscard]] bool complete() const { return std::find(made.begin(), made.end(), 0) == made.end(); }
  /// Only the elements that the chip computes.
  void drop_unmade() {
    for (floats& v : values) {
      if (v.size() != made.size()) continue;
      floats kept;
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (made[i] != 0) kept.push_back(v[i]);
      }
      v = std::move(kept);
    }
  }
};

class four_places {
public:
  void add(place p, const host::named_value& v) {
    add(p, v.name, host::user_value(v));
    if (p != place::chip) return;
    auto& made = tensors_[index_.at(v.name)].made;
    made.insert(made.end(), v.made.begin(), v.made.end());
    if (v.made.empty()) made.insert(made.end(), v.content.size(), 1);
  }
  void add(place p, const std::string& name, const value& v) {
    const auto at = index_.try_emplace(name, tensors_.size()).first->second;
    if (at == tensors_.size()) {
      tensors_.emplace_back();
      names_.push_back(name);
    }
    floats& to = tensors_[at].values[static_cast<std::size_t>(p)];
    to.append(v.f);
    for (const std::int64_t x : v.i) to.push_back(static_cast<float>(x));
  }
  /// A tensor is shown where at least two places have it, and compared where the chip computes it.
  [[nodiscard]] compare::table table() {
    compare::table t;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (!tensors_[i].complete()) {
        tensors_[i].drop_unmade();
        partial_ += (partial_.empty() ? "" : ", ") + names_[i];
      }
      std::array<std::span<const float>, 4> spans;
      int places = 0;
      std::size_t size = 0;
      for (std::size_t p = 0; p < 4; ++p) {
        const floats& v = tensors_[i].values[p];
        if (v.empty()) continue;
        if (places++ > 0 && v.size() != size) {
          refuse(text("tensor '") << names_[i] << "' has " << size << " elements at one place and " << v.size()
                                  << " at " << compare::place_names[p] << ": they cannot be compared");
        }
        size = v.size();
        spans[p] = v.span();
      }
      if (places > 1) t.add(names_[i], spans);
    }
    return t;
  }

  /// Names of the tensors of which the chip computes a part only.
  [[nodiscard]] const std::string& partial() const { return partial_; }

private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::string> names_;
  std::vector<tensor_results> tensors_;
  std::string partial_;
};

/// The least cosine and euclid that a dtype is expected to keep on every tensor.
compare::tolerance default_tolerance(const std::string& quantize) {
  if (quantize == "f32") return {0.99999, 0.999};
  if (quantize == "f16") return {0.9999, 0.99};
  if (quantize == "bf16" || lower::mode_named(quantize)->weights == dtype_id::i8) return {0.999, 0.95};
  return {0.95, 0.7};
}

/// The arrays of ONNX Runtime's results: their first `samples` rows.
void add_reference(four_places& all, const std::string& reference, const graph_body& origin, std::int64_t samples) {
  for (const tensor_id t : origin.outputs) {
    const std::string name(origin.name(t));
    const host::array a = host::read_npz(reference, name);
    if (a.dims.rank() == 0 || a.dims[0] < samples) {
      refuse(text("'") << reference << ":" << name << "' holds " << (a.dims.rank() == 0 ? 0 : a.dims[0])
                       << " samples, but " << samples << " are checked: give --samples");
    }
    value v = host::to_value(a);
    const auto keep_elements =
        static_cast<std::size_t>(v.size() / static_cast<std::size_t>(a.dims[0]) * static_cast<std::size_t>(samples));
    v.f.resize(v.f.empty() ? 0 : keep_elements);
    v.i.resize(v.i.empty() ? 0 : keep_elements);
    all.add(place::onnx, name, v);
  }
}

compare::tolerance exact() { return default_tolerance("f32"); }

} // namespace

checked_model check_model(const check_request& r, const data_opener& open) {
  graph_body origin;
  graph_body top;
  graph_body tpu;
  checked_model m;
  m.program = compile(r.compile, [&](const graph_body& g, stage at) {
    m.stages.push_back({at, g.nodes.size(), g.groups.size()});
    if (at == stage::origin) origin = g;
    if (at == stage::canonical) top = g;
    if (at == stage::lowered) tpu = g;
  });
  const host::dataset data = open(inputs_of(origin));
  host::runner runner(m.program);
  // What calibration divided channel by channel is not the model's tensor any more: Tpu and Chip are compared, under a name of its own.
  calibrate::table ranges;
  if (!r.compile.calibration.empty()) ranges = read_calibration(r.compile.calibration);
  const auto lowered = [&](host::named_value v) {
    if (ranges.find(calibrate::correction::kind::channels, v.name) != nullptr) v.name += " (divided)";
    return v;
  };
  four_places all;
  vec<value> constants[3]; // of the three graphs
  host::progress progress("checking", data.runs());
  if (!r.reference.empty() && data.samples() % data.batch() != 0) {
    refuse(text("--samples must be a multiple of the model's batch of ") << data.batch());
  }
  for (std::int64_t run = 0; run < data.runs(); ++run) {
    const auto inputs = data.inputs(run);
    std::vector<host::named_value> made[4];
    const std::size_t threads = host::threads_for(r.threads, 4);
    host::in_threads{}(threads, [&](std::size_t thread) {
      for (std::size_t i = thread; i < 4; i += threads) {
        if (i == 0 && r.reference.empty()) made[i] = host::run_graph(origin, inputs, keep::everything, &constants[0]);
        if (i == 1) made[i] = host::run_graph(top, inputs, keep::everything, &constants[1]);
        if (i == 2) made[i] = host::run_graph(tpu, inputs, keep::everything, &constants[2]);
        if (i == 3) made[i] = runner.run_all(inputs);
      }
    });
    for (const auto& v : made[0]) all.add(place::onnx, v);
    for (const auto& v : made[1]) all.add(place::top, v);
    for (const auto& v : made[2]) all.add(place::tpu, lowered(v));
    for (const auto& v : made[3]) all.add(place::chip, lowered(v));
    progress.at(run + 1);
  }
  if (!r.reference.empty()) add_reference(all, r.reference, origin, data.samples());
  m.table = all.table();
  m.table.set_reference(r.reference.empty() ? "tmpu's own inference of the imported model (no --reference)"
                                            : r.reference);
  m.partial = all.partial();
  m.samples = data.samples();
  m.least = default_tolerance(r.compile.quantize);
  if (!r.tolerance.empty()) {
    const auto words = parse_tolerance(r.tolerance);
    m.least = {words.cosine, words.euclid};
  }
  m.ok = {m.table.within(0, exact()), m.table.within(1, m.least), m.table.all_bit_equal(2), m.table.within(3, m.least)};
  return m;
}

std::string json_of(const check_request& r, const checked_model& m) {
  return fmt::format("{{\"passed\": {}, \"chip\": {}, \"quantize\": {}, \"samples\": {}, \"tolerance\": [{}, {}], "
                     "\"table\": {}}}\n",
                     m.passed(), json_text(r.compile.chip), json_text(m.program.info.quantize), m.samples,
                     m.least.cosine, m.least.euclid, compare::to_json(m.table).view());
}

std::string text_of(const check_request& r, const checked_model& m) {
  std::string out(compare::to_text(m.table).view());
  if (!m.partial.empty()) out += fmt::format("computed only where they are read, and compared there: {}\n", m.partial);
  out += fmt::format("{} samples on {} in {}: {}\n", m.samples, r.compile.chip, m.program.info.quantize.view(),
                     m.passed() ? "passed" : "FAILED");
  constexpr std::array<std::string_view, 4> wanted{"the imported and the canonical graph differ",
                                                   "Tpu is below the tolerance", "Tpu and Chip are not bit-equal",
                                                   "the whole way is below the tolerance"};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (m.ok[i]) continue;
    const compare::tolerance least = i == 0 ? exact() : m.least;
    out += fmt::format("  {}{}\n", wanted[i],
                       i == 2 ? std::string() : fmt::format(" ({} / {})", least.cosine, least.euclid));
  }
  return out;
}

void add_check(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand(
      "check", "Compile a model, run it at every stage and compare ONNX, Top, Tpu and Chip tensor by tensor");
  struct options {
    check_request request;
    data_options data;
    std::string html;
    bool json = false;
  };
  auto o = std::make_shared<options>();
  o->data.samples = 16;
  o->request.compile.add(*command);
  o->data.add(*command);
  o->data.add_threads(*command);
  command->get_option("--samples")->capture_default_str();
  command
      ->add_option("--reference", o->request.reference,
                   "ONNX Runtime's outputs (.npz, keys = output names, same samples): the first column")
      ->type_name("FILE.npz");
  command->add_option("--tolerance", o->request.tolerance, "Least cosine and euclidean similarity (default: by dtype)")
      ->type_name("COS,EUCLID");
  command->add_option("--html", o->html, "Write a page: pipeline, table, signal to noise, memories and timeline")
      ->type_name("REPORT.html");
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([&chosen, o] {
    chosen = [o] {
      o->request.threads = o->data.threads;
      const checked_model m =
          check_model(o->request, [&](auto inputs) { return open_data(o->data, std::move(inputs)); });
      if (!o->html.empty()) host::write_file(o->html, page_of(o->request, m));
      fmt::print("{}", o->json ? json_of(o->request, m) : text_of(o->request, m));
      return m.passed() ? 0 : 1;
    };
  });
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
// sensitivity: what int8 costs layer by layer, and the fewest layers to keep in a wider dtype.
#include "models.hpp"
#include "tmpu/compare/similarity.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/host/threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace tmpuc {

using namespace tmpu;

namespace {

struct sensitivity_options {
  model_options model;
  rule_options rules;
  data_options data;
  std::string chip;
  std::string calibration;
  bool asymmetric = false;
  bool float_io = false;
  std::string dtype = "f16";
  std::optional<double> sqnr;
  std::optional<double> cosine;
  std::int64_t most = -1;
  std::string html;
  std::string out;
};

/// How near the outputs come to those of the float model, all samples together.
struct quality {
  double sqnr = 0;
  double cosine = 0;
};

struct layer {
  std::string name;
  std::string op;
  quality alone; ///< of the model with only this layer in int8
  bool kept = false;
};

class search {
public:
  search(const sensitivity_options& o)
      : options_(o), table_(read_calibration(o.calibration)), request_{.chip = chip_named(o.chip),
                                                                       .network = network_name(o.model.path),
                                                                       .quantize = "int8",
                                                                       .asymmetric = o.asymmetric,
                                                                       .float_io = o.float_io,
                                                                       .layers = nullptr,
                                                                       .opt = group::effort::none,
                                                                       .calibration = &table_,
                                                                       .rules = rules_of(o.rules),
                                                                       .fired = nullptr},
        model_(canonicalize(load_origin(o.model), request_.rules)), data_(open_data(o.data, inputs_of(model_.graph))),
        wide_(o.dtype == "bf16"  ? dtype_id::bf16
              : o.dtype == "f32" ? dtype_id::f32
                                 : dtype_id::f16) {
    const graph<stage::calibrated> g = calibrate_int8(model_, request_);
    for (const node_id id : int8_layers(g, request_)) {
      layers_.push_back({std::string(g.name(g.results(id)[0])), std::string(g.node_at(id).op->info.name), {}, false});
    }
    for (std::int64_t run = 0; run < data_.runs(); ++run) all_.push_back(run);
    const std::int64_t step = (data_.runs() + most_tried_runs - 1) / most_tried_runs;
    for (std::int64_t run = 0; run < data_.runs(); run += step) few_.push_back(run);
    wanted_ = outputs_of(model_.graph, all_, false);
  }

  void measure_layers() {
    host::progress progress("measuring layers", static_cast<std::int64_t>(layers_.size()));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      calibrate::qtable t;
      for (std::size_t k = 0; k < layers_.size(); ++k) {
        if (k != i) t.add(layers_[k].name, dtype_id::f32);
      }
      layers_[i].alone = measure(t, true, few_);
      progress.at(static_cast<std::int64_t>(i) + 1);
    }
    order_.clear();
    for (std::size_t i = 0; i < layers_.size(); ++i) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return layers_[a].alone.sqnr < layers_[b].alone.sqnr; });
  }

  /// Keeps layers wide until the outputs are near enough or the number is reached: the first ones step by step, the one of the most sensitive
  /// that helps most; then as many in the order of sensitivity as are needed, found by bisection. Those that are not needed after all are
  /// given back. What is tried in a step is measured on few samples, what is decided on all.
  void choose() {
    const auto all = [&] { return measure(kept(), options_.float_io, all_); };
    now_ = all_int8_ = all();
    const bool expected = options_.sqnr || options_.cosine;
    if (!expected && options_.most < 0) return;
    const auto most =
        options_.most < 0 ? layers_.size() : std::min(static_cast<std::size_t>(options_.most), layers_.size());
    std::vector<std::size_t> chosen;
    host::progress progress("searching", static_cast<std::int64_t>(most));
    while (!reached(now_) && chosen.size() < std::min(most, most_steps)) {
      const std::size_t best = most_helpful();
      layers_[best].kept = true;
      chosen.push_back(best);
      now_ = all();
      progress.at(static_cast<std::int64_t>(chosen.size()));
    }
    if (!reached(now_) && chosen.size() < most) {
      std::vector<std::size_t> rest;
      for (const std::size_t i : order_) {
        if (!layers_[i].kept && chosen.size() + rest.size() < most) rest.push_back(i);
      }
      const auto with_first = [&](std::size_t count) {
        for (std::size_t i = 0; i < rest.size(); ++i) layers_[rest[i]].kept = i < count;
        return all();
      };
      std::size_t too_few = 0;
      std::size_t enough = rest.size();
      now_ = with_first(enough);
      while (expected && reached(now_) && enough - too_few > 1) {
        const std::size_t middle = (too_few + enough) / 2;
        const quality q = with_first(middle);
        (reached(q) ? enough : too_few) = middle;
        if (reached(q)) now_ = q;
      }
      for (std::size_t i = 0; i < rest.size(); ++i) layers_[rest[i]].kept = i < enough;
      chosen.insert(chosen.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(enough));
    }
    if (!expected || !reached(now_)) return;
    for (const std::size_t i : chosen) {
      layers_[i].kept = false;
      const quality without = all();
      layers_[i].kept = !reached(without);
      if (!layers_[i].kept) now_ = without;
    }
  }

  /// Without --expect-…, --max-float-layers takes as many as it allows.
  [[nodiscard]] bool reached(const quality& q) const {
    if (!options_.sqnr && !options_.cosine) return options_.most < 0;
    return (!options_.sqnr || q.sqnr >= *options_.sqnr) && (!options_.cosine || q.cosine >= *options_.cosine);
  }
  [[nodiscard]] calibrate::qtable kept() const {
    calibrate::qtable t;
    for (const layer& l : layers_) {
      if (l.kept) t.add(l.name, wide_);
    }
    return t;
  }
  [[nodiscard]] std::int64_t samples() const { return data_.samples(); }
  [[nodiscard]] const std::vector<std::size_t>& order() const { return order_; }
  [[nodiscard]] const layer& at(std::size_t i) const { return layers_[i]; }
  [[nodiscard]] std::size_t layers() const { return layers_.size(); }
  [[nodiscard]] quality all_int8() const { return all_int8_; }
  [[nodiscard]] quality now() const { return now_; }

private:
  static constexpr std::int64_t most_tried_runs = 8; ///< samples for what is only compared
  static constexpr std::size_t most_steps = 4;       ///< layers that are chosen one by one, of `most_candidates` each
  static constexpr int most_candidates = 8;

  /// Of the most sensitive layers that are not kept the one that is best kept next.
  std::size_t most_helpful() {
    std::size_t best = layers_.size();
    double best_sqnr = 0;
    int count = 0;
    for (const std::size_t i : order_) {
      if (layers_[i].kept) continue;
      if (++count > most_candidates) break;
      layers_[i].kept = true;
      const double sqnr = measure(kept(), options_.float_io, few_).sqnr;
      layers_[i].kept = false;
      if (best != layers_.size() && sqnr <= best_sqnr) continue;
      best = i;
      best_sqnr = sqnr;
    }
    return best;
  }
  quality measure(const calibrate::qtable& t, bool float_io, const std::vector<std::int64_t>& runs) {
    compile_request r = request_;
    r.layers = &t;
    r.float_io = float_io;
    const std::vector<vec<float>> got = outputs_of(lower_int8(calibrate_int8(model_, r), r), runs, true);
    vec<float> all_wanted;
    vec<float> all_got;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      all_wanted.append(wanted_[static_cast<std::size_t>(runs[i])]);
      all_got.append(got[i]);
    }
    const compare::similarity s = compare::compare(all_wanted.span(), all_got.span());
    return {s.sqnr_db, s.cosine};
  }
  /// All outputs of each run, one behind the other.
  std::vector<vec<float>> outputs_of(const graph_body& g, const std::vector<std::int64_t>& runs, bool quantized) {
    std::vector<vec<float>> outputs(runs.size());
    const std::size_t threads = host::threads_for(options_.data.threads, static_cast<std::int64_t>(runs.size()));
    host::in_threads{}(threads, [&](std::size_t thread) {
      vec<value> constants;
      for (std::size_t i = thread; i < runs.size(); i += threads) {
        for (const auto& v : host::run_graph(g, data_.inputs(runs[i]), keep::outputs, &constants))
          outputs[i].append(quantized ? host::user_value(v).f : v.content.f);
      }
    });
    return outputs;
  }

  const sensitivity_options& options_;
  calibrate::table table_;
  compile_request request_;
  canonical_model model_;
  host::dataset data_;
  dtype_id wide_;
  std::vector<layer> layers_;
  std::vector<std::size_t> order_;
  std::vector<std::int64_t> all_; ///< runs
  std::vector<std::int64_t> few_;
  std::vector<vec<float>> wanted_; ///< of each run
  quality all_int8_;
  quality now_;
};

std::string escaped(const std::string& s) {
  std::string out;
  for (const char c : s) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string to_html(const search& s, const sensitivity_options& o) {
  double greatest = 1.0;
  for (std::size_t i = 0; i < s.layers(); ++i) {
    if (!math::is_inf(s.at(i).alone.sqnr)) greatest = std::max(greatest, s.at(i).alone.sqnr);
  }
  std::string rows;
  for (const std::size_t i : s.order()) {
    const layer& l = s.at(i);
    const double width = math::is_inf(l.alone.sqnr) ? 100.0 : std::max(0.0, l.alone.sqnr) / greatest * 100.0;
    rows += fmt::format("<tr{}><td>{}</td><td>{}</td><td class=n>{:.2f}</td><td class=n>{:.6f}</td><td><div "
                        "style=\"width:{:.1f}%\"></div></td>"
                        "<td>{}</td></tr>\n",
                        l.kept ? " class=k" : "", escaped(l.name), escaped(l.op), l.alone.sqnr, l.alone.cosine, width,
                        l.kept ? escaped(o.dtype) : std::string("int8"));
  }
  const std::string name = escaped(network_name(o.model.path));
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{0}: sensitivity to int8</title>\n<style>\n"
      "body{{font:14px sans-serif;margin:2em}}table{{border-collapse:collapse;width:100%}}td,th{{padding:2px "
      "8px;text-align:left}}\n"
      ".n{{text-align:right;font-variant-numeric:tabular-nums}}td "
      "div{{height:10px;background:#48a}}.k{{background:#fe9}}\n"
      "td:nth-child(5){{width:40%}}\n</style></head><body>\n<h1>{0}</h1>\n<p>{1} samples; all in int8: SQNR {2:.2f} "
      "dB, cosine {3:.6f}; "
      "as chosen: SQNR {4:.2f} dB, cosine {5:.6f}.</p>\n<table><tr><th>layer<th>operator<th>SQNR at the output, dB"
      "<th>cosine<th><th>dtype</tr>\n{6}</table></body></html>\n",
      name, s.samples(), s.all_int8().sqnr, s.all_int8().cosine, s.now().sqnr, s.now().cosine, rows);
}

int run(const sensitivity_options& o) {
  if (o.dtype != "f16" && o.dtype != "bf16" && o.dtype != "f32")
    refuse(text("--float-dtype '") << o.dtype << "' is not known: it is f16, bf16 or f32");
  if (o.most < -1) refuse("--max-float-layers must not be negative");
  search s(o);
  s.measure_layers();
  s.choose();
  std::size_t width = 5;
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < s.layers(); ++i) {
    width = std::max(width, s.at(i).name.size());
    kept += s.at(i).kept ? 1 : 0;
  }
  fmt::print("{:<{}}  {:<20}  {:>8}  {:>9}\n", "layer", width, "operator", "SQNR dB", "cosine");
  for (const std::size_t i : s.order()) {
    const layer& l = s.at(i);
    fmt::print("{:<{}}  {:<20}  {:>8.2f}  {:>9.6f}{}\n", l.name, width, l.op, l.alone.sqnr, l.alone.cosine,
               l.kept ? "  " + o.dtype : "");
  }
  fmt::print("all {} layers in int8: SQNR {:.2f} dB, cosine {:.6f}\n", s.layers(), s.all_int8().sqnr,
             s.all_int8().cosine);
  const bool asked = o.sqnr || o.cosine;
  const bool failed = asked && !s.reached(s.now());
  if (asked || o.most >= 0) {
    fmt::print("{} layers in {}: SQNR {:.2f} dB, cosine {:.6f}{}\n", kept, o.dtype, s.now().sqnr, s.now().cosine,
               failed ? ": FAILED, this is not what was expected" : "");
  }
  if (!o.out.empty()) host::write_file(o.out, calibrate::print(s.kept()).view());
  if (!o.html.empty()) host::write_file(o.html, to_html(s, o));
  return failed ? 1 : 0;
}

} // namespace

void add_sensitivity(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand(
      "sensitivity",
      "What int8 costs at the output, layer by layer, and the fewest layers to keep in a wider dtype (qtable)");
  auto o = std::make_shared<sensitivity_options>();
  o->data.samples = 4;
  o->model.add(*command, "The model, an .onnx or .tflite file");
  o->rules.add(*command);
  o->data.add(*command);
  o->data.add_threads(*command);
  command->get_option("--samples")->capture_default_str();
  command->add_option("--chip", o->chip, "The chip to compile for; `tmpuc chips` lists them")
      ->required()
      ->type_name("NAME");
  command->add_option("--calibration", o->calibration, "Table of ranges from `tmpuc calibrate`")
      ->required()
      ->type_name("TABLE.cali");
  command->add_flag("--asymmetric", o->asymmetric, "int8 activations with a zero point");
  command->add_flag("--float-io", o->float_io, "Inputs and outputs of the model stay f32");
  command->add_option("--float-dtype", o->dtype, "What sensitive layers are kept in: f16, bf16 or f32")
      ->capture_default_str()
      ->type_name("DTYPE");
  command->add_option("--expect-sqnr", o->sqnr, "Keep layers until the outputs have this SQNR against the float model")
      ->type_name("DB");
  command->add_option("--expect-cosine", o->cosine, "The same for the cosine")->type_name("COS");
  command->add_option("--max-float-layers", o->most, "Keep at most N layers; exactly N where nothing is expected")
      ->type_name("N");
  command->add_option("--html", o->html, "Write the table as a page as well")->type_name("FILE.html");
  command->add_option("-o,--output", o->out, "The qtable to write")->type_name("FILE");
  command->callback([&chosen, o] { chosen = [o] { return run(*o); }; });
}

} // namespace tmpuc

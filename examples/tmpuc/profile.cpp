// SPDX-License-Identifier: Apache-2.0
// profile: what the cycle model predicts of a program, as a table, a trace and a page.
#include "tmpu/timing/profile.hpp"

#include "pages.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

/// Share of the peak rate, in percent, while the compute engine works.
double use_of(const timing::cost& c, const chip::facts& chip, dtype_id type) {
  if (c.busy[0] == 0) return 0;
  return 100.0 * static_cast<double>(c.macs) / (static_cast<double>(c.busy[0]) * static_cast<double>(chip.macs(type)));
}

void print_table(const isa::network& n, const timing::profile& p, const chip::facts& chip, dtype_id type) {
  const auto line = [&](const timing::cost& c, const std::string& name, std::string_view op) {
    fmt::print("{:<32} {:<16} {:>5} {:>10} {:>10} {:>10} {:>6.1f} {:>10} {:>10}  {}\n", name, op, c.group,
               c.end - c.start, c.busy[0], c.busy[1], use_of(c, chip, type), c.load_bytes, c.store_bytes,
               c.bound_by_memory() ? "memory" : "compute");
  };
  const auto head = [](const char* what) {
    fmt::print("{:<32} {:<16} {:>5} {:>10} {:>10} {:>10} {:>6} {:>10} {:>10}  {}\n", what, "operator", "group",
               "cycles", "compute", "DMA", "MAC %", "load B", "store B", "bound by");
  };
  head("layer");
  for (const timing::cost& c : p.layers) {
    const isa::layer& l = n.layers[static_cast<std::size_t>(c.layer)];
    line(c, std::string(l.name.view()), l.op.view());
  }
  fmt::print("\n");
  head("layer group");
  for (const timing::cost& c : p.groups) line(c, fmt::format("{} layers", c.layers), "");
  const timing::timeline& t = p.line;
  const std::int64_t longer = std::max(t.busy[0], t.busy[1]);
  fmt::print("\n{} cycles = {:.3f} ms at {} MHz (predicted, not measured)\n", t.cycles,
             1e3 * static_cast<double>(t.cycles) / static_cast<double>(chip.compute_hz), chip.compute_hz / 1'000'000);
  fmt::print("compute {} cycles, DMA {} cycles, {} lost to bank conflicts of both; program / longer engine {:.3f}\n",
             t.busy[0], t.busy[1], t.conflict_cycles,
             longer == 0 ? 0.0 : static_cast<double>(t.cycles) / static_cast<double>(longer));
  fmt::print("DMA {} bytes, {:.3f} of the bound of {} (weights, inputs and outputs once); {} multiply-accumulates\n",
             t.dma_bytes,
             static_cast<double>(t.dma_bytes) / static_cast<double>(std::max<std::int64_t>(p.bound_bytes, 1)),
             p.bound_bytes, n.macs);
}

std::string trace_of(const isa::network& n, const timing::profile& p, const chip::facts& chip) {
  const double scale = 1e6 / static_cast<double>(chip.compute_hz);
  std::string out = "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"times\": \"predicted by a model, not measured\"}, "
                    "\"traceEvents\": [\n";
  out += "{\"ph\": \"M\", \"pid\": 0, \"name\": \"process_name\", \"args\": {\"name\": " +
         json_text(std::string(n.name.view()) + " on " + std::string(chip.name) + " (predicted)") + "}},\n";
  const std::int32_t cores = p.cores();
  for (std::int32_t e = 0; e < 2 * cores; ++e) {
    out += fmt::format(
        "{}{{\"ph\": \"M\", \"pid\": 0, \"tid\": {}, \"name\": \"thread_name\", \"args\": {{\"name\": \"{}{}\"}}}}",
        e == 0 ? "" : ",\n", e, e % 2 == 0 ? "compute" : "DMA", cores == 1 ? "" : fmt::format(" of core {}", e / 2));
  }
  for (std::size_t k = 0; k < p.instructions.size(); ++k) {
    const timing::span_of_time& s = p.line.instructions[k];
    const auto& x = p.instructions[k];
    out += fmt::format(
        ",\n{{\"ph\": \"X\", \"pid\": 0, \"tid\": {}, \"name\": {}, \"cat\": \"{}\", \"ts\": {:.4f}, \"dur\": {:.4f}, "
        "\"args\": {{\"layer\": {}, \"group\": {}, \"cycles\": {}, \"bytes\": {}}}}}",
        2 * x.core + static_cast<int>(s.engine), json_text(x.name), s.engine == isa::engine::dma ? "dma" : "compute",
        static_cast<double>(s.start) * scale, static_cast<double>(s.end - s.start) * scale,
        json_text(n.layers[static_cast<std::size_t>(x.layer)].name), x.group, s.end - s.start, x.bytes);
  }
  return out + "\n]}\n";
}

std::string json_of(const isa::program& program, const isa::network& n, const timing::profile& p,
                    const chip::facts& chip) {
  const auto row = [&](const timing::cost& c) {
    return fmt::format("\"group\": {}, \"cycles\": {}, \"compute_cycles\": {}, \"dma_cycles\": {}, \"macs\": {}, "
                       "\"load_bytes\": {}, \"store_bytes\": {}}}",
                       c.group, c.end - c.start, c.busy[0], c.busy[1], c.macs, c.load_bytes, c.store_bytes);
  };
  std::string layers;
  for (const timing::cost& c : p.layers) {
    const isa::layer& l = n.layers[static_cast<std::size_t>(c.layer)];
    layers += fmt::format("{}{{\"name\": {}, \"op\": {}, {}", layers.empty() ? "" : ", ", json_text(l.name),
                          json_text(l.op), row(c));
  }
  std::string groups;
  for (const timing::cost& c : p.groups)
    groups += fmt::format("{}{{\"layers\": {}, {}", groups.empty() ? "" : ", ", c.layers, row(c));
  return fmt::format(
      "{{\"network\": {}, \"chip\": {}, \"quantize\": {}, \"times\": \"predicted by a model, not measured\", "
      "\"cycles\": {}, \"milliseconds\": {:.4f}, \"compute_cycles\": {}, \"dma_cycles\": {}, "
      "\"conflict_cycles\": {}, \"macs\": {}, \"dma_bytes\": {}, \"bound_bytes\": {}, \"activation_bytes\": {}, "
      "\"activation_bound\": {}, \"local_bytes_peak\": {}, \"layers\": [{}], \"groups\": [{}]}}\n",
      json_text(n.name), json_text(program.info.target.chip), json_text(program.info.quantize), p.line.cycles,
      1e3 * static_cast<double>(p.line.cycles) / static_cast<double>(chip.compute_hz), p.line.busy[0], p.line.busy[1],
      p.line.conflict_cycles, n.macs, p.line.dma_bytes, p.bound_bytes, n.activation_bytes, n.activation_bound,
      n.local_bytes_peak, layers, groups);
}

} // namespace

void add_profile(CLI::App& app, work& chosen) {
  struct options {
    std::string path;
    std::string trace;
    std::string html;
    bool json = false;
  };
  auto* command = app.add_subcommand("profile", "Predicted cycles of a program by layer and by layer group");
  auto o = std::make_shared<options>();
  command->add_option("FILE", o->path, "The .tmodel")->required();
  command->add_option("--trace", o->trace, "Write the timeline as Chrome trace events (JSON), for Perfetto");
  command->add_option("--html", o->html, "Write a page with the timeline, both memories over time and a roofline");
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([&chosen, o] {
    chosen = [o] {
      const isa::program program = isa::from_bytes(host::read_file(o->path), o->path);
      const chip::facts chip = chip_named(std::string(program.info.target.chip.view()));
      if (!can_be_profiled(program))
        refuse(text("'") << o->path
                         << "' has host steps, whose time is not predicted: only programs without can be profiled");
      const isa::network& n = program.info.networks[0];
      const timing::profile p = timing::profile_of(n, chip);
      const dtype_id type = compute_type(program.info.quantize);
      if (o->json) {
        fmt::print("{}", json_of(program, n, p, chip));
      } else {
        print_table(n, p, chip, type);
      }
      if (!o->trace.empty()) host::write_file(o->trace, trace_of(n, p, chip));
      if (!o->html.empty())
        host::write_file(o->html, page("tmpu profile: " + std::string(n.name.view()) + " on " + std::string(chip.name),
                                       timeline_body(), timeline_code(n, p, chip, type)));
      return 0;
    };
  });
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
// info, disasm, chips: what there is, without running anything.
#include "models.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/ir/print.hpp"
#include "tmpu/isa/disasm.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <fmt/core.h>

#include <map>
#include <memory>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

std::string list_of(const ints& dims) { return std::string((text("[") << join(dims, ", ") << "]").view()); }

void print_program(const isa::program& p, bool json) {
  for (const isa::network& n : p.info.networks) {
    std::int64_t instructions = 0;
    for (const isa::segment& s : n.segments) {
      for (const isa::core_stream& c : s.cores) instructions += c.count;
    }
    const auto weights = static_cast<std::int64_t>(p.weights.size());
    if (json) {
      const auto side = [](const vec<isa::io_tensor>& list) {
        std::string out;
        for (const isa::io_tensor& t : list) {
          out += fmt::format("{}{{\"name\": {}, \"type\": \"{}\", \"shape\": {}, \"scale\": {}, \"zero_point\": {}}}",
                             out.empty() ? "" : ", ", json_text(t.name), name_of(t.type), list_of(t.dims), t.scale,
                             t.zero_point);
        }
        return out;
      };
      fmt::print("{{\"kind\": \"tmodel\", \"network\": {}, \"chip\": {}, \"quantize\": {}, \"instructions\": {}, "
                 "\"instruction_set\": {}, \"host_steps\": {}, "
                 "\"weight_bytes\": {}, "
                 "\"activation_bytes\": {}, \"activation_bound\": {}, \"activation_optimal\": {}, \"global_bytes\": "
                 "{}, \"local_bytes_peak\": {}, \"gdma_bytes\": {}, \"macs\": {}, "
                 "\"cycles\": {}, \"inputs\": [{}], \"outputs\": [{}]}}\n",
                 json_text(n.name), json_text(p.info.target.chip), json_text(p.info.quantize), instructions,
                 isa::instruction_set, n.host_steps(), weights, n.activation_bytes, n.activation_bound,
                 n.activation_bytes == n.activation_bound, n.activation_bytes + weights, n.local_bytes_peak,
                 n.dma_bytes, n.macs, n.cycles, side(n.inputs), side(n.outputs));
      continue;
    }
    fmt::print("network           {}\n", n.name.view());
    fmt::print("chip              {} ({} lanes, {} bytes of local memory each)\n", p.info.target.chip.view(),
               p.info.target.lanes, p.info.target.local_bytes);
    fmt::print("quantize          {}\n", p.info.quantize.view());
    for (const auto* list : {&n.inputs, &n.outputs}) {
      for (const isa::io_tensor& t : *list) {
        fmt::print("{}{} {}{}", list == &n.inputs ? "input             " : "output            ", t.name.view(),
                   name_of(t.type), list_of(t.dims));
        if (t.scale != 0.0F) fmt::print(" scale {} zero point {}", t.scale, t.zero_point);
        if (t.edge != dtype_id::none) fmt::print(" (the model's {})", name_of(t.edge));
        fmt::print("\n");
      }
    }
    fmt::print("instructions      {} (version {} of the instruction set)\n", instructions, isa::instruction_set);
    fmt::print("host steps        {}\n", n.host_steps());
    for (const isa::segment& s : n.segments) {
      if (s.kind == isa::segment_kind::host)
        fmt::print("host step         {} '{}'\n", s.step.op.view(), s.step.node.view());
    }
    fmt::print("weights           {} bytes\n", weights);
    fmt::print("activations       {}\n", activation_line(n));
    fmt::print("local memory      {} of {} bytes a lane at the peak\n", n.local_bytes_peak, p.info.target.local_bytes);
    fmt::print("DMA               {} bytes\n", n.dma_bytes);
    fmt::print("MACs              {}\n", n.macs);
    fmt::print("cycles            {} (predicted)\n", n.cycles);
  }
}

void print_graph(const loaded_model& m, bool json) {
  const graph_body& g = m.graph;
  std::int64_t weights = 0;
  for (std::size_t t = 0; t < g.tensors.size(); ++t) {
    if (g.tensors[t].constant != none) weights += static_cast<std::int64_t>(g.bytes(static_cast<tensor_id>(t)).size());
  }
  std::map<std::string, int> operators;
  for (const node& n : g.nodes) ++operators[std::string(n.op->info.name)];
  if (!json) {
    [&]<stage... S>(std::integer_sequence<stage, S...>) {
      (void)((m.at == S && (fmt::print("{}", print(graph<S>(g)).view()), true)) || ...);
    }
    (std::integer_sequence<stage, stage::origin, stage::canonical, stage::calibrated, stage::lowered, stage::grouped,
                           stage::addressed>{});
    fmt::print("{} nodes, {} bytes of constants:", g.nodes.size(), weights);
    for (const auto& [name, count] : operators) fmt::print(" {} x{}", name, count);
    fmt::print("\n");
    return;
  }
  const auto side = [&](const vec<tensor_id>& list) {
    std::string out;
    for (const tensor_id t : list) {
      out += fmt::format("{}{{\"name\": {}, \"type\": \"{}\", \"shape\": {}}}", out.empty() ? "" : ", ",
                         json_text(g.name(t)), name_of(g.at(t).type), g.at(t).dims.print().view());
    }
    return out;
  };
  std::string counts;
  for (const auto& [name, count] : operators)
    counts += fmt::format("{}{}: {}", counts.empty() ? "" : ", ", json_text(name), count);
  fmt::print("{{\"kind\": \"{}\", \"stage\": \"{}\", \"nodes\": {}, \"weight_bytes\": {}, \"operators\": {{{}}}, "
             "\"inputs\": [{}], \"outputs\": [{}]}}\n",
             m.is_stage_file ? "stage" : "onnx", name_of(m.at), g.nodes.size(), weights, counts, side(g.inputs),
             side(g.outputs));
}

struct file_options {
  model_options model;
  bool json = false;
};

} // namespace

void add_info(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("info", "What a model, a stage file or a program holds");
  auto o = std::make_shared<file_options>();
  o->model.add(*command, "An .onnx model, a stage file or a .tmodel");
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([&chosen, o] {
    chosen = [o] {
      if (is_tmodel(o->model.path)) {
        print_program(isa::from_bytes(host::read_file(o->model.path), o->model.path), o->json);
      } else {
        print_graph(load_model(o->model, true), o->json);
      }
      return 0;
    };
  });
}

void add_disasm(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("disasm", "List the instructions of a program");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "The .tmodel")->required();
  command->callback([&chosen, path] {
    chosen = [path] {
      fmt::print("{}", isa::disassemble(isa::from_bytes(host::read_file(*path), *path)).view());
      return 0;
    };
  });
}

void add_chips(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("chips", "The chips that there are");
  command->callback([&chosen] {
    chosen = [] {
      fmt::print("{:<9} {:>5} {:>9} {:>15} {:>6} {:>6}\n", "chip", "lanes", "EU bytes", "local bytes/lane", "banks",
                 "cores");
      unpack<decltype(chip::chips)>::for_each([]<class Chip>() {
        constexpr chip::facts c = Chip::info;
        fmt::print("{:<9} {:>5} {:>9} {:>15} {:>6} {:>6}\n", c.name, c.lanes, c.eu_bytes, c.local_bytes, c.banks,
                   c.cores);
      });
      return 0;
    };
  });
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/embed.hpp"

#include "models.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/top/operators.hpp"
#include "tmpu/tpu/operators.hpp"

#include <memory>

namespace tmpuc {

using namespace tmpu;

namespace {

struct embed_options {
  compile_options compile;
  std::string output;
};

/// int8: the lowered graph, its weights quantized already; floats: the canonical graph, which the C++ compiler lowers.
int embed(embed_options o) {
  using operators = join_lists<unpack<decltype(top::operators)>, unpack<decltype(tpu::operators)>>;
  const bool int8 = o.compile.quantize == "int8";
  if (mode_named(o.compile.quantize).weights != dtype_id::none)
    refuse("embed takes f32, f16, bf16 and int8: compile weights of fewer bits with `tmpuc compile`");
  const stage wanted = int8 ? stage::lowered : stage::canonical;
  graph_body chosen;
  compile(o.compile, [&](const graph_body& g, stage at) {
    if (at == wanted) chosen = g;
  });
  host::embed_facts facts{.name = network_name(o.compile.model.path),
                          .dtype = "tmpu::" + (int8 ? std::string("i8") : o.compile.quantize),
                          .command = "tmpuc embed " + network_name(o.compile.model.path) + ".onnx --quantize " +
                                     o.compile.quantize + (o.compile.asymmetric ? " --asymmetric" : ""),
                          .asymmetric = o.compile.asymmetric};
  const std::string header = host::to_header<operators>(chosen, wanted, facts);
  host::write_file(o.output, header);
  return 0;
}

} // namespace

void add_embed(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("embed", "Write a model as a C++ header, for compilation by the C++ compiler");
  auto o = std::make_shared<embed_options>();
  o->compile.add(*command);
  command->get_option("--chip")->required(false)->default_val("bm1684x")->description(
      "The chip whose lowering rules are used (int8); any chip can be compiled for later");
  command->add_option("-o,--output", o->output, "The header to write")->required();
  command->callback([&chosen, o] { chosen = [o] { return embed(*o); }; });
}

} // namespace tmpuc

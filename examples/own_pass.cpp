// SPDX-License-Identifier: Apache-2.0
// A pass of one's own: it names the stage that it takes and gives the graph of the stage that it leaves. Where it stands too early or too
// late in a pipeline, that does not compile (tmpu-P001).
#include "tmpu/compile.hpp"
#include "tmpu/host/data.hpp"
#include "tmpu/host/model.hpp"
#include "tmpu/host/run.hpp"

#include <fmt/core.h>

using namespace tmpu;

/// Weights of convolutions and dense layers below a share of the greatest of their tensor become 0: magnitude pruning. The passes behind see a
/// canonical graph like any other.
struct prune {
  static constexpr stage from = stage::canonical;
  static constexpr float share = 0.05F;
  static graph<stage::canonical> run(graph<from> g, const session&) {
    for (std::size_t n = 0; n < g.nodes.size(); ++n) {
      const auto id = static_cast<node_id>(n);
      if (!is<top::conv>(g, id) && !is<top::gemm>(g, id)) continue;
      value w = g.constant_value(g.operand(id, 1));
      float greatest = 0.0F;
      for (const float x : w.f) greatest = math::abs(x) > greatest ? math::abs(x) : greatest;
      for (float& x : w.f) x = math::abs(x) < share * greatest ? 0.0F : x;
      g.set_operand(id, 1, g.add_constant(text(g.node_name(id)) << ".pruned", w));
    }
    g.tidy();
    return g;
  }
};

/// As far as the canonical graph, and this. The rest of the pipeline (compile.hpp, `whole_pipeline`) would follow.
using pruned = pipeline<passes::canonicalize<standard>, prune>;

std::int64_t zeros(const graph_body& g) {
  std::int64_t count = 0;
  for (std::size_t t = 0; t < g.tensors.size(); ++t) {
    if (!g.is_constant(static_cast<tensor_id>(t)) || !is_floating(g.tensors[t].type)) continue;
    for (const float x : g.constant_value(static_cast<tensor_id>(t)).f) count += x == 0.0F ? 1 : 0;
  }
  return count;
}

int main() {
  const std::string data = TMPU_EXAMPLES_DIR "/data/";
  graph<stage::canonical> before;
  const graph<stage::canonical> after =
      pruned::run(host::load_onnx(data + "digits_cnn.onnx"), {.chip = chip::nano::info}, [&]<class G>(const G& g) {
        if constexpr (std::is_same_v<G, graph<stage::canonical>>) {
          if (before.nodes.empty()) before = g;
        }
      });
  const host::dataset digits({{"input", dtype_id::f32, {1, 1, 28, 28}}}, {{"", data + "digits.npz", "test_x"}},
                             {{}, {1.0F / 255.0F}}, 100);
  const auto best = [](const value& scores) {
    std::size_t at = 0;
    for (std::size_t i = 1; i < scores.f.size(); ++i) at = scores.f[i] > scores.f[at] ? i : at;
    return at;
  };
  std::int64_t same = 0;
  for (std::int64_t i = 0; i < digits.runs(); ++i) {
    const auto x = digits.inputs(i);
    same += best(host::run_graph(before, x)[0].content) == best(host::run_graph(after, x)[0].content) ? 1 : 0;
  }
  const std::int64_t more = zeros(after) - zeros(before);
  fmt::print("{} weights became 0; {} of {} digits are read as before\n", more, same, digits.runs());
  return more > 100 && same >= 95 ? 0 : 1;
}

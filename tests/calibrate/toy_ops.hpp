// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/builder.hpp"

/// Two operators for the tests of this room, which needs none in particular.
namespace toy {

/// y = factor * x + offset
struct line {
  static constexpr std::string_view domain = "top";
  static constexpr tmpu::op_info info{.name = "line"};
  struct attributes {
    TMPU_STRUCT((float, factor), (float, offset));
  };
  static constexpr void infer(const attributes&, tmpu::infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
  static constexpr void eval(const attributes& a, tmpu::eval_context& c) {
    for (std::size_t i = 0; i < c.in(0).f.size(); ++i) c.out().f[i] = a.factor * c.in(0).f[i] + a.offset;
  }
};

/// y = x + w, and the sign of each as an integer
struct plus {
  static constexpr std::string_view domain = "top";
  static constexpr tmpu::op_info info{.name = "plus", .min_operands = 2, .max_operands = 2, .max_results = 2};
  using attributes = tmpu::no_attributes;
  static constexpr void infer(const attributes&, tmpu::infer_context& c) {
    c.result(0, c.type(0), c.dims(0));
    c.result(1, tmpu::dtype_id::i64, c.dims(0));
  }
  static constexpr void eval(const attributes&, tmpu::eval_context& c) {
    for (std::size_t i = 0; i < c.in(0).f.size(); ++i) {
      c.out().f[i] = c.in(0).f[i] + c.in(1).f[i];
      if (c.result_count() > 1) c.out(1).i[i] = c.out().f[i] > 0.0F ? 1 : -1;
    }
  }
};

/// in -> doubled = 2 in - 1 -> dead = 0 doubled -> sum, signs = dead + weight
constexpr tmpu::graph<tmpu::stage::canonical> net(float weight = 0.5F, std::int64_t size = 2, float factor = 2.0F,
                                                  std::string_view middle = "doubled") {
  using namespace tmpu;
  model_builder m;
  const tensor_id in = m.input("in", dtype_id::f32, {1, size});
  value w(dtype_id::f32, {1, size});
  for (float& x : w.f) x = weight;
  const tensor_id weights = m.constant("w", w);
  const tensor_id doubled = m.add<line>(middle, {factor, -1.0F}, {in});
  const tensor_id dead = m.add<line>("dead", {0.0F, 0.0F}, {doubled});
  graph_body g = m.take();
  const tensor_id results[] = {g.add_tensor("sum", dtype_id::none, {}), g.add_tensor("signs", dtype_id::none, {})};
  const tensor_id operands[] = {dead, weights};
  infer(g, add_node<plus>(g, "sum", {}, operands, results));
  g.outputs.push_back(results[0]);
  return graph<stage::canonical>(std::move(g));
}

} // namespace toy

// SPDX-License-Identifier: Apache-2.0
// An operator of one's own, with its lowering rule in every dtype.
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/onnx/import.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

/// y = x * x. The name in a model is the operator's domain and its type. Operators of one operand share shape rule and meaning
/// in top::unary; others write `infer` and `eval` themselves, as those in include/tmpu/top do.
struct square : tmpu::top::unary<square> {
  static constexpr tmpu::op_info info{.name = "square", .onnx = "my.domain::Square"};
  static constexpr float apply(float x) { return x * x; }
};
static_assert(tmpu::op<square>);

/// On the chip it is the product of x with itself. In integers, with the scales s: q_y = q_x * q_x * (s_x * s_x / s_y).
template <class DType> struct square_rule {
  using op = square;
  using dtype = DType;
  static constexpr void apply(tmpu::lower::context& c, tmpu::node_id) {
    const tmpu::tensor_id x = c.operand(0);
    const tmpu::lower::format y = c.result_format();
    tmpu::tpu::binary::attributes product{.kind = static_cast<std::int64_t>(tmpu::isa::binary_kind::mul),
                                          .clamp = tmpu::lower::bounds({}, y)};
    if (!c.floating()) {
      const double s = c.format_at(x).quant.scale;
      const tmpu::multiplier m = tmpu::make_multiplier(s * s / static_cast<double>(y.quant.scale));
      if (!m.valid()) c.fail("the scales of x and y are too far apart: check the calibration table");
      product.a_multiplier = m.value;
      product.shift = m.shift;
    }
    c.emit_result<tmpu::tpu::binary>(product, {x, x}, y);
  }
};

/// The standard compiler, and this.
struct lists : tmpu::standard {
  using operators = tmpu::join_lists<tmpu::standard::operators, tmpu::list<square>>;
  using lowering_rules = tmpu::join_lists<tmpu::standard::lowering_rules, tmpu::lower::in_all<square_rule>>;
};

namespace {

using namespace tmpu;

/// y = Square(x) + x as an ONNX model.
tmpu::onnx::pb::ModelProto model() {
  tmpu::onnx::pb::ModelProto m;
  m.set_ir_version(8);
  m.add_opset_import()->set_version(13);
  auto* mine = m.add_opset_import();
  mine->set_domain("my.domain");
  mine->set_version(1);
  auto* g = m.mutable_graph();
  for (auto* edge : {g->add_input(), g->add_output()}) {
    auto* tensor = edge->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(tmpu::onnx::pb::TensorProto::FLOAT);
    for (const int d : {1, 16, 8, 8}) tensor->mutable_shape()->add_dim()->set_dim_value(d);
  }
  g->mutable_input(0)->set_name("x");
  g->mutable_output(0)->set_name("y");
  auto* n = g->add_node();
  n->set_domain("my.domain");
  n->set_op_type("Square");
  n->add_input("x");
  n->add_output("squared");
  n = g->add_node();
  n->set_op_type("Add");
  n->add_input("squared");
  n->add_input("x");
  n->add_output("y");
  return m;
}

/// The greatest difference between what the chip computes and x * x + x in f32.
float worst_difference(const isa::program& program, const vec<value>& inputs) {
  host::runner tpu(program);
  const value y = host::user_value(tpu.run(inputs)[0]);
  float worst = 0.0F;
  for (std::size_t i = 0; i < y.f.size(); ++i) {
    const float x = inputs[0].f[i];
    worst = std::max(worst, std::abs(y.f[i] - (x * x + x)));
  }
  return worst;
}

} // namespace

int main() {
  const auto origin = tmpu::onnx::import_model<lists::operators>(model());

  vec<value> inputs{value(dtype_id::f32, {1, 16, 8, 8})}; // -2, ..., 2
  for (std::size_t i = 0; i < inputs[0].f.size(); ++i) inputs[0].f[i] = static_cast<float>(i) / 255.75F - 2.0F;

  const auto canonical = passes::canonicalize<lists>::run(origin, {.chip = chip::nano::info});
  calibrate::calibrator seen(canonical);
  seen.add(inputs);
  const calibrate::table ranges = seen.finish<calibrate::minmax>();

  const float f32_off = worst_difference(compile<f32, lists>(origin, {.chip = chip::nano::info}), inputs);
  const float i8_off =
      worst_difference(compile<i8, lists>(origin, {.chip = chip::nano::info, .calibration = &ranges}), inputs);

  // f32: the same two roundings. int8: half a step of x through the slope of x * x + x, which is 5 at the most, and half a
  // step of each result.
  const float bound = 5.0F * 0.5F * 2.0F / 127.0F + 0.5F * 4.0F / 255.0F + 0.5F * 6.0F / 127.0F;
  fmt::print("x * x + x on the chip is off by at most {} in f32, {} in int8 (a bound is {})\n", f32_off, i8_off, bound);
  return f32_off == 0.0F && i8_off > 0.0F && i8_off <= bound ? 0 : 1;
}

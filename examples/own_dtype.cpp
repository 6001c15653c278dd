// SPDX-License-Identifier: Apache-2.0
// A dtype of one's own: a type with the elements that it stores, and a rule for each operator, borrowed where a rule template does. This
// one keeps products in f16 and computes all functions of one operand in f32 between casts; an operator without a rule in it does not
// compile (tmpu-L001).
#include "tmpu/host/model.hpp"
#include "tmpu/host/npz.hpp"
#include "tmpu/host/run.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

struct half_products {
  static constexpr tmpu::dtype_id id = tmpu::dtype_id::f16;
};

template <template <class> class Rule> using as_it_is = Rule<half_products>;
template <template <class> class Rule> using in_f32 = tmpu::lower::computed_in<Rule<tmpu::f32>, half_products>;

struct lists : tmpu::standard {
  using operators = tmpu::list<tmpu::top::conv, tmpu::top::max_pool, tmpu::top::relu, tmpu::top::tanh,
                               tmpu::top::flatten, tmpu::top::reshape, tmpu::top::gemm>;
  using lowering_rules =
      tmpu::list<as_it_is<tmpu::lower::conv_rule>, as_it_is<tmpu::lower::gemm_rule>,
                 as_it_is<tmpu::lower::pool_family<tmpu::top::max_pool, tmpu::isa::pool_kind::max>::rule>,
                 as_it_is<tmpu::lower::reshape_family<tmpu::top::reshape>::rule>,
                 as_it_is<tmpu::lower::reshape_family<tmpu::top::flatten>::rule>,
                 in_f32<tmpu::lower::unary_family<tmpu::top::relu, tmpu::isa::unary_kind::clip>::rule>,
                 in_f32<tmpu::lower::unary_family<tmpu::top::tanh, tmpu::isa::unary_kind::tanh>::rule>>;
  using without_rule = tmpu::list<>;
  template <class> using mixed_with = tmpu::list<>;
};

int main() {
  using namespace tmpu;
  const std::string data = TMPU_EXAMPLES_DIR "/data/";
  const graph<stage::origin> model = host::load_onnx<lists>(data + "digits_cnn.onnx");
  const isa::program program = compile<half_products, lists>(model, {.chip = chip::nano::info});

  value image(dtype_id::f32, {1, 1, 28, 28});
  for (std::size_t i = 0; i < image.f.size(); ++i) image.f[i] = static_cast<float>(i % 29) / 29.0F;
  const value in[] = {image};
  const vec<value> exact = evaluate(model, in);
  const floats& wanted = exact[static_cast<std::size_t>(model.outputs[0])].f;
  host::runner tpu(program);
  const auto got = tpu.run(in);
  double off = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    off = std::max(off, std::abs(static_cast<double>(wanted[i]) - static_cast<double>(got[0].content.f[i])));
  }
  fmt::print("greatest difference from f32: {:.5f}\n", off);
  return off < 0.05 ? 0 : 1;
}

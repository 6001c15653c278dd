// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"
#include "tmpu/top/elementwise.hpp"

#include <type_traits>

namespace tmpu::lower {

/// A function of one operand -> unary in floats, a table of 256 entries in integers:
/// table[q] = quantize(f(dequantize(q))), f in f32 (core/activations.hpp). A sum of products that goes through leaky_relu is rounded once: the
/// greater (alpha > 1: the lesser) of it and its alpha-fold.
template <class Op, isa::unary_kind Kind> struct unary_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool takes_sums = Kind == isa::unary_kind::leaky_relu;
    static constexpr bool elementwise = Kind == isa::unary_kind::clip;
    static constexpr bool takes(const context& c, node_id) {
      if (c.is_constant(0)) return false;
      for (std::size_t i = 1; i < c.operand_count(); ++i) { // the bounds of clip
        if (c.has(i) && !c.is_constant(i)) return false;
      }
      return true;
    }
    static constexpr void apply(context& c, node_id) {
      const tpu::unary::attributes f = function_of(c);
      const tensor_id x = c.operand(0, takes_sums && f.alpha >= 0.0F);
      const format y = c.result_format();
      if (c.floating()) {
        c.template emit_result<tpu::unary>(f, {x}, y);
        return;
      }
      const format in = c.format_at(x);
      if (context::is_whole(in)) {
        const isa::binary_kind kind = f.alpha <= 1.0F ? isa::binary_kind::max : isa::binary_kind::min;
        const double scale = static_cast<double>(in.quant.scale) / static_cast<double>(y.quant.scale);
        const multiplier_pair m = make_multipliers(scale, scale * static_cast<double>(f.alpha), 1);
        if (!m.valid()) c.fail("the scales of its operand and result are too far apart: check the calibration table");
        c.template emit_result<tpu::binary>({.kind = static_cast<std::int64_t>(kind),
                                             .a_multiplier = m.a,
                                             .b_multiplier = m.b,
                                             .shift = m.shift,
                                             .clamp = bounds({}, y)},
                                            {x, x}, y);
        return;
      }
      value table(y.type, {256});
      for (std::size_t n = 0; n < 256; ++n) {
        const std::int64_t q = least_of(in.type) + static_cast<std::int64_t>(n);
        const float real = dequantize_value(q, in.quant.scale, in.quant.zero_point);
        table.i[n] = quantized(tpu::apply_unary(static_cast<isa::unary_kind>(f.kind), real, f.alpha, f.beta), y);
      }
      text name(c.result_name());
      name << ".table";
      c.template emit_result<tpu::lookup>({}, {x, c.add_constant(name, table)}, y);
    }

  private:
    static constexpr tpu::unary::attributes function_of(const context& c) {
      const auto a = c.template attributes<Op>();
      tpu::unary::attributes f{.kind = static_cast<std::int64_t>(Kind), .alpha = 0.0F, .beta = 0.0F};
      if constexpr (std::is_same_v<Op, top::relu>) {
        f.beta = math::infinity<float>;
      } else if constexpr (requires { a.clamp; }) {
        f.alpha = a.clamp.size() == 2 ? a.clamp[0] : -math::infinity<float>;
        f.beta = a.clamp.size() == 2 ? a.clamp[1] : math::infinity<float>;
        if (c.has(1)) f.alpha = c.constant(1).f[0];
        if (c.has(2)) f.beta = c.constant(2).f[0];
        if (f.alpha > f.beta) f.alpha = f.beta;
        f.alpha = kept_from_zero(f.alpha, c.type());
        f.beta = kept_from_zero(f.beta, c.type());
      } else if constexpr (requires { a.approximate; }) {
        if (a.approximate.view() == "tanh") f.kind = static_cast<std::int64_t>(isa::unary_kind::gelu_tanh);
      } else if constexpr (requires { a.lambd; }) {
        f.alpha = a.lambd;
        f.beta = a.bias;
      } else if constexpr (requires { a.alpha; }) {
        f.alpha = a.alpha;
        if constexpr (requires { a.gamma; }) f.beta = a.gamma;
        if constexpr (requires { a.beta; }) f.beta = a.beta;
      }
      return f;
    }
  };
};

} // namespace tmpu::lower

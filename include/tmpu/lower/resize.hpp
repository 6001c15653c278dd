// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/resize.hpp"

namespace tmpu::lower {

/// resize with constant scales or sizes -> one axis after the other: nearest pixels by their places; otherwise a product with a constant matrix,
/// a row of weights for each place of y.
template <class Dtype> struct resize_rule {
  using op = top::resize;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !c.carries(0) || (c.has(1) && !c.is_constant(1)) || !c.is_constant(list(c))) return false;
    const auto a = c.attributes<op>();
    bool copies = true;
    for (const auto& p : plans(c)) copies = copies && is_copy(p.nothing_to_do() ? op::taps{} : op::taps_of(a, p));
    // Integers of one range can be averaged; what goes beyond it is for f32. So are weights of f16 and bf16, which would round twice.
    return copies || (is_floating(c.top_type(0)) &&
                      (Dtype::id == dtype_id::f32 ||
                       (Dtype::id == dtype_id::i8 && a.mode.view() == "linear" && !extrapolates(a))));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const vec<op::axis_plan> all = plans(c);
    sequence s(c);
    tensor_id x = c.operand(0);
    if (const ints scales = times(c, x, a, all); !scales.empty())
      return c.emit_result<tpu::upsample>({scales}, {x}, c.format_at(x));
    std::size_t last = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].nothing_to_do()) last = i;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].nothing_to_do()) continue;
      const op::taps t = op::taps_of(a, all[i]);
      x = is_copy(t) ? s.take(x, i, t.at) : weighed(c, s, x, i, all[i], t, i == last);
    }
    s.finish(x);
  }

private:
  /// How often a feature map's rows and columns are repeated; empty where it is not only that.
  static constexpr ints times(const context& c, tensor_id x, const op::attributes& a, const vec<op::axis_plan>& all) {
    const dtype_id type = c.format_at(x).type;
    if (c.dims(0).rank() != 4 || type == dtype_id::i32 || type == dtype_id::boolean) return {};
    ints list;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::int64_t by = all[i].nothing_to_do() ? 1 : all[i].out / all[i].in;
      if (i < 2 ? by != 1 : by * all[i].in != all[i].out) return {};
      if (i > 1) list.push_back(by);
      if (all[i].nothing_to_do()) continue;
      const op::taps t = op::taps_of(a, all[i]);
      if (!is_copy(t)) return {};
      for (std::int64_t o = 0; o < all[i].out; ++o) {
        if (t.at[static_cast<std::size_t>(o)] != o / by) return {};
      }
    }
    return tpu::assembles(c.chip(), type, 1, c.result_dims()[3]) ? list : ints{};
  }
  static constexpr std::size_t list(const context& c) { return c.has(2) && c.dims(2).elements() != 0 ? 2 : 3; }
  static constexpr vec<op::axis_plan> plans(const context& c) {
    return op::plan(c.attributes<op>(), c.dims(0), c.constant(list(c)), c.has(1) ? c.constant(1).f : floats());
  }
  static constexpr bool extrapolates(const op::attributes& a) {
    return op::places_named(a.coordinate_transformation_mode) == op::places::tf_crop_and_resize;
  }
  static constexpr bool is_copy(const op::taps& t) {
    bool inside = t.count == 1;
    for (const std::uint8_t o : t.outside) inside = inside && o == 0;
    return inside;
  }
  static constexpr tensor_id weighed(context& c, sequence& s, tensor_id x, std::size_t axis, const op::axis_plan& p,
                                     const op::taps& t, bool is_last) {
    value w(dtype_id::f32, {p.out, p.in});
    value bias(dtype_id::f32, {p.out, 1});
    for (std::int64_t o = 0; o < p.out; ++o) {
      if (t.outside[static_cast<std::size_t>(o)] != 0) {
        bias.f.data()[o] = c.attributes<op>().extrapolation_value;
        continue;
      }
      for (std::size_t k = static_cast<std::size_t>(o) * t.count; k < static_cast<std::size_t>(o + 1) * t.count; ++k)
        w.f.data()[o * p.in + t.at[k]] += t.weight[k];
    }
    if (c.floating()) return s.weigh(x, axis, w, s.constant(bias));
    const format in = c.format_at(x);
    const format out = is_last ? c.result_format() : in;
    const packed_weights packed = detail::pack_integer(c, list(c), op::info.max_operands, w, bias, in, out);
    return s.along(x, axis, p.out, [&](tensor_id rows) { return s.matmul(rows, packed, out); });
  }
};

} // namespace tmpu::lower

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"
#include "tmpu/top/softmax.hpp"

namespace tmpu::lower {

/// softmax -> softmax of rows [1, rows, 1, K]: reshaped to it and back; another axis than the last is first swapped with it.
/// int8 computes in f32 between casts (rules.hpp).
template <class Dtype> struct softmax_rule {
  using op = top::softmax;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return c.dims(0).rank() >= 1 && !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape dims = c.dims(0);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, dims.rank());
    const std::size_t last = dims.rank() - 1;
    const format f = c.result_format();
    tensor_id x = c.operand(0);
    ints perm;
    for (std::size_t i = 0; i <= last; ++i)
      perm.push_back(static_cast<std::int64_t>(i == axis ? last : (i == last ? axis : i)));
    if (axis != last) x = c.emit<tpu::transpose>(named(c, ".swapped"), {perm}, {x}, f);
    const shape swapped = c.dims_at(x);
    const std::int64_t count = swapped[last];
    const shape rows{1, dims.elements() / count, 1, count};
    x = c.reshape_to(x, rows, ".rows");
    if (dims == rows && axis == last) {
      c.emit_result<tpu::softmax>({}, {x}, f);
      return;
    }
    const tensor_id y = c.emit<tpu::softmax>(named(c, ".rows"), {}, {x}, f);
    if (axis == last) {
      c.emit_result<tpu::reshape>({ints(dims.span())}, {y}, f);
    } else {
      c.emit_result<tpu::transpose>({perm}, {c.reshape_to(y, swapped, ".back")}, f);
    }
  }

private:
  static constexpr text named(const context& c, std::string_view suffix) {
    text name(c.result_name());
    name << suffix;
    return name;
  }
};

} // namespace tmpu::lower

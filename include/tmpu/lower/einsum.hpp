// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/product.hpp"
#include "tmpu/top/einsum.hpp"

namespace tmpu::lower {

/// einsum -> from left to right: each operand with an axis for each label (a diagonal taken by its places, what it alone sums summed); of two
/// the products of matrices, one for each place of the labels that both have and that stay. The last result in the order of the output.
template <class Dtype> struct einsum_rule {
  using op = top::einsum;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    const op::plan p = plan(c);
    for (std::size_t t = 0; t < c.operand_count(); ++t) {
      if (!c.carries(t) || (c.operand_count() == 1 && c.is_constant(0))) return false;
    }
    return p.output.elements() > 0 && p.output.rank() + p.summed.rank() <= shape::max_rank &&
           batches(p) <= detail::most_matrices;
  }
  static constexpr void apply(context& c, node_id) {
    const op::plan p = plan(c);
    sequence s(c);
    tensor_id y = by_labels(c, s, p, 0);
    for (std::size_t t = 1; t < c.operand_count(); ++t) y = times(s, p, y, by_labels(c, s, p, t), t);
    const shape d = s.dims(y); // what one operand alone sums, or what is left
    bool along[shape::max_rank] = {};
    bool any = false;
    for (std::size_t l = p.output.rank(); l < d.rank(); ++l) any = (along[l] = d[l] > 1) || any;
    if (any) y = s.reduce(isa::reduce_kind::sum, as_rows(s, y, along));
    // Axes of "..." that no operand widens.
    shape out;
    for (std::size_t l = 0; l < p.output.rank(); ++l) out.push_back(d[l]);
    s.finish(s.expand(s.reshape(y, out), p.output));
  }

private:
  static constexpr op::plan plan(const context& c) {
    vec<shape> shapes;
    for (std::size_t t = 0; t < c.operand_count(); ++t) shapes.push_back(c.dims(t));
    return op::make_plan(c.attributes<op>().equation, shapes);
  }
  static constexpr std::int64_t extent(const op::plan& p, std::size_t l) {
    return l < p.output.rank() ? p.output[l] : p.summed[l - p.output.rank()];
  }
  static constexpr std::int64_t step(const op::plan& p, std::size_t t, std::size_t l) {
    return l < p.output.rank() ? p.output_steps[t].of[l] : p.summed_steps[t].of[l - p.output.rank()];
  }
  /// The operand has the label.
  static constexpr bool has(const op::plan& p, std::size_t t, std::size_t l) { return step(p, t, l) != 0; }
  static constexpr std::size_t labels(const op::plan& p) { return p.output.rank() + p.summed.rank(); }
  /// A later operand than t has the label.
  static constexpr bool later(const op::plan& p, std::size_t t, std::size_t l) {
    for (std::size_t k = t + 1; k < p.output_steps.size(); ++k) {
      if (has(p, k, l)) return true;
    }
    return false;
  }
  /// An operand before t has the label.
  static constexpr bool earlier(const op::plan& p, std::size_t t, std::size_t l) {
    for (std::size_t k = 0; k < t; ++k) {
      if (has(p, k, l)) return true;
    }
    return false;
  }
  static constexpr bool stays(const op::plan& p, std::size_t t, std::size_t l) {
    return l < p.output.rank() || later(p, t, l);
  }
  static constexpr std::int64_t batches(const op::plan& p) {
    std::int64_t most = 1;
    for (std::size_t t = 1; t < p.output_steps.size(); ++t) {
      std::int64_t count = 1;
      for (std::size_t l = 0; l < labels(p); ++l)
        count *= has(p, t, l) && earlier(p, t, l) && stays(p, t, l) ? extent(p, l) : 1;
      most = count > most ? count : most;
    }
    return most;
  }
  /// Operand t with an axis for each label, 1 for those that it has not.
  static constexpr tensor_id by_labels(context& c, sequence& s, const op::plan& p, std::size_t t) {
    const shape own = c.dims(t);
    shape to;
    ints perm;
    bool plain = true; // each label is one axis
    const top::detail::strides steps = top::detail::strides_of(own);
    for (std::size_t l = 0; l < labels(p); ++l) {
      to.push_back(has(p, t, l) ? extent(p, l) : 1);
      if (!has(p, t, l) || to[l] == 1) continue;
      std::size_t axis = 0;
      while (axis < own.rank() && !(own[axis] == to[l] && steps.of[axis] == step(p, t, l))) ++axis;
      plain = plain && axis < own.rank();
      perm.push_back(static_cast<std::int64_t>(axis));
    }
    const tensor_id x = c.operand(t);
    if (plain) {
      for (std::size_t axis = 0; axis < own.rank(); ++axis) {
        if (own[axis] == 1) perm.push_back(static_cast<std::int64_t>(axis));
      }
      return s.reshape(own.rank() == 0 ? x : s.transpose(x, perm), to);
    }
    std::int64_t walk[shape::max_rank] = {};
    for (std::size_t l = 0; l < labels(p); ++l) walk[l] = step(p, t, l);
    ints places(static_cast<std::size_t>(to.elements()));
    tpu::detail::walk(to, walk, 0, [&](std::int64_t n, std::int64_t from) { places.data()[n] = from; });
    return s.reshape(s.take(s.reshape(x, {own.elements(), 1}), 0, places), to);
  }
  /// x (of the operands before t) times w (operand t), summed over the labels that no later operand has.
  static constexpr tensor_id times(sequence& s, const op::plan& p, tensor_id x, tensor_id w, std::size_t t) {
    ints order; // batches, rows, columns, summed
    shape sizes[4];
    for (int part = 0; part < 4; ++part) {
      for (std::size_t l = 0; l < labels(p); ++l) {
        const std::int64_t of_x = s.dims(x)[l];
        const std::int64_t of_w = s.dims(w)[l];
        const int of = of_w == 1 ? 1 : of_x == 1 ? 2 : stays(p, t, l) ? 0 : 3;
        if (of != part) continue;
        order.push_back(static_cast<std::int64_t>(l));
        sizes[part].push_back(of_w == 1 ? of_x : of_w);
      }
    }
    const std::int64_t batch = sizes[0].elements();
    const std::int64_t inner = sizes[3].elements();
    const shape a{batch, sizes[1].elements(), inner};
    const shape b{batch, inner, sizes[2].elements()};
    const tensor_id left = s.reshape(s.transpose(x, order), a);
    const tensor_id right = s.transpose(s.reshape(s.transpose(w, order), {batch, b[2], inner}), {0, 2, 1});
    const tensor_id y =
        detail::products(s, left, a, right, b, [&](tensor_id m, tensor_id n) { return s.product(m, n); });
    shape ordered;
    for (int part = 0; part < 3; ++part) {
      for (const std::int64_t d : sizes[part]) ordered.push_back(d);
    }
    for (std::size_t i = 0; i < sizes[3].rank(); ++i) ordered.push_back(1);
    ints back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
    return s.transpose(s.reshape(y, ordered), back);
  }
};

} // namespace tmpu::lower

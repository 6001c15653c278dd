// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/recurrent.hpp"

namespace tmpu::lower {

namespace detail {

/// A function that a recurrent operator names.
constexpr tensor_id gate(sequence& s, const top::detail::gate_function& f, tensor_id x) {
  using kind = top::detail::gate_function::kind;
  const auto times = [&](tensor_id t, float by) { return s.binary(isa::binary_kind::mul, t, s.scalar(by, 2)); };
  switch (f.what) {
  case kind::relu: return s.unary(isa::unary_kind::clip, x, 0.0F, math::infinity<float>);
  case kind::tanh: return s.unary(isa::unary_kind::tanh, x);
  case kind::sigmoid: return s.unary(isa::unary_kind::sigmoid, x);
  case kind::affine: return s.binary(isa::binary_kind::add, times(x, f.alpha), s.scalar(f.beta, 2));
  case kind::leaky_relu: return s.unary(isa::unary_kind::leaky_relu, x, f.alpha);
  case kind::thresholded_relu: return s.unary(isa::unary_kind::thresholded_relu, x, f.alpha);
  case kind::scaled_tanh: return times(s.unary(isa::unary_kind::tanh, times(x, f.beta)), f.alpha);
  case kind::hard_sigmoid: return s.unary(isa::unary_kind::hard_sigmoid, x, f.alpha, f.beta);
  case kind::elu: return s.unary(isa::unary_kind::elu, x, f.alpha);
  case kind::softsign: return s.unary(isa::unary_kind::softsign, x);
  case kind::softplus: return s.unary(isa::unary_kind::softplus, x);
  case kind::unknown: break;
  }
  return x;
}

/// The steps of one direction of a recurrent operator; tensors of a step are [N, gates * H], those of the state [N, H].
class recurrent_steps {
public:
  constexpr recurrent_steps(context& c, sequence& s, std::int64_t direction, std::int64_t gates, std::size_t states,
                            bool batch_first, float clip)
      : c_(&c), s_(&s), direction_(direction), gates_(gates), hidden_(c.dims(2)[2]), clip_(clip) {
    const shape x = c.dims(0);
    length_ = x[batch_first ? 1 : 0];
    batch_ = x[batch_first ? 0 : 1];
    const std::int64_t rows = gates * hidden_;
    tensor_id all = c.operand(0);
    if (batch_first) all = s.transpose(all, {1, 0, 2});
    of_x_ = s.product(s.reshape(all, {length_ * batch_, x[2]}), part(1, 0, rows), bias(0, rows));
    for (std::size_t i = 0; i < states; ++i) state_[i] = first_state(5 + i, batch_first);
    if (c.has(7)) {
      for (std::int64_t i = 0; i < 3; ++i) peephole_[i] = part(7, i * hidden_, (i + 1) * hidden_, true);
    }
  }
  [[nodiscard]] constexpr std::int64_t length() const { return length_; }
  [[nodiscard]] constexpr shape of_batch() const { return {1, batch_, hidden_}; }
  [[nodiscard]] constexpr tensor_id state(std::size_t i) const { return state_[i]; }
  /// Goes to the element t of the sequence.
  constexpr void enter(std::int64_t t) {
    x_ = s_->slice(of_x_, 0, t * batch_, (t + 1) * batch_);
    inside_ = none;
    if (!c_->has(4) || (c_->is_constant(4) && all_reach(t))) return;
    if (!c_->is_constant(4)) {
      const tensor_id lengths = s_->reshape(c_->operand(4), {batch_, 1});
      inside_ = s_->compare(isa::compare_kind::less, s_->number_like(lengths, t), lengths);
      return;
    }
    value inside(dtype_id::boolean, {batch_, 1});
    const value lengths = c_->constant(4);
    for (std::int64_t n = 0; n < batch_; ++n) inside.i.data()[n] = t < lengths.i.data()[n] ? 1 : 0;
    inside_ = s_->constant(inside);
  }
  /// The state behind this element, where the sequence is that long. What y holds there.
  constexpr tensor_id leave(std::size_t i, tensor_id next) {
    state_[i] = inside_ == none ? next : s_->select(inside_, next, state_[i]);
    return inside_ == none ? next : s_->select(inside_, next, s_->scalar(0.0F, 2));
  }

  /// Gates [first, last) of the sums over x, and of those over a state h.
  [[nodiscard]] constexpr tensor_id of_x(std::int64_t first, std::int64_t last) { return some_of(x_, first, last); }
  [[nodiscard]] constexpr tensor_id of_h(tensor_id h, std::int64_t first, std::int64_t last) {
    if (weights_[first] == none) {
      weights_[first] = part(2, first * hidden_, last * hidden_);
      biases_[first] = bias(gates_ * hidden_ + first * hidden_, (last - first) * hidden_);
    }
    return s_->product(h, weights_[first], biases_[first]);
  }
  /// Gates [first, last) of some sums.
  [[nodiscard]] constexpr tensor_id some_of(tensor_id sums, std::int64_t first, std::int64_t last) {
    return s_->slice(sums, 1, first * hidden_, last * hidden_);
  }
  [[nodiscard]] constexpr tensor_id one_of(tensor_id sums, std::int64_t gate) { return some_of(sums, gate, gate + 1); }
  [[nodiscard]] constexpr tensor_id peep(tensor_id sum, std::int64_t which, tensor_id state) {
    return peephole_[which] == none ? sum : add(sum, multiply(peephole_[which], state));
  }
  [[nodiscard]] constexpr tensor_id function(const top::detail::gate_function& f, tensor_id x) {
    return gate(*s_, f, x);
  }
  [[nodiscard]] constexpr tensor_id apply(const top::detail::gate_function& f, tensor_id x) {
    return function(f, math::is_inf(clip_) ? x : s_->unary(isa::unary_kind::clip, x, -clip_, clip_));
  }
  constexpr tensor_id add(tensor_id a, tensor_id b) { return s_->binary(isa::binary_kind::add, a, b); }
  constexpr tensor_id multiply(tensor_id a, tensor_id b) { return s_->binary(isa::binary_kind::mul, a, b); }
  constexpr tensor_id one_less(tensor_id x) { return s_->binary(isa::binary_kind::sub, s_->scalar(1.0F, 2), x); }

private:
  /// Rows [first, last) of this direction of operand i, [D, rows, ...], as a matrix; a list as one row of a matrix.
  constexpr tensor_id part(std::size_t i, std::int64_t first, std::int64_t last, bool list = false) {
    const shape d = c_->dims(i);
    const std::int64_t width = list ? 1 : d[2];
    const shape to = list ? shape{1, last - first} : shape{last - first, width};
    const std::int64_t from = (direction_ * d[1] + first) * width;
    if (!c_->is_constant(i)) {
      const tensor_id all = s_->reshape(c_->operand(i), {d.elements(), 1});
      return s_->reshape(s_->slice(all, 0, from, from + to.elements()), to);
    }
    value v(dtype_id::f32, to);
    const value all = c_->constant(i);
    for (std::int64_t n = 0; n < to.elements(); ++n) v.f.data()[n] = all.f.data()[from + n];
    return s_->rounded(v);
  }
  constexpr tensor_id bias(std::int64_t first, std::int64_t count) {
    return c_->has(3) ? s_->reshape(part(3, first, first + count, true), {count, 1}) : s_->zeros({count, 1});
  }
  constexpr tensor_id first_state(std::size_t i, bool batch_first) {
    const shape to{batch_, hidden_};
    if (!c_->has(i)) return s_->rounded(value(dtype_id::f32, to));
    const std::size_t axis = batch_first ? 1 : 0;
    const tensor_id all = c_->is_constant(i) ? c_->constant_operand(i, c_->dims(i)) : c_->operand(i);
    return s_->reshape(s_->slice(all, axis, direction_, direction_ + 1), to);
  }
  [[nodiscard]] constexpr bool all_reach(std::int64_t t) const {
    for (const std::int64_t n : c_->constant(4).i) {
      if (n <= t) return false;
    }
    return true;
  }

  context* c_;
  sequence* s_;
  std::int64_t direction_;
  std::int64_t gates_;
  std::int64_t hidden_;
  std::int64_t length_ = 0;
  std::int64_t batch_ = 0;
  float clip_;
  tensor_id of_x_ = none;
  tensor_id x_ = none;      // of one element
  tensor_id inside_ = none; // which sequences are so long; none: all
  tensor_id state_[2] = {none, none};
  tensor_id weights_[4] = {none, none, none, none}; // from this gate on
  tensor_id biases_[4] = {none, none, none, none};
  tensor_id peephole_[3] = {none, none, none};
};

// One element more; the results are the next states.
constexpr void step(recurrent_steps& r, const top::rnn::attributes&, const top::detail::gate_function* f,
                    tensor_id (&next)[2]) {
  next[0] = r.apply(f[0], r.add(r.of_x(0, 1), r.of_h(r.state(0), 0, 1)));
}
constexpr void step(recurrent_steps& r, const top::gru::attributes& a, const top::detail::gate_function* f,
                    tensor_id (&next)[2]) {
  const tensor_id h = r.state(0);
  const bool late = a.linear_before_reset != 0;
  const tensor_id of_h = r.of_h(h, 0, late ? 3 : 2);
  const tensor_id both = r.apply(f[0], r.add(r.of_x(0, 2), late ? r.some_of(of_h, 0, 2) : of_h));
  const tensor_id z = r.one_of(both, 0);
  const tensor_id reset = r.one_of(both, 1);
  const tensor_id changed = late ? r.multiply(reset, r.one_of(of_h, 2)) : r.of_h(r.multiply(reset, h), 2, 3);
  const tensor_id n = r.apply(f[1], r.add(r.of_x(2, 3), changed));
  next[0] = r.add(r.multiply(r.one_less(z), n), r.multiply(z, h));
}
constexpr void step(recurrent_steps& r, const top::lstm::attributes& a, const top::detail::gate_function* f,
                    tensor_id (&next)[2]) {
  const tensor_id state = r.state(1);
  const tensor_id sums = r.add(r.of_x(0, 4), r.of_h(r.state(0), 0, 4));
  const tensor_id in = r.apply(f[0], r.peep(r.one_of(sums, 0), 0, state));
  const tensor_id keep = a.input_forget != 0 ? r.one_less(in) : r.apply(f[0], r.peep(r.one_of(sums, 2), 2, state));
  const tensor_id news = r.apply(f[1], r.one_of(sums, 3));
  next[1] = r.add(r.multiply(keep, state), r.multiply(in, news));
  const tensor_id out = r.apply(f[0], r.peep(r.one_of(sums, 1), 1, next[1]));
  next[0] = r.multiply(out, r.function(f[2], next[1]));
}

} // namespace detail

/// rnn, gru, lstm -> the products with x of all elements at once; for each element of the sequence the product with the state, the gates'
/// functions, the next state. Beyond the end of a shorter sequence the state stays and y is 0.
template <class Op> struct recurrent_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true; // lengths are integers
    static constexpr std::int64_t most_steps = 512;
    static constexpr bool takes(const context& c, node_id) {
      const bool batch_first = c.template attributes<Op>().layout != 0;
      return !c.is_constant(0) && c.dims(0)[batch_first ? 1 : 0] <= most_steps;
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      const bool batch_first = a.layout != 0;
      const std::int64_t directions = Op::directions_of(a);
      const auto functions = Op::functions_of(a);
      sequence s(c);
      vec<tensor_id> ys;
      vec<tensor_id> states[2];
      for (std::int64_t d = 0; d < directions; ++d) {
        detail::recurrent_steps r(c, s, d, Op::gates, Op::states, batch_first,
                                  a.clip > 0.0F ? static_cast<float>(a.clip) : math::infinity<float>);
        const bool reverse = d == 1 || a.direction.view() == "reverse";
        vec<tensor_id> each(static_cast<std::size_t>(r.length()), none);
        for (std::int64_t i = 0; i < r.length(); ++i) {
          const std::int64_t t = reverse ? r.length() - 1 - i : i;
          r.enter(t);
          tensor_id next[2] = {none, none};
          detail::step(r, a, functions.data() + static_cast<std::size_t>(d) * Op::functions, next);
          const tensor_id y = r.leave(0, next[0]);
          if (Op::states > 1) r.leave(1, next[1]);
          if (c.wants(0)) each[static_cast<std::size_t>(t)] = s.reshape(y, r.of_batch());
        }
        if (c.wants(0)) ys.push_back(s.concat(each.span(), 0));
        for (std::size_t i = 0; i < Op::states; ++i) states[i].push_back(s.reshape(r.state(i), r.of_batch()));
      }
      if (c.wants(0)) finish_y(s, ys, batch_first);
      for (std::size_t i = 0; i < Op::states; ++i) {
        if (!c.wants(1 + i)) continue;
        const tensor_id all = s.concat(states[i].span(), 0); // [D, N, H]
        s.finish(batch_first ? s.transpose(all, {1, 0, 2}) : all, 1 + i);
      }
    }

  private:
    /// From [L, N, H] of each direction.
    static constexpr void finish_y(sequence& s, vec<tensor_id>& ys, bool batch_first) {
      for (tensor_id& y : ys) {
        const shape d = s.dims(y);
        y = s.reshape(y, {d[0], 1, d[1], d[2]});
      }
      const tensor_id all = s.concat(ys.span(), 1); // [L, D, N, H]
      s.finish(batch_first ? s.transpose(all, {2, 0, 1, 3}) : all);
    }
  };
};

} // namespace tmpu::lower

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"

namespace tmpu::lower {

/// A rule that makes one Top operator a sequence of chip operators in a float type: each step gives a tensor that is named after the
/// result. `finish` gives the last one the result's name.
class sequence {
public:
  constexpr explicit sequence(context& c) : c_(&c), f_{c.type(), {}} {}

  [[nodiscard]] constexpr const shape& dims(tensor_id t) const { return c_->dims_at(t); }

  constexpr tensor_id binary(isa::binary_kind kind, tensor_id a, tensor_id b, const floats& clamp = {}) {
    return c_->emit<tpu::binary>(name(), attributes(kind, clamp), {a, b}, f_);
  }
  constexpr tensor_id unary(isa::unary_kind kind, tensor_id x, float alpha = 0.0F, float beta = 0.0F) {
    return c_->emit<tpu::unary>(name(), {.kind = static_cast<std::int64_t>(kind), .alpha = alpha, .beta = beta}, {x},
                                f_);
  }
  constexpr tensor_id compare(isa::compare_kind kind, tensor_id a, tensor_id b) {
    return c_->emit<tpu::compare>(name(), {static_cast<std::int64_t>(kind)}, {a, b}, {dtype_id::boolean, {}});
  }
  constexpr tensor_id select(tensor_id mask, tensor_id a, tensor_id b) {
    return c_->emit<tpu::select>(name(), {}, {mask, a, b}, c_->format_at(a));
  }
  constexpr tensor_id integer(isa::integer_kind kind, tensor_id a, tensor_id b) {
    return c_->emit<tpu::integer>(name(), {static_cast<std::int64_t>(kind)}, {a, b}, c_->format_at(a));
  }
  constexpr tensor_id convert(tensor_id x, dtype_id type) {
    return c_->format_at(x).type == type ? x : c_->emit<tpu::convert>(name(), {}, {x}, {type, {}});
  }
  /// Rows of x [R, W] by their numbers [K]: [K, W].
  constexpr tensor_id gather(tensor_id x, tensor_id numbers) {
    return c_->emit<tpu::gather>(name(), {}, {x, numbers}, c_->format_at(x));
  }
  /// x [R, W] with the rows of these numbers [K] replaced by u [K, W].
  constexpr tensor_id scatter(tensor_id x, tensor_id numbers, tensor_id u) {
    return c_->emit<tpu::scatter>(name(), {}, {x, numbers, u}, c_->format_at(x));
  }
  constexpr tensor_id constant(const value& v) {
    text wanted(c_->result_name());
    wanted << ".constant";
    return c_->add_constant(wanted, v);
  }
  /// One number in the type of t, of its rank: it broadcasts to t.
  constexpr tensor_id number_like(tensor_id t, std::int64_t x) {
    shape ones;
    for (std::size_t i = 0; i < dims(t).rank(); ++i) ones.push_back(1);
    value v(c_->format_at(t).type, ones);
    if (is_floating(v.type)) {
      v.f[0] = static_cast<float>(x);
    } else {
      v.i[0] = x;
    }
    return constant(v);
  }
  constexpr tensor_id reshape(tensor_id x, const shape& to) {
    if (dims(x) == to) return x;
    return c_->emit<tpu::reshape>(name(), {ints(to.span())}, {x}, c_->format_at(x));
  }
  constexpr tensor_id transpose(tensor_id x, const ints& perm) {
    bool same = true;
    for (std::size_t i = 0; i < perm.size(); ++i) same = same && perm[i] == static_cast<std::int64_t>(i);
    return same ? x : c_->emit<tpu::transpose>(name(), {perm}, {x}, c_->format_at(x));
  }
  constexpr tensor_id expand(tensor_id x, const shape& to) {
    return dims(x) == to ? x : c_->emit<tpu::expand>(name(), {ints(to.span())}, {x}, c_->format_at(x));
  }
  /// [first, last) of an axis.
  constexpr tensor_id slice(tensor_id x, std::size_t axis, std::int64_t first, std::int64_t last) {
    if (first == 0 && last == dims(x)[axis]) return x;
    tpu::slice::attributes a{};
    for (std::size_t d = 0; d < dims(x).rank(); ++d) {
      a.starts.push_back(d == axis ? first : 0);
      a.ends.push_back(d == axis ? last : dims(x)[d]);
      a.steps.push_back(1);
    }
    return c_->emit<tpu::slice>(name(), a, {x}, c_->format_at(x));
  }
  constexpr tensor_id pad(tensor_id x, const ints& pads, float value) {
    return c_->emit<tpu::pad>(name(), {.pads = pads, .value = value}, {x}, c_->format_at(x));
  }
  constexpr tensor_id concat(std::span<const tensor_id> parts, std::size_t axis) {
    if (parts.size() == 1) return parts[0];
    return c_->emit_list<tpu::concat>(name(), {static_cast<std::int64_t>(axis)}, parts, c_->format_at(parts[0]));
  }
  /// The rows of x [1, rows, 1, K] put together: [1, rows, 1, 1]. Long rows in two steps, so that a part fits into a lane.
  constexpr tensor_id reduce(isa::reduce_kind kind, tensor_id x) {
    const std::int64_t count = dims(x)[3];
    const std::int64_t part = part_of(count);
    const std::int64_t rows = dims(x)[1];
    const tpu::reduce::attributes a{.kind = static_cast<std::int64_t>(kind)};
    if (part == count) return c_->emit<tpu::reduce>(name(), a, {x}, f_);
    const tensor_id parts = c_->emit<tpu::reduce>(name(), a, {reshape(x, {1, rows * (count / part), 1, part})}, f_);
    return reduce(kind, reshape(parts, {1, rows, 1, count / part}));
  }
  /// [1, rows, 1, count] with each row in parts that fit into a lane, for what goes element by element.
  [[nodiscard]] static constexpr shape in_parts(std::int64_t rows, std::int64_t count) {
    const std::int64_t part = part_of(count);
    return {1, rows, count / part, part};
  }
  /// The rows of x, [1, rows, parts, part], put together.
  constexpr tensor_id reduce_parts(isa::reduce_kind kind, tensor_id x) {
    const shape d = dims(x);
    return reduce(kind, reshape(x, {1, d[1], 1, d[2] * d[3]}));
  }
  /// Softmax of the rows of x [1, rows, 1, K].
  constexpr tensor_id softmax(tensor_id x) { return c_->emit<tpu::softmax>(name(), {}, {x}, f_); }
  /// x [M, K] times w [N, K] transposed, both activations: [M, N].
  constexpr tensor_id product(tensor_id x, tensor_id w) {
    value zeros(dtype_id::f32, {dims(w)[0], 1});
    text params(c_->result_name());
    params << ".zeros";
    return c_->emit<tpu::matmul>(name(), {.clamp = bounds({}, f_)}, {x, w, c_->add_constant(params, zeros)}, f_);
  }
  /// A number that broadcasts to everything of this rank.
  constexpr tensor_id scalar(float x, std::size_t rank = 4) {
    shape ones;
    for (std::size_t i = 0; i < rank; ++i) ones.push_back(1);
    value v(dtype_id::f32, ones);
    v.f[0] = x;
    c_->round_constant(v, f_.type, "a number of the rule");
    text wanted(c_->result_name());
    wanted << ".number";
    return c_->add_constant(wanted, v);
  }
  /// The step that makes the result.
  constexpr void last(isa::binary_kind kind, tensor_id a, tensor_id b, const floats& clamp = {}) {
    c_->emit_result<tpu::binary>(attributes(kind, clamp), {a, b}, f_);
  }
  constexpr void finish(tensor_id t) {
    c_->emit_result<tpu::reshape>({ints(c_->result_dims().span())}, {t}, c_->format_at(t));
  }

private:
  /// The longest equal part of a row that is at most 512 elements; the row where there is none.
  [[nodiscard]] static constexpr std::int64_t part_of(std::int64_t count) {
    constexpr std::int64_t longest = 512;
    if (count <= longest) return count;
    std::int64_t part = longest;
    while (count % part != 0) --part;
    return part < 2 ? count : part;
  }
  [[nodiscard]] constexpr text name() {
    text wanted(c_->result_name());
    wanted << '.' << ++count_;
    return wanted;
  }
  [[nodiscard]] constexpr tpu::binary::attributes attributes(isa::binary_kind kind, const floats& clamp) const {
    return {.kind = static_cast<std::int64_t>(kind),
            .a_multiplier = 0,
            .b_multiplier = 0,
            .shift = 0,
            .clamp = bounds(clamp, f_)};
  }

  context* c_;
  format f_;
  int count_ = 0;
};

/// The axes that stay in front and those that are put together behind them: x as [1, rows, 1, K].
constexpr tensor_id as_rows(sequence& s, tensor_id x, std::span<const bool> reduced) {
  const shape dims = s.dims(x);
  ints perm;
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < dims.rank(); ++i) {
    if (reduced[i]) continue;
    perm.push_back(static_cast<std::int64_t>(i));
    rows *= dims[i];
  }
  for (std::size_t i = 0; i < dims.rank(); ++i) {
    if (reduced[i]) perm.push_back(static_cast<std::int64_t>(i));
  }
  return s.reshape(s.transpose(x, perm), {1, rows, 1, dims.elements() / rows});
}

} // namespace tmpu::lower

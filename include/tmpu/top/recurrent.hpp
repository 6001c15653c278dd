// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/matmul.hpp"

namespace tmpu::top {

namespace detail {

/// One of the functions that a recurrent operator names, with its two parameters.
struct gate_function {
  enum class kind : std::uint8_t {
    relu,
    tanh,
    sigmoid,
    affine,
    leaky_relu,
    thresholded_relu,
    scaled_tanh,
    hard_sigmoid,
    elu,
    softsign,
    softplus,
    unknown
  };
  kind what = kind::unknown;
  float alpha = 0.0F;
  float beta = 0.0F;
  bool has_alpha = false;
  bool has_beta = false;

  constexpr float operator()(float x) const {
    switch (what) {
    case kind::relu: return activation::relu(x);
    case kind::tanh: return activation::tanh(x);
    case kind::sigmoid: return activation::sigmoid(x);
    case kind::affine: return alpha * x + beta;
    case kind::leaky_relu: return activation::leaky_relu(x, alpha);
    case kind::thresholded_relu: return x > alpha ? x : 0.0F;
    case kind::scaled_tanh: return alpha * activation::tanh(beta * x);
    case kind::hard_sigmoid: return activation::hard_sigmoid(x, alpha, beta);
    case kind::elu: return activation::elu(x, alpha);
    case kind::softsign: return activation::softsign(x);
    case kind::softplus: return activation::softplus(x);
    default: return x;
    }
  }
};

/// The function of that name (upper or lower case) with the parameters that it has where none are given.
constexpr gate_function gate_function_named(std::string_view name) {
  using kind = gate_function::kind;
  struct row {
    std::string_view name;
    gate_function f;
  };
  constexpr row table[] = {{"relu", {kind::relu}},
                           {"tanh", {kind::tanh}},
                           {"sigmoid", {kind::sigmoid}},
                           {"affine", {kind::affine, 1.0F, 0.0F, true, true}},
                           {"leakyrelu", {kind::leaky_relu, 0.01F, 0.0F, true}},
                           {"thresholdedrelu", {kind::thresholded_relu, 1.0F, 0.0F, true}},
                           {"scaledtanh", {kind::scaled_tanh, 1.0F, 1.0F, true, true}},
                           {"hardsigmoid", {kind::hard_sigmoid, 0.2F, 0.5F, true, true}},
                           {"elu", {kind::elu, 1.0F, 0.0F, true}},
                           {"softsign", {kind::softsign}},
                           {"softplus", {kind::softplus}}};
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (const row& r : table) {
    bool same = r.name.size() == name.size();
    for (std::size_t i = 0; same && i < name.size(); ++i) same = r.name[i] == lower(name[i]);
    if (same) return r.f;
  }
  return {};
}

} // namespace detail

/// Operators that carry a state h (and more) along a sequence, forward, reverse, or in both directions. What all have in common
/// is here; an operator gives `info`, `attributes`, how many `gates` and `functions` a direction has, the `defaults` of
/// these, and step(cell), one element of the state after one more element of the sequence.
///
/// At each step the gates' sums are x W^T and h R^T, each sequential from +0, plus the biases of W and of R. clip bounds what goes
/// into the functions. A sequence shorter than the longest (operand 4) gives zeros after its end, and its last state.
///
/// Shape:     x [L, N, I], w [D, gates*H, I], r [D, gates*H, H], b [D, 2*gates*H], lengths [N], first states [D, N, H]; y [L, D, N, H],
///            last states [D, N, H]. With layout 1 N comes first: x [N, L, I], states [N, D, H], y [N, L, D, H].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N; none along the sequence.
/// Errors:    operands of other shapes, an unknown direction or function, a hidden_size that w contradicts.
template <class Self> struct recurrent {
  static constexpr std::string_view domain = "top";

  template <class Attributes> static constexpr std::int64_t directions_of(const Attributes& a) {
    const std::string_view d = a.direction.view();
    if (d.empty() || d == "forward" || d == "reverse") return 1;
    return d == "bidirectional" ? 2 : 0;
  }
  /// The functions of all directions; parameters go in order to those functions that have one.
  template <class Attributes> static constexpr vec<detail::gate_function> functions_of(const Attributes& a) {
    vec<detail::gate_function> all;
    const auto count = static_cast<std::size_t>(directions_of(a)) * Self::functions;
    std::size_t alpha = 0;
    std::size_t beta = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view name =
          a.activations.empty() ? Self::defaults[i % Self::functions] : a.activations[i % a.activations.size()].view();
      detail::gate_function f = detail::gate_function_named(name);
      if (f.has_alpha && alpha < a.activation_alpha.size()) f.alpha = a.activation_alpha[alpha++];
      if (f.has_beta && beta < a.activation_beta.size()) f.beta = a.activation_beta[beta++];
      all.push_back(f);
    }
    return all;
  }

  template <class Attributes> static constexpr void infer(const Attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    for (std::size_t i = 0; i < 3; ++i) detail::require_rank(c, i, 3);
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      if (!c.has(i)) continue;
      if (i == 4) {
        detail::require_integers(c, i);
      } else {
        detail::require_floating(c, i);
      }
    }
    const std::int64_t directions = directions_of(a);
    if (directions == 0)
      c.fail(text("direction '") << a.direction << "' is not known; it is forward, reverse or bidirectional");
    const std::size_t wanted = static_cast<std::size_t>(directions) * Self::functions;
    if (!a.activations.empty() && a.activations.size() != wanted)
      c.fail(text("activations must name ") << wanted << " functions, not " << a.activations.size());
    std::size_t n = 0;
    for (const detail::gate_function& f : functions_of(a)) {
      if (f.what == detail::gate_function::kind::unknown)
        c.fail(text("activation '") << a.activations[n] << "' is not known");
      ++n;
    }
    const bool batch_first = a.layout != 0;
    const auto& x = c.dims(0);
    const std::int64_t length = x[batch_first ? 1 : 0];
    const std::int64_t batch = x[batch_first ? 0 : 1];
    const std::int64_t hidden = c.dims(2)[2];
    if (hidden < 0) c.fail(text("the shape of operand 2 must be known, but is ") << c.dims(2).print());
    if (a.hidden_size != 0 && a.hidden_size != hidden)
      c.fail(text("hidden_size is ") << a.hidden_size << ", but operand 2 is " << c.dims(2).print());
    const std::int64_t rows = Self::gates * hidden;
    check(c, 1, {directions, rows, x[2]});
    check(c, 2, {directions, rows, hidden});
    check(c, 3, {directions, 2 * rows});
    check(c, 4, {batch});
    const tmpu::shape state =
        batch_first ? tmpu::shape{batch, directions, hidden} : tmpu::shape{directions, batch, hidden};
    for (std::size_t i = 0; i < Self::states; ++i) {
      check(c, 5 + i, state);
      c.result(1 + i, c.type(0), state);
    }
    if (Self::states > 1) check(c, 7, {directions, 3 * hidden});
    c.result(0, c.type(0),
             batch_first ? tmpu::shape{batch, length, directions, hidden}
                         : tmpu::shape{length, directions, batch, hidden});
  }

  template <class Attributes> static constexpr void eval(const Attributes& a, eval_context& c) {
    const vec<detail::gate_function> functions = functions_of(a);
    const std::int64_t directions = directions_of(a);
    for (std::int64_t d = 0; d < directions; ++d) {
      const bool reverse = d == 1 || a.direction.view() == "reverse";
      run_direction(a, c, d, reverse, functions.data() + static_cast<std::size_t>(d) * Self::functions);
    }
    for (std::size_t i = 0; i < c.result_count(); ++i) detail::round_elements(c.out(i));
  }

  /// What one element of the state sees.
  struct cell {
    const detail::gate_function* f; ///< of this direction
    const float* x;                 ///< sums over the input: x[gate * hidden]
    const float* h;                 ///< sums over the state before
    const float* bias_x;            ///< nullptr: none
    const float* bias_h;
    const float* peephole; ///< [3 * hidden], nullptr: none
    std::int64_t hidden;
    float clip; ///< infinity: none

    [[nodiscard]] constexpr float clipped(float v) const { return activation::clip(v, -clip, clip); }
    /// The two halves of a gate's sum, biases added.
    [[nodiscard]] constexpr float of_x(std::int64_t gate) const {
      return bias_x == nullptr ? x[gate * hidden] : x[gate * hidden] + bias_x[gate * hidden];
    }
    [[nodiscard]] constexpr float of_h(std::int64_t gate) const {
      return bias_h == nullptr ? h[gate * hidden] : h[gate * hidden] + bias_h[gate * hidden];
    }
    [[nodiscard]] constexpr float sum(std::int64_t gate) const { return of_x(gate) + of_h(gate); }
    /// A weight times the second state, added to a gate's sum.
    [[nodiscard]] constexpr float peep(std::int64_t which, float state) const {
      return peephole == nullptr ? 0.0F : peephole[which * hidden] * state;
    }
  };

private:
  static constexpr void check(const infer_context& c, std::size_t i, const tmpu::shape& wanted) {
    if (i >= c.operand_count() || !c.has(i)) return;
    const auto& d = c.dims(i);
    bool fits = d.rank() == wanted.rank();
    for (std::size_t k = 0; fits && k < d.rank(); ++k) fits = d[k] < 0 || wanted[k] < 0 || d[k] == wanted[k];
    if (!fits) c.fail(text("operand ") << i << " must be " << wanted.print() << ", but is " << d.print());
  }

  template <class Attributes>
  static constexpr void run_direction(const Attributes& a, eval_context& c, std::int64_t d, bool reverse,
                                      const detail::gate_function* functions) {
    const value& x = c.in(0);
    const bool batch_first = a.layout != 0;
    const std::int64_t length = x.dims[batch_first ? 1 : 0];
    const std::int64_t batch = x.dims[batch_first ? 0 : 1];
    const std::int64_t inputs = x.dims[2];
    const std::int64_t directions = directions_of(a);
    const std::int64_t hidden = c.in(2).dims[2];
    const std::int64_t rows = Self::gates * hidden;
    vec<float> buffer;
    // All of x W^T at once, and R^T so that its columns lie side by side.
    vec<float> of_x(static_cast<std::size_t>(length * batch * rows));
    detail::multiply({x.f.data(), inputs, 1}, {c.in(1).f.data() + d * rows * inputs, 1, inputs}, length * batch, inputs,
                     rows, of_x.data(), buffer);
    vec<float> r(static_cast<std::size_t>(hidden * rows));
    for (std::int64_t n = 0; n < rows; ++n) {
      for (std::int64_t k = 0; k < hidden; ++k)
        r[static_cast<std::size_t>(k * rows + n)] = c.in(2).f[static_cast<std::size_t>((d * rows + n) * hidden + k)];
    }
    const float* bias = c.has(3) ? c.in(3).f.data() + d * 2 * rows : nullptr;
    const float* peephole = c.has(7) ? c.in(7).f.data() + d * 3 * hidden : nullptr;
    const auto state_at = [&](std::int64_t n) { return (batch_first ? n * directions + d : d * batch + n) * hidden; };
    // state[0] is h; rows of the batch.
    vec<float> state[2];
    for (std::size_t s = 0; s < Self::states; ++s) {
      state[s].resize(static_cast<std::size_t>(batch * hidden));
      for (std::int64_t n = 0; c.has(5 + s) && n < batch; ++n) {
        for (std::int64_t i = 0; i < hidden; ++i)
          state[s][static_cast<std::size_t>(n * hidden + i)] = c.in(5 + s).f[static_cast<std::size_t>(state_at(n) + i)];
      }
    }
    const bool wants_y = c.out(0).type != dtype_id::none;
    vec<float> of_h(static_cast<std::size_t>(batch * rows));
    vec<float> scratch(static_cast<std::size_t>(hidden));
    for (std::int64_t step = 0; step < length; ++step) {
      detail::multiply({state[0].data(), hidden, 1}, {r.data(), rows, 1}, batch, hidden, rows, of_h.data(), buffer);
      for (std::int64_t n = 0; n < batch; ++n) {
        std::int64_t own = c.has(4) ? c.in(4).i[static_cast<std::size_t>(n)] : length;
        own = own > length ? length : own;
        if (step >= own) continue;
        const std::int64_t t = reverse ? own - 1 - step : step;
        const float* from = of_x.data() + (batch_first ? n * length + t : t * batch + n) * rows;
        float* h = state[0].data() + n * hidden;
        float* more = Self::states > 1 ? state[1].data() + n * hidden : nullptr;
        cell one{functions,
                 from,
                 of_h.data() + n * rows,
                 bias,
                 bias == nullptr ? nullptr : bias + rows,
                 peephole,
                 hidden,
                 a.clip > 0.0F ? static_cast<float>(a.clip) : math::infinity<float>};
        const auto advance = [&] {
          ++one.x;
          ++one.h;
          if (bias != nullptr) {
            ++one.bias_x;
            ++one.bias_h;
          }
          if (peephole != nullptr) ++one.peephole;
        };
        if constexpr (requires { Self::before(a, one, h, scratch.data()); }) {
          // One gate's sum may be over a changed state.
          if (Self::before(a, one, h, scratch.data()))
            detail::multiply({scratch.data(), hidden, 1}, {r.data() + Self::changed_gate * hidden, rows, 1}, 1, hidden,
                             hidden, of_h.data() + n * rows + Self::changed_gate * hidden, buffer);
        }
        for (std::int64_t i = 0; i < hidden; ++i, advance()) {
          if constexpr (Self::states > 1) {
            Self::step(a, one, h[i], more[i]);
          } else {
            h[i] = Self::step(a, one, h[i]);
          }
        }
        if (!wants_y) continue;
        const std::int64_t place =
            batch_first ? ((n * length + t) * directions + d) * hidden : ((t * directions + d) * batch + n) * hidden;
        for (std::int64_t i = 0; i < hidden; ++i) c.out(0).f[static_cast<std::size_t>(place + i)] = h[i];
      }
    }
    for (std::size_t s = 0; s < Self::states; ++s) {
      if (c.result_count() <= 1 + s || c.out(1 + s).type == dtype_id::none) continue;
      for (std::int64_t n = 0; n < batch; ++n) {
        for (std::int64_t i = 0; i < hidden; ++i)
          c.out(1 + s).f[static_cast<std::size_t>(state_at(n) + i)] =
              state[s][static_cast<std::size_t>(n * hidden + i)];
      }
    }
  }
};

/// h' = f(x W^T + h R^T + biases).                                                              (ONNX RNN)
struct rnn : recurrent<rnn> {
  struct attributes {
    TMPU_STRUCT((floats, activation_alpha), (floats, activation_beta), (texts, activations),
                (defaulted<float, 0>, clip), (text, direction), (defaulted<std::int64_t, 0>, hidden_size),
                (defaulted<std::int64_t, 0>, layout));
  };
  static constexpr op_info info{
      .name = "rnn", .onnx = "RNN", .min_operands = 3, .max_operands = 6, .results = 0, .max_results = 2};
  static constexpr std::int64_t gates = 1;
  static constexpr std::size_t functions = 1;
  static constexpr std::size_t states = 1;
  static constexpr std::string_view defaults[] = {"Tanh"};

  static constexpr float step(const attributes&, const cell& c, float) { return c.f[0](c.clipped(c.sum(0))); }
};
static_assert(op<rnn>);

/// Gates z, r, h: z = f(sums), r = f(sums), n = g(x Wn^T + (r * h) Rn^T + biases), h' = (1 - z) * n + z * h. With
/// linear_before_reset n = g(x Wn^T + bias + r * (h Rn^T + bias)).                              (ONNX GRU)
struct gru : recurrent<gru> {
  struct attributes {
    TMPU_STRUCT((floats, activation_alpha), (floats, activation_beta), (texts, activations),
                (defaulted<float, 0>, clip), (text, direction), (defaulted<std::int64_t, 0>, hidden_size),
                (defaulted<std::int64_t, 0>, layout), (defaulted<std::int64_t, 0>, linear_before_reset));
  };
  static constexpr op_info info{
      .name = "gru", .onnx = "GRU", .min_operands = 3, .max_operands = 6, .results = 0, .max_results = 2};
  static constexpr std::int64_t gates = 3;
  static constexpr std::size_t functions = 2;
  static constexpr std::size_t states = 1;
  static constexpr std::string_view defaults[] = {"Sigmoid", "Tanh"};
  static constexpr std::int64_t changed_gate = 2;

  /// Without linear_before_reset the third gate's sum is over the reset state.
  static constexpr bool before(const attributes& a, const cell& c, const float* h, float* to) {
    if (a.linear_before_reset != 0) return false;
    for (std::int64_t i = 0; i < c.hidden; ++i) {
      cell one = c;
      one.x += i;
      one.h += i;
      if (c.bias_x != nullptr) {
        one.bias_x += i;
        one.bias_h += i;
      }
      to[i] = reset(one) * h[i];
    }
    return true;
  }
  static constexpr float step(const attributes& a, const cell& c, float h) {
    const float z = c.f[0](c.clipped(c.sum(0)));
    const float late = a.linear_before_reset != 0 ? reset(c) * c.of_h(2) : c.of_h(2);
    const float n = c.f[1](c.clipped(c.of_x(2) + late));
    return (1.0F - z) * n + z * h;
  }

private:
  static constexpr float reset(const cell& c) { return c.f[0](c.clipped(c.sum(1))); }
};
static_assert(op<gru>);

/// Gates i, o, f, c with peepholes P: i = f(sums + Pi * c), f = f(sums + Pf * c) (or 1 - i with input_forget), c' = f * c + i * g(sums),
/// o = f(sums + Po * c'), h' = o * h(c').                                                       (ONNX LSTM)
struct lstm : recurrent<lstm> {
  struct attributes {
    TMPU_STRUCT((floats, activation_alpha), (floats, activation_beta), (texts, activations),
                (defaulted<float, 0>, clip), (text, direction), (defaulted<std::int64_t, 0>, hidden_size),
                (defaulted<std::int64_t, 0>, input_forget), (defaulted<std::int64_t, 0>, layout));
  };
  static constexpr op_info info{
      .name = "lstm", .onnx = "LSTM", .min_operands = 3, .max_operands = 8, .results = 0, .max_results = 3};
  static constexpr std::int64_t gates = 4;
  static constexpr std::size_t functions = 3;
  static constexpr std::size_t states = 2;
  static constexpr std::string_view defaults[] = {"Sigmoid", "Tanh", "Tanh"};

  static constexpr void step(const attributes& a, const cell& c, float& h, float& state) {
    const float in = c.f[0](c.clipped(c.sum(0) + c.peep(0, state)));
    const float keep = a.input_forget != 0 ? 1.0F - in : c.f[0](c.clipped(c.sum(2) + c.peep(2, state)));
    const float news = c.f[1](c.clipped(c.sum(3)));
    state = keep * state + in * news;
    const float out = c.f[0](c.clipped(c.sum(1) + c.peep(1, state)));
    h = out * c.f[2](state);
  }
};
static_assert(op<lstm>);

} // namespace tmpu::top

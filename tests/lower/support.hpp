// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/builder.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/lower/lower.hpp"

#include <cmath>
#include <string>

/// Helpers of the lowering tests: random graphs, calibration by what inference saw, and the similarity of two stages.
namespace lower_test {

using namespace tmpu;

/// A linear congruential generator: the same numbers on every machine and in constant evaluation.
struct generator {
  std::uint32_t state = 12345;
  constexpr float next() { // in [-1, 1)
    state = state * 1664525U + 1013904223U;
    return static_cast<float>(static_cast<std::int32_t>(state >> 8)) * 0x1p-23F - 1.0F;
  }
  constexpr value tensor(const shape& dims, float scale = 1.0F, float offset = 0.0F) {
    value v(dtype_id::f32, dims);
    for (float& x : v.f) x = next() * scale + offset;
    return v;
  }
};

constexpr graph<stage::canonical> canonical(model_builder& m) {
  graph<stage::origin> g = m.take();
  return graph<stage::canonical>(static_cast<graph_body&&>(g));
}

/// Ranges from one inference of the graph on these inputs.
constexpr graph<stage::calibrated> calibrated(const graph<stage::canonical>& g, std::span<const value> inputs) {
  graph<stage::calibrated> out(static_cast<const graph_body&>(g));
  const vec<value> all = evaluate(g, inputs, keep::everything);
  for (std::size_t t = 0; t < all.size(); ++t) {
    if (all[t].f.empty()) continue;
    activation_range r{.known = true, .threshold = 0.0F, .min = all[t].f[0], .max = all[t].f[0]};
    for (const float x : all[t].f) {
      r.min = x < r.min ? x : r.min;
      r.max = x > r.max ? x : r.max;
    }
    r.threshold = -r.min > r.max ? -r.min : r.max;
    if (r.threshold == 0.0F) r.threshold = 1.0F;
    out.tensors[t].range = r;
  }
  return out;
}

/// The input in the type and scale of the lowered graph's input.
constexpr value converted(const graph_body& g, tensor_id t, const value& x) {
  const tensor& to = g.at(t);
  value v(to.type, x.dims);
  if (!is_floating(x.type)) v.i = x.i;
  for (std::size_t i = 0; i < x.f.size(); ++i) {
    if (is_floating(to.type)) {
      v.f[i] = round_to(to.type, x.f[i]);
    } else {
      v.i[i] = quantize_value(x.f[i], to.quant.scale, to.quant.zero_point, least_of(to.type), greatest_of(to.type));
    }
  }
  return v;
}
constexpr vec<float> reals(const graph_body& g, tensor_id t, const value& v) {
  if (is_floating(v.type)) return v.f;
  vec<float> out;
  const quantization& f = g.at(t).quant; // plain integers have none
  for (const std::int64_t q : v.i)
    out.push_back(f.present() ? dequantize_value(q, f.scale, f.zero_point) : static_cast<float>(q));
  return out;
}

/// Output `index` of the lowered graph, as real numbers.
constexpr vec<float> run(const graph<stage::lowered>& g, std::span<const value> inputs, std::size_t index = 0) {
  vec<value> in;
  for (std::size_t i = 0; i < inputs.size(); ++i) in.push_back(converted(g, g.inputs[i], inputs[i]));
  const vec<value> all = evaluate(g, in);
  return reals(g, g.outputs[index], all[static_cast<std::size_t>(g.outputs[index])]);
}

/// Signal to noise in dB; 300 when equal.
inline double sqnr(std::span<const float> wanted, std::span<const float> got) {
  double signal = 0.0;
  double noise = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double d = static_cast<double>(wanted[i]) - static_cast<double>(got[i]);
    signal += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
    noise += d * d;
  }
  return noise == 0.0 ? 300.0 : 10.0 * std::log10(signal / noise);
}
inline double greatest_difference(std::span<const float> a, std::span<const float> b) {
  double d = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    d = std::max(d, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return d;
}

/// How close each dtype comes to Top, in dB.
struct closeness {
  double f32 = 0.0;
  double f16 = 0.0;
  double bf16 = 0.0;
  double symmetric = 0.0;
  double asymmetric = 0.0;
};
template <class Dtype, class Graph>
double lowered_sqnr(const Graph& g, std::span<const value> inputs, const vec<float>& wanted,
                    const lower::options& o = {}) {
  const graph<stage::lowered> l = lower::lower_all<Dtype>{}(g, chip::nano::info, o);
  if (!verify(l).empty()) return -1000.0;
  const vec<float> got = run(l, inputs);
  return got.size() == wanted.size() ? sqnr(wanted, got) : -1000.0;
}
inline closeness compare_all(const graph<stage::canonical>& g, std::span<const value> inputs) {
  const vec<value> all = evaluate(g, inputs);
  const vec<float> wanted = all[static_cast<std::size_t>(g.outputs[0])].f;
  const graph<stage::calibrated> q = calibrated(g, inputs);
  return {.f32 = lowered_sqnr<f32>(g, inputs, wanted),
          .f16 = lowered_sqnr<f16>(g, inputs, wanted),
          .bf16 = lowered_sqnr<bf16>(g, inputs, wanted),
          .symmetric = lowered_sqnr<i8>(q, inputs, wanted),
          .asymmetric = lowered_sqnr<i8>(q, inputs, wanted, {.asymmetric = true})};
}

/// The message of the refusal that f ends in.
template <class F> std::string refusal(F&& f) {
  try {
    f();
  } catch (const tmpu::error& e) {
    return e.what();
  }
  return {};
}

} // namespace lower_test

// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"
#include "tmpu/ir/print.hpp"
#include "tmpu/lower/lower.hpp"

#include <doctest/doctest.h>

#include <array>

/// Operators that become sequences of chip operators: each form without a host step, and as close to Top as its dtype allows.
using namespace lower_test;

namespace {

constexpr bool on_chip(const graph_body& g) {
  for (const node& n : g.nodes) {
    if (n.op->domain != "tpu") return false;
  }
  return true;
}
vec<float> as_floats(const value& v) {
  vec<float> out;
  for (const std::int64_t n : v.i) out.push_back(static_cast<float>(n));
  return out;
}
template <class Dtype, class Graph> double closeness_of(const Graph& g, std::span<const value> in) {
  const graph<stage::lowered> l = lower::lower_all<Dtype>{}(g, chip::nano::info);
  const std::string problem(verify(l).view());
  CHECK(problem == "");
  INFO(print(l).view());
  CHECK(on_chip(l));
  const vec<value> all = evaluate(g, in);
  double least = 300.0;
  for (std::size_t i = 0; i < g.outputs.size(); ++i) {
    const value& wanted = all[static_cast<std::size_t>(g.outputs[i])];
    const vec<float> numbers = is_floating(wanted.type) ? wanted.f : as_floats(wanted);
    least = std::min(least, sqnr(numbers, run(l, in, i)));
  }
  return least;
}
struct bar {
  double f32 = 120.0;
  double f16 = 50.0;
  double bf16 = 30.0;
  double i8 = 25.0;
};
void check(model_builder& m, std::span<const value> in, const bar& at_least = {}) {
  const auto g = canonical(m);
  CHECK(closeness_of<f32>(g, in) >= at_least.f32);
  CHECK(closeness_of<f16>(g, in) >= at_least.f16);
  CHECK(closeness_of<bf16>(g, in) >= at_least.bf16);
  CHECK(closeness_of<i8>(calibrated(g, in), in) >= at_least.i8);
}
tensor_id numbers(model_builder& m, std::string_view name, std::initializer_list<std::int64_t> v) {
  return m.constant(name, make_value(dtype_id::i64, {static_cast<std::int64_t>(v.size())}, {v.begin(), v.size()}));
}

} // namespace

TEST_CASE("resize") {
  struct form {
    const char* mode;
    const char* places;
    std::array<float, 2> scales;
    const char* nearest = "";
    std::int64_t outside = 0;
    std::int64_t antialias = 0;
  };
  const form forms[] = {
      {"nearest", "asymmetric", {2.0F, 3.0F}, "floor"},   {"nearest", "half_pixel", {1.7F, 0.6F}},
      {"nearest", "align_corners", {0.5F, 4.0F}, "ceil"}, {"linear", "half_pixel", {2.0F, 2.0F}},
      {"linear", "align_corners", {1.6F, 1.0F}},          {"linear", "pytorch_half_pixel", {0.5F, 3.0F}},
      {"linear", "half_pixel", {0.4F, 0.7F}, "", 0, 1},   {"cubic", "half_pixel", {2.0F, 1.5F}},
      {"cubic", "asymmetric", {0.8F, 2.0F}, "", 1},       {"linear", "tf_crop_and_resize", {1.5F, 2.0F}},
      {"nearest", "tf_crop_and_resize", {1.5F, 2.0F}}};
  for (const form& f : forms) {
    CAPTURE(f.mode);
    CAPTURE(f.places);
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 3, 5, 6});
    top::resize::attributes a{};
    a.mode = text(f.mode);
    a.coordinate_transformation_mode = text(f.places);
    a.nearest_mode = text(f.nearest);
    a.exclude_outside = f.outside;
    a.antialias = f.antialias;
    a.extrapolation_value = 0.25F;
    const float scales[] = {1.0F, 1.0F, f.scales[0], f.scales[1]};
    const float part[] = {0.0F, 0.0F, -0.2F, 0.1F, 1.0F, 1.0F, 0.8F, 1.3F};
    m.output(m.add<top::resize>(
        "y", a, {x, m.constant("part", make_value({8}, part)), m.constant("scales", make_value({4}, scales))}));
    const value in[] = {r.tensor({1, 3, 5, 6}, 1.0F, 0.3F)};
    check(m, in);
  }
  generator r; // sizes, some axes, three spatial axes
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 3, 4, 5});
  top::resize::attributes a{};
  a.mode = text("linear");
  a.axes = {2, 4};
  m.output(m.add<top::resize>("y", a, {x, none, none, numbers(m, "sizes", {6, 3})}));
  const value in[] = {r.tensor({1, 2, 3, 4, 5})};
  check(m, in);
}

TEST_CASE("planes that grow by whole factors are rounded once in int8") {
  struct form {
    const char* places;
    std::array<float, 2> scales;
    bool once = true;
  };
  const form forms[] = {{"half_pixel", {2.0F, 2.0F}},        {"half_pixel", {4.0F, 2.0F}},
                        {"asymmetric", {3.0F, 2.0F}},        {"pytorch_half_pixel", {2.0F, 4.0F}},
                        {"half_pixel", {2.0F, 1.5F}, false}, {"align_corners", {2.0F, 2.0F}, false}};
  for (const form& f : forms) {
    CAPTURE(f.places);
    for (const bool asymmetric : {false, true}) {
      generator r;
      model_builder m;
      const auto x = m.input("x", dtype_id::f32, {2, 3, 5, 6});
      top::resize::attributes a{};
      a.mode = text("linear");
      a.coordinate_transformation_mode = text(f.places);
      const float scales[] = {1.0F, 1.0F, f.scales[0], f.scales[1]};
      m.output(m.add<top::resize>("y", a, {x, none, m.constant("scales", make_value({4}, scales))}));
      const auto g = canonical(m);
      value in[] = {r.tensor({2, 3, 5, 6})};
      for (float& v : in[0].f) v = std::round(v * 127.0F) / 127.0F; // int8 holds x itself
      in[0].f[0] = -1.0F;
      in[0].f[1] = asymmetric ? 127.0F / 128.0F : 1.0F;
      if (asymmetric) {
        for (float& v : in[0].f) v = std::round(v * 127.0F) / 128.0F;
        in[0].f[0] = -1.0F;
      }
      const graph<stage::lowered> l =
          lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info, {.asymmetric = asymmetric, .float_io = true});
      CHECK(verify(l).empty());
      CHECK(on_chip(l));
      const double quality = sqnr(evaluate(g, in)[static_cast<std::size_t>(g.outputs[0])].f, run(l, in));
      CHECK((quality > 80.0) == f.once);
    }
  }
}

TEST_CASE("places along an axis: pads that copy, slices from the end") {
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    CAPTURE(mode);
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 3, 11, 5});
    top::pad::attributes a{};
    a.mode = text(mode);
    m.output(m.add<top::pad>("y", a, {x, numbers(m, "pads", {0, 1, 9, -1, 0, 0, 2, 3})}));
    const value in[] = {r.tensor({2, 3, 11, 5})};
    check(m, in);
  }
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 11, 5});
  m.output(m.add<top::slice>("y", {},
                             {x, numbers(m, "s", {-1, 9, 0}), numbers(m, "e", {-100, 0, 5}), numbers(m, "a", {3, 2, 1}),
                              numbers(m, "t", {-1, -2, 2})}));
  m.output(m.add<top::center_crop_pad>("z", {}, {x, numbers(m, "sizes", {5, 2, 4, 8})}));
  const value in[] = {r.tensor({2, 3, 11, 5})};
  check(m, in);
}

TEST_CASE("norms") {
  generator r;
  const value in[] = {r.tensor({2, 6, 5, 7}, 2.0F, 0.5F)};
  const auto with = [&](auto&& add) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 6, 5, 7});
    const auto list = [&](std::string_view name, float offset) {
      return m.constant(name, r.tensor({6}, 0.5F, offset));
    };
    m.output(add(m, x, list));
    check(m, in);
  };
  with([](model_builder& m, tensor_id x, auto&& list) {
    return m.add<top::instance_normalization>("y", {}, {x, list("scale", 1.0F), list("bias", 0.0F)});
  });
  with([](model_builder& m, tensor_id x, auto&& list) {
    top::group_normalization::attributes a{};
    a.num_groups = 3;
    return m.add<top::group_normalization>("y", a, {x, list("scale", 1.0F), list("bias", 0.0F)});
  });
  with([](model_builder& m, tensor_id x, auto&&) { return m.add<top::mean_variance_normalization>("y", {}, {x}); });
  with([](model_builder& m, tensor_id x, auto&&) {
    return m.add<top::mean_variance_normalization>("y", {{1, 2}}, {x});
  });
  for (const std::int64_t p : {1, 2, 3}) {
    with([&](model_builder& m, tensor_id x, auto&&) {
      top::lp_normalization::attributes a{};
      a.p = p;
      a.axis = p == 1 ? -1 : 1;
      return m.add<top::lp_normalization>("y", a, {x});
    });
  }
  with([](model_builder& m, tensor_id x, auto&&) {
    top::local_response_normalization::attributes a{};
    a.size = 4;
    a.alpha = 0.3F;
    return m.add<top::local_response_normalization>("y", a, {x});
  });
  with([](model_builder& m, tensor_id x, auto&& list) {
    top::batch_normalization::attributes a{};
    a.training_mode = 1;
    return m.add<top::batch_normalization>(
        "y", a, {x, list("scale", 1.0F), list("bias", 0.0F), list("mean", 0.0F), list("variance", 1.0F)});
  });
  // A norm of zeros is 0, not NaN.
  model_builder m;
  m.output(m.add<top::lp_normalization>("y", {}, {m.input("x", dtype_id::f32, {2, 3})}));
  const float zeros[] = {0.0F, 0.0F, 0.0F, 3.0F, 4.0F, 0.0F};
  const value z[] = {make_value({2, 3}, zeros)};
  CHECK(closeness_of<f32>(canonical(m), z) == 300.0);
}

namespace {
template <class Op> void check_recurrent(const typename Op::attributes& a, bool constant, bool lengths, bool states) {
  CAPTURE(Op::info.name);
  CAPTURE(constant);
  CAPTURE(lengths);
  constexpr std::int64_t L = 5;
  constexpr std::int64_t N = 3;
  constexpr std::int64_t I = 4;
  constexpr std::int64_t H = 6;
  const std::int64_t D = Op::directions_of(a);
  const bool first = a.layout != 0;
  generator r;
  model_builder m;
  vec<value> in;
  vec<tensor_id> operands;
  const auto add = [&](std::string_view name, const shape& d, bool is_constant, float scale) {
    const value v = r.tensor(d, scale);
    operands.push_back(is_constant ? m.constant(name, v) : m.input(name, dtype_id::f32, d));
    if (!is_constant) in.push_back(v);
  };
  add("x", first ? shape{N, L, I} : shape{L, N, I}, false, 1.0F);
  add("w", {D, Op::gates * H, I}, constant, 0.5F);
  add("r", {D, Op::gates * H, H}, constant, 0.5F);
  add("b", {D, 2 * Op::gates * H}, constant, 0.3F);
  const std::int64_t given[] = {5, 2, 4};
  const value long_enough = make_value(dtype_id::i32, {N}, given);
  if (lengths && !constant) {
    operands.push_back(m.input("lengths", dtype_id::i32, {N}));
    in.push_back(long_enough);
  } else {
    operands.push_back(lengths ? m.constant("lengths", long_enough) : none);
  }
  if (states) {
    for (std::size_t i = 0; i < Op::states; ++i)
      add(i == 0 ? "h0" : "c0", first ? shape{N, D, H} : shape{D, N, H}, constant, 0.5F);
    if (Op::states > 1) add("p", {D, 3 * H}, constant, 0.5F);
  }
  while (operands.size() < 8) operands.push_back(none);
  const auto& o = operands;
  vec<tensor_id> y;
  if constexpr (Op::states > 1) {
    y = m.add_many<Op>(a, {o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7]}, {"y", "last", "cell"});
  } else {
    y = m.add_many<Op>(a, {o[0], o[1], o[2], o[3], o[4], o[5]}, {"y", "last"});
  }
  for (const tensor_id t : y) m.output(t);
  check(m, in, {.f16 = 45.0, .bf16 = 25.0, .i8 = 25.0});
}
} // namespace

TEST_CASE("recurrent operators") {
  for (const bool constant : {true, false}) {
    top::rnn::attributes n{};
    n.direction = text("bidirectional");
    n.clip = 1.0F;
    check_recurrent<top::rnn>(n, constant, constant, true);
    top::gru::attributes g{};
    check_recurrent<top::gru>(g, constant, false, false);
    g.linear_before_reset = 1;
    g.direction = text("bidirectional");
    g.layout = 1;
    check_recurrent<top::gru>(g, constant, true, true);
    top::lstm::attributes l{};
    check_recurrent<top::lstm>(l, constant, false, false);
    l.direction = text("reverse");
    l.input_forget = 1;
    l.activations = {text("HardSigmoid"), text("ScaledTanh"), text("Softsign")};
    l.activation_alpha = {0.3F, 0.9F};
    l.activation_beta = {0.4F, 1.1F};
    check_recurrent<top::lstm>(l, constant, true, true);
    l.direction = text("bidirectional");
    l.input_forget = 0;
    l.activations = {};
    l.layout = 1;
    check_recurrent<top::lstm>(l, constant, !constant, true);
  }
}

TEST_CASE("convolutions over one to three axes, weights constant or not") {
  struct form {
    shape x, w;
    std::int64_t group;
    ints strides, dilations, pads;
  };
  const form forms[] = {{{2, 4, 9}, {6, 2, 3}, 2, {2}, {1}, {1, 2}},
                        {{2, 4, 6, 5}, {6, 2, 3, 2}, 2, {2, 1}, {1, 2}, {1, 0, 2, 1}},
                        {{2, 4, 5, 6, 7}, {6, 2, 3, 2, 3}, 2, {2, 1, 2}, {1, 2, 1}, {1, 0, 1, 2, 1, 0}},
                        {{1, 3, 4, 4, 4}, {5, 3, 1, 1, 1}, 1, {1, 1, 1}, {1, 1, 1}, {0, 0, 0, 0, 0, 0}}};
  for (const form& f : forms) {
    for (const bool constant : {true, false}) {
      for (const bool transposed : {false, true}) {
        CAPTURE(f.x.rank());
        CAPTURE(constant);
        CAPTURE(transposed);
        generator r;
        model_builder m;
        shape wide = f.w;
        if (transposed) {
          wide[0] = f.x[1];
          wide[1] = f.w[0] / f.group;
        }
        vec<value> in;
        in.push_back(r.tensor(f.x, 1.0F, 0.2F));
        const auto x = m.input("x", dtype_id::f32, f.x);
        const auto operand = [&](std::string_view name, const shape& d) {
          const value v = r.tensor(d);
          if (constant) return m.constant(name, v);
          in.push_back(v);
          return m.input(name, dtype_id::f32, d);
        };
        const auto w = operand("w", wide);
        const auto b = operand("b", {f.w[0]});
        if (transposed) {
          top::conv_transpose::attributes a{};
          a.group = f.group;
          a.strides = f.strides;
          a.dilations = f.dilations;
          a.pads = f.pads;
          m.output(m.add<top::conv_transpose>("y", a, {x, w, b}));
        } else {
          top::conv::attributes a{};
          a.group = f.group;
          a.strides = f.strides;
          a.dilations = f.dilations;
          a.pads = f.pads;
          m.output(m.add<top::conv>("y", a, {x, w, b}));
        }
        check(m, in);
      }
    }
  }
  // A stride beyond the kernel and pads beyond its reach: parts of x that no output sees.
  generator r;
  model_builder m;
  top::conv_transpose::attributes a{};
  a.strides = {3, 2};
  a.pads = {1, 2, 0, 1};
  m.output(m.add<top::conv_transpose>(
      "y", a, {m.input("x", dtype_id::f32, {1, 2, 4, 5}), m.constant("w", r.tensor({2, 3, 1, 2}))}));
  const value in[] = {r.tensor({1, 2, 4, 5})};
  check(m, in);
}

TEST_CASE("pools over three axes, and by powers") {
  generator r;
  const value in[] = {r.tensor({2, 3, 6, 5, 7}, 1.0F, 0.2F)};
  const auto with = [&](auto&& add) {
    model_builder m;
    m.output(add(m, m.input("x", dtype_id::f32, {2, 3, 6, 5, 7})));
    check(m, in);
  };
  with([](model_builder& m, tensor_id x) {
    top::max_pool::attributes a{};
    a.kernel_shape = {2, 3, 2};
    a.strides = {2, 1, 3};
    a.dilations = {2, 1, 1};
    a.pads = {1, 1, 0, 0, 2, 1};
    return m.add<top::max_pool>("y", a, {x});
  });
  for (const std::int64_t include : {0, 1}) {
    with([&](model_builder& m, tensor_id x) {
      top::average_pool::attributes a{};
      a.kernel_shape = {3, 2, 3};
      a.strides = {1, 2, 2};
      a.pads = {1, 1, 2, 2, 0, 1};
      a.count_include_pad = include;
      return m.add<top::average_pool>("y", a, {x});
    });
  }
  for (const std::int64_t p : {1, 2, 3}) {
    with([&](model_builder& m, tensor_id x) {
      top::lp_pool::attributes a{};
      a.kernel_shape = {2, 2, 3};
      a.pads = {1, 0, 0, 0, 1, 1};
      a.p = p;
      return m.add<top::lp_pool>("y", a, {x});
    });
    with([&](model_builder& m, tensor_id x) {
      top::global_lp_pool::attributes a{};
      a.p = p;
      return m.add<top::global_lp_pool>("y", a, {x});
    });
  }
}

TEST_CASE("places, sums along an axis, transforms") {
  generator r;
  const std::int64_t indices[] = {0, 3, -1, 9, 2, 4};
  for (const std::int64_t axis : {0, 1, -1}) {
    model_builder m;
    top::one_hot::attributes a{};
    a.axis = axis;
    const float values[] = {-1.0F, 2.0F};
    m.output(m.add<top::one_hot>("y", a,
                                 {m.input("x", dtype_id::i64, {2, 3}), numbers(m, "depth", {5}),
                                  m.constant("values", make_value({2}, values))}));
    const value in[] = {make_value(dtype_id::i64, {2, 3}, indices)};
    check(m, in);
  }
  for (int form = 0; form < 8; ++form) {
    CAPTURE(form);
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {3, 5, 4});
    const value in[] = {r.tensor({3, 5, 4})};
    top::cum_sum::attributes a{};
    a.exclusive = form & 1;
    a.reverse = form / 2 & 1;
    m.output(m.add<top::cum_sum>("y", a, {x, numbers(m, "axis", {form < 4 ? 1 : -1})}));
    check(m, in);
  }
  for (const bool constant : {true, false}) {
    for (const std::int64_t batch_axis : {0, 1}) {
      model_builder m;
      top::reverse_sequence::attributes a{};
      a.batch_axis = batch_axis;
      a.time_axis = 1 - batch_axis;
      const std::int64_t lengths[] = {1, 4, 0, 3};
      const value given = make_value(dtype_id::i64, {4}, lengths);
      const auto x = m.input("x", dtype_id::f32, {4, 4, 3});
      const auto l = constant ? m.constant("l", given) : m.input("l", dtype_id::i64, {4});
      m.output(m.add<top::reverse_sequence>("y", a, {x, l}));
      vec<value> in;
      in.push_back(r.tensor({4, 4, 3}));
      if (!constant) in.push_back(given);
      check(m, in);
    }
  }
  struct transform {
    shape x;
    std::int64_t inverse, onesided, axis, length;
  };
  for (const transform& t : {transform{{2, 10, 1}, 0, 0, 1, 10}, transform{{2, 10, 3, 2}, 1, 0, 1, 12},
                             transform{{2, 9, 1}, 0, 1, 1, 7}, transform{{5, 3, 2}, 1, 1, 0, 8}}) {
    CAPTURE(t.x.print().view());
    model_builder m;
    top::dft::attributes a{};
    a.inverse = t.inverse;
    a.onesided = t.onesided;
    m.output(m.add<top::dft>(
        "y", a, {m.input("x", dtype_id::f32, t.x), numbers(m, "length", {t.length}), numbers(m, "axis", {t.axis})}));
    const value in[] = {r.tensor(t.x)};
    check(m, in);
  }
}

TEST_CASE("einsum") {
  struct form {
    const char* equation;
    vec<shape> operands;
  };
  const form forms[] = {{"ij->ji", {{3, 4}}},
                        {"ij->i", {{3, 4}}},
                        {"bii->bi", {{2, 3, 3}}},
                        {"ii", {{4, 4}}},
                        {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
                        {"i,i", {{6}, {6}}},
                        {"i,j->ij", {{3}, {4}}},
                        {"...hd,...kd->...hk", {{2, 3, 4, 5}, {1, 3, 6, 5}}},
                        {"bhqd,bkd->bhqk", {{2, 3, 4, 5}, {2, 6, 5}}},
                        {"ab,bc,cd->ad", {{2, 3}, {3, 4}, {4, 5}}},
                        {"ijk,jil->kl", {{3, 4, 5}, {4, 3, 2}}},
                        {"iij,jk->ik", {{3, 3, 4}, {4, 2}}},
                        {"ab,cd->a", {{2, 3}, {4, 5}}}};
  for (const form& f : forms) {
    CAPTURE(std::string(f.equation));
    generator r;
    model_builder m;
    vec<value> in;
    vec<tensor_id> operands;
    for (const shape& d : f.operands) {
      in.push_back(r.tensor(d, 1.0F, 0.3F));
      operands.push_back(m.input(text("x") << operands.size(), dtype_id::f32, d));
    }
    const top::einsum::attributes a{text(f.equation)};
    const auto& o = operands;
    m.output(o.size() == 1   ? m.add<top::einsum>("y", a, {o[0]})
             : o.size() == 2 ? m.add<top::einsum>("y", a, {o[0], o[1]})
                             : m.add<top::einsum>("y", a, {o[0], o[1], o[2]}));
    check(m, in);
  }
}

TEST_CASE("what is quantized in the model") {
  generator r;
  const auto bytes = [&](const shape& d, dtype_id type) {
    value v(type, d);
    for (std::int64_t& n : v.i) n = static_cast<std::int64_t>(r.next() * 127.0F) + (type == dtype_id::u8 ? 128 : 0);
    return v;
  };
  const auto positive = [&](const shape& d) { return r.tensor(d, 0.01F, 0.02F); };
  const auto list = [&](model_builder& m, vec<value>& in, std::initializer_list<value> all) {
    vec<tensor_id> made;
    for (const value& v : all) {
      const text name = text("x") << made.size();
      made.push_back(made.size() % 3 == 2 ? m.constant(name, v) : m.input(name, v.type, v.dims));
      if (made.size() % 3 != 0) in.push_back(v);
    }
    return made;
  };
  for (const bool each : {false, true}) {
    const shape d = each ? shape{4} : shape{};
    model_builder m;
    vec<value> in;
    const auto o = list(m, in, {r.tensor({2, 4, 3}, 2.0F), positive(d), bytes(d, dtype_id::i8)});
    m.output(m.add<top::quantize_linear>("q", {}, {o[0], o[1], o[2]}));
    check(m, in);
    model_builder n;
    vec<value> of_n;
    const auto p = list(n, of_n, {bytes({2, 4, 3}, dtype_id::u8), positive(d), bytes(d, dtype_id::u8)});
    n.output(n.add<top::dequantize_linear>("y", {}, {p[0], p[1], p[2]}));
    check(n, of_n);
  }
  {
    model_builder m; // a scale for each two places
    vec<value> in;
    top::dequantize_linear::attributes a{};
    a.axis = 2;
    a.block_size = 2;
    const auto o = list(m, in, {bytes({2, 4, 6}, dtype_id::i8), positive({2, 4, 3}), bytes({2, 4, 3}, dtype_id::i8)});
    m.output(m.add<top::dequantize_linear>("y", a, {o[0], o[1], o[2]}));
    check(m, in);
  }
  {
    model_builder m;
    const auto y =
        m.add_many<top::dynamic_quantize_linear>({}, {m.input("x", dtype_id::f32, {3, 50})}, {"y", "scale", "zero"});
    m.output(y[0]);
    m.output(y[1]);
    m.output(y[2]);
    const value in[] = {r.tensor({3, 50}, 2.0F, 0.5F)};
    const auto g = canonical(m);
    CHECK(closeness_of<f32>(g, in) == 300.0);
  }
  for (const bool each : {false, true}) { // 600 products: added up in parts
    model_builder m;
    vec<value> in;
    const shape row = each ? shape{3} : shape{};
    const shape column = each ? shape{5} : shape{};
    const auto o = list(m, in,
                        {bytes({2, 3, 600}, dtype_id::u8), bytes({600, 5}, dtype_id::i8), bytes(row, dtype_id::u8),
                         bytes(column, dtype_id::i8)});
    m.output(m.add<top::matmul_integer>("y", {}, {o[0], o[1], o[2], o[3]}));
    m.output(
        m.add<top::qlinear_matmul>("z", {},
                                   {o[0], m.constant("s", positive(row)), o[2], o[1], m.constant("t", positive(column)),
                                    o[3], m.constant("u", positive({})), m.constant("v", bytes({}, dtype_id::u8))}));
    check(m, in);
  }
  for (const std::int64_t group : {1, 2}) {
    model_builder m;
    vec<value> in;
    const auto o = list(m, in,
                        {bytes({1, 60, 5, 6}, dtype_id::u8), bytes({4, 60 / group, 3, 3}, dtype_id::i8),
                         bytes({}, dtype_id::u8), bytes({4}, dtype_id::i8)});
    top::conv_integer::attributes a{};
    a.pads = {1, 1, 0, 1};
    a.strides = {2, 1};
    a.group = group;
    m.output(m.add<top::conv_integer>("y", a, {o[0], o[1], o[2], o[3]}));
    top::qlinear_conv::attributes b{};
    b.pads = a.pads;
    b.strides = a.strides;
    b.group = group;
    const std::int64_t bias[] = {100, -2000, 30000, 4};
    m.output(m.add<top::qlinear_conv>("z", b,
                                      {o[0], m.constant("s", positive({})), o[2], o[1], m.constant("t", positive({4})),
                                       o[3], m.constant("u", positive({})), m.constant("v", bytes({}, dtype_id::i8)),
                                       m.constant("bias", make_value(dtype_id::i32, {4}, bias))}));
    check(m, in);
  }
}

TEST_CASE("samples at computed places") {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      for (const std::int64_t corners : {0, 1}) {
        CAPTURE(std::string(mode));
        CAPTURE(std::string(padding));
        CAPTURE(corners);
        generator r;
        model_builder m;
        top::grid_sample::attributes a{};
        a.mode = text(mode);
        a.padding_mode = text(padding);
        a.align_corners = corners;
        m.output(m.add<top::grid_sample>(
            "y", a, {m.input("x", dtype_id::f32, {2, 3, 5, 6}), m.input("grid", dtype_id::f32, {2, 4, 7, 2})}));
        const value in[] = {r.tensor({2, 3, 5, 6}), r.tensor({2, 4, 7, 2}, 1.7F)};
        const auto g = canonical(m);
        // Narrow types round the places themselves.
        CHECK(closeness_of<f32>(g, in) >= 100.0);
        CHECK(closeness_of<i8>(calibrated(g, in), in) >= -10.0);
      }
    }
  }
  generator r;
  model_builder m; // three axes, on the places of an affine grid
  top::affine_grid::attributes a{};
  a.align_corners = 1;
  const auto grid = m.add<top::affine_grid>(
      "grid", a, {m.input("theta", dtype_id::f32, {2, 3, 4}), numbers(m, "sizes", {2, 3, 4, 3, 5})});
  m.output(grid);
  m.output(m.add<top::grid_sample>("y", {}, {m.input("x", dtype_id::f32, {2, 3, 4, 5, 6}), grid}));
  const value in[] = {r.tensor({2, 3, 4}, 0.6F), r.tensor({2, 3, 4, 5, 6})};
  CHECK(closeness_of<f32>(canonical(m), in) >= 100.0);
}

TEST_CASE("elements put back to their places") {
  generator r;
  {
    model_builder m;
    top::max_unpool::attributes a{};
    a.kernel_shape = {2, 2};
    a.strides = {2, 2};
    const std::int64_t places[] = {5, 7, 13, 8};
    const auto p = m.constant("p", make_value(dtype_id::i64, {1, 1, 2, 2}, places));
    m.output(m.add<top::max_unpool>("y", a,
                                    {m.input("x", dtype_id::f32, {1, 1, 2, 2}), p, numbers(m, "sizes", {1, 1, 5, 6})}));
    const value in[] = {r.tensor({1, 1, 2, 2})};
    check(m, in);
  }
  {
    model_builder m;
    top::col2im::attributes a{};
    a.strides = {2, 1};
    a.dilations = {1, 2};
    a.pads = {1, 0, 0, 1};
    m.output(m.add<top::col2im>(
        "y", a,
        {m.input("x", dtype_id::f32, {2, 3 * 6, 3 * 5}), numbers(m, "image", {6, 6}), numbers(m, "block", {3, 2})}));
    const value in[] = {r.tensor({2, 3 * 6, 3 * 5})};
    check(m, in);
  }
  for (const std::int64_t onesided : {0, 1}) {
    model_builder m;
    top::stft::attributes a{};
    a.onesided = onesided;
    m.output(m.add<top::stft>("y", a,
                              {m.input("x", dtype_id::f32, {2, 20, 1}), numbers(m, "step", {3}),
                               m.constant("window", r.tensor({8}, 0.3F, 0.6F))}));
    const value in[] = {r.tensor({2, 20, 1})};
    check(m, in);
  }
  {
    model_builder m; // constant updates take the range of x
    const auto x = m.input("x", dtype_id::f32, {3, 4});
    const auto places = m.constant("places", make_value(dtype_id::i64, {1, 3}, std::array<std::int64_t, 3>{2, 0, -1}));
    m.output(m.add<top::scatter_elements>("y", {}, {x, places, m.constant("u", r.tensor({1, 3}, 0.5F))}));
    const value in[] = {r.tensor({3, 4})};
    check(m, in);
  }
  for (const std::int64_t mask : {0, 1}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 3});
    const auto y = m.add_many<top::dropout>({}, {x}, {mask != 0 ? "" : "y", "mask"});
    if (mask == 0) m.output(y[0]);
    m.output(y[1]);
    const value in[] = {r.tensor({2, 3})};
    check(m, in);
  }
}

TEST_CASE("gathers of activations in int8 are copies") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4, 5, 3});
  m.output(m.add<top::gather>("y", {1}, {x, numbers(m, "places", {4, 0, -2})}));
  const value in[] = {r.tensor({4, 5, 3})};
  const auto q = calibrated(canonical(m), in);
  CHECK(closeness_of<i8>(q, in) >= 30.0);
  const auto l = lower::lower_all<i8>{}(q, chip::nano::info);
  for (const node& n : l.nodes) CHECK(n.op->info.name != "cast");
}

TEST_CASE("attention with a past, windows, softcap, masks and valid keys that are no constants") {
  struct form {
    bool past, mask, floats, valid;
    std::int64_t causal, left, right, mode;
    float softcap;
  };
  const form forms[] = {
      {true, false, false, false, 1, -1, -1, 0, 0.0F}, {false, true, false, false, 0, -1, -1, 3, 2.0F},
      {true, true, true, false, 1, 3, -1, 1, 0.0F},    {false, false, false, true, 1, -1, -1, 3, 0.0F},
      {false, true, true, true, 0, 2, 1, 3, 1.5F},     {false, false, false, false, 0, 1, 1, 3, 0.0F}};
  for (const form& f : forms) {
    CAPTURE(f.left);
    CAPTURE(f.softcap);
    generator r;
    model_builder m;
    vec<value> in;
    const auto floats = [&](std::string_view name, const shape& d) {
      in.push_back(r.tensor(d));
      return m.input(name, dtype_id::f32, d);
    };
    const std::int64_t keys = f.past ? 8 : 5;
    vec<tensor_id> o;
    o.push_back(floats("q", {2, 3, 4 * 6}));
    o.push_back(floats("k", {2, 5, 2 * 6}));
    o.push_back(floats("v", {2, 5, 2 * 7}));
    o.push_back(none);
    if (f.mask) {
      const shape d{2, 1, 3, keys - 1}; // the last key is masked
      if (f.floats) {
        o[3] = floats("mask", d);
      } else {
        value v(dtype_id::boolean, d);
        for (std::size_t n = 0; n < v.i.size(); ++n)
          v.i[n] = n > 3 && n % 3 != 1 ? 1 : 0; // the first query sees no key
        o[3] = m.input("mask", dtype_id::boolean, d);
        in.push_back(v);
      }
    }
    o.push_back(f.past ? floats("past_k", {2, 2, 3, 6}) : none);
    o.push_back(f.past ? floats("past_v", {2, 2, 3, 7}) : none);
    o.push_back(none);
    if (f.valid) {
      const std::int64_t lengths[] = {5, 3};
      o[6] = m.input("valid", dtype_id::i64, {2});
      in.push_back(make_value(dtype_id::i64, {2}, lengths));
    }
    top::attention::attributes a{};
    a.q_num_heads = 4;
    a.kv_num_heads = 2;
    a.is_causal = f.causal;
    a.left_window_size = f.left;
    a.right_window_size = f.right;
    a.softcap = f.softcap;
    a.qk_matmul_output_mode = f.mode;
    const auto y =
        m.add_many<top::attention>(a, {o[0], o[1], o[2], o[3], o[4], o[5], o[6]}, {"y", "keys", "values", "scores"});
    for (const tensor_id t : y) m.output(t);
    const auto g = canonical(m);
    CHECK(closeness_of<f32>(g, in) >= 110.0);
    CHECK(closeness_of<f16>(g, in) >= 45.0);
  }
}

TEST_CASE("rotary embeddings of computed tables and places") {
  for (const bool places : {false, true}) {
    for (const std::int64_t interleaved : {0, 1}) {
      CAPTURE(places);
      CAPTURE(interleaved);
      generator r;
      model_builder m;
      top::rotary_embedding::attributes a{};
      a.interleaved = interleaved;
      a.rotary_embedding_dim = 4;
      const shape d = places ? shape{9, 2} : shape{2, 5, 2};
      const auto x = m.input("x", dtype_id::f32, {2, 3, 5, 6});
      const auto cosines = m.input("cosines", dtype_id::f32, d);
      const auto sines = m.input("sines", dtype_id::f32, d);
      vec<value> in;
      in.push_back(r.tensor({2, 3, 5, 6}));
      in.push_back(r.tensor(d));
      in.push_back(r.tensor(d));
      tensor_id at = none;
      if (places) {
        const std::int64_t rows[] = {0, 3, 8, 1, 2};
        at = m.input("at", dtype_id::i64, {1, 5});
        in.push_back(make_value(dtype_id::i64, {1, 5}, rows));
      }
      m.output(m.add<top::rotary_embedding>("y", a, {x, cosines, sines, at}));
      check(m, in);
    }
  }
}

TEST_CASE("max_pool with places: windows, padding, dilations, ceil mode, both orders, one to three axes") {
  struct form {
    shape x;
    ints kernel, strides, dilations, pads;
    std::int64_t ceil = 0;
    std::int64_t order = 0;
    std::int64_t modulo = 199; // few numbers: of equal ones the first
  };
  const form forms[] = {{{1, 2, 7, 9}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
                        {{2, 3, 4, 5}, {2, 3}, {1, 2}, {}, {}, 0, 1},
                        {{1, 2, 9, 8}, {2, 2}, {1, 3}, {3, 2}, {1, 0, 1, 1}, 1, 0, 3},
                        {{1, 1, 5, 5}, {3, 3}, {1, 1}, {}, {2, 2, 2, 2}, 0, 1, 1},
                        {{2, 3, 11}, {4}, {3}, {2}, {2, 1}, 1},
                        {{1, 2, 3, 4, 5}, {2, 2, 3}, {1, 1, 2}, {1, 2, 1}, {1, 0, 1, 0, 1, 1}, 0, 1},
                        {{1, 2, 4, 4, 4}, {3, 3, 3}, {1, 1, 1}, {}, {1, 1, 1, 1, 1, 1}, 0, 0, 2},
                        {{1, 3, 6, 5}, {6, 5}, {1, 1}, {}, {}}};
  for (const form& f : forms) {
    CAPTURE(std::string(f.x.print().view()));
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, f.x);
    top::max_pool::attributes a{};
    a.kernel_shape = f.kernel;
    a.strides = f.strides;
    a.dilations = f.dilations;
    a.pads = f.pads;
    a.ceil_mode = f.ceil;
    a.storage_order = f.order;
    for (const tensor_id y : m.add_many<top::max_pool>(a, {x}, {"y", "places"})) m.output(y);
    value v(dtype_id::f32, f.x); // whole numbers: exact in every dtype, but for the scale of int8
    for (std::size_t n = 0; n < v.f.size(); ++n)
      v.f[n] = static_cast<float>(static_cast<std::int64_t>(n * 37 + 5) % f.modulo % 199 - 99);
    const value in[] = {v};
    check(m, in, {.f32 = 300.0, .f16 = 300.0, .bf16 = 300.0, .i8 = 30.0});
  }
  for (const dtype_id type : {dtype_id::i8, dtype_id::u8}) {
    model_builder m; // nothing is greater than the padding
    const auto x = m.input("x", type, {1, 1, 3, 3});
    top::max_pool::attributes a{};
    a.kernel_shape = {3, 3};
    a.pads = {1, 1, 1, 1};
    for (const tensor_id y : m.add_many<top::max_pool>(a, {x}, {"y", "places"})) m.output(y);
    value v(type, {1, 1, 3, 3});
    for (std::int64_t& n : v.i) n = least_of(type);
    const value in[] = {v};
    check(m, in, {300.0, 300.0, 300.0, 300.0});
  }
}

TEST_CASE("roi_align: both coordinate modes, mean and maximum, regions that reach outside") {
  for (const char* places : {"half_pixel", "output_half_pixel"}) {
    for (const char* mode : {"avg", "max"}) {
      for (const std::int64_t ratio : {1, 2, 3}) {
        for (const bool constant : {false, true}) {
          CAPTURE(places);
          CAPTURE(mode);
          CAPTURE(ratio);
          generator r;
          model_builder m;
          top::roi_align::attributes a{};
          a.coordinate_transformation_mode = text(places);
          a.mode = text(mode);
          a.output_height = 3;
          a.output_width = 2;
          a.sampling_ratio = ratio;
          a.spatial_scale = 0.5F;
          const float corners[] = {2.0F,  1.0F,  11.0F, 9.0F,  -6.0F, -5.0F, 8.0F, 30.0F,
                                   10.0F, 10.0F, 10.0F, 10.5F, 4.0F,  0.0F,  9.0F, 3.0F};
          const value regions = make_value({4, 4}, corners);
          const std::int64_t which[] = {0, 1, 1, 0};
          const value images = make_value(dtype_id::i64, {4}, which);
          const auto x = m.input("x", dtype_id::f32, {2, 5, 6, 7});
          vec<value> in;
          in.push_back(r.tensor({2, 5, 6, 7}));
          tensor_id of[2];
          if (constant) {
            of[0] = m.constant("regions", regions);
            of[1] = m.constant("images", images);
          } else {
            of[0] = m.input("regions", dtype_id::f32, {4, 4});
            of[1] = m.input("images", dtype_id::i64, {4});
            in.push_back(regions);
            in.push_back(images);
          }
          m.output(m.add<top::roi_align>("y", a, {x, of[0], of[1]}));
          check(m, in, {.f32 = 110.0, .f16 = 45.0, .bf16 = 25.0, .i8 = 25.0});
        }
      }
    }
  }
}

TEST_CASE("deform_conv: groups, offset groups, masks, strides, pads, dilations; weights of both kinds") {
  struct form {
    std::int64_t group, offsets;
    bool mask, bias, constant;
    ints strides, dilations, pads;
  };
  const form forms[] = {{1, 1, false, false, true, {1, 1}, {1, 1}, {0, 0, 0, 0}},
                        {1, 1, true, true, true, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                        {2, 1, true, false, true, {2, 1}, {1, 2}, {1, 2, 0, 2}},
                        {1, 2, true, true, false, {1, 2}, {2, 1}, {2, 1, 2, 1}},
                        {2, 4, false, true, true, {1, 1}, {1, 1}, {1, 1, 1, 1}}};
  for (const form& f : forms) {
    CAPTURE(f.group);
    CAPTURE(f.offsets);
    generator r;
    model_builder m;
    top::deform_conv::attributes a{};
    a.group = f.group;
    a.offset_group = f.offsets;
    a.strides = f.strides;
    a.dilations = f.dilations;
    a.pads = f.pads;
    const shape of_x{2, 4, 6, 7};
    const shape of_w{6, 4 / f.group, 3, 2};
    const auto window = top::deform_conv::window_of(a, of_x, of_w);
    const std::int64_t oh = window.axis[1].out;
    const std::int64_t ow = window.axis[2].out;
    vec<value> in;
    const auto input = [&](const char* name, const shape& d, float scale, float offset = 0.0F) {
      in.push_back(r.tensor(d, scale, offset));
      return m.input(name, dtype_id::f32, d);
    };
    const auto x = input("x", of_x, 1.0F);
    const auto offsets = input("offsets", {2, f.offsets * 12, oh, ow}, 2.5F);
    const auto w = f.constant ? m.constant("w", r.tensor(of_w, 0.3F)) : input("w", of_w, 0.3F);
    const auto bias = f.bias ? m.constant("bias", r.tensor({6}, 0.2F)) : none;
    const auto mask = f.mask ? input("mask", {2, f.offsets * 6, oh, ow}, 0.5F, 0.5F) : none;
    m.output(m.add<top::deform_conv>("y", a, {x, w, offsets, bias, mask}));
    check(m, in, {.f32 = 100.0, .f16 = 40.0, .bf16 = 20.0, .i8 = 20.0});
  }
}

TEST_CASE("scatters that combine: repeated places, computed and constant ones, floats and plain integers") {
  for (const char* how : {"add", "mul", "max", "min"}) {
    for (const bool constant : {false, true}) {
      for (const dtype_id type : {dtype_id::f32, dtype_id::i32, dtype_id::u8, dtype_id::i8}) {
        CAPTURE(how);
        CAPTURE(name_of(type));
        generator r;
        model_builder m;
        const auto x = m.input("x", type, {4, 3});
        const auto u = m.input("u", type, {3, 3});
        const auto rows = m.input("rows", type, {2, 3});
        const auto numbers_of = [&](const shape& d) {
          if (type == dtype_id::f32) return r.tensor(d, 1.0F, 0.5F);
          value v(type, d);
          for (std::int64_t& n : v.i) n = static_cast<std::int64_t>(r.next() * 50.0F) + (type == dtype_id::u8 ? 60 : 0);
          return v;
        };
        vec<value> in;
        in.push_back(numbers_of({4, 3}));
        in.push_back(numbers_of({3, 3}));
        in.push_back(numbers_of({2, 3}));
        const std::int64_t elements[] = {1, 0, 3, 1, -4, 3, 1, 1, -1};
        const std::int64_t parts[] = {2, -2};
        const value of_elements = make_value(dtype_id::i64, {3, 3}, elements);
        const value of_parts = make_value(dtype_id::i64, {2, 1}, parts);
        tensor_id at[2];
        if (constant) {
          at[0] = m.constant("elements", of_elements);
          at[1] = m.constant("parts", of_parts);
        } else {
          at[0] = m.input("elements", dtype_id::i64, {3, 3});
          at[1] = m.input("parts", dtype_id::i64, {2, 1});
          in.push_back(of_elements);
          in.push_back(of_parts);
        }
        m.output(m.add<top::scatter_elements>("y", {.axis = 0, .reduction = how}, {x, at[0], u}));
        m.output(m.add<top::scatter_nd>("z", {.reduction = how}, {x, at[1], rows}));
        check(m, in, {.f32 = type == dtype_id::f32 ? 130.0 : 300.0, .f16 = 45.0, .bf16 = 30.0, .i8 = 25.0});
      }
    }
  }
}

TEST_CASE("tensor_scatter: linear and circular, with and without places, floats and moved integers") {
  for (const char* mode : {"linear", "circular"}) {
    for (const int places : {0, 1, 2}) { // none, constant, computed
      for (const dtype_id type : {dtype_id::f32, dtype_id::i64}) {
        CAPTURE(mode);
        CAPTURE(places);
        generator r;
        model_builder m;
        const auto cache = m.input("cache", type, {2, 3, 5, 4});
        const auto update = m.input("update", type, {2, 3, 2, 4});
        vec<value> in;
        for (const std::int64_t length : {5, 2}) {
          const shape d{2, 3, length, 4};
          value v = r.tensor(d);
          if (type == dtype_id::i64) {
            v = value(type, d);
            for (std::size_t n = 0; n < v.i.size(); ++n) v.i[n] = static_cast<std::int64_t>(n) * 1000 - length;
          }
          in.push_back(v);
        }
        const std::int64_t first[] = {std::string_view(mode) == "linear" ? 3 : 4, 1};
        const value at = make_value(dtype_id::i64, {2}, first);
        tensor_id from = none;
        if (places == 1) from = m.constant("first", at);
        if (places == 2) {
          from = m.input("first", dtype_id::i64, {2});
          in.push_back(at);
        }
        m.output(m.add<top::tensor_scatter>("y", {.axis = -2, .mode = mode}, {cache, update, from}));
        check(m, in);
      }
    }
  }
}

TEST_CASE("running sums and powers of plain integers") {
  for (const std::int64_t reverse : {0, 1}) {
    for (const std::int64_t exclusive : {0, 1}) {
      for (const std::int64_t axis : {0, 1, 2}) {
        model_builder m;
        const auto x = m.input("x", dtype_id::i32, {3, 11, 2});
        m.output(m.add<top::cum_sum>("y", {.exclusive = exclusive, .reverse = reverse},
                                     {x, m.constant("axis", make_value(dtype_id::i64, {}, {&axis, 1}))}));
        value v(dtype_id::i32, {3, 11, 2});
        for (std::size_t n = 0; n < v.i.size(); ++n) v.i[n] = static_cast<std::int64_t>(n * 123457 % 1009) - 500;
        const value in[] = {v};
        check(m, in, {300.0, 300.0, 300.0, 300.0});
      }
    }
  }
  model_builder m;
  const auto x = m.input("x", dtype_id::i32, {3});
  const float exponents[] = {2.0F, 3.0F, 0.0F};
  m.output(m.add<top::pow>("y", {}, {x, m.constant("e", make_value({3}, exponents))}));
  const std::int64_t bases[] = {4097, -5, 7};
  const value in[] = {make_value(dtype_id::i32, {3}, bases)};
  check(m, in, {300.0, 300.0, 300.0, 300.0});
}

TEST_CASE("plain integers: reductions, places of extrema, relu, sign; 16 bits wrap around") {
  {
    model_builder m;
    const auto x = m.input("x", dtype_id::boolean, {2, 3});
    m.output(m.add<top::reduce_max>("any", {.axes = {1}}, {x}));
    m.output(m.add<top::reduce_min>("all", {.axes = {0}}, {x}));
    const value in[] = {make_value(dtype_id::boolean, {2, 3}, std::initializer_list<std::int64_t>{0, 1, 0, 0, 1, 1})};
    check(m, in, {300.0, 300.0, 300.0, 300.0});
  }
  for (const dtype_id type : {dtype_id::i32, dtype_id::i16, dtype_id::u16, dtype_id::i8, dtype_id::u8, dtype_id::i64}) {
    CAPTURE(name_of(type));
    model_builder m;
    const shape d{2, 7, 3};
    const auto x = m.input("x", type, d);
    const auto w = m.input("w", type, d);
    const auto axes = numbers(m, "axes", {1, 2});
    if (type != dtype_id::i64) { // its sums and products could leave the type that carries it
      m.output(m.add<top::reduce_sum>("sum", {}, {x, axes}));
      m.output(m.add<top::reduce_prod>("product", {}, {x, axes}));
      m.output(m.add<top::add>("added", {}, {x, w}));
      m.output(m.add<top::mul>("times", {}, {x, w}));
      m.output(m.add<top::sub>("less", {}, {x, w}));
      m.output(m.add<top::pow>("power", {}, {x, w}));
      if (facts_of(type).is_signed) {
        m.output(m.add<top::abs>("abs", {}, {x}));
        m.output(m.add<top::neg>("neg", {}, {x}));
      }
      if (type == dtype_id::u16) m.output(m.add<top::bit_shift>("shifted", {.direction = "LEFT"}, {x, w}));
    }
    m.output(m.add<top::reduce_max>("greatest", {.axes = {0, 1}}, {x}));
    m.output(m.add<top::reduce_min>("least", {.axes = {1}, .keepdims = 0}, {x}));
    m.output(m.add<top::relu>("relu", {}, {x}));
    m.output(m.add<top::sign>("sign", {}, {x}));
    for (const std::int64_t last : {0, 1}) {
      m.output(m.add<top::arg_max>(text("arg_max") << last, {.axis = 1, .select_last_index = last}, {x}));
      m.output(m.add<top::arg_min>(text("arg_min") << last, {.axis = 2, .select_last_index = last}, {x}));
    }
    value v(type, d);
    value u(type, d);
    const std::int64_t range = type == dtype_id::i64 ? 1000 : greatest_of(type) - least_of(type) + 1;
    const std::int64_t least = type == dtype_id::i64 ? -500 : least_of(type);
    for (std::size_t n = 0; n < v.i.size(); ++n) {
      v.i[n] = static_cast<std::int64_t>(n * 7919 * 7919) % range + least;
      u.i[n] = static_cast<std::int64_t>(n % 5);
      if (n % 4 == 0) v.i[n] = least; // of equal ones the first, or the last
    }
    const value in[] = {v, u};
    check(m, in, {300.0, 300.0, 300.0, 300.0});
  }
}

TEST_CASE("what is quantized to two and four bits") {
  for (const dtype_id type : {dtype_id::i4, dtype_id::u4, dtype_id::i2, dtype_id::u2}) {
    CAPTURE(name_of(type));
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {3, 4});
    const auto given = m.input("given", type, {3, 4});
    const float scales[] = {0.5F, 0.25F, 0.125F, 1.0F};
    const std::int64_t points[] = {1, 0, greatest_of(type), 1};
    const auto scale = m.constant("scale", make_value({4}, scales));
    const auto zero = m.constant("zero", make_value(type, {4}, points));
    const auto q = m.add<top::quantize_linear>("q", {}, {x, scale, zero});
    m.output(q);
    m.output(m.add<top::dequantize_linear>("y", {}, {q, scale, zero}));
    m.output(m.add<top::dequantize_linear>("z", {}, {given, scale, zero}));
    value v(type, {3, 4});
    for (std::size_t n = 0; n < v.i.size(); ++n)
      v.i[n] = least_of(type) + static_cast<std::int64_t>(n) % (greatest_of(type) - least_of(type) + 1);
    value real(dtype_id::f32, {3, 4}); // exact in every type
    for (std::size_t n = 0; n < real.f.size(); ++n) real.f[n] = static_cast<float>(n * 5 % 16) * 0.25F - 2.0F;
    const value in[] = {real, v};
    check(m, in, {300.0, 300.0, 300.0, 10.0});
  }
}

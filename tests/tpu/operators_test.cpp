// SPDX-License-Identifier: Apache-2.0
#include "tmpu/tpu/operators.hpp"

#include "tmpu/ir/evaluate.hpp"
#include "tmpu/isa/check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace tmpu;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
__extension__ typedef __int128 wide;

struct generator {
  std::uint32_t state = 99;
  std::uint32_t bits() {
    state = state * 1664525U + 1013904223U;
    return state >> 8;
  }
  std::int64_t integer(std::int64_t low, std::int64_t high) { return low + bits() % (high - low + 1); }
  float real() { return static_cast<float>(bits()) * 0x1p-23F - 1.0F; }
};

struct operand_spec {
  dtype_id type;
  shape dims;
  std::int32_t zero = 0;
};

/// A graph of one node; operands hold random numbers.
struct single {
  graph_body g;
  vec<value> in;
  generator r;

  template <class Op>
  void make(const typename Op::attributes& a, std::initializer_list<operand_spec> specs, dtype_id type,
            std::int32_t y_zero = 0) {
    vec<tensor_id> ids;
    for (const operand_spec& s : specs) {
      const tensor_id t = g.add_tensor("x", s.type, s.dims);
      if (!is_floating(s.type)) g.at(t).quant = {0.5F, s.zero};
      g.inputs.push_back(t);
      ids.push_back(t);
      value v(s.type, s.dims);
      for (float& x : v.f) x = round_to(s.type, r.real() * 4.0F);
      for (std::int64_t& x : v.i)
        x = s.type == dtype_id::i32 ? r.integer(-5000, 5000) : r.integer(least_of(s.type), greatest_of(s.type));
      in.push_back(std::move(v));
    }
    const tensor_id y = g.add_tensor("y", type, {});
    if (!is_floating(type)) g.at(y).quant = {0.5F, y_zero};
    const tensor_id results[] = {y};
    infer(g, add_node<Op>(g, "node", a, ids, results));
    g.outputs.push_back(y);
  }
  [[nodiscard]] value run() const { return run(in); }
  [[nodiscard]] value run(const vec<value>& operands) const {
    const vec<value> all = evaluate(g, operands);
    return all[static_cast<std::size_t>(g.outputs[0])];
  }
};

/// Independent of tpu/requantize.hpp: 128-bit integers, floor division.
std::int64_t rounded_quotient(wide numerator, wide denominator) {
  const bool negative = numerator < 0;
  const wide magnitude = negative ? -numerator : numerator;
  const wide q = (2 * magnitude + denominator) / (2 * denominator);
  return static_cast<std::int64_t>(negative ? -q : q);
}
std::int64_t within(std::int64_t v, std::int64_t low, std::int64_t high) { return std::min(std::max(v, low), high); }

/// Nothing outside of the boxes that `need` names has an influence on the tile: it is spoilt, and the tile's bits stay.
void check_needs(const single& s, std::uint32_t seed) {
  const value y = s.run();
  const tpu::tpu_record& record = tpu::record(s.g, 0);
  const tpu::view4 v = tpu::fold(y.dims);
  const tpu::cuts cut = record.cut(s.g, 0);
  generator r{seed};
  for (int round = 0; round < 12; ++round) {
    tpu::tile t{tpu::whole(v), 0, record.inner(s.g, 0)};
    const auto part = [&](bool allowed, std::int64_t size, std::int64_t& first, std::int64_t& last) {
      if (!allowed || size == 1) return;
      first = r.integer(0, size - 1);
      last = r.integer(first + 1, size);
    };
    part(cut.n, v.n, t.out.n0, t.out.n1);
    part(cut.c, v.c, t.out.c0, t.out.c1);
    part(cut.h, v.h, t.out.h0, t.out.h1);
    vec<value> spoilt = s.in;
    for (std::size_t i = 0; i < spoilt.size(); ++i) {
      const tpu::view4 d = record.operand(s.g, 0, i).dims;
      REQUIRE(d.n * d.c * d.h * d.w == spoilt[i].dims.elements());
      const tpu::box b = tpu::need(s.g, 0, i, t);
      REQUIRE_FALSE(b.empty());
      REQUIRE((b.n0 >= 0 && b.c0 >= 0 && b.h0 >= 0 && b.n1 <= d.n && b.c1 <= d.c && b.h1 <= d.h));
      std::size_t at = 0;
      for (std::int64_t n = 0; n < d.n; ++n)
        for (std::int64_t c = 0; c < d.c; ++c)
          for (std::int64_t h = 0; h < d.h; ++h)
            for (std::int64_t w = 0; w < d.w; ++w, ++at) {
              if (n >= b.n0 && n < b.n1 && c >= b.c0 && c < b.c1 && h >= b.h0 && h < b.h1) continue;
              if (!spoilt[i].f.empty()) spoilt[i].f[at] = 1000.0F;
              if (!spoilt[i].i.empty()) spoilt[i].i[at] = spoilt[i].i[at] == 1 ? 2 : 1;
            }
    }
    const value z = s.run(spoilt);
    bool same = true;
    std::size_t at = 0;
    for (std::int64_t n = 0; n < v.n; ++n)
      for (std::int64_t c = 0; c < v.c; ++c)
        for (std::int64_t h = 0; h < v.h; ++h)
          for (std::int64_t w = 0; w < v.w; ++w, ++at) {
            if (n < t.out.n0 || n >= t.out.n1 || c < t.out.c0 || c >= t.out.c1 || h < t.out.h0 || h >= t.out.h1)
              continue;
            if (!y.f.empty()) same = same && y.f[at] == z.f[at];
            if (!y.i.empty()) same = same && y.i[at] == z.i[at];
          }
    CHECK(same);
  }
}

struct conv_form {
  std::int64_t ic, oc, group, kh, kw, stride, dilation, top, left;
};
constexpr conv_form conv_forms[] = {{3, 8, 1, 3, 3, 1, 1, 1, 1},
                                    {4, 6, 2, 3, 2, 2, 1, 1, 0},
                                    {6, 6, 6, 3, 3, 1, 2, 2, 2},
                                    {5, 7, 1, 1, 1, 2, 1, 0, 0},
                                    {2, 2, 1, 5, 4, 3, 1, 3, 3}};

tpu::conv::attributes conv_attributes(const conv_form& f, floats clamp) {
  return {.kernel_shape = {f.kh, f.kw},
          .strides = {f.stride, f.stride},
          .dilations = {f.dilation, f.dilation},
          .pads = {f.top, f.left, f.top, f.left},
          .group = f.group,
          .clamp = std::move(clamp)};
}

} // namespace

TEST_CASE("conv in floats: each output is one sequential sum") {
  for (const conv_form& f : conv_forms) {
    for (const dtype_id type : {dtype_id::f32, dtype_id::f16, dtype_id::bf16}) {
      single s;
      s.make<tpu::conv>(
          conv_attributes(f, {-2.0F, 6.0F}),
          {{type, {2, f.ic, 8, 9}}, {type, {f.oc, f.ic / f.group, f.kh, f.kw}}, {dtype_id::f32, {f.oc, 1}}}, type);
      const value y = s.run();
      std::size_t at = 0;
      bool same = true;
      for (std::int64_t n = 0; n < y.dims[0]; ++n)
        for (std::int64_t oc = 0; oc < f.oc; ++oc)
          for (std::int64_t oy = 0; oy < y.dims[2]; ++oy)
            for (std::int64_t ox = 0; ox < y.dims[3]; ++ox, ++at) {
              float sum = 0.0F;
              for (std::int64_t ic = 0; ic < f.ic / f.group; ++ic)
                for (std::int64_t kh = 0; kh < f.kh; ++kh)
                  for (std::int64_t kw = 0; kw < f.kw; ++kw) {
                    const std::int64_t iy = oy * f.stride - f.top + kh * f.dilation;
                    const std::int64_t ix = ox * f.stride - f.left + kw * f.dilation;
                    if (iy < 0 || iy >= 8 || ix < 0 || ix >= 9) continue;
                    const std::int64_t channel = oc / (f.oc / f.group) * (f.ic / f.group) + ic;
                    sum += s.in[0].f[static_cast<std::size_t>(((n * f.ic + channel) * 8 + iy) * 9 + ix)] *
                           s.in[1].f[static_cast<std::size_t>(((oc * (f.ic / f.group) + ic) * f.kh + kh) * f.kw + kw)];
                  }
              const float real = std::min(std::max(sum + s.in[2].f[static_cast<std::size_t>(oc)], -2.0F), 6.0F);
              same = same && y.f[at] == round_to(type, real);
            }
      CHECK(same);
      check_needs(s, 5);
    }
  }
}

TEST_CASE("conv in integers: padding has the zero point's value") {
  for (const conv_form& f : conv_forms) {
    for (const dtype_id type : {dtype_id::i8, dtype_id::u8}) {
      single s;
      s.make<tpu::conv>(
          conv_attributes(f, {-100.0F, 100.0F}),
          {{type, {2, f.ic, 8, 9}, 17}, {dtype_id::i8, {f.oc, f.ic / f.group, f.kh, f.kw}}, {dtype_id::i32, {f.oc, 3}}},
          dtype_id::i8, -9);
      for (std::size_t oc = 0; oc < static_cast<std::size_t>(f.oc); ++oc) {
        s.in[2].i[oc * 3 + 1] = s.r.integer(1 << 30, 2147483647);
        s.in[2].i[oc * 3 + 2] = 38;
      }
      const value y = s.run();
      std::size_t at = 0;
      bool same = true;
      for (std::int64_t n = 0; n < y.dims[0]; ++n)
        for (std::int64_t oc = 0; oc < f.oc; ++oc)
          for (std::int64_t oy = 0; oy < y.dims[2]; ++oy)
            for (std::int64_t ox = 0; ox < y.dims[3]; ++ox, ++at) {
              wide sum = 0;
              for (std::int64_t ic = 0; ic < f.ic / f.group; ++ic)
                for (std::int64_t kh = 0; kh < f.kh; ++kh)
                  for (std::int64_t kw = 0; kw < f.kw; ++kw) {
                    const std::int64_t iy = oy * f.stride - f.top + kh * f.dilation;
                    const std::int64_t ix = ox * f.stride - f.left + kw * f.dilation;
                    const bool inside = iy >= 0 && iy < 8 && ix >= 0 && ix < 9;
                    const std::int64_t channel = oc / (f.oc / f.group) * (f.ic / f.group) + ic;
                    const std::int64_t x =
                        inside ? s.in[0].i[static_cast<std::size_t>(((n * f.ic + channel) * 8 + iy) * 9 + ix)] : 17;
                    sum +=
                        x * s.in[1].i[static_cast<std::size_t>(((oc * (f.ic / f.group) + ic) * f.kh + kh) * f.kw + kw)];
                  }
              const std::int64_t* p = s.in[2].i.data() + oc * 3;
              const std::int64_t q = -9 + rounded_quotient((sum + p[0]) * p[1], wide{1} << p[2]);
              same = same && y.i[at] == within(within(q, -128, 127), -100, 100);
            }
      CHECK(same);
      check_needs(s, 6);
    }
  }
}

TEST_CASE("matmul") {
  single s;
  s.make<tpu::matmul>({.clamp = {-inf, inf}},
                      {{dtype_id::bf16, {3, 20}}, {dtype_id::bf16, {7, 20}}, {dtype_id::f32, {7, 1}}}, dtype_id::bf16);
  const value y = s.run();
  single q;
  q.make<tpu::matmul>({.clamp = {0.0F, 255.0F}},
                      {{dtype_id::i8, {3, 20}, 3}, {dtype_id::i8, {7, 20}}, {dtype_id::i32, {7, 3}}}, dtype_id::u8, 4);
  for (std::size_t n = 0; n < 7; ++n) {
    q.in[2].i[n * 3 + 1] = 1500000000;
    q.in[2].i[n * 3 + 2] = 40;
  }
  const value z = q.run();
  for (std::size_t m = 0; m < 3; ++m)
    for (std::size_t n = 0; n < 7; ++n) {
      float sum = 0.0F;
      wide exact = 0;
      for (std::size_t k = 0; k < 20; ++k) {
        sum += s.in[0].f[m * 20 + k] * s.in[1].f[n * 20 + k];
        exact += q.in[0].i[m * 20 + k] * q.in[1].i[n * 20 + k];
      }
      CHECK(y.f[m * 7 + n] == round_to_bf16(sum + s.in[2].f[n]));
      CHECK(z.i[m * 7 + n] ==
            within(4 + rounded_quotient((exact + q.in[2].i[n * 3]) * 1500000000, wide{1} << 40), 0, 255));
    }
  check_needs(s, 7);
  check_needs(q, 8);
  CHECK(tpu::record(s.g, 0).inner(s.g, 0) == 20);
  CHECK(tpu::record(s.g, 0).macs(s.g, 0) == 3 * 7 * 20);
  const auto partial = tpu::record(s.g, 0).scratch(s.g, 0, 0, {{0, 2, 0, 4, 0, 1}, 0, 5}, true);
  CHECK((partial.type == dtype_id::f32 && partial.dims == tpu::view4{2, 4, 1, 1}));
  CHECK(tpu::record(q.g, 0).scratch(q.g, 0, 0, {{0, 2, 0, 4, 0, 1}, 0, 5}, true).type == dtype_id::i32);
  CHECK(tpu::record(q.g, 0).scratch(q.g, 0, 0, {{0, 2, 0, 4, 0, 1}, 0, 20}, false).type == dtype_id::none);
}

TEST_CASE("scaled weights: as plain weights of the dequantized numbers, and cut by groups") {
  for (const dtype_id type : {dtype_id::i4, dtype_id::i8, dtype_id::f8e4m3}) {
    // 20 channels in three groups of seven, the last of six; a row is padded to eight.
    single s;
    s.make<tpu::matmul>(
        {.clamp = {-inf, inf}},
        {{dtype_id::f16, {3, 20}}, {type, {7, 3, 8}}, {dtype_id::f32, {7, 1}}, {dtype_id::bf16, {7, 3}}},
        dtype_id::f16);
    single plain;
    plain.make<tpu::matmul>({.clamp = {-inf, inf}},
                            {{dtype_id::f16, {3, 20}}, {dtype_id::f16, {7, 20}}, {dtype_id::f32, {7, 1}}},
                            dtype_id::f16);
    const auto number = [&](std::size_t oc, std::size_t k) {
      const std::size_t at = (oc * 3 + k / 7) * 8 + k % 7;
      const float q = is_floating(type) ? s.in[1].f[at] : static_cast<float>(s.in[1].i[at]);
      return round_to_f16(q * s.in[3].f[oc * 3 + k / 7]);
    };
    for (std::size_t oc = 0; oc < 7; ++oc)
      for (std::size_t k = 0; k < 20; ++k) plain.in[1].f[oc * 20 + k] = number(oc, k);
    plain.in[0] = s.in[0];
    plain.in[2] = s.in[2];
    CHECK(s.run().f == plain.run().f);
    check_needs(s, 11);
    CHECK(tpu::record(s.g, 0).inner(s.g, 0) == 3);
    CHECK(tpu::record(s.g, 0).macs(s.g, 0) == 3 * 7 * 20);
    const tpu::tile last{{0, 2, 0, 4, 0, 1}, 1, 3};
    CHECK(tpu::need(s.g, 0, 0, last) == tpu::box{0, 2, 0, 1, 7, 20});
    CHECK(tpu::need(s.g, 0, 1, last) == tpu::box{0, 1, 0, 4, 1, 3});
    CHECK(tpu::need(s.g, 0, 3, last) == tpu::box{0, 1, 0, 4, 1, 3});
    CHECK(tpu::matmul::scratch(s.g, 0, 0, last, true).type == dtype_id::f32);
    CHECK(tpu::matmul::scratch(s.g, 0, 1, last, true).dims == tpu::view4{1, 4, 13, 1});
    CHECK(tpu::matmul::scratch(s.g, 0, 0, last, false).type == dtype_id::f16);
    CHECK(tpu::matmul::scratch(s.g, 0, 1, last, false).type == dtype_id::none);
  }
  for (const conv_form& f : conv_forms) {
    // Two channels a group, where there are so many.
    const std::int64_t channels = f.ic / f.group;
    const std::int64_t groups = (channels + 1) / 2;
    const std::int64_t each = (channels + groups - 1) / groups;
    const std::int64_t row = (each * f.kh * f.kw + 1) / 2 * 2;
    single s;
    s.make<tpu::conv>(conv_attributes(f, {-1.0F, 1.0F}),
                      {{dtype_id::bf16, {2, f.ic, 8, 9}},
                       {dtype_id::i4, {f.oc, groups, row}},
                       {dtype_id::f32, {f.oc, 1}},
                       {dtype_id::bf16, {f.oc, groups}}},
                      dtype_id::bf16);
    single plain;
    plain.make<tpu::conv>(
        conv_attributes(f, {-1.0F, 1.0F}),
        {{dtype_id::bf16, {2, f.ic, 8, 9}}, {dtype_id::bf16, {f.oc, channels, f.kh, f.kw}}, {dtype_id::f32, {f.oc, 1}}},
        dtype_id::bf16);
    for (float& scale : s.in[3].f) scale *= 0.01F;
    std::size_t at = 0;
    for (std::int64_t oc = 0; oc < f.oc; ++oc)
      for (std::int64_t e = 0; e < channels * f.kh * f.kw; ++e) {
        const std::int64_t g = oc * groups + e / (each * f.kh * f.kw);
        plain.in[1].f[at++] =
            round_to_bf16(static_cast<float>(s.in[1].i[static_cast<std::size_t>(g * row + e % (each * f.kh * f.kw))]) *
                          s.in[3].f[static_cast<std::size_t>(g)]);
      }
    plain.in[0] = s.in[0];
    plain.in[2] = s.in[2];
    CHECK(s.run().f == plain.run().f);
    CHECK(tpu::record(s.g, 0).macs(s.g, 0) == tpu::record(plain.g, 0).macs(plain.g, 0));
    check_needs(s, 12);
  }
  single bad;
  CHECK_THROWS_AS(
      bad.make<tpu::matmul>(
          {.clamp = {-inf, inf}},
          {{dtype_id::f16, {3, 20}}, {dtype_id::i4, {7, 3, 6}}, {dtype_id::f32, {7, 1}}, {dtype_id::bf16, {7, 3}}},
          dtype_id::f16),
      error);
}

TEST_CASE("pool") {
  for (const std::int64_t kind : {0, 1}) {
    for (const std::int64_t include : {0, 1}) {
      const tpu::pool::attributes a{.kind = kind,
                                    .kernel_shape = {3, 2},
                                    .strides = {2, 1},
                                    .dilations = {1, 2},
                                    .pads = {1, 1, 1, 0},
                                    .count_include_pad = include,
                                    .multiplier = 1431655765,
                                    .shift = 30};
      single s;
      s.make<tpu::pool>(a, {{dtype_id::f16, {2, 3, 7, 6}}}, dtype_id::f16);
      single q;
      q.make<tpu::pool>(a, {{dtype_id::i8, {2, 3, 7, 6}, -20}}, dtype_id::i8, kind == 0 ? -20 : 5);
      const value y = s.run();
      const value z = q.run();
      std::size_t at = 0;
      for (std::size_t plane = 0; plane < 6; ++plane)
        for (std::int64_t oy = 0; oy < y.dims[2]; ++oy)
          for (std::int64_t ox = 0; ox < y.dims[3]; ++ox, ++at) {
            float sum = 0.0F;
            float greatest = -inf;
            wide exact = 0;
            std::int64_t most = -1000;
            int count = 0;
            for (std::int64_t iy = oy * 2 - 1; iy < oy * 2 + 2; ++iy)
              for (std::int64_t ix = ox - 1; ix < ox + 2; ix += 2) {
                if (iy < 0 || iy >= 7 || ix < 0 || ix >= 6) continue;
                const std::size_t from = plane * 42 + static_cast<std::size_t>(iy * 6 + ix);
                sum += s.in[0].f[from];
                greatest = std::max(greatest, s.in[0].f[from]);
                exact += q.in[0].i[from] + 20;
                most = std::max(most, q.in[0].i[from]);
                ++count;
              }
            const int divisor = include != 0 ? 6 : count;
            CHECK(y.f[at] == (kind == 0 ? greatest : round_to_f16(sum / static_cast<float>(divisor))));
            const std::int64_t average = 5 + rounded_quotient(exact * 1431655765, static_cast<wide>(divisor) << 30);
            CHECK(z.i[at] == (kind == 0 ? most : within(average, -128, 127)));
          }
      check_needs(s, 9);
      check_needs(q, 10);
    }
  }
}

TEST_CASE("binary, with broadcasting") {
  const shape full{2, 3, 4, 5};
  for (const shape& other :
       {shape{2, 3, 4, 5}, shape{1, 3, 1, 1}, shape{1, 1, 1, 1}, shape{2, 3, 1, 1}, shape{2, 1, 4, 1}}) {
    for (const bool swapped : {false, true}) {
      for (std::int64_t kind = 0; kind < 6; ++kind) {
        CAPTURE(kind);
        const tpu::binary::attributes a{.kind = kind,
                                        .a_multiplier = 1234567890,
                                        .b_multiplier = 777777777,
                                        .shift = kind == 2 ? 38 : 31,
                                        .clamp = {-90.0F, 90.0F}};
        const shape& ad = swapped ? other : full;
        const shape& bd = swapped ? full : other;
        single s;
        s.make<tpu::binary>(a, {{dtype_id::f32, ad}, {dtype_id::f32, bd}}, dtype_id::f32);
        single q;
        if (kind != 3) q.make<tpu::binary>(a, {{dtype_id::u8, ad, 100}, {dtype_id::i8, bd, -7}}, dtype_id::i8, 3);
        const value y = s.run();
        value z;
        if (kind != 3) z = q.run();
        std::size_t at = 0;
        bool same = true;
        for (std::size_t n = 0; n < 2; ++n)
          for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t h = 0; h < 4; ++h)
              for (std::size_t w = 0; w < 5; ++w, ++at) {
                const auto place = [&](const shape& d) {
                  const auto size = [&](std::size_t i) { return static_cast<std::size_t>(d[i]); };
                  return (((size(0) == 1 ? 0 : n) * size(1) + (size(1) == 1 ? 0 : c)) * size(2) +
                          (size(2) == 1 ? 0 : h)) *
                             size(3) +
                         (size(3) == 1 ? 0 : w);
                };
                const float l = s.in[0].f[place(ad)];
                const float r = s.in[1].f[place(bd)];
                const float real[] = {l + r, l - r, l * r, l / r, std::max(l, r), std::min(l, r)};
                same = same && y.f[at] == std::min(std::max(real[kind], -90.0F), 90.0F);
                if (kind == 3) continue;
                const wide qa = q.in[0].i[place(ad)] - 100;
                const wide qb = q.in[1].i[place(bd)] + 7;
                const wide la = qa * 1234567890;
                const wide lb = qb * 777777777;
                const wide exact[] = {la + lb, la - lb, qa * qb * 1234567890, 0, la > lb ? la : lb, la < lb ? la : lb};
                same = same &&
                       z.i[at] == within(3 + rounded_quotient(exact[kind], wide{1} << (kind == 2 ? 38 : 31)), -90, 90);
              }
        CHECK(same);
        check_needs(s, 11);
      }
    }
  }
  single s;
  s.make<tpu::binary>({.kind = 0, .a_multiplier = 0, .b_multiplier = 0, .shift = 0, .clamp = {-inf, inf}},
                      {{dtype_id::f32, {2, 3, 4, 5}}, {dtype_id::f32, {1, 1, 1, 1}}}, dtype_id::f32);
  CHECK(tpu::record(s.g, 0).operand(s.g, 0, 0).layout == isa::layout::aligned);
  CHECK(tpu::record(s.g, 0).operand(s.g, 0, 1).layout == isa::layout::copy);
}

TEST_CASE("unary: every kind against <cmath>") {
  const auto f = [](isa::unary_kind k, double x) {
    using enum isa::unary_kind;
    const double s = 1.0 / (1.0 + std::exp(-x));
    switch (k) {
    case clip: return std::min(std::max(x, 0.25), 0.75);
    case leaky_relu: return x < 0 ? 0.25 * x : x;
    case sigmoid: return s;
    case tanh: return std::tanh(x);
    case hard_sigmoid: return std::min(std::max(0.25 * x + 0.75, 0.0), 1.0);
    case hard_swish: return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case silu: return x * s;
    case elu: return x < 0 ? 0.25 * (std::exp(x) - 1) : x;
    case softplus: return std::log1p(std::exp(x));
    case gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case erf: return std::erf(x);
    case exp: return std::exp(x);
    case log: return std::log(x);
    case sqrt: return std::sqrt(x);
    case reciprocal: return 1 / x;
    case abs: return std::abs(x);
    case neg: return -x;
    case mish: return x * std::tanh(std::log1p(std::exp(x)));
    case softsign: return x / (1 + std::abs(x));
    case selu: return x > 0 ? 0.75 * x : 0.75 * 0.25 * (std::exp(x) - 1);
    case floor: return std::floor(x);
    case ceil: return std::ceil(x);
    case round: return std::nearbyint(x);
    case sin: return std::sin(x);
    case cos: return std::cos(x);
    case tan: return std::tan(x);
    case asin: return std::asin(x);
    case acos: return std::acos(x);
    case atan: return std::atan(x);
    case sinh: return std::sinh(x);
    case cosh: return std::cosh(x);
    case asinh: return std::asinh(x);
    case acosh: return std::acosh(x);
    case atanh: return std::atanh(x);
    case sign: return x > 0 ? 1.0 : (x < 0 ? -1.0 : 0.0);
    case celu: return std::max(x, 0.0) + std::min(0.0, 0.25 * (std::exp(x / 0.25) - 1));
    case thresholded_relu: return x > 0.25 ? x : 0.0;
    case shrink: return x < -0.25 ? x + 0.75 : (x > 0.25 ? x - 0.75 : 0.0);
    case swish: return x / (1 + std::exp(-0.25 * x));
    }
    return 0.0;
  };
  for (std::int64_t kind = 0; kind <= isa::detail::last_enumerator<isa::unary_kind>; ++kind) {
    const auto k = static_cast<isa::unary_kind>(kind);
    CAPTURE(std::string(isa::name_of(k)));
    single s;
    s.make<tpu::unary>({.kind = kind, .alpha = 0.25F, .beta = 0.75F}, {{dtype_id::f32, {1, 2, 10, 10}}}, dtype_id::f32);
    if (k == isa::unary_kind::log || k == isa::unary_kind::sqrt) {
      for (float& x : s.in[0].f) x = std::abs(x) + 0.01F;
    }
    if (k == isa::unary_kind::asin || k == isa::unary_kind::acos || k == isa::unary_kind::atanh) {
      for (float& x : s.in[0].f) x /= 1.01F + std::abs(x);
    }
    if (k == isa::unary_kind::acosh) {
      for (float& x : s.in[0].f) x = 1.0F + std::abs(x);
    }
    const value y = s.run();
    double worst = 0.0;
    for (std::size_t i = 0; i < y.f.size(); ++i) {
      const double wanted = f(k, static_cast<double>(s.in[0].f[i]));
      worst = std::max(worst, std::abs(static_cast<double>(y.f[i]) - wanted) / std::max(1.0, std::abs(wanted)));
    }
    CHECK(worst < 2e-6);
    check_needs(s, 12);
  }
  CHECK_THROWS_AS(
      single{}.make<tpu::unary>({.kind = 0, .alpha = 0.0F, .beta = 0.0F}, {{dtype_id::i8, {1, 2}}}, dtype_id::i8),
      tmpu::error);
}

TEST_CASE("lookup") {
  for (const dtype_id type : {dtype_id::i8, dtype_id::u8}) {
    single s;
    s.make<tpu::lookup>({}, {{type, {2, 3, 4, 5}}, {dtype_id::u8, {256}}}, dtype_id::u8);
    const value y = s.run();
    bool same = true;
    for (std::size_t i = 0; i < y.i.size(); ++i) {
      const auto index = static_cast<std::size_t>(s.in[0].i[i] + (type == dtype_id::i8 ? 128 : 0));
      same = same && y.i[i] == s.in[1].i[index];
    }
    CHECK(same);
    check_needs(s, 13);
    CHECK(tpu::record(s.g, 0).operand(s.g, 0, 1).layout == isa::layout::copy);
  }
}

TEST_CASE("cast") {
  single down;
  down.make<tpu::cast>({.scale = 0.03125F, .multiplier = 0, .shift = 0}, {{dtype_id::f32, {1, 50}}}, dtype_id::i8, 3);
  down.in[0].f[0] = std::numeric_limits<float>::quiet_NaN();
  down.in[0].f[1] = inf;
  down.in[0].f[2] = -inf;
  down.in[0].f[3] = 0.015625F; // half a step
  down.in[0].f[4] = -0.015625F;
  const value q = down.run();
  CHECK(q.i[0] == 3);
  CHECK(q.i[1] == 127);
  CHECK(q.i[2] == -128);
  CHECK(q.i[3] == 4);
  CHECK(q.i[4] == 2);
  for (std::size_t i = 5; i < 50; ++i) {
    CHECK(q.i[i] == within(3 + static_cast<std::int64_t>(std::round(down.in[0].f[i] / 0.03125F)), -128, 127));
  }
  single up;
  up.make<tpu::cast>({.scale = 0.3F, .multiplier = 0, .shift = 0}, {{dtype_id::u8, {1, 50}, 40}}, dtype_id::bf16);
  const value r = up.run();
  for (std::size_t i = 0; i < 50; ++i) CHECK(r.f[i] == round_to_bf16(static_cast<float>(up.in[0].i[i] - 40) * 0.3F));
  single across;
  across.make<tpu::cast>({.scale = 0.0F, .multiplier = 1717986918, .shift = 30}, {{dtype_id::u8, {1, 50}, 40}},
                         dtype_id::i8, -5);
  const value s = across.run();
  for (std::size_t i = 0; i < 50; ++i) {
    CHECK(s.i[i] == within(-5 + rounded_quotient(wide{across.in[0].i[i] - 40} * 1717986918, wide{1} << 30), -128, 127));
  }
  single narrow;
  narrow.make<tpu::cast>({.scale = 0.0F, .multiplier = 0, .shift = 0}, {{dtype_id::f32, {1, 50}}}, dtype_id::f16);
  const value h = narrow.run();
  for (std::size_t i = 0; i < 50; ++i) CHECK(h.f[i] == round_to_f16(narrow.in[0].f[i]));
}

TEST_CASE("softmax") {
  single s;
  s.make<tpu::softmax>({}, {{dtype_id::f32, {1, 6, 1, 9}}}, dtype_id::f32);
  const value y = s.run();
  for (std::size_t row = 0; row < 6; ++row) {
    double sum = 0.0;
    for (std::size_t k = 0; k < 9; ++k) sum += std::exp(static_cast<double>(s.in[0].f[row * 9 + k]));
    for (std::size_t k = 0; k < 9; ++k) {
      CHECK(y.f[row * 9 + k] ==
            doctest::Approx(std::exp(static_cast<double>(s.in[0].f[row * 9 + k])) / sum).epsilon(1e-6));
    }
  }
  check_needs(s, 14);
  const tpu::tile t{{0, 1, 2, 5, 0, 1}, 0, 1};
  CHECK(tpu::record(s.g, 0).scratch(s.g, 0, 0, t, false).dims == tpu::view4{1, 3, 1, 1});
  CHECK(tpu::record(s.g, 0).scratch(s.g, 0, 1, t, false).dims == tpu::view4{1, 3, 1, 9});
  CHECK(tpu::record(s.g, 0).scratch(s.g, 0, 2, t, false).type == dtype_id::none);
}

TEST_CASE("join and upsample") {
  single j;
  j.make<tpu::join>({}, {{dtype_id::i8, {2, 3, 2, 2}}, {dtype_id::i8, {2, 1, 2, 2}}}, dtype_id::i8);
  const value z = j.run();
  CHECK(z.dims == shape{2, 4, 2, 2});
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 4; ++c)
      for (std::size_t p = 0; p < 4; ++p)
        CHECK(z.i[(n * 4 + c) * 4 + p] == (c < 3 ? j.in[0].i[(n * 3 + c) * 4 + p] : j.in[1].i[n * 4 + p]));

  single u;
  u.make<tpu::upsample>({{3, 2}}, {{dtype_id::f32, {2, 2, 3, 4}}}, dtype_id::f32);
  const value y = u.run();
  CHECK(y.dims == shape{2, 2, 9, 8});
  for (std::size_t plane = 0; plane < 4; ++plane)
    for (std::size_t h = 0; h < 9; ++h)
      for (std::size_t w = 0; w < 8; ++w)
        CHECK(y.f[(plane * 9 + h) * 8 + w] == u.in[0].f[(plane * 3 + h / 3) * 4 + w / 2]);
  // Rows 4..7 come from rows 1 and 2.
  const tpu::reach r = tpu::record(u.g, 0).reach(u.g, 0, 0);
  CHECK(tpu::need(r, {2, 2, 3, 4}, {{0, 1, 0, 2, 4, 8}}) == tpu::box{0, 1, 0, 2, 1, 3});
}

TEST_CASE("moves") {
  single t;
  t.make<tpu::transpose>({.perm = {2, 0, 1}}, {{dtype_id::i8, {2, 3, 4}}}, dtype_id::i8);
  const value y = t.run();
  CHECK(y.dims == shape{4, 2, 3});
  for (std::size_t a = 0; a < 2; ++a)
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t c = 0; c < 4; ++c) CHECK(y.i[(c * 2 + a) * 3 + b] == t.in[0].i[(a * 3 + b) * 4 + c]);

  single k;
  k.make<tpu::concat>({.axis = 1}, {{dtype_id::f32, {2, 3, 2}}, {dtype_id::f32, {2, 1, 2}}}, dtype_id::f32);
  const value z = k.run();
  CHECK(z.dims == shape{2, 4, 2});
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 4; ++c)
      for (std::size_t w = 0; w < 2; ++w) {
        CHECK(z.f[(n * 4 + c) * 2 + w] == (c < 3 ? k.in[0].f[(n * 3 + c) * 2 + w] : k.in[1].f[n * 2 + w]));
      }

  single s;
  s.make<tpu::slice>({.starts = {0, 1, 2}, .ends = {2, 3, 7}, .steps = {1, 1, 2}}, {{dtype_id::u8, {2, 3, 7}}},
                     dtype_id::u8);
  const value p = s.run();
  CHECK(p.dims == shape{2, 2, 3});
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t w = 0; w < 3; ++w) CHECK(p.i[(n * 2 + c) * 3 + w] == s.in[0].i[(n * 3 + c + 1) * 7 + 2 + 2 * w]);

  single d;
  d.make<tpu::pad>({.pads = {0, 1, 1, 2}, .value = -3.0F}, {{dtype_id::i8, {2, 3}}}, dtype_id::i8);
  const value o = d.run();
  CHECK(o.dims == shape{3, 6});
  for (std::size_t h = 0; h < 3; ++h)
    for (std::size_t w = 0; w < 6; ++w)
      CHECK(o.i[h * 6 + w] == (h < 2 && w >= 1 && w < 4 ? d.in[0].i[h * 3 + w - 1] : -3));

  single r;
  r.make<tpu::reshape>({.shape = {3, 8}}, {{dtype_id::f32, {2, 3, 4}}}, dtype_id::f32);
  CHECK(r.run().f == r.in[0].f);
  CHECK(r.run().dims == shape{3, 8});
  CHECK_FALSE(tpu::record(r.g, 0).tiled);
  CHECK_THROWS_AS(single{}.make<tpu::reshape>({.shape = {3, 7}}, {{dtype_id::f32, {2, 3, 4}}}, dtype_id::f32),
                  tmpu::error);
}

TEST_CASE("cuts and layouts of convolutions") {
  const auto made = [](const conv_form& f) {
    single s;
    s.make<tpu::conv>(conv_attributes(f, {-inf, inf}),
                      {{dtype_id::f32, {2, f.ic, 8, 9}},
                       {dtype_id::f32, {f.oc, f.ic / f.group, f.kh, f.kw}},
                       {dtype_id::f32, {f.oc, 1}}},
                      dtype_id::f32);
    return s;
  };
  const single dense = made(conv_forms[0]);
  CHECK((tpu::conv::cut(dense.g, 0).k && tpu::conv::cut(dense.g, 0).c));
  CHECK(tpu::conv::inner(dense.g, 0) == 3);
  CHECK(tpu::conv::operand(dense.g, 0, 1).dims == tpu::view4{1, 8, 3, 9});
  CHECK(tpu::need(dense.g, 0, 0, {{0, 1, 2, 5, 3, 4}, 1, 2}) == tpu::box{0, 1, 1, 2, 2, 5});
  CHECK(tpu::need(dense.g, 0, 1, {{0, 1, 2, 5, 3, 4}, 1, 2}) == tpu::box{0, 1, 2, 5, 1, 2});
  const single grouped = made(conv_forms[1]);
  CHECK_FALSE((tpu::conv::cut(grouped.g, 0).k || tpu::conv::cut(grouped.g, 0).c));
  const single deep = made(conv_forms[2]);
  CHECK(tpu::conv::depthwise(deep.g, 0));
  CHECK((tpu::conv::cut(deep.g, 0).c && !tpu::conv::cut(deep.g, 0).k));
  CHECK(tpu::need(deep.g, 0, 0, {{0, 2, 2, 4, 0, 1}, 0, 1}) == tpu::box{0, 2, 2, 4, 0, 3});
}

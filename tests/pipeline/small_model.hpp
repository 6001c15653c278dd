// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/table_text.hpp"
#include "tmpu/ir/builder.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/reshape.hpp"

/// A small network written as a C++ value, with its calibration: conv, ReLU, pool, dense.
namespace small_model {

using namespace tmpu;

constexpr value weights(const shape& dims, std::int64_t step) {
  value v(dtype_id::f32, dims);
  for (std::size_t i = 0; i < v.f.size(); ++i) {
    v.f[i] = static_cast<float>(static_cast<std::int64_t>(i) * step % 17 - 8) / 32.0F;
  }
  return v;
}

constexpr graph<stage::origin> build() {
  model_builder m;
  const tensor_id x = m.input("x", dtype_id::f32, {1, 2, 8, 8});
  const tensor_id w = m.constant("w", weights({10, 2, 3, 3}, 5));
  const tensor_id b = m.constant("b", weights({10}, 3));
  const tensor_id c =
      m.add<top::conv>("conv", {.kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}, .strides = {1, 1}}, {x, w, b});
  const tensor_id r = m.add<top::relu>("relu", {}, {c});
  const tensor_id p = m.add<top::max_pool>("pool", {.kernel_shape = {2, 2}, .strides = {2, 2}}, {r});
  const tensor_id f = m.add<top::flatten>("flat", {}, {p});
  const tensor_id dw = m.constant("dw", weights({4, 160}, 7));
  const tensor_id db = m.constant("db", weights({4}, 2));
  m.output(m.add<top::gemm>("scores", {.transB = 1}, {f, dw, db}));
  return m.take();
}

/// Ranges as a calibration would give them.
constexpr calibrate::table ranges() {
  calibrate::table t;
  t.add("x", {.known = true, .threshold = 1.0F, .min = -1.0F, .max = 1.0F});
  t.add("relu", {.known = true, .threshold = 2.0F, .min = 0.0F, .max = 2.0F});
  t.add("pool", {.known = true, .threshold = 2.0F, .min = 0.0F, .max = 2.0F});
  t.add("flat", {.known = true, .threshold = 2.0F, .min = 0.0F, .max = 2.0F});
  t.add("scores", {.known = true, .threshold = 8.0F, .min = -8.0F, .max = 8.0F});
  return t;
}

constexpr value image() {
  value v(dtype_id::f32, {1, 2, 8, 8});
  for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = static_cast<float>(static_cast<int>(i * 11 % 31) - 15) / 16.0F;
  return v;
}

} // namespace small_model

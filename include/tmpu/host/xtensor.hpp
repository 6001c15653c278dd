// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/host/run.hpp"

#include <xtensor/xarray.hpp>

#include <type_traits>

/// The door to xtensor: arrays in and out.
namespace tmpu::host {

namespace detail {
template <class T> constexpr dtype_id dtype_for() {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
    return dtype_id::f32;
  else if constexpr (std::is_same_v<T, bool>)
    return dtype_id::boolean;
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? dtype_id::i8 : dtype_id::u8;
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? dtype_id::i16 : dtype_id::u16;
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? dtype_id::i32 : dtype_id::u32;
  else
    return std::is_signed_v<T> ? dtype_id::i64 : dtype_id::u64;
}
} // namespace detail

/// A row-major copy of an array or expression; floating-point elements as f32, integers as they are.
template <class E> value to_value(const xt::xexpression<E>& expression) {
  using element = typename E::value_type;
  const xt::xarray<element, xt::layout_type::row_major> a = expression.derived_cast();
  if (a.dimension() > shape::max_rank)
    refuse(text("the array has ") << a.dimension() << " dimensions; tmpu takes at most 8");
  shape dims;
  for (const auto d : a.shape()) dims.push_back(static_cast<std::int64_t>(d));
  value v(detail::dtype_for<element>(), dims);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if constexpr (std::is_floating_point_v<element>) {
      v.f[i] = static_cast<float>(a.data()[i]);
    } else {
      v.i[i] = static_cast<std::int64_t>(a.data()[i]);
    }
  }
  return v;
}

/// The elements of a value, converted to T.
template <class T = float> xt::xarray<T> to_xarray(const value& v) {
  std::vector<std::size_t> dims;
  for (const std::int64_t d : v.dims) dims.push_back(static_cast<std::size_t>(d));
  xt::xarray<T> a = xt::xarray<T>::from_shape(dims);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a.data()[i] = is_floating(v.type) ? static_cast<T>(v.f[i]) : static_cast<T>(v.i[i]);
  }
  return a;
}

/// Runs a program on arrays: one array for each input; the first output as real numbers.
template <class... Es> xt::xarray<float> run(runner& r, const xt::xexpression<Es>&... inputs) {
  const vec<value> values{to_value(inputs)...};
  return to_xarray<float>(user_value(r.run(values).at(0)));
}

} // namespace tmpu::host

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu {

/// A shape that the user gives to an input (`--input-shape NAME=1,1,28,28`).
struct input_shape {
  text name;
  shape dims;
};

/// Refuses a shape for an input that the model has not.
constexpr void check_input_names(std::span<const input_shape> given, std::span<const std::string_view> inputs) {
  for (const input_shape& s : given) {
    text list;
    bool known = false;
    for (const std::string_view in : inputs) {
      known = known || s.name.view() == in;
      list << (list.empty() ? "'" : ", '") << in << '\'';
    }
    if (!known) refuse(text("--input-shape names the input '") << s.name << "', but the model's inputs are " << list);
  }
}

/// The shape of input `name`: what the model says (-1: a free dimension; `whole` false: nothing at all), with the shape that is given for it.
/// Errors: a given shape that contradicts the model; what stays free, unless `allow_free`.
constexpr shape bound_shape(std::string_view name, shape dims, bool whole, std::span<const input_shape> given,
                            bool allow_free) {
  for (const input_shape& s : given) {
    if (s.name.view() != name) continue;
    bool fits = !whole || s.dims.rank() == dims.rank();
    for (std::size_t d = 0; fits && whole && d < dims.rank(); ++d) fits = dims[d] < 0 || dims[d] == s.dims[d];
    if (!fits) {
      refuse(text("--input-shape ") << name << '=' << join(s.dims, ",") << " contradicts the model, which has "
                                    << dims.print() << " (-1: free)");
    }
    dims = s.dims;
    whole = true;
  }
  if (!whole || (!dims.known() && !allow_free)) {
    shape example = dims;
    for (std::size_t d = 0; d < example.rank(); ++d) example[d] = example[d] < 0 ? 1 : example[d];
    refuse(text("input '") << name << "' " << (whole ? dims.print() : text(""))
                           << (whole ? " has free dimensions" : "has no shape in the model")
                           << ": bind them with --input-shape " << name << '='
                           << (whole ? join(example, ",") : text("...")));
  }
  return dims;
}

} // namespace tmpu

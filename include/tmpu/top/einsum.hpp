// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// y[output labels] = sum over the labels that the output leaves out of the product of the operands' elements. A letter repeated in
/// an operand takes its diagonal; "..." stands for the axes without a letter, which are broadcast; without "->" the output
/// has the axes of "..." and the letters that appear once, in alphabetical order.               (ONNX Einsum)
///
/// Shape:     as the equation says.
/// Elements:  f32, f16, bf16 (sums in f32); integers. All operands of one type.
/// Tiling:    none in general; canonicalize makes MatMul of the usual ones.
/// Errors:    an equation that cannot be read, or does not fit the operands.
struct einsum {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, equation));
  };
  static constexpr op_info info{.name = "einsum", .onnx = "Einsum", .max_operands = -1};

  /// The equation applied to shapes: sizes of the output's and the summed labels, and each operand's steps along them.
  struct plan {
    tmpu::shape output;
    tmpu::shape summed;
    vec<detail::strides> output_steps;
    vec<detail::strides> summed_steps;
    text problem;
  };

  /// Calls f() for each index of `over`; at[t] is operand t's place.
  template <class F>
  static constexpr void walk(const tmpu::shape& over, const vec<detail::strides>& steps, ints& at, F&& f) {
    std::int64_t index[tmpu::shape::max_rank] = {};
    for (std::int64_t left = over.elements(); left > 0; --left) {
      f();
      for (std::size_t d = over.rank(); d-- > 0;) {
        const bool carry = ++index[d] == over[d];
        const std::int64_t move = carry ? 1 - over[d] : 1;
        for (std::size_t t = 0; t < at.size(); ++t) at[t] += move * steps[t].of[d];
        if (!carry) break;
        index[d] = 0;
      }
    }
  }
  template <class T, class Elements, class Times, class Plus>
  static constexpr void compute(const plan& p, vec<T>& y, Elements&& elements, Times&& times, Plus&& plus) {
    vec<const T*> from;
    for (std::size_t t = 0; t < p.output_steps.size(); ++t) from.push_back(elements(t));
    ints at(from.size());
    std::size_t to = 0;
    walk(p.output, p.output_steps, at, [&] {
      T sum{};
      walk(p.summed, p.summed_steps, at, [&] {
        T product = from[0][at[0]];
        for (std::size_t t = 1; t < from.size(); ++t) product = times(product, from[t][at[t]]);
        sum = plus(sum, product);
      });
      y[to++] = sum;
    });
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    vec<tmpu::shape> shapes;
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      detail::require_same_type(c, 0, i);
      shapes.push_back(c.dims(i));
    }
    const plan p = make_plan(a.equation, shapes);
    if (!p.problem.empty()) c.fail(text("equation '") << a.equation << "': " << p.problem);
    c.result(0, c.type(0), p.output);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    vec<tmpu::shape> shapes;
    for (std::size_t i = 0; i < c.operand_count(); ++i) shapes.push_back(c.in(i).dims);
    const plan p = make_plan(a.equation, shapes);
    value& y = c.out();
    if (is_floating(y.type)) {
      compute(
          p, y.f, [&](std::size_t i) { return c.in(i).f.data(); }, [](float l, float r) { return l * r; },
          [](float l, float r) { return l + r; });
      detail::round_elements(y);
    } else {
      compute(
          p, y.i, [&](std::size_t i) { return c.in(i).i.data(); },
          [](std::int64_t l, std::int64_t r) { return detail::wrapping_mul(l, r); },
          [](std::int64_t l, std::int64_t r) { return detail::wrapping_add(l, r); });
      for (std::int64_t& v : y.i) v = detail::wrap(y.type, v);
    }
  }

  static constexpr plan make_plan(std::string_view equation, const vec<tmpu::shape>& shapes) {
    plan p;
    vec<vec<label>> terms;
    terms.push_back({});
    vec<label> output;
    bool explicit_output = false;
    for (std::size_t i = 0; i < equation.size(); ++i) {
      const char ch = equation[i];
      const std::string_view rest = equation.substr(i);
      vec<label>& to = explicit_output ? output : terms.back();
      if (ch == ' ') continue;
      if (ch == ',' && !explicit_output) {
        terms.push_back({});
      } else if (rest.size() > 1 && rest.substr(0, 2) == "->" && !explicit_output) {
        explicit_output = true;
        ++i;
      } else if (rest.size() > 2 && rest.substr(0, 3) == "...") {
        to.push_back(dots);
        i += 2;
      } else if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')) {
        to.push_back(ch);
      } else {
        p.problem << "cannot read '" << ch << "' at place " << i;
        return p;
      }
    }
    if (terms.size() != shapes.size()) {
      p.problem << "has " << terms.size() << " terms for " << shapes.size() << " operands";
      return p;
    }
    expand_dots(p, terms, output, shapes, explicit_output);
    if (p.problem.empty()) measure(p, terms, output, shapes);
    return p;
  }

private:
  using label = std::int32_t; ///< a letter, or first_dot + the number of an axis of "..."
  static constexpr label dots = 1;
  static constexpr label first_dot = 1000;

  static constexpr bool holds(const vec<label>& list, label l) {
    for (const label x : list) {
      if (x == l) return true;
    }
    return false;
  }
  /// Every "..." becomes the labels of its axes, counted from the last; the implicit output is written out.
  static constexpr void expand_dots(plan& p, vec<vec<label>>& terms, vec<label>& output, const vec<tmpu::shape>& shapes,
                                    bool explicit_output) {
    std::size_t most = 0;
    for (std::size_t t = 0; t < terms.size(); ++t) {
      std::size_t count = 0;
      for (const label l : terms[t]) count += l == dots ? 1 : 0;
      const std::size_t letters = terms[t].size() - count;
      const std::size_t rank = shapes[t].rank();
      if (count > 1 || letters > rank || (count == 0 && letters != rank)) {
        p.problem << "term " << t << " does not fit operand " << shapes[t].print();
        return;
      }
      if (count == 1 && rank - letters > most) most = rank - letters;
    }
    const auto written = [&](const vec<label>& list, std::size_t axes) {
      vec<label> out;
      for (const label l : list) {
        if (l != dots) out.push_back(l);
        for (std::size_t k = axes; l == dots && k-- > 0;) out.push_back(first_dot + static_cast<label>(k));
      }
      return out;
    };
    vec<label> all;
    for (std::size_t t = 0; t < terms.size(); ++t) {
      const bool has = holds(terms[t], dots);
      terms[t] = written(terms[t], has ? shapes[t].rank() + 1 - terms[t].size() : 0);
      for (const label l : terms[t]) all.push_back(l);
    }
    if (explicit_output) {
      output = written(output, most);
      return;
    }
    output = written({dots}, most);
    for (label l = 'A'; l <= 'z'; ++l) {
      int uses = 0;
      for (const label x : all) uses += x == l ? 1 : 0;
      if (uses == 1) output.push_back(l);
    }
  }
  static constexpr void measure(plan& p, const vec<vec<label>>& terms, const vec<label>& output,
                                const vec<tmpu::shape>& shapes) {
    vec<label> labels = output; // the output's first, then those that are summed
    vec<std::int64_t> sizes(output.size());
    for (std::size_t i = 0; i < output.size(); ++i) {
      sizes[i] = 1;
      bool used = false;
      for (const auto& t : terms) used = used || holds(t, output[i]);
      bool twice = false;
      for (std::size_t k = 0; k < i; ++k) twice = twice || output[k] == output[i];
      if ((!used && output[i] < first_dot) || twice) p.problem << "the output's labels must appear in a term, and once";
    }
    for (std::size_t t = 0; t < terms.size(); ++t) {
      for (std::size_t d = 0; d < terms[t].size(); ++d) {
        std::size_t at = 0;
        while (at < labels.size() && labels[at] != terms[t][d]) ++at;
        if (at == labels.size()) {
          labels.push_back(terms[t][d]);
          sizes.push_back(1);
        }
        const std::int64_t size = shapes[t][d];
        if (size == 1 || sizes[at] == size) continue;
        if (sizes[at] > 1 && size >= 0)
          p.problem << "axis " << d << " of " << shapes[t].print() << " should be " << sizes[at];
        sizes[at] = sizes[at] > 1 ? sizes[at] : size;
      }
    }
    if (output.size() > tmpu::shape::max_rank || labels.size() - output.size() > tmpu::shape::max_rank)
      p.problem << "has more than 8 axes in the output or to sum over";
    if (!p.problem.empty()) return;
    for (std::size_t i = 0; i < labels.size(); ++i) (i < output.size() ? p.output : p.summed).push_back(sizes[i]);
    for (std::size_t t = 0; t < terms.size(); ++t) {
      const detail::strides own = detail::strides_of(shapes[t]);
      detail::strides steps[2];
      for (std::size_t d = 0; d < terms[t].size(); ++d) {
        if (shapes[t][d] == 1) continue;
        std::size_t at = 0;
        while (labels[at] != terms[t][d]) ++at;
        if (at < output.size()) {
          steps[0].of[at] += own.of[d];
        } else {
          steps[1].of[at - output.size()] += own.of[d];
        }
      }
      p.output_steps.push_back(steps[0]);
      p.summed_steps.push_back(steps[1]);
    }
  }
};
static_assert(op<einsum>);

/// y = the determinant of each matrix of x, by elimination with row pivots, in double.         (ONNX Det)
///
/// Shape:     x [..., M, M]; y [...].
/// Elements:  f32, f16, bf16.
/// Tiling:    none; on the host.
/// Errors:    a rank below 2; matrices that are not square.
struct det {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "det", .onnx = "Det"};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    const auto& x = c.dims(0);
    const std::size_t rank = x.rank();
    if (rank < 2 || (x[rank - 1] >= 0 && x[rank - 2] >= 0 && x[rank - 1] != x[rank - 2]))
      c.fail(text("takes square matrices, not ") << x.print());
    c.result(0, c.type(0), tmpu::shape(x.span().first(rank - 2)));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const auto size = static_cast<std::size_t>(c.in(0).dims[c.in(0).dims.rank() - 1]);
    for (std::size_t n = 0; n < y.f.size(); ++n) {
      vec<double> m;
      for (std::size_t i = 0; i < size * size; ++i) m.push_back(static_cast<double>(c.in(0).f[n * size * size + i]));
      y.f[n] = static_cast<float>(determinant(m, size));
    }
    detail::round_elements(y);
  }

private:
  static constexpr double determinant(vec<double>& m, std::size_t size) {
    double product = 1.0;
    for (std::size_t k = 0; k < size; ++k) {
      std::size_t pivot = k;
      for (std::size_t r = k + 1; r < size; ++r) {
        if (math::abs(m[r * size + k]) > math::abs(m[pivot * size + k])) pivot = r;
      }
      const double head = m[pivot * size + k];
      if (head == 0.0) return 0.0;
      product *= pivot == k ? head : -head;
      for (std::size_t i = k; i < size; ++i) std::swap(m[k * size + i], m[pivot * size + i]);
      for (std::size_t r = k + 1; r < size; ++r) {
        const double factor = m[r * size + k] / head;
        for (std::size_t i = k; i < size; ++i) m[r * size + i] -= factor * m[k * size + i];
      }
    }
    return product;
  }
};
static_assert(op<det>);

} // namespace tmpu::top

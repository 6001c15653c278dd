// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

/// Operators that sort, or whose result has as many entries as the elements say.
namespace tmpu::top {

namespace detail {
/// Puts `order` into the order of before(a, b); equal ones stay as they are (merge sort).
template <class F> constexpr void sort_stable(ints& order, F&& before) {
  ints merged(order.size());
  for (std::size_t run = 1; run < order.size(); run *= 2) {
    for (std::size_t first = 0; first < order.size(); first += 2 * run) {
      const std::size_t middle = first + run < order.size() ? first + run : order.size();
      const std::size_t last = middle + run < order.size() ? middle + run : order.size();
      std::size_t left = first;
      std::size_t right = middle;
      for (std::size_t to = first; to < last; ++to) {
        const bool take_right = left == middle || (right < last && before(order[right], order[left]));
        merged[to] = order[take_right ? right++ : left++];
      }
    }
    order.swap(merged);
  }
}
/// a > b, where a NaN is the greatest.
template <class T> constexpr bool above(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (math::is_nan(b)) return false;
    if (math::is_nan(a)) return true;
  }
  return a > b;
}
constexpr ints counting(std::int64_t count) {
  ints list;
  list.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) list.push_back(i);
  return list;
}
/// Calls f(elements of v), u64 elements as unsigned words.
template <class F> constexpr void with_ordered(const value& v, F&& f) {
  if (is_floating(v.type)) {
    f([&](std::int64_t n) { return v.f[static_cast<std::size_t>(n)]; });
  } else {
    with_integer_of(v.type, [&]<class Int>(Int) {
      f([&](std::int64_t n) { return static_cast<Int>(v.i[static_cast<std::size_t>(n)]); });
    });
  }
}
/// A result gets shape and elements: those of `from` at the places.
constexpr void take(value& y, dtype_id type, const dims& shape, const value& from, const ints& places) {
  y = value(type, shape);
  with_elements(y, from, [&](auto* to, const auto* x) {
    for (std::size_t n = 0; n < places.size(); ++n) to[n] = x[places[n]];
  });
}
} // namespace detail

/// values = the k greatest (largest = 0: least) elements along axis, the best first, of equal ones the earlier; indices =
/// their places. k: operand 1.                                                                 (ONNX TopK)
///
/// Shape:     x's with size k along axis.
/// Elements:  x: any numeric type; indices i64. A NaN counts as the greatest.
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x; k negative or beyond the axis.
struct top_k {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis), (defaulted<std::int64_t, 1>, largest),
                (defaulted<std::int64_t, 1>, sorted));
  };
  static constexpr op_info info{
      .name = "top_k", .onnx = "TopK", .min_operands = 2, .max_operands = 2, .results = 1, .max_results = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    tmpu::shape y = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, y.rank(), c);
    detail::require_integers(c, 1);
    if (c.is_constant(1)) {
      const value k = c.constant(1);
      if (k.i.size() != 1 || k.i[0] < 0 || (y[axis] >= 0 && k.i[0] > y[axis]))
        c.fail(text("k must be one number from 0 to ") << y[axis] << ", not [" << join(k.i, ",") << ']');
      y[axis] = k.i[0];
    } else {
      y[axis] = -1;
    }
    c.result(0, c.type(0), y);
    c.result(1, dtype_id::i64, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const std::size_t axis = detail::axis_at(a.axis, x.dims.rank());
    const detail::axis_view view(x.dims, axis);
    const std::int64_t k = c.in(1).i[0];
    value& y = c.out();
    detail::with_ordered(x, [&](auto&& at) {
      view.for_each_line([&](std::int64_t first, std::int64_t line) {
        ints order = detail::counting(view.size);
        detail::sort_stable(order, [&](std::int64_t l, std::int64_t r) {
          const auto left = at(first + l * view.inner);
          const auto right = at(first + r * view.inner);
          return a.largest != 0 ? detail::above(left, right) : detail::above(right, left);
        });
        const std::int64_t to = line / view.inner * k * view.inner + line % view.inner;
        for (std::int64_t n = 0; n < k; ++n) {
          const std::int64_t place = order[static_cast<std::size_t>(n)];
          const auto out = static_cast<std::size_t>(to + n * view.inner);
          detail::with_elements(y, x,
                                [&](auto* y_at, const auto* from) { y_at[out] = from[first + place * view.inner]; });
          if (c.result_count() > 1) c.out(1).i[out] = place;
        }
      });
    });
  }
};
static_assert(op<top_k>);

/// y = the coordinates of the elements that are not 0: y[d] holds axis d's, in row-major order.  (ONNX NonZero)
///
/// Shape:     y [rank, count]; the count is not known before the elements are.
/// Elements:  x any; y i64.
/// Tiling:    none; on the host.
/// Errors:    none.
struct non_zero {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "non_zero", .onnx = "NonZero"};
  static constexpr void infer(const attributes&, infer_context& c) {
    c.result(0, dtype_id::i64, {static_cast<std::int64_t>(c.dims(0).rank()), -1});
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value& x = c.in(0);
    ints found;
    for (std::size_t n = 0; n < x.size(); ++n) {
      if (is_floating(x.type) ? x.f[n] != 0.0F : x.i[n] != 0) found.push_back(static_cast<std::int64_t>(n));
    }
    const auto count = static_cast<std::int64_t>(found.size());
    c.out() = value(dtype_id::i64, {static_cast<std::int64_t>(x.dims.rank()), count});
    const detail::strides own = detail::strides_of(x.dims);
    for (std::size_t d = 0; d < x.dims.rank(); ++d) {
      for (std::size_t n = 0; n < found.size(); ++n) c.out().i[d * found.size() + n] = found[n] / own.of[d] % x.dims[d];
    }
  }
};
static_assert(op<non_zero>);

/// y = the different entries of x along axis (elements where there is no axis), sorted, or in order of their first
/// appearance (sorted = 0); indices: where each appears first; inverse: which entry of y each of x is; counts.  (ONNX Unique)
///
/// Shape:     y x's with the number of different entries along axis, or [number]; the number is not known before the elements are.
/// Elements:  x any but strings; the others i64.
/// Tiling:    none; on the host.
/// Errors:    axis outside of x.
struct unique {
  static constexpr std::string_view domain = "top";
  static constexpr std::int64_t no_axis = 9223372036854775807;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 9223372036854775807>, axis), (defaulted<std::int64_t, 1>, sorted));
  };
  static constexpr op_info info{.name = "unique", .onnx = "Unique", .results = 1, .max_results = 4};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (c.type(0) == dtype_id::string) c.fail("takes numbers, not strings");
    tmpu::shape y{-1};
    std::int64_t entries = detail::product(x, 0, x.rank());
    if (a.axis != no_axis) {
      const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
      entries = x[axis];
      y = x;
      y[axis] = -1;
    }
    c.result(0, c.type(0), y);
    c.result(1, dtype_id::i64, {-1});
    c.result(2, dtype_id::i64, {entries});
    c.result(3, dtype_id::i64, {-1});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const bool flat = a.axis == no_axis;
    const std::size_t axis = flat ? 0 : detail::axis_at(a.axis, x.dims.rank());
    detail::axis_view view(tmpu::shape{static_cast<std::int64_t>(x.size())}, 0);
    if (!flat) view = detail::axis_view(x.dims, axis);
    detail::with_ordered(x, [&](auto&& at) {
      // -1, 0, 1: entry l is before, the same as, after entry r.
      const auto compare = [&](std::int64_t l, std::int64_t r) {
        for (std::int64_t o = 0; o < view.outer; ++o) {
          for (std::int64_t i = 0; i < view.inner; ++i) {
            const auto left = at((o * view.size + l) * view.inner + i);
            const auto right = at((o * view.size + r) * view.inner + i);
            if (left < right) return -1;
            if (right < left) return 1;
          }
        }
        return 0;
      };
      ints order = detail::counting(view.size);
      detail::sort_stable(order, [&](std::int64_t l, std::int64_t r) { return compare(l, r) < 0; });
      ints first; // of each group of equal entries, the earliest
      ints group(order.size());
      ints counts;
      for (std::size_t n = 0; n < order.size(); ++n) {
        if (n == 0 || compare(order[n - 1], order[n]) != 0) {
          first.push_back(order[n]);
          counts.push_back(0);
        }
        group[static_cast<std::size_t>(order[n])] = static_cast<std::int64_t>(first.size()) - 1;
        ++counts.back();
      }
      ints shown = detail::counting(static_cast<std::int64_t>(first.size()));
      if (a.sorted == 0) {
        detail::sort_stable(shown, [&](std::int64_t l, std::int64_t r) {
          return first[static_cast<std::size_t>(l)] < first[static_cast<std::size_t>(r)];
        });
      }
      put(c, x, flat, axis, view, first, counts, group, shown);
    });
  }

private:
  static constexpr void put(eval_context& c, const value& x, bool flat, std::size_t axis, const detail::axis_view& view,
                            const ints& first, const ints& counts, const ints& group, const ints& shown) {
    const auto number = static_cast<std::int64_t>(shown.size());
    tmpu::shape y{number};
    if (!flat) {
      y = x.dims;
      y[axis] = number;
    }
    ints places;
    for (std::int64_t o = 0; o < view.outer; ++o) {
      for (const std::int64_t s : shown) {
        for (std::int64_t i = 0; i < view.inner; ++i)
          places.push_back((o * view.size + first[static_cast<std::size_t>(s)]) * view.inner + i);
      }
    }
    detail::take(c.out(), x.type, y, x, places);
    const auto put_list = [&](std::size_t i, ints list) {
      if (i >= c.result_count()) return;
      c.out(i).dims = tmpu::shape{static_cast<std::int64_t>(list.size())};
      c.out(i).i = std::move(list);
    };
    ints indices;
    ints shown_counts;
    ints rank(shown.size());
    for (std::size_t n = 0; n < shown.size(); ++n) {
      const auto s = static_cast<std::size_t>(shown[n]);
      indices.push_back(first[s]);
      shown_counts.push_back(counts[s]);
      rank[s] = static_cast<std::int64_t>(n);
    }
    ints inverse;
    for (const std::int64_t g : group) inverse.push_back(rank[static_cast<std::size_t>(g)]);
    put_list(1, std::move(indices));
    put_list(2, std::move(inverse));
    put_list(3, std::move(shown_counts));
  }
};
static_assert(op<unique>);

/// y = (batch, class, box) of the boxes that stay: in each class by falling score, at most max_output (operand 2, default 0),
/// none whose intersection over union with one that stays is above iou_threshold (operand 3, default 0), none whose score
/// is not above score_threshold (operand 4, default none).                                     (ONNX NonMaxSuppression)
/// Boxes are two opposite corners [y, x, y, x]; with center_point_box [x, y, width, height].
///
/// Shape:     boxes [batch, boxes, 4], scores [batch, classes, boxes]; y [count, 3], the count not known before the elements are.
/// Elements:  boxes and scores f32; y i64.
/// Tiling:    none; on the host.
/// Errors:    shapes that do not fit.
struct non_max_suppression {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, center_point_box));
  };
  static constexpr op_info info{
      .name = "non_max_suppression", .onnx = "NonMaxSuppression", .min_operands = 2, .max_operands = 5};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_same_type(c, 0, 1);
    detail::require_rank(c, 0, 3);
    detail::require_rank(c, 1, 3);
    for (std::size_t i = 2; i < 5; ++i) {
      if (!c.has(i)) continue;
      detail::require_one(c, i);
      if (i == 2) {
        detail::require_integers(c, i);
      } else {
        detail::require_floating(c, i);
      }
    }
    const auto& boxes = c.dims(0);
    const auto& scores = c.dims(1);
    const auto differ = [](std::int64_t a, std::int64_t b) { return a >= 0 && b >= 0 && a != b; };
    if (differ(boxes[2], 4) || differ(boxes[0], scores[0]) || differ(boxes[1], scores[2])) {
      c.fail(text("boxes ") << boxes.print() << " and scores " << scores.print()
                            << " must be [batch, boxes, 4] and [batch, classes, boxes]");
    }
    c.result(0, dtype_id::i64, {-1, 3});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& scores = c.in(1);
    const std::int64_t classes = scores.dims[1];
    const std::int64_t count = scores.dims[2];
    const std::int64_t most = c.has(2) ? c.in(2).i[0] : 0;
    const float overlap = c.has(3) ? c.in(3).f[0] : 0.0F;
    const float least = c.has(4) ? c.in(4).f[0] : -math::infinity<float>;
    ints found;
    for (std::int64_t b = 0; b < scores.dims[0]; ++b) {
      const float* boxes = c.in(0).f.data() + b * count * 4;
      for (std::int64_t k = 0; k < classes; ++k) {
        const float* score = scores.f.data() + (b * classes + k) * count;
        ints order;
        for (std::int64_t n = 0; n < count; ++n) {
          if (score[n] > least) order.push_back(n);
        }
        detail::sort_stable(order, [&](std::int64_t l, std::int64_t r) { return score[l] > score[r]; });
        ints kept;
        for (const std::int64_t n : order) {
          if (static_cast<std::int64_t>(kept.size()) >= most) break;
          bool stays = true;
          for (const std::int64_t other : kept) {
            stays = stays && !(shared(corners(a, boxes + n * 4), corners(a, boxes + other * 4)) > overlap);
          }
          if (!stays) continue;
          kept.push_back(n);
          found.push_back(b);
          found.push_back(k);
          found.push_back(n);
        }
      }
    }
    c.out().dims = tmpu::shape{static_cast<std::int64_t>(found.size() / 3), 3};
    c.out().i = std::move(found);
  }

private:
  struct rectangle {
    float low[2];
    float high[2];
  };
  static constexpr rectangle corners(const attributes& a, const float* box) {
    rectangle r{};
    for (std::size_t i = 0; i < 2; ++i) {
      if (a.center_point_box != 0) {
        r.low[i] = box[i] - box[2 + i] / 2.0F;
        r.high[i] = box[i] + box[2 + i] / 2.0F;
      } else {
        r.low[i] = box[i] < box[2 + i] ? box[i] : box[2 + i];
        r.high[i] = box[i] < box[2 + i] ? box[2 + i] : box[i];
      }
    }
    return r;
  }
  /// Intersection over union; 0 where a rectangle has no area.
  static constexpr float shared(const rectangle& a, const rectangle& b) {
    float inside = 1.0F;
    float area_a = 1.0F;
    float area_b = 1.0F;
    for (std::size_t i = 0; i < 2; ++i) {
      const float low = a.low[i] > b.low[i] ? a.low[i] : b.low[i];
      const float high = a.high[i] < b.high[i] ? a.high[i] : b.high[i];
      inside *= high > low ? high - low : 0.0F;
      area_a *= a.high[i] - a.low[i];
      area_b *= b.high[i] - b.low[i];
    }
    if (!(area_a > 0.0F) || !(area_b > 0.0F)) return 0.0F;
    return inside / (area_a + area_b - inside);
  }
};
static_assert(op<non_max_suppression>);

} // namespace tmpu::top

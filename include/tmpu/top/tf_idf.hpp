// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// y[ngram_indexes[k]] = how often the k-th n-gram of the pool appears in a row of x (mode TF), its weight if it appears (IDF), or
/// the product (TFIDF). The pool holds the n-grams of one number, of two, ... one after the other, ngram_counts where each
/// length begins; those of min_gram_length to max_gram_length count, also with up to max_skip_count numbers left out
/// between any two of theirs.                                                                  (ONNX TfIdfVectorizer)
///
/// Shape:     x [numbers] or [rows, numbers]; y [greatest of ngram_indexes + 1], with the rows before it.
/// Elements:  x i32, i64; y f32.
/// Tiling:    none; on the host.
/// Errors:    strings; another rank; lists that do not fit each other; an unknown mode.
struct tf_idf_vectorizer {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((std::int64_t, max_gram_length), (std::int64_t, max_skip_count), (std::int64_t, min_gram_length),
                (text, mode), (ints, ngram_counts), (ints, ngram_indexes), (ints, pool_int64s), (floats, weights));
  };
  static constexpr op_info info{.name = "tf_idf_vectorizer", .onnx = "TfIdfVectorizer"};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_integers(c, 0);
    const auto& x = c.dims(0);
    if (x.rank() < 1 || x.rank() > 2) c.fail(text("takes a list or rows of numbers, not ") << x.print());
    const std::string_view mode = a.mode.view();
    if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
      c.fail(text("mode '") << mode << "' is not known; it is TF, IDF or TFIDF");
    if (a.min_gram_length < 1 || a.max_gram_length < a.min_gram_length || a.max_skip_count < 0)
      c.fail("min_gram_length must be at least 1, max_gram_length not below it, max_skip_count not negative");
    std::int64_t grams = 0;
    const auto pool = static_cast<std::int64_t>(a.pool_int64s.size());
    for (std::size_t n = 0; n < a.ngram_counts.size(); ++n) {
      const std::int64_t end = n + 1 < a.ngram_counts.size() ? a.ngram_counts[n + 1] : pool;
      const std::int64_t begin = a.ngram_counts[n];
      const auto length = static_cast<std::int64_t>(n) + 1;
      if (begin < 0 || end < begin || end > pool || (end - begin) % length != 0)
        c.fail(text("ngram_counts [") << join(a.ngram_counts, ",") << "] does not fit a pool of " << pool
                                      << " numbers");
      grams += (end - begin) / length;
    }
    if (static_cast<std::int64_t>(a.ngram_indexes.size()) != grams ||
        (!a.weights.empty() && a.weights.size() != a.ngram_indexes.size())) {
      c.fail(text("the pool holds ") << grams << " n-grams, but there are " << a.ngram_indexes.size() << " indexes and "
                                     << a.weights.size() << " weights");
    }
    std::int64_t greatest = -1;
    for (const std::int64_t i : a.ngram_indexes) {
      if (i < 0 || i >= (std::int64_t{1} << 31)) c.fail(text("an index must be from 0 to 2^31: ") << i);
      greatest = i > greatest ? i : greatest;
    }
    tmpu::shape y;
    if (x.rank() == 2) y.push_back(x[0]);
    y.push_back(greatest + 1);
    c.result(0, dtype_id::f32, y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::int64_t length = x.dims[x.dims.rank() - 1];
    const std::int64_t width = y.dims[y.dims.rank() - 1];
    for (std::int64_t row = 0; row * width < static_cast<std::int64_t>(y.f.size()); ++row) {
      const std::int64_t* numbers = x.i.data() + row * length;
      float* to = y.f.data() + row * width;
      for (std::int64_t size = a.min_gram_length; size <= a.max_gram_length; ++size) {
        // A single number has no gaps.
        const std::int64_t steps = size == 1 ? 1 : a.max_skip_count + 1;
        for (std::int64_t step = 1; step <= steps; ++step) {
          for (std::int64_t first = 0; first + step * (size - 1) < length; ++first) {
            const std::int64_t gram = find(a, numbers + first, size, step);
            if (gram < 0) continue;
            const auto k = static_cast<std::size_t>(gram);
            const float weight = a.weights.empty() ? 1.0F : a.weights[k];
            float& cell = to[a.ngram_indexes[k]];
            cell = a.mode.view() == "TF" ? cell + 1.0F : (a.mode.view() == "IDF" ? weight : cell + weight);
          }
        }
      }
    }
  }

private:
  /// The number of the n-gram in the pool, -1 where it is not there.
  static constexpr std::int64_t find(const attributes& a, const std::int64_t* numbers, std::int64_t size,
                                     std::int64_t step) {
    std::int64_t gram = 0;
    for (std::size_t n = 0; n < a.ngram_counts.size(); ++n) {
      const auto length = static_cast<std::int64_t>(n) + 1;
      const auto pool = static_cast<std::int64_t>(a.pool_int64s.size());
      const std::int64_t end = n + 1 < a.ngram_counts.size() ? a.ngram_counts[n + 1] : pool;
      for (std::int64_t at = a.ngram_counts[n]; at < end; at += length, ++gram) {
        bool same = length == size;
        for (std::int64_t i = 0; same && i < size; ++i)
          same = a.pool_int64s[static_cast<std::size_t>(at + i)] == numbers[i * step];
        if (same) return gram;
      }
    }
    return -1;
  }
};
static_assert(op<tf_idf_vectorizer>);

} // namespace tmpu::top

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/lines.hpp"
#include "tmpu/calibrate/observer.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/calibrate/threshold.hpp"

#include <string_view>
#include <utility>

/// What calibration saw of a part of the samples: a histogram a tensor. Parts merge, in any order, to what one run over all samples
/// would have seen, so the table that is made of them is the same, byte for byte. As a text:
/// ```
/// # tmpu calibration statistics v1
/// # model: 5d0f2b6c91a4e387
/// # rules: 0e3a77c2b1d95f60
/// # samples: 50
/// # name count zeros infinities min max exponent, then its bins `+bin:count` and `-bin:count`
/// input 39200 31700 0 0 1 1 +0:31700 +16:93 ...
/// ```
namespace tmpu::calibrate {

struct tensor_statistics {
  text name;
  histogram seen;
};

struct statistics {
  std::uint64_t model = 0; ///< fingerprint of the canonical graph
  std::uint64_t rules = 0; ///< fingerprint of the canonicalize rules
  std::int64_t samples = 0;
  vec<tensor_statistics> tensors;

  /// Takes in another part of the samples. Refuses that of another model. `what` is how a refusal calls the other one.
  constexpr void merge(const statistics& other, std::string_view what = "the other part") {
    bool same = model == other.model && rules == other.rules && tensors.size() == other.tensors.size();
    for (std::size_t i = 0; same && i < tensors.size(); ++i) same = tensors[i].name == other.tensors[i].name;
    if (!same) {
      refuse(text("the statistics of '")
             << what
             << "' are of another model or other rules than the first: make all parts of one model, with one tmpuc");
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].seen.merge(other.tensors[i].seen);
    samples += other.samples;
  }

  /// The table of the method: `finish<kl>()`. Refuses without samples.
  template <threshold_method Method> [[nodiscard]] constexpr table finish() const {
    return finish_with(Method::name, [](const histogram& h) { return choose_range<Method>(h); });
  }
  /// The same for the method of that name in a list, by default `methods`.
  template <class Methods = unpack<decltype(methods)>>
  [[nodiscard]] constexpr table finish(std::string_view method) const {
    return finish_with(method, [&](const histogram& h) { return choose_range<Methods>(method, h); });
  }

private:
  template <class Choose> constexpr table finish_with(std::string_view method, Choose choose) const {
    if (samples == 0) refuse("calibration saw no sample: give at least one");
    table t;
    t.model = model;
    t.rules = rules;
    t.method = text(method);
    t.samples = samples;
    for (const tensor_statistics& s : tensors) t.add(s.name, choose(s.seen));
    return t;
  }
};

namespace detail {
inline constexpr std::string_view statistics_title = "# tmpu calibration statistics v";

inline void put_bins(text& out, char sign, std::span<const std::int64_t> counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) out << ' ' << sign << static_cast<std::int64_t>(i) << ':' << counts[i];
  }
}
/// Counts beyond it are of no samples; so many of them add up.
inline constexpr std::int64_t most_counted = std::int64_t{1} << 50;
/// The number that stands there, at least `least`.
inline std::int64_t integer(const line_reader& line, std::string_view word, std::int64_t least) {
  std::int64_t x = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), x);
  if (word.empty() || problem != std::errc() || end != word.data() + word.size() || x < least || x > most_counted) {
    line.fail(text("'") << word << "' is not the number that belongs there: make the statistics again");
  }
  return x;
}
inline void take_bin(const line_reader& line, std::string_view word, histogram::parts& p) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos || (word[0] != '+' && word[0] != '-')) line.fail("expected bins `+bin:count`");
  const std::int64_t bin = integer(line, word.substr(1, colon - 1), 0);
  if (bin >= static_cast<std::int64_t>(histogram::bins)) line.fail(text("there is no bin ") << bin);
  vec<std::int64_t>& counts = word[0] == '+' ? p.positive : p.negative;
  if (counts.empty()) counts.resize(histogram::bins);
  if (p.positive.empty()) p.positive.resize(histogram::bins);
  counts[static_cast<std::size_t>(bin)] = integer(line, word.substr(colon + 1), 1);
}
inline tensor_statistics take_tensor(line_reader& line) {
  tensor_statistics t;
  t.name = line.take_name();
  histogram::parts p;
  p.count = integer(line, line.take_word(), 0);
  p.zeros = integer(line, line.take_word(), 0);
  p.infinities = integer(line, line.take_word(), 0);
  p.min = line.take_float();
  p.max = line.take_float();
  p.exponent = static_cast<int>(integer(line, line.take_word(), histogram::least_exponent));
  if (p.exponent > 128) line.fail("its exponent is beyond the range of f32");
  for (line.skip_spaces(); !line.at_end(); line.skip_spaces()) take_bin(line, line.take_word(), p);
  std::int64_t total = 0;
  for (const std::int64_t c : p.positive) total += c;
  for (const std::int64_t c : p.negative) total += c;
  if (total != p.count || p.zeros > (p.positive.empty() ? 0 : p.positive[0]))
    line.fail("its bins do not add up to its count: make the statistics again");
  const double beyond = math::ldexp(1.0, p.exponent);
  if (!(static_cast<double>(p.min) > -beyond && p.min <= p.max && static_cast<double>(p.max) < beyond))
    line.fail("its least and greatest element do not fit its exponent: make the statistics again");
  t.seen = histogram::of(std::move(p));
  return t;
}
} // namespace detail

inline text print(const statistics& s) {
  text out;
  out << detail::statistics_title << "1\n# model: ";
  detail::put_hex(out, s.model);
  out << "\n# rules: ";
  detail::put_hex(out, s.rules);
  out << "\n# samples: " << s.samples
      << "\n# name count zeros infinities min max exponent, then its bins `+bin:count` and `-bin:count`\n";
  for (const tensor_statistics& t : s.tensors) {
    detail::put_name(out, t.name);
    const histogram& h = t.seen;
    out << ' ' << h.count() << ' ' << h.zeros() << ' ' << h.infinities() << ' ' << h.min() << ' ' << h.max() << ' '
        << h.exponent();
    detail::put_bins(out, '+', h.positive());
    detail::put_bins(out, '-', h.negative());
    out << '\n';
  }
  return out;
}

/// Reads statistics; every refusal names source and line.
inline statistics parse_statistics(std::string_view content, std::string_view source = "calibration statistics") {
  statistics s;
  detail::for_each_line(content, source, [&](detail::line_reader& line, std::int64_t number) {
    if (number == 1) {
      if (!line.take(detail::statistics_title) || line.take_word() != "1") {
        line.fail("these are no calibration statistics that are known here (they would begin with `# tmpu calibration "
                  "statistics v1`): make them with `tmpuc calibrate --shard`");
      }
    } else if (line.take("# model:")) {
      s.model = line.take_fingerprint();
    } else if (line.take("# rules:")) {
      s.rules = line.take_fingerprint();
    } else if (line.take("# samples:")) {
      s.samples = detail::integer(line, line.take_word(), 0);
    } else if (!line.at_end() && !line.starts_with('#')) {
      s.tensors.push_back(detail::take_tensor(line));
    }
  });
  return s;
}

} // namespace tmpu::calibrate

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/exec/fast.hpp"
#include "tmpu/exec/validate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

/// A small machine and random tiles in it, addressed by the formulas of isa/operands.hpp and not by the executor's code.
namespace tiles {

using namespace tmpu;

struct generator {
  std::uint64_t state;
  explicit generator(std::uint64_t seed) : state(seed * 0x9E3779B97F4A7C15U + 1U) {}
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1DU;
  }
  /// In [low, high].
  std::int32_t between(std::int32_t low, std::int32_t high) {
    return low + static_cast<std::int32_t>((next() >> 33) % static_cast<std::uint64_t>(high - low + 1));
  }
  float real() { return static_cast<float>(between(-1'000'000, 1'000'000)) / 262'144.0F; }
  template <class... Options> auto one_of(Options... options) {
    const std::common_type_t<Options...> all[] = {options...};
    return all[between(0, static_cast<std::int32_t>(sizeof...(Options)) - 1)];
  }
};

inline constexpr std::int32_t lanes = 8;
inline constexpr std::int64_t local_bytes = 64 * 1024;
inline constexpr std::int64_t activation_bytes = 64 * 1024;

inline double decode(dtype_id type, std::uint64_t bits) {
  switch (type) {
  case dtype_id::f32: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  case dtype_id::f16: return static_cast<double>(from_f16_bits(static_cast<std::uint16_t>(bits)));
  case dtype_id::bf16: return static_cast<double>(from_bf16_bits(static_cast<std::uint16_t>(bits)));
  case dtype_id::f8e4m3: return static_cast<double>(from_e4m3_bits(static_cast<std::uint8_t>(bits)));
  case dtype_id::f8e5m2: return static_cast<double>(from_e5m2_bits(static_cast<std::uint8_t>(bits)));
  case dtype_id::i8: return static_cast<double>(static_cast<std::int8_t>(bits));
  case dtype_id::u8: return static_cast<double>(static_cast<std::uint8_t>(bits));
  default: return static_cast<double>(static_cast<std::int32_t>(bits));
  }
}
inline std::uint64_t encode(dtype_id type, double value) {
  switch (type) {
  case dtype_id::f32: return std::bit_cast<std::uint32_t>(static_cast<float>(value));
  case dtype_id::f16: return to_f16_bits(static_cast<float>(value));
  case dtype_id::bf16: return to_bf16_bits(static_cast<float>(value));
  case dtype_id::f8e4m3: return to_e4m3_bits(static_cast<float>(value));
  case dtype_id::f8e5m2: return to_e5m2_bits(static_cast<float>(value));
  default: return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
  }
}

/// Values of a tensor [n, c, h, w], in this order.
struct tensor {
  isa::local_ref r{};
  std::vector<double> v;
  [[nodiscard]] std::size_t index(std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) const {
    return ((static_cast<std::size_t>(n) * static_cast<std::size_t>(r.c) + static_cast<std::size_t>(c)) *
                static_cast<std::size_t>(r.h) +
            static_cast<std::size_t>(h)) *
               static_cast<std::size_t>(r.w) +
           static_cast<std::size_t>(w);
  }
  [[nodiscard]] double at(std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) const {
    return v[index(n, c, h, w)];
  }
  double& at(std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) { return v[index(n, c, h, w)]; }
  template <class F> void each(F&& f) {
    for (std::int32_t n = 0; n < r.n; ++n)
      for (std::int32_t c = 0; c < r.c; ++c)
        for (std::int32_t h = 0; h < r.h; ++h)
          for (std::int32_t w = 0; w < r.w; ++w) f(n, c, h, w);
  }
};

class machine {
public:
  explicit machine(std::uint64_t seed) : rng(seed), memory(lanes, local_bytes, activation_bytes, {}) {
    for (std::int64_t lane = 0; lane < lanes; ++lane)
      for (std::int64_t at = 0; at < local_bytes; ++at) local(lane)[at] = static_cast<std::uint8_t>(rng.next() >> 40);
  }

  /// First byte of a lane.
  std::uint8_t* local(std::int64_t lane) {
    isa::local_ref base{};
    base.spread = isa::spread::copy;
    return memory.plane(base, 0, 0, lane);
  }

  /// A tensor at the next free place: a random first lane, and strides of random slack.
  tensor make(dtype_id type, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w,
              isa::spread spread = isa::spread::lanes, bool dense = false) {
    const auto element = static_cast<std::int32_t>(bytes_of(type));
    const auto slack = [&] { return dense ? 0 : rng.between(0, 2) * element; };
    tensor t;
    t.r.type = type;
    t.r.spread = spread;
    t.r.lane = spread == isa::spread::copy || dense ? 0 : rng.between(0, lanes - 1);
    t.r.n = n;
    t.r.c = c;
    t.r.h = h;
    t.r.w = w;
    t.r.h_stride = w * element + slack();
    t.r.c_stride = h * t.r.h_stride + slack();
    t.r.n_stride = (spread == isa::spread::copy ? c : (t.r.lane + c + lanes - 1) / lanes) * t.r.c_stride + slack();
    t.r.address = next_;
    next_ = (next_ + static_cast<std::uint32_t>(n * t.r.n_stride) + 63U) / 64U * 64U;
    REQUIRE(next_ <= local_bytes);
    t.v.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(c) * static_cast<std::size_t>(h) *
               static_cast<std::size_t>(w));
    return t;
  }
  /// Random values of the type: integers over its range (i32: +-1000), floats of a few units, rounded to the type.
  tensor random(tensor t) {
    for (double& v : t.v) {
      switch (t.r.type) {
      case dtype_id::i8: v = rng.between(-128, 127); break;
      case dtype_id::u8: v = rng.between(0, 255); break;
      case dtype_id::i32: v = rng.between(-1000, 1000); break;
      default: v = decode(t.r.type, encode(t.r.type, static_cast<double>(rng.real())));
      }
    }
    write(t);
    return t;
  }
  void write(const tensor& t) {
    tensor copy = t;
    copy.each([&](auto n, auto c, auto h, auto w) { put(t.r, n, c, h, w, encode(t.r.type, t.at(n, c, h, w))); });
  }

  /// Checks an instruction, runs it, and holds y against the values wanted: every element in every copy, and no other byte changed.
  template <class Instruction> void run(const Instruction& i, const tensor& y) {
    exec::validate(
        i, 0, {.lanes = lanes, .local_bytes = local_bytes, .activation_bytes = activation_bytes, .weight_bytes = 0});
    tensor want = y;
    std::vector<std::uint8_t> image = snapshot();
    exec::run(i, memory, workspace);
    const std::vector<std::uint8_t> after = snapshot();
    run_fast(i, image, after);
    std::vector<bool> covered(image.size());
    std::int64_t wrong = 0;
    want.each([&](auto n, auto c, auto h, auto w) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        if (!lies_in(y.r, c, lane)) continue;
        std::uint64_t bits = 0;
        const auto at = static_cast<std::size_t>(lane * local_bytes + byte_of(y.r, n, c, h, w));
        for (std::size_t b = 0; b < static_cast<std::size_t>(bytes_of(y.r.type)); ++b) {
          bits |= static_cast<std::uint64_t>(after[at + b]) << (8 * b);
          covered[at + b] = true;
        }
        const double got = decode(y.r.type, bits);
        if (!(got == want.at(n, c, h, w)) && !(got != got && want.at(n, c, h, w) != want.at(n, c, h, w)) &&
            wrong++ == 0) {
          FAIL_CHECK(Instruction::name << " lane " << lane << " element " << n << ',' << c << ',' << h << ',' << w
                                       << ": " << got << ", wanted " << want.at(n, c, h, w));
        }
      }
    });
    for (std::size_t at = 0; at < after.size(); ++at) {
      if (!covered[at] && after[at] != image[at] && wrong++ == 0)
        FAIL_CHECK(Instruction::name << " wrote byte " << at << " beside its result");
    }
    CHECK(wrong == 0);
  }

  /// The kernels of every level leave the bytes that the reference left, or nothing new.
  template <class Instruction>
  void run_fast(const Instruction& i, const std::vector<std::uint8_t>& before, const std::vector<std::uint8_t>& after) {
    for (const simd::level l : {simd::level::portable, simd::level::avx2, simd::level::avx512}) {
      if (!simd::has(l)) continue;
      restore(before);
      const bool done = exec::fast::run(i, memory, workspace, simd::kernels_of(l));
      fast += done ? 1 : 0;
      if (done && snapshot() != after)
        FAIL_CHECK(Instruction::name << ": other bytes by the kernels of level " << simd::name_of(l));
    }
    restore(after);
  }
  static inline int fast = 0; ///< runs that kernels took

  static bool lies_in(const isa::local_ref& r, std::int32_t c, std::int64_t lane) {
    return r.spread == isa::spread::copy || (r.lane + c) % lanes == lane;
  }
  static std::int64_t byte_of(const isa::local_ref& r, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) {
    const std::int64_t row = r.spread == isa::spread::copy ? c : (r.lane + c) / lanes;
    return r.address + std::int64_t{n} * r.n_stride + row * r.c_stride + std::int64_t{h} * r.h_stride +
           w * bytes_of(r.type);
  }

  std::vector<std::uint8_t> snapshot() {
    std::vector<std::uint8_t> all;
    for (std::int64_t lane = 0; lane < lanes; ++lane) all.insert(all.end(), local(lane), local(lane) + local_bytes);
    return all;
  }
  void restore(const std::vector<std::uint8_t>& all) {
    for (std::int64_t lane = 0; lane < lanes; ++lane)
      std::copy_n(all.begin() + lane * local_bytes, local_bytes, local(lane));
  }

  generator rng;
  exec::memory memory;
  exec::workspace workspace;

private:
  void put(const isa::local_ref& r, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w,
           std::uint64_t bits) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      if (!lies_in(r, c, lane)) continue;
      std::uint8_t* to = local(lane) + byte_of(r, n, c, h, w);
      for (std::int64_t b = 0; b < bytes_of(r.type); ++b) to[b] = static_cast<std::uint8_t>(bits >> (8 * b));
    }
  }
  std::uint32_t next_ = 64;
};

/// Nearest integer to p / 2^shift, halves away from zero, by division.
inline std::int64_t divided(std::int64_t p, std::int64_t by) {
  const std::int64_t magnitude = p < 0 ? -p : p;
  std::int64_t q = magnitude / by;
  if (magnitude % by * 2 >= by) ++q;
  return p < 0 ? -q : q;
}
inline double saturated(std::int64_t v, dtype_id type, double low = -1e30, double high = 1e30) {
  const double least = type == dtype_id::i32 ? -0x1p31 : type == dtype_id::i8 ? -128.0 : 0.0;
  const double greatest = type == dtype_id::i32 ? 0x1p31 - 1.0 : type == dtype_id::i8 ? 127.0 : 255.0;
  auto d = static_cast<double>(v);
  d = d < low ? low : d > high ? high : d;
  return d < least ? least : d > greatest ? greatest : d;
}

} // namespace tiles

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/core/fast_loops.hpp"
#include "tmpu/simd/scratch.hpp"
#include "tmpu/simd/tile.hpp"

/// Convolutions of planes: x is laid out as words so that the places of one tap follow each other, then rows of
/// weights run over it.
namespace tmpu::simd {

/// How x and the weights of one group are laid out for kernels whose words hold `bytes` elements (1: floats). A word
/// has one element of each of `bytes` channels, or, where that makes fewer, `bytes` neighbouring taps of one channel.
/// For each such block and each phase of the strides there is an image of words, rows of `pitch`; a tap is a place in
/// it, and output (h, w) is h * pitch + w further on.
struct plan {
  sum_shape s;
  std::int64_t bytes = 1;
  bool columns = false;
  std::int64_t blocks = 1; ///< of channels
  std::int64_t slices = 1; ///< images of a vertical phase: phases of the
                           ///< columns, or groups of taps
  std::int64_t rows = 1;
  std::int64_t pitch = 1;
  std::int64_t image = 1;
  std::int64_t words = 1;     ///< of a row of weights
  std::int64_t row_first = 0; ///< element of x that a laid-out row begins with
  std::int64_t row_size = 1;
  std::int64_t places = 1;

  static constexpr std::int64_t slack = vector; ///< kernels write a vector at a time

  constexpr plan(const sum_shape& of, std::int64_t bytes_of_word) : s(of), bytes(bytes_of_word) {
    const std::int64_t by_channel = ceil_div(s.channels, bytes) * s.h.kernel * s.w.kernel;
    const std::int64_t by_column = s.channels * s.h.kernel * ceil_div(s.w.kernel, bytes);
    columns = by_column < by_channel;
    blocks = columns ? s.channels : ceil_div(s.channels, bytes);
    words = columns ? by_column : by_channel;
    slices = columns ? ceil_div(s.w.kernel, bytes) : s.w.stride;
    rows = s.h.out + s.h.shift(s.h.kernel - 1) - s.h.shift(0);
    pitch = columns ? s.w.out : s.w.out + s.w.shift(s.w.kernel - 1) - s.w.shift(0);
    image = rows * pitch + slack;
    row_first = columns ? -s.w.pad : s.w.shift(0) * s.w.stride;
    row_size = columns ? (s.w.out - 1) * s.w.stride + (slices * bytes - 1) * s.w.dilation + 1 : pitch * s.w.stride;
    places = (s.h.out - 1) * pitch + s.w.out;
  }
  [[nodiscard]] constexpr std::int64_t x_words() const {
    return blocks * s.h.stride * slices * image + 2 * tile_places;
  }
  [[nodiscard]] constexpr std::int64_t w_words() const { return s.outputs * words + slack; }
  /// Words of a row of x before it is one of words; a row of weights has to fit as well.
  [[nodiscard]] constexpr std::int64_t line() const {
    const std::int64_t w_row = words * bytes;
    return (row_size > w_row ? row_size : w_row) + 4 * slack;
  }
  /// Bytes of nine such rows.
  [[nodiscard]] constexpr std::int64_t lines(std::int64_t element) const { return 9 * line() * element + slack; }
  /// Sums of a tile, where K is cut.
  [[nodiscard]] constexpr std::int64_t sums() const {
    return (words > most_words ? round_up(s.outputs, tile_rows) : tile_rows) * tile_places;
  }
  /// Behind them: what each output starts from.
  [[nodiscard]] constexpr std::int64_t starts() const { return round_up(s.outputs, tile_rows); }
  static constexpr std::int64_t most_words = 1280; ///< times a tile: what a second-level cache holds with ease

  constexpr void offsets(std::int32_t* to) const {
    for (std::int64_t b = 0; b < blocks; ++b) {
      for (std::int64_t kh = 0; kh < s.h.kernel; ++kh) {
        const std::int64_t at =
            (b * s.h.stride + s.h.phase(kh)) * slices * image + (s.h.shift(kh) - s.h.shift(0)) * pitch;
        for (std::int64_t kw = 0; kw < (columns ? slices : s.w.kernel); ++kw) {
          *to++ = static_cast<std::int32_t>(columns ? at + kw * image
                                                    : at + s.w.phase(kw) * image + s.w.shift(kw) - s.w.shift(0));
        }
      }
    }
  }
};

namespace detail {

/// Floats of a type that x and weights come in; others are left to the caller's own loops.
constexpr bool known_real(dtype_id t) { return t == dtype_id::f32 || t == dtype_id::f16 || t == dtype_id::bf16; }

inline void widen(const kernels& k, float* to, const std::uint8_t* from, std::int64_t count, dtype_id type) {
  if (type == dtype_id::f32) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
  } else if (type == dtype_id::f16) {
    k.widen_f16(to, from, count);
  } else {
    k.widen_bf16(to, from, count);
  }
}

inline void narrow(const kernels& k, std::uint8_t* to, const float* from, std::int64_t count, dtype_id type) {
  if (type == dtype_id::f32) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
  } else if (type == dtype_id::f16) {
    k.narrow_f16(to, from, count);
  } else {
    k.narrow_bf16(to, from, count);
  }
}

/// Shapes that the kernels take: not those whose strides, dilations or padding would lay out far more than there is.
constexpr bool sensible(const sum_shape& s, std::int64_t bytes) {
  for (const sum_axis& a : {s.h, s.w}) {
    if (a.stride > 64 || a.dilation > 64 || a.kernel > 4096 || a.pad > 4096 || a.pad < -4096) return false;
  }
  const plan p(s, bytes);
  return p.x_words() < (std::int64_t{1} << 28) && p.line() < (std::int64_t{1} << 22);
}

/// Some places, of which the first is in this row and column.
struct stretch {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t row = 0;
  std::int64_t column = 0;
};
/// Calls f(place, row, column, length) for the runs of outputs among them; places are counted from the first.
template <class F> void for_each_run(const stretch& s, std::int64_t pitch, std::int64_t width, F&& f) {
  const std::int64_t count = s.count;
  std::int64_t row = s.row;
  std::int64_t column = s.column;
  for (std::int64_t done = 0; done < count; ++row, column = 0) {
    const std::int64_t left = count - done < pitch - column ? count - done : pitch - column;
    const std::int64_t length = left < width - column ? left : width - column;
    if (length > 0) f(done, row, column, length);
    done += left;
  }
}

/// The work on one convolution. A job says where things are: x(n, c), w(o), y(n, o) and partial(n, o) point to planes
/// and rows, of which x_pitch, y_pitch and partial_pitch bytes are between two rows; x_type, w_type, y_type;
/// pad_value; resume, finish; finish_of(o). A job that is `transposed` is a matrix product: the places are rows of x,
/// row_of(place), and the results of a place lie a pitch apart.
template <bool Real, class Job> class convolution {
public:
  convolution(const kernels& k, const Job& job, const sum_shape& s, scratch& room)
      : k_(k), job_(job), p_(s, Real ? 1 : k.bytes), order_(p_.bytes, s.w.stride, s.w.dilation),
        row_order_(p_.bytes, p_.bytes, 1), room_(room), x_(scratch::need(room.x, p_.x_words())),
        offsets_(scratch::need(room.offsets, p_.words)), sums_(scratch::need(room.sums, p_.sums() + p_.starts())),
        lines_(scratch::need(room.lines, p_.lines(element))) {}

  /// False: a result is no number, so a tap in the padding may have met an infinite weight.
  bool run() {
    p_.offsets(offsets_);
    for (std::int64_t g = 0; g < p_.s.groups; ++g) {
      lay_weights(g);
      correct(g);
      for (std::int64_t n = 0; n < p_.s.images; ++n) {
        if constexpr (Job::transposed) {
          lay_rows();
        } else {
          lay_x(n, g);
        }
        tiles(n, g);
      }
    }
    return !odd_;
  }

private:
  using sum = std::conditional_t<Real, float, std::int32_t>;
  static constexpr std::int64_t element = Real ? 4 : 1;

  [[nodiscard]] std::int64_t line_bytes() const { return p_.line() * element; }
  std::uint8_t* line(std::int64_t i) { return lines_ + i * line_bytes(); }
  // Rows are short, and have room behind them: 16 bytes at a time is sooner done than a call.
  void fill(std::uint8_t* to, std::int64_t count) const {
    std::uint8_t some[16];
    for (std::uint8_t& b : some) b = Real ? std::uint8_t{0} : static_cast<std::uint8_t>(job_.pad_value);
    for (std::int64_t i = 0; i < count * element; i += 16) std::memcpy(to + i, some, 16);
  }
  static void copy(std::uint8_t* to, const std::uint8_t* from, std::int64_t bytes) {
    for (std::int64_t i = 0; i < bytes; i += 16) std::memcpy(to + i, from + i, 16);
  }

  void tiles(std::int64_t n, std::int64_t g) {
    const bool cut = p_.words > plan::most_words;
    // What is laid out and stays in the caches is run over once for each four outputs, else four outputs after the
    // other use a tile.
    constexpr std::int64_t near = 32 * 1024; // words
    if (!cut && p_.blocks * p_.s.h.stride * p_.slices * p_.image <= near) {
      for (std::int64_t o = 0; o < p_.s.outputs; o += tile_rows) {
        const block b = block_of(n, g, o);
        for (std::int64_t at = 0; at < p_.places; at += tile_places) tile(b, stretch_at(at), 0, p_.words);
      }
      return;
    }
    for (std::int64_t at = 0; at < p_.places; at += tile_places) {
      for (std::int64_t first = 0; first < p_.words; first += plan::most_words) {
        const std::int64_t words = p_.words - first < plan::most_words ? p_.words - first : plan::most_words;
        for (std::int64_t o = 0; o < p_.s.outputs; o += tile_rows)
          tile(block_of(n, g, o), stretch_at(at), first, words);
      }
    }
  }

  /// Elements [row_first, row_first + row_size) of a row of x, with what stands outside of it.
  void read_row(std::uint8_t* to, const std::uint8_t* from) const {
    const std::int64_t last = p_.row_first + p_.row_size;
    const std::int64_t begin = p_.row_first > 0 ? p_.row_first : 0;
    const std::int64_t end = last < p_.s.w.in ? last : p_.s.w.in;
    if (end <= begin) return fill(to, p_.row_size);
    fill(to, begin - p_.row_first);
    std::uint8_t* at = to + (begin - p_.row_first) * element;
    if constexpr (Real) {
      widen(k_, reinterpret_cast<float*>(at), from + begin * bytes_of(job_.x_type), end - begin, job_.x_type);
    } else {
      copy(at, from + begin, end - begin);
    }
    fill(to + (end - p_.row_first) * element, last - end);
  }
  void lay_x(std::int64_t n, std::int64_t g) {
    const bool whole = !p_.columns && p_.s.w.stride == 1 && p_.row_first == 0 && p_.row_size == p_.s.w.in;
    std::uint8_t* outside = line(8);
    fill(outside, p_.line());
    for (std::int64_t b = 0; b < p_.blocks; ++b) {
      for (std::int64_t a = 0; a < p_.s.h.stride; ++a) {
        if (!p_.s.h.uses(a)) continue;
        for (std::int64_t i = 0; i < p_.rows; ++i) {
          const std::int64_t row = (i + p_.s.h.shift(0)) * p_.s.h.stride + a;
          word* to = room_.x.data() + (b * p_.s.h.stride + a) * p_.slices * p_.image + i * p_.pitch;
          const std::int64_t count = p_.columns ? 1 : p_.bytes;
          const std::uint8_t* from[4] = {outside, outside, outside, outside};
          for (std::int64_t u = 0; u < count; ++u) {
            const std::int64_t c = b * count + u;
            if (row < 0 || row >= p_.s.h.in || c >= p_.s.channels) continue;
            const std::uint8_t* x = job_.x(n, g * p_.s.channels + c) + row * job_.x_pitch;
            if (!Real && whole) {
              from[u] = x;
              continue;
            }
            std::uint8_t* into = Real && p_.s.w.stride == 1 ? reinterpret_cast<std::uint8_t*>(to) : line(u);
            read_row(into, x);
            from[u] = into;
          }
          lay_row(to, from);
        }
      }
    }
  }
  void lay_row(word* to, const std::uint8_t* const (&from)[4]) {
    const std::int64_t stride = p_.s.w.stride;
    const bool is_signed = job_.x_type == dtype_id::i8;
    if (p_.columns) {
      for (std::int64_t t = 0; t < p_.slices; ++t)
        k_.columns(to + t * p_.image, from[0] + t * p_.bytes * p_.s.w.dilation, p_.pitch, order_, is_signed);
      return;
    }
    if (stride == 1) {
      if constexpr (Real) {
        const auto* words = reinterpret_cast<const word*>(from[0]);
        if (words != to) std::memcpy(to, words, static_cast<std::size_t>(p_.pitch) * sizeof(word));
      } else {
        k_.interleave(to, from, p_.pitch, is_signed);
      }
      return;
    }
    for (std::int64_t b = 0; b < stride; ++b) {
      if (!p_.s.w.uses(b)) continue;
      if constexpr (Real) {
        const auto* words = reinterpret_cast<const word*>(from[0]) + b;
        for (std::int64_t j = 0; j < p_.pitch; ++j) to[b * p_.image + j] = load<word>(words + j * stride);
      } else {
        const std::uint8_t* every[4] = {};
        for (std::int64_t u = 0; u < p_.bytes; ++u) {
          std::uint8_t* some = line(p_.bytes + u);
          if (from[u] == line(8)) {
            every[u] = from[u];
            continue;
          }
          for (std::int64_t j = 0; j < p_.pitch; ++j) some[j] = from[u][j * stride + b];
          every[u] = some;
        }
        k_.interleave(to + b * p_.image, every, p_.pitch, is_signed);
      }
    }
  }

  /// x is rows of what is summed over, row_of(place), instead of planes.
  void lay_rows() {
    constexpr std::int64_t side = 16;
    constexpr std::int64_t length = 64;
    alignas(64) word some[side][length + vector];
    for (std::int64_t at = 0; at < p_.places; at += side) {
      const std::int64_t count = p_.places - at < side ? p_.places - at : side;
      for (std::int64_t first = 0; first < p_.words; first += length) {
        const std::int64_t words = p_.words - first < length ? p_.words - first : length;
        for (std::int64_t i = 0; i < count; ++i) {
          const std::uint8_t* from = job_.row_of(at + i);
          if constexpr (Real) {
            alignas(64) float reals[length];
            widen(k_, reals, from + first * bytes_of(job_.x_type), words, job_.x_type);
            std::memcpy(some[i], reals, sizeof reals);
          } else {
            // What lies behind the row meets weights of zero.
            k_.columns(some[i], from + first * p_.bytes, words, row_order_, job_.x_type == dtype_id::i8);
          }
        }
        for (std::int64_t b = 0; b < words; ++b) {
          for (std::int64_t i = 0; i < count; ++i) room_.x.data()[(first + b) * p_.image + at + i] = some[i][b];
        }
      }
    }
  }

  /// Rows of weights in the order of the offsets: where they lie in it already they stay there.
  void lay_weights(std::int64_t g) {
    const std::int64_t taps = p_.s.h.kernel * p_.s.w.kernel;
    in_place_ = Real ? job_.w_type == dtype_id::f32 : p_.bytes == 4 && taps == 1 && p_.s.channels % 4 == 0;
    if (in_place_) return;
    word* to = scratch::need(room_.w, p_.w_words());
    laid_ = to;
    for (std::int64_t o = 0; o < p_.s.outputs; ++o, to += p_.words) {
      const std::uint8_t* w = job_.w(g * p_.s.outputs + o);
      if constexpr (Real) {
        widen(k_, reinterpret_cast<float*>(to), w, p_.words, job_.w_type);
      } else {
        lay_row_of_weights(to, w, taps);
      }
    }
  }
  void lay_row_of_weights(word* to, const std::uint8_t* w, std::int64_t taps) {
    // Words of 16-bit integers are signed; bytes stay as they are.
    const bool is_signed = p_.bytes == 2;
    const std::int64_t width = p_.columns ? p_.s.w.kernel : p_.s.channels;
    if (!p_.columns && taps > 1) {
      std::uint8_t* none = line(8);
      std::memset(none, 0, static_cast<std::size_t>(p_.line()));
      for (std::int64_t b = 0; b < p_.blocks; ++b) {
        const std::uint8_t* from[4] = {none, none, none, none};
        for (std::int64_t u = 0; u < p_.bytes && b * p_.bytes + u < p_.s.channels; ++u)
          from[u] = w + (b * p_.bytes + u) * taps;
        k_.interleave(to + b * taps, from, taps, is_signed);
      }
      return;
    }
    const std::int64_t runs = p_.columns ? p_.s.channels * p_.s.h.kernel : 1;
    const std::int64_t words = p_.words / runs;
    std::uint8_t* row = line(0);
    std::memset(row, 0, static_cast<std::size_t>(words * p_.bytes + plan::slack));
    for (std::int64_t i = 0; i < runs; ++i) {
      std::memcpy(row, w + i * width, static_cast<std::size_t>(width));
      k_.columns(to + i * words, row, words, row_order_, is_signed);
    }
  }
  const std::uint8_t* weights(std::int64_t g, std::int64_t o) const {
    return in_place_ ? job_.w(g * p_.s.outputs + o) : reinterpret_cast<const std::uint8_t*>(laid_ + o * p_.words);
  }

  /// What sums start from, behind the sums.
  void correct(std::int64_t g) {
    for (std::int64_t o = 0; o < p_.s.outputs; ++o)
      sums_[p_.sums() + o] = !Real && job_.x_type == dtype_id::i8 ? k_.correction(weights(g, o), p_.words) : 0;
  }

  [[nodiscard]] stretch stretch_at(std::int64_t at) const {
    return {at, p_.places - at < tile_places ? p_.places - at : tile_places, at / p_.pitch, at % p_.pitch};
  }
  /// Up to four outputs: what is the same for all of their places.
  using finish_type = std::conditional_t<Real, real_finish, integer_finish>;
  struct block {
    std::int64_t o = 0; ///< of the group
    std::int64_t rows = 0;
    const std::uint8_t* w[tile_rows] = {};
    const std::uint8_t* partial[tile_rows] = {};
    std::uint8_t* to[tile_rows] = {};
    finish_type finish[tile_rows] = {};
  };
  block block_of(std::int64_t n, std::int64_t g, std::int64_t o) const {
    block b;
    b.o = o;
    b.rows = p_.s.outputs - o < tile_rows ? p_.s.outputs - o : tile_rows;
    for (std::int64_t r = 0; r < tile_rows; ++r) {
      b.w[r] = weights(g, o + (r < b.rows ? r : 0));
      if (r >= b.rows) continue;
      const std::int64_t channel = g * p_.s.outputs + o + r;
      if (job_.resume) b.partial[r] = job_.partial(n, channel);
      if (!job_.finish) {
        b.to[r] = job_.partial(n, channel);
        continue;
      }
      b.to[r] = job_.y(n, channel);
      b.finish[r] = job_.finish_of(channel);
      if constexpr (!Real) {
        if (!job_.resume) b.finish[r].most = p_.words * p_.bytes * (255 * 128);
      }
    }
    return b;
  }
  /// Words [first, first + count) of the sums of some places.
  void tile(const block& b, const stretch& s, std::int64_t first, std::int64_t count) {
    sum* sums = reinterpret_cast<sum*>(sums_) + (p_.words > plan::most_words ? b.o * tile_places : 0);
    const bool read = first != 0 || job_.resume;
    for (std::int64_t r = 0; first == 0 && read && r < b.rows; ++r) start(sums + r * tile_places, b, r, s);
    const std::uint8_t* w[tile_rows];
    for (std::int64_t r = 0; r < tile_rows; ++r) w[r] = b.w[r] + 4 * first;
    const kernels::tile multiply =
        Real ? (b.rows == 1 ? k_.real_row : k_.real_tile) : (b.rows == 1 ? k_.integer_row : k_.integer_tile);
    multiply(x_ + s.first, offsets_ + first, count, w, sums, ceil_div(s.count, vector),
             read ? nullptr : sums_ + p_.sums() + b.o);
    for (std::int64_t r = 0; first + count == p_.words && r < b.rows; ++r) end(sums + r * tile_places, b, r, s);
  }
  /// The partial sums that a sum goes on from; integers within what the products to come cannot carry out of 32 bits.
  void start(sum* sums, const block& b, std::int64_t r, const stretch& s) {
    const std::uint8_t* from = b.partial[r];
    const auto read = [&](std::int64_t at) {
      const auto partial = load<sum>(from + at);
      if constexpr (Real) {
        return partial;
      } else {
        const std::int64_t products = p_.s.channels * p_.s.h.kernel * p_.s.w.kernel;
        const auto most = static_cast<std::int32_t>(2147483647 - products * (255 * 128));
        const std::int32_t bounded = partial > most ? most : partial < -most ? -most : partial;
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(bounded) +
                                         static_cast<std::uint32_t>(sums_[p_.sums() + b.o + r]));
      }
    };
    if constexpr (Job::transposed) {
      for (std::int64_t i = 0; i < s.count; ++i) sums[i] = read((s.first + i) * job_.partial_pitch);
      return;
    }
    for_each_run(s, p_.pitch, p_.s.w.out, [&](auto place, auto row, auto column, auto length) {
      for (std::int64_t i = 0; i < length; ++i) sums[place + i] = read(row * job_.partial_pitch + (column + i) * 4);
    });
  }
  void end(sum* sums, const block& b, std::int64_t r, const stretch& s) {
    if (!job_.finish) return put(sums, 4, b.to[r], job_.partial_pitch, s);
    alignas(64) std::uint8_t results[4 * tile_places];
    const finish_type& f = b.finish[r];
    const void* from = results;
    if constexpr (Real) {
      odd_ = k_.finish_real(sums, s.count, f) || odd_;
      if (job_.y_type == dtype_id::f32) {
        from = sums;
      } else if (job_.y_type == dtype_id::f16) {
        k_.narrow_f16(results, sums, s.count);
      } else {
        k_.narrow_bf16(results, sums, s.count);
      }
    } else if (y_size_ == 4) {
      k_.finish_wide(reinterpret_cast<std::int32_t*>(results), sums, s.count, f);
    } else {
      // Whole vectors of what lies together need no detour.
      if (together(job_.y_pitch, y_size_) && s.count % vector == 0) {
        k_.finish_integer(sums, s.count, f, b.to[r] + s.first);
        return;
      }
      k_.finish_integer(sums, s.count, f, results);
    }
    put(from, y_size_, b.to[r], job_.y_pitch, s);
  }
  /// Places that follow each other do so in memory.
  [[nodiscard]] bool together(std::int64_t pitch, std::int64_t size) const {
    return !Job::transposed && p_.pitch == p_.s.w.out && (p_.s.h.out == 1 || pitch == p_.pitch * size);
  }
  void put(const void* from, std::int64_t size, std::uint8_t* to, std::int64_t pitch, const stretch& s) const {
    const auto* bytes = static_cast<const std::uint8_t*>(from);
    if constexpr (Job::transposed) {
      for (std::int64_t i = 0; i < s.count; ++i)
        std::memcpy(to + (s.first + i) * pitch, bytes + i * size, static_cast<std::size_t>(size));
      return;
    }
    if (together(pitch, size)) {
      copy_short(to + s.first * size, bytes, s.count * size);
      return;
    }
    for_each_run(s, p_.pitch, p_.s.w.out, [&](auto place, auto row, auto column, auto length) {
      copy_short(to + row * pitch + column * size, bytes + place * size, length * size);
    });
  }

  const kernels& k_;
  const Job& job_;
  plan p_;
  column_order order_;     ///< of x
  column_order row_order_; ///< of what lies in a row already
  scratch& room_;
  const word* x_; ///< in the room
  std::int32_t* offsets_;
  std::int32_t* sums_;
  std::uint8_t* lines_;
  const word* laid_ = nullptr;
  std::int64_t y_size_ = bytes_of(job_.y_type);
  bool in_place_ = false;
  bool odd_ = false;
};

} // namespace detail
} // namespace tmpu::simd

// SPDX-License-Identifier: Apache-2.0
// Which chip does a network want? An ordinary loop over lanes and local memory, run by the C++ compiler; the same function at run time
// draws a finer sweep: example_sweep [OUT.svg].
#include "digits_cnn.hpp"
#include "tmpu/static_program.hpp"

#include <array>
#include <cstdio>
#include <string>

namespace {

/// Nano with other lanes and local memory; the MAC units are in the lanes.
constexpr tmpu::chip::facts chip_with(std::int32_t lanes, std::int64_t local_bytes) {
  tmpu::chip::facts f = tmpu::chip::nano::info;
  f.macs_i8 = f.macs_i8 / f.lanes * lanes;
  f.macs_f16 = f.macs_f16 / f.lanes * lanes;
  f.macs_f32 = f.macs_f32 / f.lanes * lanes;
  f.lanes = lanes;
  f.local_bytes = local_bytes;
  return f;
}

/// points[i][j]: `first_lanes` times 2^i lanes, `first_bytes` times 2^j bytes of local memory a lane.
template <std::size_t Lanes, std::size_t Bytes> struct grid {
  std::int32_t first_lanes;
  std::int64_t first_bytes;
  std::array<std::array<tmpu::design_point, Bytes>, Lanes> points{};

  constexpr grid(std::int32_t lanes, std::int64_t bytes) : first_lanes(lanes), first_bytes(bytes) {
    for (std::size_t i = 0; i < Lanes; ++i) {
      for (std::size_t j = 0; j < Bytes; ++j)
        points[i][j] = tmpu::design<digits_cnn>(chip_with(lanes << i, bytes << j));
    }
  }
};

constexpr grid<4, 4> compiled(4, 512);
static_assert(compiled.points[3][3].fits && compiled.points[3][3].cycles < compiled.points[0][3].cycles);

/// The fewest bytes of local memory in all lanes with which an inference stays within `cycles`; -1: with none of the chips.
template <std::size_t Lanes, std::size_t Bytes>
constexpr std::int64_t smallest(const grid<Lanes, Bytes>& g, std::int64_t cycles) {
  std::int64_t least = -1;
  for (std::size_t i = 0; i < Lanes; ++i) {
    for (std::size_t j = 0; j < Bytes; ++j) {
      const std::int64_t bytes = (g.first_lanes << i) * (g.first_bytes << j);
      const tmpu::design_point& p = g.points[i][j];
      if (p.fits && p.cycles <= cycles && (least < 0 || bytes < least)) least = bytes;
    }
  }
  return least;
}
static_assert(smallest(compiled, 10'000) > 0, "no chip of the sweep is quick enough");

template <std::size_t Lanes, std::size_t Bytes> void print(const grid<Lanes, Bytes>& g) {
  std::printf("%13s", "lanes \\ bytes");
  for (std::size_t j = 0; j < Bytes; ++j) std::printf("%9d", static_cast<int>(g.first_bytes << j));
  for (std::size_t i = 0; i < Lanes; ++i) {
    std::printf("\n%13d", static_cast<int>(g.first_lanes << i));
    for (const tmpu::design_point& p : g.points[i]) {
      if (p.fits) {
        std::printf("%9d", static_cast<int>(p.cycles));
      } else {
        std::printf("%9s", "-");
      }
    }
  }
  std::printf("\n");
}

/// A field for each chip, the darker the more cycles; what does not fit is empty.
template <std::size_t Lanes, std::size_t Bytes> std::string draw(const grid<Lanes, Bytes>& g) {
  constexpr int width = 84;
  constexpr int height = 40;
  constexpr int left = 70;
  constexpr int top = 60;
  std::int64_t most = 1;
  for (const auto& row : g.points) {
    for (const tmpu::design_point& p : row) most = p.cycles > most ? p.cycles : most;
  }
  const auto text = [](int x, int y, const std::string& what, const char* style = "text-anchor='middle'") {
    return "<text x='" + std::to_string(x) + "' y='" + std::to_string(y) + "' " + style + ">" + what + "</text>\n";
  };
  std::string out = "<svg xmlns='http://www.w3.org/2000/svg' width='" + std::to_string(left + 10 + width * int{Bytes}) +
                    "' height='" + std::to_string(top + 10 + height * int{Lanes}) +
                    "' font-family='sans-serif' font-size='13'>\n";
  out += text(left, 20, "cycles of one inference of digits_cnn (int8), by lanes and bytes of local memory a lane",
              "font-weight='bold'");
  for (std::size_t j = 0; j < Bytes; ++j) {
    out += text(left + width * static_cast<int>(j) + width / 2, top - 10, std::to_string(g.first_bytes << j));
  }
  for (std::size_t i = 0; i < Lanes; ++i) {
    const int y = top + height * static_cast<int>(i);
    out += text(left - 10, y + height / 2 + 5, std::to_string(g.first_lanes << i), "text-anchor='end'");
    for (std::size_t j = 0; j < Bytes; ++j) {
      const tmpu::design_point& p = g.points[i][j];
      const int x = left + width * static_cast<int>(j);
      const int shade = p.fits ? 235 - static_cast<int>(p.cycles * 150 / most) : 255;
      out += "<rect x='" + std::to_string(x) + "' y='" + std::to_string(y) + "' width='" + std::to_string(width - 2) +
             "' height='" + std::to_string(height - 2) + "' stroke='#999' fill='rgb(" + std::to_string(shade) + "," +
             std::to_string(shade) + ",255)'/>\n";
      out += text(x + width / 2, y + height / 2 + 5, p.fits ? std::to_string(p.cycles) : "-");
    }
  }
  return out + "</svg>\n";
}

} // namespace

int main(int count, char** words) {
  std::printf("by the C++ compiler, cycles:\n");
  print(compiled);
  std::printf("within 10,000 cycles with %d bytes of local memory in all lanes\n",
              static_cast<int>(smallest(compiled, 10'000)));
  const grid<6, 10> wide(2, 64);
  int wrong = 0;
  for (std::size_t i = 0; i < compiled.points.size(); ++i) {
    for (std::size_t j = 0; j < compiled.points[i].size(); ++j) {
      wrong += compiled.points[i][j].cycles == wide.points[i + 1][j + 3].cycles ? 0 : 1;
    }
  }
  std::printf("at run time, more of them (%d differ):\n", wrong);
  print(wide);
  if (count == 2) {
    const std::string picture = draw(wide);
    std::FILE* file = std::fopen(words[1], "wb");
    const bool written = file != nullptr && std::fwrite(picture.data(), picture.size(), 1, file) == 1;
    if (file == nullptr || std::fclose(file) != 0 || !written) {
      std::fprintf(stderr, "cannot write '%s'\n", words[1]);
      return 2;
    }
  }
  return wrong;
}

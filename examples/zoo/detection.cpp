// SPDX-License-Identifier: Apache-2.0
// Networks that find objects, at 640x640 for the 80 classes of COCO: YOLOv5 (release 6) and YOLOv8, after the published
// descriptions of their layers. With decoding, the result is one table of boxes and scores, before the suppression of overlaps.
#include "network.hpp"

#include <algorithm>

namespace {

constexpr std::int64_t side = 640;
constexpr std::int64_t classes = 80;
constexpr std::int64_t strides[3] = {8, 16, 32};

class detector : public network {
public:
  using network::network;

  /// Convolution, batch normalization, x * sigmoid(x).
  std::string conv_silu(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out,
                        std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = -1) {
    // v, the variance before silu, settles below 1: the next v is gain * E[silu(x)^2] + bias^2, which is 0.4 v to 0.8 v plus 0.25.
    constexpr float gain = 1.6F;
    constexpr float bias = 0.5F;
    const std::string y = batch_norm(
        name + ".bn", conv(name + ".conv", x, in, out, kernel, stride, pad < 0 ? kernel / 2 : pad, 1, gain, false), out,
        1e-3F, 1.0F, bias);
    return node("Mul", name, {y, node("Sigmoid", name + ".sigmoid", {y})});
  }
  std::string bottleneck(const std::string& name, const std::string& x, std::int64_t channels, std::int64_t first,
                         bool shortcut) {
    const std::string y =
        conv_silu(name + ".cv2", conv_silu(name + ".cv1", x, channels, channels, first), channels, channels, 3);
    return shortcut ? add(y, x) : y;
  }
  /// Two branches of half the channels, one of them with bottlenecks.
  std::string c3(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out, int repeat,
                 bool shortcut) {
    const std::int64_t half = out / 2;
    std::string y = conv_silu(name + ".cv1", x, in, half, 1);
    for (int i = 0; i < repeat; ++i) y = bottleneck(name + ".m" + std::to_string(i), y, half, 1, shortcut);
    const std::string other = conv_silu(name + ".cv2", x, in, half, 1);
    return conv_silu(name + ".cv3", concat(name + ".cat", {y, other}, 1), 2 * half, out, 1);
  }
  /// As c3, but everything that a bottleneck makes goes into the result.
  std::string c2f(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out, int repeat,
                  bool shortcut) {
    const std::int64_t half = out / 2;
    std::vector<std::string> parts = split(name + ".split", conv_silu(name + ".cv1", x, in, out, 1), {half, half}, 1);
    for (int i = 0; i < repeat; ++i)
      parts.push_back(bottleneck(name + ".m" + std::to_string(i), parts.back(), half, 3, shortcut));
    return conv_silu(name + ".cv2", concat(name + ".cat", parts, 1), (2 + repeat) * half, out, 1);
  }
  /// Three maxima of 5x5, one after the other.
  std::string sppf(const std::string& name, const std::string& x, std::int64_t channels) {
    const std::int64_t half = channels / 2;
    std::vector<std::string> parts = {conv_silu(name + ".cv1", x, channels, half, 1)};
    for (int i = 0; i < 3; ++i) parts.push_back(max_pool(name + ".m" + std::to_string(i), parts.back(), 5, 1));
    return conv_silu(name + ".cv2", concat(name + ".cat", parts, 1), 4 * half, channels, 1);
  }
  /// Each place twice in both directions.
  std::string twice(const std::string& name, const std::string& x) {
    node("Resize", name, {x, "", numbers(name + ".scales", {4}, {1, 1, 2, 2})});
    set("mode", "nearest");
    set("coordinate_transformation_mode", "asymmetric");
    set("nearest_mode", "floor");
    return name;
  }
};

/// Boxes and scores of one scale [1, 255, h, w] as [1, 3 * h * w, 85].
std::string decode_v5(detector& n, const std::string& x, std::size_t scale, const std::vector<float>& anchors) {
  const std::int64_t places = side / strides[scale];
  const auto stride = static_cast<float>(strides[scale]);
  const std::string name = "decode" + std::to_string(scale);
  std::vector<float> grid;
  std::vector<float> sizes;
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::int64_t h = 0; h < places; ++h) {
      for (std::int64_t w = 0; w < places; ++w) {
        grid.push_back(static_cast<float>(w) - 0.5F);
        grid.push_back(static_cast<float>(h) - 0.5F);
        sizes.push_back(anchors[2 * a]);
        sizes.push_back(anchors[2 * a + 1]);
      }
    }
  }
  const network::dims all = {1, 3, places, places, 2};
  std::string y = n.reshape(name + ".anchors", x, {1, 3, classes + 5, places, places});
  y = n.node("Sigmoid", name + ".sigmoid", {n.transpose(name + ".last", y, {0, 1, 3, 4, 2})});
  const std::vector<std::string> parts = n.split(name + ".parts", y, {2, 2, classes + 1}, 4);
  const std::string two = n.number("two", 2.0F);
  std::string center = n.node("Mul", name + ".center.twice", {parts[0], two});
  center = n.node("Add", name + ".center.cell", {center, n.numbers(name + ".grid", all, grid)});
  center = n.node("Mul", name + ".center", {center, n.number("stride" + std::to_string(scale), stride)});
  std::string size = n.node("Mul", name + ".size.twice", {parts[1], two});
  size = n.node("Pow", name + ".size.square", {size, two});
  size = n.node("Mul", name + ".size", {size, n.numbers(name + ".sizes", all, sizes)});
  return n.reshape(name, n.concat(name + ".cat", {center, size, parts[2]}, 4), {1, 3 * places * places, classes + 5});
}

} // namespace

network yolov5s(bool data, bool decode) {
  detector n(decode ? "yolov5s_decode" : "yolov5s", data);
  std::string x = n.conv_silu("0", n.input("images", {1, 3, side, side}), 3, 32, 6, 2, 2);
  x = n.c3("2", n.conv_silu("1", x, 32, 64, 3, 2), 64, 64, 1, true);
  const std::string c4 = n.c3("4", n.conv_silu("3", x, 64, 128, 3, 2), 128, 128, 2, true);
  const std::string c6 = n.c3("6", n.conv_silu("5", c4, 128, 256, 3, 2), 256, 256, 3, true);
  x = n.c3("8", n.conv_silu("7", c6, 256, 512, 3, 2), 512, 512, 1, true);
  const std::string c10 = n.conv_silu("10", n.sppf("9", x, 512), 512, 256, 1);
  x = n.c3("13", n.concat("12", {n.twice("11", c10), c6}, 1), 512, 256, 1, false);
  const std::string c14 = n.conv_silu("14", x, 256, 128, 1);
  std::string heads[3];
  heads[0] = n.c3("17", n.concat("16", {n.twice("15", c14), c4}, 1), 256, 128, 1, false);
  heads[1] = n.c3("20", n.concat("19", {n.conv_silu("18", heads[0], 128, 128, 3, 2), c14}, 1), 256, 256, 1, false);
  heads[2] = n.c3("23", n.concat("22", {n.conv_silu("21", heads[1], 256, 256, 3, 2), c10}, 1), 512, 512, 1, false);
  const std::vector<float> anchors[3] = {
      {10, 13, 16, 30, 33, 23}, {30, 61, 62, 45, 59, 119}, {116, 90, 156, 198, 373, 326}};
  std::vector<std::string> tables;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::int64_t out = 3 * (classes + 5);
    const std::string name = "24.m" + std::to_string(i);
    n.conv(name, heads[i], std::int64_t{128} << i, out, 1, 1, 0, 1, 1.0F, true);
    if (decode) {
      tables.push_back(decode_v5(n, name, i, anchors[i]));
    } else {
      n.output(name, {1, out, side / strides[i], side / strides[i]});
    }
  }
  if (decode) n.output(n.concat("boxes", tables, 1), {1, 25200, classes + 5});
  return n;
}

network yolov8(const std::string& name, bool data, bool decode, double depth, double width, std::int64_t most) {
  const auto channels = [&](std::int64_t c) {
    const auto scaled = static_cast<double>(std::min(c, most)) * width;
    return static_cast<std::int64_t>(std::ceil(scaled / 8)) * 8;
  };
  const auto repeat = [&](int r) { return std::max(1, static_cast<int>(std::lround(r * depth))); };
  const std::int64_t w1 = channels(64);
  const std::int64_t w2 = channels(128);
  const std::int64_t w3 = channels(256);
  const std::int64_t w4 = channels(512);
  const std::int64_t w5 = channels(1024);
  detector n(name, data);
  std::string x = n.conv_silu("0", n.input("images", {1, 3, side, side}), 3, w1, 3, 2);
  x = n.c2f("2", n.conv_silu("1", x, w1, w2, 3, 2), w2, w2, repeat(3), true);
  const std::string c4 = n.c2f("4", n.conv_silu("3", x, w2, w3, 3, 2), w3, w3, repeat(6), true);
  const std::string c6 = n.c2f("6", n.conv_silu("5", c4, w3, w4, 3, 2), w4, w4, repeat(6), true);
  x = n.c2f("8", n.conv_silu("7", c6, w4, w5, 3, 2), w5, w5, repeat(3), true);
  const std::string c9 = n.sppf("9", x, w5);
  const std::string c12 = n.c2f("12", n.concat("11", {n.twice("10", c9), c6}, 1), w5 + w4, w4, repeat(3), false);
  std::string heads[3];
  heads[0] = n.c2f("15", n.concat("14", {n.twice("13", c12), c4}, 1), w4 + w3, w3, repeat(3), false);
  heads[1] =
      n.c2f("18", n.concat("17", {n.conv_silu("16", heads[0], w3, w3, 3, 2), c12}, 1), w3 + w4, w4, repeat(3), false);
  heads[2] =
      n.c2f("21", n.concat("20", {n.conv_silu("19", heads[1], w4, w4, 3, 2), c9}, 1), w4 + w5, w5, repeat(3), false);

  // Each side of a box is a distribution over 16 distances.
  constexpr std::int64_t bins = 16;
  const std::int64_t in[3] = {w3, w4, w5};
  const std::int64_t box = std::max({bins, w3 / 4, 4 * bins});
  const std::int64_t score = std::max(w3, std::min<std::int64_t>(classes, 100));
  std::vector<float> distances;
  for (std::int64_t i = 0; i < bins; ++i) distances.push_back(static_cast<float>(i));
  std::vector<float> centers[2];
  std::vector<float> scales;
  std::vector<std::string> flat;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string head = "22." + std::to_string(i);
    const std::int64_t places = side / strides[i];
    std::string b = n.conv_silu(head + ".box.1", n.conv_silu(head + ".box.0", heads[i], in[i], box, 3), box, box, 3);
    b = n.conv(head + ".box", b, box, 4 * bins, 1, 1, 0, 1, 1.0F, true);
    std::string s =
        n.conv_silu(head + ".score.1", n.conv_silu(head + ".score.0", heads[i], in[i], score, 3), score, score, 3);
    s = n.conv(head + ".score", s, score, classes, 1, 1, 0, 1, 1.0F, true);
    const std::string both = n.concat(head, {b, s}, 1);
    if (!decode) n.output(both, {1, 4 * bins + classes, places, places});
    flat.push_back(both);
    all += places * places;
    for (std::int64_t h = 0; h < places; ++h) {
      for (std::int64_t w = 0; w < places; ++w) {
        centers[0].push_back(static_cast<float>(w) + 0.5F);
        centers[1].push_back(static_cast<float>(h) + 0.5F);
        scales.push_back(static_cast<float>(strides[i]));
      }
    }
  }
  n.count_fixed(bins);
  if (!decode) return n;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::int64_t places = side / strides[i];
    flat[i] = n.reshape(flat[i] + ".flat", flat[i], {1, 4 * bins + classes, places * places});
  }
  const std::vector<std::string> parts = n.split("parts", n.concat("flat", flat, 2), {4 * bins, classes}, 1);
  std::string d = n.transpose("bins.first", n.reshape("bins", parts[0], {1, 4, bins, all}), {0, 2, 1, 3});
  n.node("Softmax", "bins.softmax", {d});
  n.set("axis", 1);
  n.node("Conv", "distances", {"bins.softmax", n.numbers("distances.weight", {1, bins, 1, 1}, distances)});
  n.set("kernel_shape", network::dims{1, 1});
  const std::vector<std::string> corners = n.split("corners", n.reshape("sides", "distances", {1, 4, all}), {2, 2}, 1);
  std::vector<float> grid = centers[0];
  grid.insert(grid.end(), centers[1].begin(), centers[1].end());
  const std::string points = n.numbers("points", {1, 2, all}, grid);
  const std::string low = n.node("Sub", "low", {points, corners[0]});
  const std::string high = n.node("Add", "high", {points, corners[1]});
  const std::string center =
      n.node("Div", "center", {n.node("Add", "center.twice", {low, high}), n.number("two", 2.0F)});
  const std::string size = n.node("Sub", "size", {high, low});
  const std::string boxes =
      n.node("Mul", "boxes", {n.concat("center.size", {center, size}, 1), n.numbers("scales", {1, all}, scales)});
  n.output(n.concat("detections", {boxes, n.node("Sigmoid", "scores", {parts[1]})}, 1), {1, 4 + classes, all});
  return n;
}

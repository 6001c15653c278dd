// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=1
// TensorFlow Lite's own outputs (tools/tflite_models.py) against ours, of floats and of quantized integers; damaged and unknown files.
#include "tmpu/tflite/import.hpp"

#include "tmpu/calibrate/apply.hpp"
#include "tmpu/calibrate/own_scales.hpp"
#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/npz.hpp"
#include "tmpu/ir/verify.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {
using namespace tmpu;

const std::string folder = TMPU_TESTS_DIR "/tflite/data/";

struct file {
  explicit file(const std::string& name) : bytes(host::read_file(folder + name + ".tflite")) {}
  vec<std::uint8_t> bytes;
  [[nodiscard]] graph<stage::origin> graph_of(const tflite::import_options& o = {}) const {
    return tflite::import_model(tflite::model(bytes.span(), "model"), o);
  }
};
std::string refusal(const vec<std::uint8_t>& bytes, const tflite::import_options& o = {}) {
  try {
    static_cast<void>(tflite::import_model(tflite::model(bytes.span(), "model"), o));
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}
bool has(const std::string& whole, std::string_view part) {
  CAPTURE(whole);
  return whole.find(part) != std::string::npos;
}
/// Sample n of an array whose first axis counts them.
value sample(const value& all, std::size_t n) {
  shape d;
  for (std::size_t i = 1; i < all.dims.rank(); ++i) d.push_back(all.dims[i]);
  value one(all.type, d);
  const auto count = static_cast<std::size_t>(d.elements());
  for (std::size_t i = 0; i < count; ++i) {
    if (is_floating(all.type)) {
      one.f[i] = all.f[n * count + i];
    } else {
      one.i[i] = all.i[n * count + i];
    }
  }
  return one;
}
/// The greatest difference of any output of any sample from TensorFlow Lite's, in parts of its greatest magnitude; integers must be equal.
double worst(const graph_body& g, const std::string& name) {
  const std::string path = folder + name + ".npz";
  double found = 0;
  const auto all_of = [&](tensor_id t) { return host::to_value(host::read_npz(path, std::string(g.name(t)))); };
  for (std::size_t n = 0; n < 2; ++n) {
    vec<value> in;
    for (const tensor_id t : g.inputs) in.push_back(sample(all_of(t), n));
    const vec<value> ours = evaluate(g, in.span());
    for (const tensor_id t : g.outputs) {
      CAPTURE(std::string(g.name(t)));
      const value theirs = sample(all_of(t), n);
      const value& y = ours[static_cast<std::size_t>(t)];
      REQUIRE(y.type == theirs.type);
      REQUIRE(y.dims == theirs.dims);
      if (!is_floating(y.type)) {
        CHECK(y.i == theirs.i);
        continue;
      }
      double most = 0;
      double off = 0;
      for (std::size_t i = 0; i < y.f.size(); ++i) {
        most = std::max(most, std::abs(static_cast<double>(theirs.f[i])));
        off = std::max(off, std::abs(static_cast<double>(theirs.f[i]) - static_cast<double>(y.f[i])));
      }
      found = std::max(found, off / most);
    }
  }
  return found;
}
template <class Op> int count_of(const graph_body& g) {
  int n = 0;
  for (const node& x : g.nodes) n += is<Op>(x) ? 1 : 0;
  return n;
}
} // namespace

TEST_CASE("models of floats give TensorFlow Lite's numbers") {
  for (const std::string name : {"network_f32", "network_f16", "operators"}) {
    CAPTURE(name);
    const file f(name);
    const graph<stage::origin> g = f.graph_of();
    CHECK(verify(g).empty());
    CHECK(worst(g, name) < 1e-5);
    CHECK(worst(canonicalize::pass{}(f.graph_of()), name) < 1e-5);
  }
}

TEST_CASE("channels come first inside of a network, whatever its file says") {
  for (const std::string name : {"network_f32", "network_int8"}) {
    CAPTURE(name);
    const file f(name);
    const auto g = canonicalize::pass{}(f.graph_of());
    CHECK(count_of<top::transpose>(g) == 1); // that of the input
  }
}

TEST_CASE("models of quantized integers are real numbers on the steps of the model's own scales") {
  for (const std::string name : {"network_int8", "network_int8_io"}) {
    CAPTURE(name);
    const file f(name);
    graph<stage::origin> g = f.graph_of();
    CHECK(g.at(g.inputs[0]).type == dtype_id::f32);
    CHECK(worst(g, name) < 0.01); // a step of the softmax is 1/256
    const auto c = canonicalize::pass{}(std::move(g));
    CHECK(worst(c, name) < 0.01);
    const auto own = calibrate::apply_calibration{}(c, calibrate::table{});
    CHECK(count_of<top::quantize_linear>(own) == 0);
    CHECK(own.at(own.find(own.name(own.outputs[0]))).quant.present());
  }
}

TEST_CASE("shapes are bound where the user wants another batch") {
  const file f("network_f32");
  const std::string name(f.graph_of().name(0));
  tflite::import_options o;
  o.input_shapes.push_back({text("nobody"), {1, 2}});
  CHECK(has(refusal(f.bytes, o), "--input-shape names the input 'nobody', but the model's inputs are '"));
  o.input_shapes[0] = {text(name), {4, 12, 10, 3}};
  CHECK(has(refusal(f.bytes, o), "contradicts the model, which has"));
}

TEST_CASE("files that are damaged, cut off, or of something else are refused in one line") {
  const file f("network_int8");
  CHECK(has(refusal(vec<std::uint8_t>(f.bytes.span().first(7))), "'model' is no TensorFlow Lite model"));
  CHECK(has(refusal(vec<std::uint8_t>(f.bytes.span().first(4000))), "convert it again"));
  // Every byte changed, one after the other: a refusal or a graph, never a crash.
  std::size_t refused = 0;
  for (std::size_t i = 0; i < f.bytes.size(); i += 3) {
    vec<std::uint8_t> bytes = f.bytes;
    bytes[i] ^= 0x55U;
    const std::string line = refusal(bytes);
    CHECK(line.find('\n') == std::string::npos);
    if (!line.empty()) ++refused;
  }
  CHECK(refused > 200);
}

TEST_CASE("unknown operators are refused by their names") {
  const file f("operators");
  // The greater of an operator's two codes counts: where ELU (111) stands, MATRIX_DIAG (113).
  bool found = false;
  for (std::size_t i = 0; i < f.bytes.size() && !found; ++i) {
    if (f.bytes[i] != 111) continue;
    vec<std::uint8_t> bytes = f.bytes;
    bytes[i] = 113;
    found =
        refusal(bytes).find("TensorFlow Lite that this compiler does not read: MATRIX_DIAG x1 ('PartitionedCall:") !=
        std::string::npos;
  }
  CHECK(found);
}

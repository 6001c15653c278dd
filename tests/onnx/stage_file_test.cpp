// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc
// Stage files of a real model: loading and saving again gives the same bytes, the loaded graph is the one that was saved, and
// every kind of damage is refused.
#include "tmpu/onnx/stage_file.hpp"

#include "tmpu/host/files.hpp"
#include "tmpu/ir/builder.hpp"
#include "tmpu/onnx/import.hpp"
#include "tmpu/onnx/standard.hpp"
#include "tmpu/top/operators.hpp"
#include "tmpu/tpu/operators.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

namespace {

using namespace tmpu;
namespace fs = std::filesystem;
using operators = join_lists<unpack<decltype(top::operators)>, unpack<decltype(tpu::operators)>>;

/// The stages of digits_cnn, kept by the driver.
class stages {
public:
  explicit stages(const std::string& how)
      : folder_((fs::temp_directory_path() / ("tmpu_stages_" + std::to_string(::getpid()))).string()) {
    const char* tmpuc = std::getenv("TMPU_TMPUC");
    REQUIRE(tmpuc != nullptr);
    const std::string data = TMPU_TESTS_DIR "/../examples/data/";
    const std::string driver = std::string("\"") + tmpuc + "\" ";
    fs::create_directories(folder_);
    REQUIRE(std::system((driver + "calibrate " + data + "digits_cnn.onnx --data " + data +
                         "digits.npz:calib_x --scale 0.00392156862745098 --samples 10 -o " + folder_ + "/t.cali")
                            .c_str()) == 0);
    REQUIRE(
        std::system((driver + "compile " + data + "digits_cnn.onnx --chip nano --quantize " + how + " --calibration " +
                     folder_ + "/t.cali --keep-stages " + folder_ + " -o " + folder_ + "/p.tmodel")
                        .c_str()) == 0);
  }
  stages(const stages&) = delete;
  stages& operator=(const stages&) = delete;
  ~stages() { fs::remove_all(folder_); }
  [[nodiscard]] vec<std::uint8_t> bytes(const std::string& name) const {
    return host::read_file(folder_ + "/digits_cnn." + name + ".onnx");
  }

private:
  std::string folder_;
};

tmpu::onnx::pb::ModelProto parsed(const vec<std::uint8_t>& bytes) { return tmpu::onnx::parse_model(bytes, "file"); }

std::string refusal(const tmpu::onnx::pb::ModelProto& m) {
  try {
    static_cast<void>(tmpu::onnx::from_onnx<operators>(m));
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("save, load, save gives the same bytes at every stage") {
  for (const std::string how : {"f32", "bf16", "int8", "int8 --asymmetric"}) {
    const stages kept(how);
    for (const stage at :
         {stage::origin, stage::canonical, stage::calibrated, stage::lowered, stage::grouped, stage::addressed}) {
      if (at == stage::calibrated && how.find("int8") != 0) continue;
      CAPTURE(how);
      CAPTURE(name_of(at));
      const vec<std::uint8_t> first = kept.bytes(std::string(suffix_of(at)));
      const auto loaded = tmpu::onnx::from_onnx<operators>(parsed(first));
      CHECK(loaded.at == at);
      CHECK(loaded.network.view() == "digits_cnn");
      CHECK(loaded.graph.nodes.size() >= 6);
      const std::string again =
          tmpu::onnx::to_onnx<operators>(loaded.graph, loaded.at, loaded.network).SerializeAsString();
      CHECK(again == std::string(first.begin(), first.end()));
      if (at >= stage::grouped) CHECK(!loaded.graph.groups.empty());
      if (at == stage::addressed) CHECK(loaded.graph.activation_bytes > 0);
    }
  }
}

TEST_CASE("damage is refused, by name") {
  const stages kept("int8");
  const auto whole = parsed(kept.bytes("addr"));
  REQUIRE(refusal(whole).empty());
  using change = std::function<void(tmpu::onnx::pb::ModelProto&)>;
  const auto metadata = [](tmpu::onnx::pb::ModelProto& m, const std::string& key) -> std::string& {
    for (auto& p : *m.mutable_metadata_props()) {
      if (p.key() == key) return *p.mutable_value();
    }
    FAIL("no metadata " << key);
    return *m.mutable_metadata_props(0)->mutable_value();
  };
  const std::string output = whole.graph().output(0).name();
  for (const auto& [said, damage] : {
           std::pair<std::string, change>{"no stage of tmpu", [](auto& m) { m.clear_metadata_props(); }},
           {"another format", [&](auto& m) { metadata(m, "tmpu.format") = "7"; }},
           {"unknown stage 'polished'", [&](auto& m) { metadata(m, "tmpu.stage") = "polished"; }},
           {"a layer group cannot be read", [&](auto& m) { metadata(m, "tmpu.group").push_back('x'); }},
           {"a layer group cannot be read", [&](auto& m) { metadata(m, "tmpu.group") = "1 2 3"; }},
           {"the memory sizes cannot be read", [&](auto& m) { metadata(m, "tmpu.memory") = "1 2"; }},
           {"has the operator 'tmpu.tpu::polish'",
            [](auto& m) { m.mutable_graph()->mutable_node(0)->set_op_type("polish"); }},
           {"which nothing before it makes",
            [](auto& m) { m.mutable_graph()->mutable_node(0)->set_input(0, "nobody"); }},
           {"is made twice",
            [](auto& m) { m.mutable_graph()->mutable_node(1)->set_output(0, m.graph().node(0).output(0)); }},
           {"has the unreadable fact 'tmpu.scale'",
            [](auto& m) {
              for (auto& a : *m.mutable_graph()->mutable_quantization_annotation()) {
                for (auto& p : *a.mutable_quant_parameter_tensor_names()) {
                  if (p.key() == "tmpu.scale") p.set_value("much");
                }
              }
            }},
           {"tensor '" + output + "'",
            [](auto& m) {
              m.mutable_graph()
                  ->mutable_output(0)
                  ->mutable_type()
                  ->mutable_tensor_type()
                  ->mutable_shape()
                  ->mutable_dim(1)
                  ->set_dim_value(11);
            }},
           {"damaged", [](auto& m) { m.mutable_graph()->clear_quantization_annotation(); }},
       }) {
    CAPTURE(said);
    auto m = whole;
    damage(m);
    const std::string line = refusal(m);
    CAPTURE(line);
    CHECK(line.find(said) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  }
}

} // namespace

TEST_CASE("a plain ONNX model has operands where Top has attributes, and the operator set of its youngest operator") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 4});
  top::reduce_mean::attributes a{};
  a.axes = {1};
  a.keepdims = 0;
  const auto mean = m.add<top::reduce_mean>("mean", a, {x});
  m.output(m.add<top::reshape>("y", {.shape = {8}}, {mean}));
  const auto plain = [](const graph_body& g) {
    return tmpu::onnx::to_standard<unpack<decltype(top::operators)>>(g, 21, "net");
  };
  const auto model = plain(m.take());
  CHECK(model.opset_import(0).version() == 21);
  for (const auto& n : model.graph().node()) {
    CAPTURE(n.op_type());
    REQUIRE(n.input_size() == 2);
    for (const auto& attribute : n.attribute()) CHECK((attribute.name() != "axes" && attribute.name() != "shape"));
    bool found = false;
    for (const auto& c : model.graph().initializer())
      found = found || (c.name() == n.input(1) && c.int64_data(0) == (n.op_type() == "Reshape" ? 8 : 1));
    CHECK(found);
  }
  model_builder younger;
  value ones(dtype_id::f32, {4});
  younger.output(younger.add<top::rms_normalization>(
      "y", {}, {younger.input("x", dtype_id::f32, {2, 4}), younger.constant("scale", ones)}));
  CHECK(plain(younger.take()).opset_import(0).version() == 23);
}

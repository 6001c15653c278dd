// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc timeout=7200 optimize=1
// Every trained model on every chip in every mode: compiles, and every tensor is bit-equal between Tpu and Chip. TMPU_LONG_TESTS=1 takes
// all combinations; otherwise the project's own digits_cnn in all of them, and each model of TMPU_SHARED_MODELS once on each chip, in modes
// that take turns.
#include "driver.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace {

const std::vector<std::string> chips = {"bm1684x", "bm1688", "bm1690", "cv184x", "nano"};
const std::vector<std::string> modes = {"f32",   "f16",   "bf16",    "int8",   "int8 --asymmetric",
                                        "w8a16", "w4a16", "w4abf16", "f8e4m3", "f8e5m2"};

struct model {
  std::string name;
  std::string path;
  std::string data;    ///< to check with
  std::string samples; ///< to calibrate with
};

std::string words(const model& m) {
  return m.path + (m.name.starts_with("digits") ? " --input-shape input=1,1,28,28" : "");
}
std::string scale(const model& m) { return m.name.starts_with("digits") ? " --scale 0.00392156862745098" : ""; }

/// Whether Tpu and Chip agree in every bit. How near they are to the float model is for other tests.
bool bit_equal(const model& m, const std::string& chip, const std::string& mode, const std::string& table) {
  return models::tmpuc("check " + words(m) + " --chip " + chip + " --quantize " + mode +
                           (mode.starts_with("int8") ? " --calibration " + table : "") + " --data " + m.data +
                           scale(m) + " --samples 1 --tolerance -1,-1",
                       true) == 0;
}

void check(const model& m, bool all) {
  const models::workplace work("chips_" + m.name);
  const std::string table = work.file("t.cali");
  REQUIRE(models::tmpuc("calibrate " + words(m) + " --data " + m.samples + scale(m) + " --samples 2 -o " + table,
                        true) == 0);
  int combinations = 0;
  int equal = 0;
  static std::size_t turn = 0;
  for (const std::string& chip : chips) {
    for (std::size_t k = 0; k < modes.size(); ++k) {
      if (!all && k != turn % modes.size()) continue;
      ++combinations;
      const bool same = bit_equal(m, chip, modes[k], table);
      equal += same ? 1 : 0;
      CHECK_MESSAGE(same, m.name << " on " << chip << " in " << modes[k]);
    }
    ++turn;
  }
  MESSAGE(m.name << ": Tpu and Chip bit-equal in " << equal << " of " << combinations
                 << " combinations of chip and mode");
}

TEST_CASE("digits_cnn, the project's own copy: all chips, all modes") {
  const std::string data = TMPU_TESTS_DIR "/../examples/data/";
  check({"digits_cnn", data + "digits_cnn.onnx", data + "digits.npz:test_x", data + "digits.npz:calib_x"}, true);
}

TEST_CASE("the trained models on all chips") {
  const std::string digits = models::shared("digits_data.npz");
  int found = 0;
  for (const std::string name : {"digits_cnn", "digits_resnet", "digits_resnet_dynamo", "digits_mobilenet",
                                 "digits_vit", "digits_rnn", "denoise_unet", "sr_espcn", "char_lm"}) {
    const std::string path = models::shared(name + ".onnx");
    const bool is_digits = name.starts_with("digits");
    const std::string own = is_digits ? digits : models::shared(name + "_data.npz");
    if (path.empty() || own.empty()) {
      MESSAGE("skipped: " << name << " is not in TMPU_SHARED_MODELS");
      continue;
    }
    ++found;
    check({name, path, own + (is_digits ? ":test_x" : ":test_input"), own + (is_digits ? ":calib_x" : ":calib")},
          models::long_form());
  }
  CHECK((found == 0 || found == 9));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc timeout=7200 optimize=1
// Every trained model on all cores of the chips that have several: every tensor is bit-equal between Tpu, which knows no cores, and
// Chip; and checked mode finds no fault. TMPU_LONG_TESTS=1 takes all modes, otherwise they take turns.
#include "driver.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

const std::vector<std::string> targets = {"bm1688 --cores 2", "bm1690 --cores 8"};
const std::vector<std::string> modes = {"int8", "f16", "f32", "w4a16"};

void check(const std::string& words, const std::string& data, const std::string& samples, const std::string& name) {
  const models::workplace work("cores_" + name);
  const std::string table = work.file("t.cali");
  REQUIRE(models::tmpuc("calibrate " + words + " --data " + samples + " --samples 2 -o " + table, true) == 0);
  static std::size_t turn = 0;
  for (const std::string& target : targets) {
    for (std::size_t k = 0; k < modes.size(); ++k) {
      if (!models::long_form() && k != turn % modes.size()) continue;
      const std::string how = words + " --chip " + target + " --quantize " + modes[k] +
                              (modes[k] == "int8" ? " --calibration " + table : "");
      CHECK_MESSAGE(models::tmpuc("check " + how + " --data " + data + " --samples 1 --tolerance -1,-1", true) == 0,
                    how);
      REQUIRE(models::tmpuc("compile " + how + " -o " + work.file("m.tmodel"), true) == 0);
      CHECK_MESSAGE(models::tmpuc("run " + work.file("m.tmodel") + " --data " + data + " --samples 1 --checked -o " +
                                      work.file("y.npz"),
                                  true) == 0,
                    how);
    }
    ++turn;
  }
}

TEST_CASE("digits_cnn, the project's own copy, on several cores") {
  const std::string data = TMPU_TESTS_DIR "/../examples/data/";
  const std::string scale = " --scale 0.00392156862745098";
  check(data + "digits_cnn.onnx --input-shape input=1,1,28,28", data + "digits.npz:test_x" + scale,
        data + "digits.npz:calib_x" + scale, "digits_cnn");
}

TEST_CASE("the trained models on several cores") {
  for (const std::string name : {"digits_cnn", "digits_resnet", "digits_resnet_dynamo", "digits_mobilenet",
                                 "digits_vit", "digits_rnn", "denoise_unet", "sr_espcn", "char_lm"}) {
    const bool is_digits = name.starts_with("digits");
    const std::string path = models::shared(name + ".onnx");
    const std::string own = models::shared(is_digits ? "digits_data.npz" : name + "_data.npz");
    if (path.empty() || own.empty()) {
      MESSAGE("skipped: " << name << " is not in TMPU_SHARED_MODELS");
      continue;
    }
    const std::string scale = is_digits ? " --scale 0.00392156862745098" : "";
    check(path + (is_digits ? " --input-shape input=1,1,28,28" : ""),
          own + (is_digits ? ":test_x" : ":test_input") + scale, own + (is_digits ? ":calib_x" : ":calib") + scale,
          name);
  }
}

} // namespace

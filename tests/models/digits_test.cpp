// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc timeout=3000 optimize=1
// Trained classifiers through the driver, from the ONNX file to the instruction stream of two chips, in every dtype: accuracy against
// the labels, outputs against ONNX Runtime's, every tensor of the chip against the Tpu stage, no hazards. digits_cnn is in the project;
// the others are in TMPU_SHARED_MODELS. TMPU_LONG_TESTS=1 takes all 1,500 digits.
#include "driver.hpp"
#include "tmpu/compare/similarity.hpp"
#include "tmpu/host/npz.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace tmpu;
namespace fs = std::filesystem;
using models::tmpuc;
using models::variable;

struct classifier {
  std::string name;
  std::string path;
  std::string data;
  double least_int8; ///< accuracy on 1,500 digits that int8 must keep
};

struct measured {
  std::size_t right = 0;
  std::size_t count = 0;
  double cosine = 0; ///< mean over the digits, against the float model's scores
  [[nodiscard]] double accuracy() const { return static_cast<double>(right) / static_cast<double>(count); }
};

measured measure(const std::string& results, const vec<float>& wanted, const value& labels) {
  const value scores = host::to_value(host::read_npz(results, "output"));
  measured m;
  m.count = static_cast<std::size_t>(scores.dims[0]);
  const auto classes = static_cast<std::size_t>(scores.dims[1]);
  REQUIRE(wanted.size() == scores.f.size());
  for (std::size_t d = 0; d < m.count; ++d) {
    const std::span<const float> row = scores.f.span().subspan(d * classes, classes);
    std::size_t best = 0;
    for (std::size_t c = 1; c < classes; ++c) best = row[c] > row[best] ? c : best;
    m.right += static_cast<std::int64_t>(best) == labels.i[d] ? 1U : 0U;
    m.cosine += compare::cosine(row, wanted.span().subspan(d * classes, classes)) / static_cast<double>(m.count);
  }
  return m;
}

void check(const classifier& model) {
  const bool all = models::long_form();
  const models::workplace work("digits_" + model.name);
  const std::string at = work.file("");
  const std::string input = " --input-shape input=1,1,28,28 ";
  const std::string pixels = " --scale 0.00392156862745098 ";
  const std::string test = " --data " + model.data + ":test_x" + pixels;
  const std::string digits = test + (all ? "" : "--samples 300 ");
  const value labels = host::to_value(host::read_npz(model.data, "test_y"));

  REQUIRE(tmpuc("calibrate " + model.path + input + "--data " + model.data + ":calib_x" + pixels + "--samples 200 -o " +
                at + "t.cali") == 0);
  REQUIRE(tmpuc("run " + model.path + input + digits + "-o " + at + "float.npz") == 0);
  const value wanted = host::to_value(host::read_npz(at + "float.npz", "output"));
  const measured plain = measure(at + "float.npz", wanted.f, labels);
  MESSAGE(model.name << ": " << plain.right << " of " << plain.count << " digits right in float");

  // The oracle: ONNX Runtime's outputs for the first 64 digits.
  const std::string reference =
      fs::path(model.path).parent_path().string() + "/" + fs::path(model.path).stem().string() + "_ref.npz";
  const bool has_reference = fs::exists(reference);
  if (!has_reference) MESSAGE(model.name << ": no " << reference << ", so ONNX Runtime's outputs are not compared");

  struct form {
    std::string quantize;
    std::string options;
    double least_cosine;
  };
  for (const std::string chip : {"nano", "bm1684x"}) {
    for (const form& f : {form{"f32", "", 0.9999999}, form{"f16", "", 0.9999}, form{"bf16", "", 0.999},
                          form{"int8", "", 0.99}, form{"int8", "--asymmetric", 0.99}}) {
      CAPTURE(chip);
      CAPTURE(f.quantize);
      CAPTURE(f.options);
      const std::string how =
          input + "--chip " + chip + " --quantize " + f.quantize + " " + f.options + " --calibration " + at + "t.cali ";
      const auto start = std::chrono::steady_clock::now();
      REQUIRE(tmpuc("compile " + model.path + how + "-o " + at + "p.tmodel") == 0);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      CHECK(taken.count() < 1.0);
      REQUIRE(tmpuc("run " + at + "p.tmodel --checked" + digits + "-o " + at + "chip.npz") == 0);
      const measured m = measure(at + "chip.npz", wanted.f, labels);
      MESSAGE(model.name << " " << chip << " " << f.quantize << " " << f.options << ": " << m.right
                         << " right, mean cosine " << m.cosine << ", compiled in " << taken.count() << " s");
      CHECK(m.cosine >= f.least_cosine);
      if (f.quantize == "int8") {
        if (all) {
          CHECK(m.accuracy() >= model.least_int8);
        } else {
          CHECK(m.right + 2 >= plain.right);
        }
      } else {
        CHECK(m.right + 1 >= plain.right);
      }
      if (has_reference && f.quantize == "f32") {
        const value runtime = host::to_value(host::read_npz(reference, "output"));
        const value scores = host::to_value(host::read_npz(at + "chip.npz", "output"));
        const double sqnr = compare::sqnr_db(runtime.f.span(), scores.f.span().first(runtime.f.size()));
        MESSAGE("SQNR against ONNX Runtime: " << sqnr << " dB");
        CHECK(sqnr >= 120.0);
      }
      // Exit code 0 says: every tensor bit-equal between Tpu and Chip, and all within the tolerances.
      CHECK(tmpuc("check " + model.path + how + test + "--samples 4", true) == 0);
    }
  }
}

classifier shared(const std::string& name, double least_int8) {
  const std::string folder = variable("TMPU_SHARED_MODELS");
  return {name, folder + "/" + name + ".onnx", folder + "/digits_data.npz", least_int8};
}
void check_shared(const std::string& name, double least_int8) {
  const classifier model = shared(name, least_int8);
  if (!fs::exists(model.path)) {
    MESSAGE("skipped: " << name << " is not in TMPU_SHARED_MODELS");
    return;
  }
  check(model);
}

TEST_CASE("digits_cnn, the project's own copy") {
  const std::string data = TMPU_TESTS_DIR "/../examples/data";
  check({"digits_cnn", data + "/digits_cnn.onnx", data + "/digits.npz", 0.97});
}
TEST_CASE("digits_cnn") { check_shared("digits_cnn", 0.98); }
TEST_CASE("digits_resnet") { check_shared("digits_resnet", 0.99); }
TEST_CASE("digits_resnet_dynamo") { check_shared("digits_resnet_dynamo", 0.99); }
TEST_CASE("digits_mobilenet") { check_shared("digits_mobilenet", 0.99); }

} // namespace

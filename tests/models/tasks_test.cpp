// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc timeout=3000 optimize=1
// What the trained models of TMPU_SHARED_MODELS lose in f16, bf16 and with weights of fewer bits, measured through the instruction stream:
// perplexity of the language model, accuracy of the classifiers, PSNR of the image models. The oracles are ONNX Runtime's outputs and the
// labels. TMPU_LONG_TESTS=1 takes all samples; otherwise a few, against ONNX Runtime on the same ones.
#include "driver.hpp"
#include "tmpu/host/npz.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace {

using namespace tmpu;

value array(const std::string& path, const std::string& key) { return host::to_value(host::read_npz(path, key)); }

/// Output `key` of the model, compiled for bm1684x and run on all or the first samples.
value run_on_chip(const std::string& model, const std::string& quantize, const std::string& data, int samples,
                  const std::string& key) {
  const models::workplace work("tasks");
  const std::string program = work.file("p.tmodel");
  const std::string results = work.file("out.npz");
  REQUIRE(models::tmpuc("compile " + model + " --chip bm1684x --quantize " + quantize + " -o " + program, true) == 0);
  const std::string first = samples == 0 ? "" : " --samples " + std::to_string(samples);
  REQUIRE(models::tmpuc("run " + program + " --data " + data + first + " -o " + results, true) == 0);
  return array(results, key);
}

/// exp(mean of -log softmax(logits)[next]) over the places of as many sequences as there are logits.
double perplexity(const value& logits, const value& next) {
  const auto letters = static_cast<std::size_t>(logits.dims[logits.dims.rank() - 1]);
  const std::size_t places = logits.f.size() / letters;
  double sum = 0;
  for (std::size_t p = 0; p < places; ++p) {
    const auto row = logits.f.span().subspan(p * letters, letters);
    const auto greatest = static_cast<double>(*std::max_element(row.begin(), row.end()));
    double all = 0;
    for (const float x : row) all += std::exp(static_cast<double>(x) - greatest);
    sum += greatest + std::log(all) - static_cast<double>(row[static_cast<std::size_t>(next.i[p])]);
  }
  return std::exp(sum / static_cast<double>(places));
}

TEST_CASE("char_lm: perplexity") {
  const std::string model = models::shared("char_lm.onnx");
  const std::string data = models::shared("char_lm_data.npz");
  if (model.empty() || data.empty()) {
    MESSAGE("skipped: char_lm is not in TMPU_SHARED_MODELS");
    return;
  }
  const value next = array(data, "test_next");
  const bool all = models::long_form();
  // ONNX Runtime's, of all 48 sequences (from the models' description) and of the first four.
  const double wanted = all ? 7.794 : perplexity(array(data, "test_output_fp32_first4"), next);
  struct form {
    std::string quantize;
    double most; ///< relative to f32
    bool always;
  };
  for (const form& f : {form{"f32", 1.0001, false}, form{"f16", 1.005, true}, form{"bf16", 1.005, false},
                        form{"w8a16", 1.005, false}, form{"w8abf16", 1.005, false}, form{"w4a16", 1.03, true},
                        form{"w4abf16", 1.03, false}, form{"f8e4m3", 1.03, false}, form{"f8e5m2", 1.1, false}}) {
    if (!all && !f.always) continue;
    const double p = perplexity(run_on_chip(model, f.quantize, data + ":test_input", all ? 0 : 4, "logits"), next);
    MESSAGE("char_lm " << f.quantize << ": perplexity " << p << ", " << 100.0 * (p / wanted - 1.0)
                       << " % above ONNX Runtime's FP32 " << wanted);
    CHECK(p <= wanted * f.most);
  }
}

void check_classifier(const std::string& name, int right_in_f32) {
  const std::string model = models::shared(name + ".onnx");
  const std::string reference = models::shared(name + "_ref.npz");
  const std::string data = models::shared("digits_data.npz");
  if (model.empty() || reference.empty() || data.empty()) {
    MESSAGE("skipped: " << name << " is not in TMPU_SHARED_MODELS");
    return;
  }
  const bool all = models::long_form();
  const auto best = [](const value& scores, std::size_t row) {
    const auto own = scores.f.span().subspan(row * 10, 10);
    return std::max_element(own.begin(), own.end()) - own.begin();
  };
  const value runtime = array(reference, "output");
  const value labels = array(data, "test_y");
  const std::vector<std::string> modes =
      all ? std::vector<std::string>{"f16", "bf16", "w8a16", "w4a16"} : std::vector<std::string>{"f16"};
  for (const std::string& mode : modes) {
    const value scores = run_on_chip(model, mode + " --input-shape input=1,1,28,28",
                                     data + ":test_x --scale 0.00392156862745098", all ? 0 : 64, "output");
    int same = 0;
    for (std::size_t d = 0; d < 64; ++d) same += best(scores, d) == best(runtime, d) ? 1 : 0;
    int right = 0;
    for (std::size_t d = 0; d < scores.f.size() / 10; ++d) right += best(scores, d) == labels.i[d] ? 1 : 0;
    MESSAGE(name << " " << mode << ": " << right << " of " << scores.f.size() / 10 << " right, " << same
                 << " of 64 as ONNX Runtime has them");
    CHECK(same >= (mode == "f16" ? 64 : 63));
    if (!all) continue;
    // 0.1 of 100 points of 1,500 digits is one and a half; half a point for the weights of four bits.
    CHECK(right >= right_in_f32 - (mode == "f16" ? 1 : 7));
  }
}
TEST_CASE("digits_vit: accuracy") { check_classifier("digits_vit", 1475); }
TEST_CASE("digits_rnn: accuracy") { check_classifier("digits_rnn", 1472); }

/// Mean over the images of -10 log10(mean((clip(y, 0, 1) - target)^2)), of as many as y has.
double psnr(const value& y, const value& target) {
  const auto images = static_cast<std::size_t>(y.dims[0]);
  const std::size_t each = y.f.size() / images;
  double sum = 0;
  for (std::size_t i = 0; i < images; ++i) {
    double error = 0;
    for (std::size_t e = i * each; e < (i + 1) * each; ++e) {
      const double d = std::clamp(static_cast<double>(y.f[e]), 0.0, 1.0) - static_cast<double>(target.f[e]);
      error += d * d / static_cast<double>(each);
    }
    sum -= 10.0 * std::log10(error);
  }
  return sum / static_cast<double>(images);
}

void check_images(const std::string& name) {
  const std::string model = models::shared(name + ".onnx");
  const std::string data = models::shared(name + "_data.npz");
  if (model.empty() || data.empty()) {
    MESSAGE("skipped: " << name << " is not in TMPU_SHARED_MODELS");
    return;
  }
  const bool all = models::long_form();
  const int samples = all ? 0 : 4;
  const value target = array(data, "test_target");
  value runtime = array(data, "test_output_fp32");
  if (!all) {
    runtime.f.resize(runtime.f.size() / static_cast<std::size_t>(runtime.dims[0]) * 4);
    runtime.dims[0] = 4;
  }
  const double wanted = psnr(runtime, target);
  const std::vector<std::string> modes =
      all ? std::vector<std::string>{"f16", "bf16", "w8a16"} : std::vector<std::string>{"f16"};
  for (const std::string& mode : modes) {
    const double got = psnr(run_on_chip(model, mode, data + ":test_input", samples, "output"), target);
    MESSAGE(name << " " << mode << ": " << got << " dB, ONNX Runtime in FP32 " << wanted);
    CHECK(got >= wanted - (mode == "f16" ? 0.02 : mode == "w8a16" ? 0.1 : 1.0));
  }
}
TEST_CASE("denoise_unet: PSNR") { check_images("denoise_unet"); }
TEST_CASE("sr_espcn: PSNR") { check_images("sr_espcn"); }

} // namespace

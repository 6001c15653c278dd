// SPDX-License-Identifier: Apache-2.0
// Compile a model for a chip and run it there: xtensor arrays in and out.
#include "tmpu/host/model.hpp"
#include "tmpu/host/npz.hpp"
#include "tmpu/host/xtensor.hpp"

#include <fmt/core.h>
#include <xtensor/xsort.hpp>
#include <xtensor/xview.hpp>

int main() {
  const std::string data = TMPU_EXAMPLES_DIR "/data/";
  const auto images = tmpu::host::to_xarray(tmpu::host::to_value(tmpu::host::read_npz(data + "digits.npz", "test_x")));
  const auto labels =
      tmpu::host::to_xarray<int>(tmpu::host::to_value(tmpu::host::read_npz(data + "digits.npz", "test_y")));
  int right = 0;

  auto model = tmpu::host::load_onnx(data + "digits_cnn.onnx");
  const auto program = tmpu::compile<tmpu::f16>(std::move(model), {.chip = tmpu::chip::nano::info});
  tmpu::host::runner tpu(program);
  for (std::size_t i = 0; i < 20; ++i) {
    const xt::xarray<float> image = xt::view(images, xt::range(i, i + 1)) / 255.0F;
    const xt::xarray<float> scores = tmpu::host::run(tpu, image);
    right += static_cast<int>(xt::argmax(scores)()) == labels(i) ? 1 : 0;
  }

  fmt::print("{} of 20 digits recognised by {} instructions\n", right,
             program.info.networks[0].segments[0].cores[0].count);
  return right >= 19 ? 0 : 1;
}

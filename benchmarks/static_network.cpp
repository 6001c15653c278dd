// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=3 limits=big
// Time of one inference by tmpu::run<program>, of the program of examples/embedded: the least processor time in milliseconds.
#include "../examples/embedded/digits.hpp"
#include "../examples/embedded/digits_cnn.hpp"
#include "tmpu/static_run.hpp"

#include <cstdio>
#include <ctime>

constexpr auto program = tmpu::compile<digits_cnn, tmpu::chip::nano>();

namespace {
double processor_seconds() {
  std::timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
} // namespace

int main() {
  constexpr int batch = 10; // the clock itself takes a part of a microsecond
  const auto image = digits::image(digits::all[0].pixels);
  double least = 1e30;
  std::size_t answers = 0;
  for (int i = 0; i < 5000; ++i) {
    const double from = processor_seconds();
    for (int k = 0; k < batch; ++k) answers += tmpu::argmax(tmpu::run<program>(image));
    const double took = (processor_seconds() - from) / batch;
    least = took < least ? took : least;
  }
  std::printf("%.4f\n", least * 1e3);
  return answers == 5000U * batch * static_cast<std::size_t>(digits::all[0].label) ? 0 : 1;
}

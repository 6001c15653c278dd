// SPDX-License-Identifier: Apache-2.0
// A digit classifier that the C++ compiler compiled for a chip: no heap, no file, no parser, no exceptions (-fno-exceptions -fno-rtti).
// What does not fit does not compile, and the first digit is recognised before the program exists.
#include "digits.hpp"
#include "digits_cnn.hpp"
#include "tmpu/static_run.hpp"

#include <cstdio>

using namespace tmpu::literals;

constexpr auto program = tmpu::compile<digits_cnn, tmpu::chip::nano>();
static_assert(program.local_bytes_peak() <= 8_KiB);
static_assert(program.cycles() < 200'000);
static_assert(tmpu::argmax(tmpu::run<program>(digits::image(digits::a_seven))) == 7);

int main(int count, char** words) {
  if (count == 2) { // the .tmodel file, byte for byte what `tmpuc compile` writes
    std::FILE* file = std::fopen(words[1], "wb");
    const bool written = file != nullptr && std::fwrite(program.bytes().data(), program.bytes().size(), 1, file) == 1;
    return file != nullptr && std::fclose(file) == 0 && written ? 0 : 2;
  }
  std::printf("%d instructions, %d bytes of weights, %d bytes of local memory a lane, %d cycles predicted\n",
              static_cast<int>(program.instructions()), static_cast<int>(program.weight_bytes()),
              static_cast<int>(program.local_bytes_peak()), static_cast<int>(program.cycles()));
  int wrong = 0;
  for (const digits::digit& d : digits::all) {
    const auto scores = tmpu::run<program>(digits::image(d.pixels));
    const int answer = static_cast<int>(tmpu::argmax(scores));
    std::printf("a %d is taken for a %d\n", d.label, answer);
    wrong += answer == d.label ? 0 : 1;
  }
  return wrong;
}

// SPDX-License-Identifier: Apache-2.0
// single_header PROGRAM.tmodel INPUT OUTPUT: runs a program on the bytes of its only input, with nothing but the amalgamated header.
#include "tmpu_exec.hpp"

#include <cstdio>
#include <vector>

namespace {
std::vector<std::uint8_t> read(const char* path) {
  std::vector<std::uint8_t> bytes;
  std::FILE* f = std::fopen(path, "rb");
  if (f == nullptr) return bytes;
  for (int c = std::fgetc(f); c != EOF; c = std::fgetc(f)) bytes.push_back(static_cast<std::uint8_t>(c));
  std::fclose(f);
  return bytes;
}
} // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 1;
  try {
    const tmpu::isa::program p = tmpu::isa::from_bytes(read(argv[1]), argv[1]);
    tmpu::exec::executor tpu(p);
    if (!tmpu::exec::check(tpu).empty()) return 1;
    tmpu::exec::memory memory = tpu.make_memory();
    const std::vector<std::uint8_t> input = read(argv[2]);
    const std::span<const std::uint8_t> inputs[] = {input};
    const auto outputs = tpu.run(memory, inputs);
    std::FILE* f = std::fopen(argv[3], "wb");
    if (f == nullptr) return 1;
    const bool written = std::fwrite(outputs[0].data(), 1, outputs[0].size(), f) == outputs[0].size();
    return std::fclose(f) == 0 && written ? 0 : 1;
  } catch (const tmpu::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

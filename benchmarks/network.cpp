// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=3
// Time of one inference: bench_network FILE [SECONDS], FILE a .tmodel (with the calls around the stream: inputs are quantized, outputs named) or a
// stage file of inference at Top. Prints the least processor time of a run in milliseconds; benchmarks/networks.py calls it.
#include "tmpu/host/files.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/isa/tmodel.hpp"
#include "tmpu/onnx/import.hpp"
#include "tmpu/onnx/stage_file.hpp"
#include "tmpu/top/attention.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/norm.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/reduce.hpp"
#include "tmpu/top/reshape.hpp"
#include "tmpu/top/softmax.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

using namespace tmpu;

/// What the canonical forms of the zoo's networks and of simple transformers hold.
using operators = list<top::conv, top::gemm, top::matmul, top::add, top::mul, top::max_pool, top::average_pool,
                       top::reshape, top::transpose, top::relu, top::clip, top::gelu, top::softmax,
                       top::layer_normalization, top::attention, top::reduce_mean, top::slice, top::concat, top::split>;

double processor_seconds() {
  std::timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

value noise(dtype_id type, const shape& dims) {
  value v(type, dims);
  std::uint32_t seed = 1;
  for (float& x : v.f) x = static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 16) / 32768.0F - 1.0F;
  return v;
}

template <class Run> void measure(double seconds, Run&& run) {
  double least = 1e30;
  int runs = 0;
  for (const double start = processor_seconds(); runs < 3 || processor_seconds() - start < seconds; ++runs) {
    const double from = processor_seconds();
    run();
    const double took = processor_seconds() - from;
    least = took < least ? took : least;
  }
  std::printf("%.4f\n", least * 1e3);
}

void measure_file(const std::string& path, double seconds) {
  std::vector<value> inputs;
  if (path.ends_with(".tmodel")) {
    const isa::program program = isa::from_bytes(host::read_file(path), path);
    host::runner runner(program);
    for (const isa::io_tensor& t : runner.network().inputs)
      inputs.push_back(noise(host::user_type(t.type, {t.scale, t.zero_point}, t.edge), shape(t.dims.span())));
    return measure(seconds, [&] { runner.run(inputs); });
  }
  const vec<std::uint8_t> bytes = host::read_file(path);
  const auto loaded = tmpu::onnx::from_onnx<operators>(tmpu::onnx::parse_model(bytes.span(), path));
  for (const tensor_id t : loaded.graph.inputs)
    inputs.push_back(noise(loaded.graph.at(t).type, loaded.graph.at(t).dims));
  vec<value> constants;
  measure(seconds, [&] { host::run_graph(loaded.graph, inputs, keep::outputs, &constants); });
}

} // namespace

int main(int count, char** words) {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 1 << 25); // as tmpuc does
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  try {
    if (count < 2) refuse("bench_network FILE [SECONDS]: a .tmodel or a stage file is missing");
    measure_file(words[1], count > 2 ? std::atof(words[2]) : 3.0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_network: error: %s\n", e.what());
    return 2;
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A user's program: the headers compile without this project's warning flags, and the flags that the targets carry arrive.
#include "tmpu/core/math.hpp"
#include "tmpu/core/reflect.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/version.hpp"
#if __has_include("tmpu/compile.hpp")
#include "tmpu/compile.hpp"
#endif

#if defined(CONSUMER_HAS_HOST)
#include <xtensor/xarray.hpp>
#include <zip.h>
#include <zlib.h>
#endif
#if defined(CONSUMER_HAS_ONNX)
#include <onnx/onnx_pb.h>
#endif

#include <cstdio>

int main() {
#if defined(CONSUMER_HAS_HOST)
  const xt::xarray<float> a{1.0F, 2.0F};
  if (a.size() != 2 || zip_libzip_version() == nullptr || zlibVersion() == nullptr) return 1;
#endif
#if defined(CONSUMER_HAS_ONNX)
  onnx::ModelProto model;
  model.set_ir_version(8);
  if (model.ByteSizeLong() == 0) return 1;
#endif
  std::printf("tmpu %d.%d.%d\n", tmpu::version.major_number, tmpu::version.minor_number, tmpu::version.patch_number);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one source of the version: the build reads these three lines. TMPU_STRUCT (core/struct.hpp) is the only other public macro.
#define TMPU_VERSION_MAJOR 0
#define TMPU_VERSION_MINOR 1
#define TMPU_VERSION_PATCH 0
#define TMPU_VERSION (TMPU_VERSION_MAJOR * 10000 + TMPU_VERSION_MINOR * 100 + TMPU_VERSION_PATCH)

namespace tmpu {

/// The version of the headers; also written into the files that the compiler makes.
struct version_numbers {
  int major_number;
  int minor_number;
  int patch_number;
};

inline constexpr version_numbers version{TMPU_VERSION_MAJOR, TMPU_VERSION_MINOR, TMPU_VERSION_PATCH};

} // namespace tmpu

// SPDX-License-Identifier: Apache-2.0
// tmpu-test: generated=same_bytes
#include "same_bytes.generated.hpp"
#include "same_bytes.hpp"

#include <doctest/doctest.h>

static_assert(same_bytes::equal<tmpu::i8>(small_i8), "constant evaluation and run time must give the same program");

TEST_CASE("the program that the C++ compiler made is the one that is made at run time") {
  CHECK(same_bytes::equal<tmpu::i8>(small_i8));
}

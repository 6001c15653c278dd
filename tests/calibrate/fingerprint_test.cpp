// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/fingerprint.hpp"

#include "toy_ops.hpp"

#include <doctest/doctest.h>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

struct rule_a {
  static constexpr std::string_view name = "a";
};
struct rule_b {
  static constexpr std::string_view name = "b";
};

// The offset basis is that of the draft; an empty input gives it back. "a" and "foobar": test vectors of the draft.
constexpr std::uint64_t fnv(std::string_view s) {
  fingerprint_hash hash;
  for (const char c : s) hash.put(static_cast<std::uint8_t>(c));
  return hash.digest();
}
static_assert(fnv("") == 0xcbf29ce484222325U);
static_assert(fnv("a") == 0xaf63dc4c8601ec8cU);
static_assert(fnv("foobar") == 0x85944171f73967e8U);

static_assert(fingerprint(list<rule_a, rule_b>{}) != fingerprint(list<rule_b, rule_a>{}));
static_assert(fingerprint(list<rule_a>{}) != fingerprint(list<rule_a, rule_b>{}));

static_assert(fingerprint(toy::net()) == fingerprint(toy::net()));
static_assert(fingerprint(toy::net()) != fingerprint(toy::net(0.25F)), "a weight");
static_assert(fingerprint(toy::net()) != fingerprint(toy::net(0.5F, 3)), "a shape");
static_assert(fingerprint(toy::net()) != fingerprint(toy::net(0.5F, 2, 3.0F)), "an attribute");
static_assert(fingerprint(toy::net()) != fingerprint(toy::net(0.5F, 2, 2.0F, "twice")), "a name");

} // namespace

TEST_CASE("the fingerprint is that of constant evaluation, and ranges do not count") {
  constexpr std::uint64_t expected = fingerprint(toy::net());
  auto g = toy::net();
  CHECK(fingerprint(g) == expected);
  g.at(0).range = {true, 1.0F, 0.0F, 1.0F};
  g.at(0).address = 64;
  CHECK(fingerprint(g) == expected);
  g.tidy();
  CHECK(fingerprint(g) == expected);
  set_op<toy::line>(g, 1, {1.0F, 0.0F});
  CHECK(fingerprint(g) != expected);
}

// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/list.hpp"

#include <boost/hana.hpp>
#include <doctest/doctest.h>

#include <type_traits>

using namespace tmpu;

namespace {

struct conv {};
struct relu {};
struct gelu {};

constexpr list<conv, relu> two;
constexpr auto three = hana::append(two, hana::type_c<gelu>);

template <class A, class B> constexpr bool same(A, B) { return std::is_same_v<A, B>; }

// Registries are edited with Hana and stay lists.
static_assert(same(three, list<conv, relu, gelu>()));
static_assert(same(hana::prepend(two, hana::type_c<gelu>), list<gelu, conv, relu>()));
static_assert(same(hana::concat(two, list<gelu>()), list<conv, relu, gelu>()));
static_assert(same(hana::filter(three, [](auto t) { return t != hana::type_c<relu>; }), list<conv, gelu>()));
static_assert(same(hana::reverse(three), list<gelu, relu, conv>()));
static_assert(same(hana::drop_front(three), list<relu, gelu>()));
static_assert(same(hana::drop_front_exactly(list<>(), hana::size_c<0>), list<>()));
static_assert(same(hana::transform(two, [](auto t) { return hana::type_c<list<typename decltype(t)::type>>; }),
                   list<list<conv>, list<relu>>()));

// They answer as Hana's own sequences do.
static_assert(hana::size(three) == hana::size_c<3>);
static_assert(hana::front(three) == hana::type_c<conv> && hana::back(three) == hana::type_c<gelu>);
static_assert(hana::contains(two, hana::type_c<relu>) && !hana::contains(two, hana::type_c<gelu>));
static_assert(hana::is_empty(list<>()) && !hana::is_empty(two));
static_assert(hana::equal(three, list<conv, relu, gelu>()) && hana::not_equal(three, two));
static_assert(hana::to_tuple(two) == hana::tuple_t<conv, relu>);

// Families are taken member by member, from lists and from Hana's tuples.
static_assert(same(unpack<list<conv, list<relu, gelu>>>(), list<conv, relu, gelu>()));
static_assert(same(unpack<decltype(hana::tuple_t<conv, list<relu, gelu>>)>(), list<conv, relu, gelu>()));
static_assert(same(unpack<const list<>&>(), list<>()));

TEST_CASE("hana::for_each goes through a list in its order") {
  int order = 0;
  hana::for_each(three, [&](auto t) {
    order = order * 10 + (t == hana::type_c<conv> ? 1 : t == hana::type_c<relu> ? 2 : 3);
  });
  CHECK(order == 123);
}

} // namespace

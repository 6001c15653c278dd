# SPDX-License-Identifier: Apache-2.0
"""What is compiled to see how the price of templates and of constant evaluation grows: sources of a few lines, by kind and size."""
import dataclasses

#: Flags that big constant evaluations need, by kind of compiler (as cmake/tmpu_constexpr_limits.cmake).
LIMITS = {
    "g++": ["-fconstexpr-ops-limit=20000000000", "-fconstexpr-loop-limit=1000000000"],
    "clang++": ["-fconstexpr-steps=2000000000"],
}

OPERATORS = """#include "tmpu/compile.hpp"
#include <utility>
using namespace tmpu;
using all = unpack<decltype(top::operators)>;
template <std::size_t I, class T> struct numbered { using type = T; };
template <class Indices, class List> struct numbers;
template <std::size_t... I, class... Ts> struct numbers<std::index_sequence<I...>, list<Ts...>> : numbered<I, Ts>... {};
using each = numbers<std::make_index_sequence<all::size>, all>;
template <std::size_t I, class T> numbered<I, T> pick(numbered<I, T>*);
template <class Indices> struct first;
template <std::size_t... I> struct first<std::index_sequence<I...>> {
  using type = list<typename decltype(pick<I>(static_cast<each*>(nullptr)))::type...>;
};
struct lists : standard {
  using operators = first<std::make_index_sequence<%d>>::type;
};
isa::program compiled(const graph<stage::origin>& g) {
  return compile<i8, lists>(graph<stage::origin>(g), {.chip = chip::nano::info});
}
"""

LAYERS = """#include "resnet.hpp"
constexpr auto cost = tmpu::design<resnet::chain<%d>>(tmpu::chip::bm1684x::info);
static_assert(cost.fits && cost.cycles > 0);
"""

RESNET50 = """#include "resnet.hpp"
constexpr auto cost = tmpu::design<resnet::resnet50>(tmpu::chip::bm1684x::info);
static_assert(cost.fits && cost.cycles > 0);
"""

#: What our registries are used for: keep the types of one kind, look for one, make a table of facts.
LIST_BEGIN = """#include "tmpu/core/list.hpp"
#include <boost/hana/any_of.hpp>
#include <boost/hana/concept/constant.hpp>
#include <boost/hana/filter.hpp>
#include <boost/hana/size.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>
#include <array>
template <int N> struct item { static constexpr int number = N; };
template <class T> struct is_even : std::bool_constant<T::number %% 2 == 0> {};
"""
PACKS = LIST_BEGIN + """using all = tmpu::list<%(items)s>;
template <class List> struct kept;
template <class... Ts> struct kept<tmpu::list<Ts...>> { using type = tmpu::filter_types<is_even, Ts...>; };
template <class... Ts> struct table { static constexpr std::array<int, sizeof...(Ts)> of{Ts::number...}; };
static_assert(kept<all>::type::size == %(half)d);
static_assert(all::any([]<class T>() { return T::number == %(last)d; }));
static_assert(all::into<table>::of.back() == %(last)d);
"""
HANA = LIST_BEGIN + """namespace hana = boost::hana;
constexpr auto all = hana::tuple_t<%(items)s>;
constexpr auto kept = hana::filter(all, [](auto t) { return hana::bool_c<is_even<typename decltype(t)::type>::value>; });
static_assert(hana::value(hana::size(kept)) == %(half)d);
static_assert(decltype(hana::any_of(all, [](auto t) { return hana::bool_c<decltype(t)::type::number == %(last)d>; }))::value);
constexpr auto table = hana::unpack(all, [](auto... t) { return std::array<int, sizeof...(t)>{decltype(t)::type::number...}; });
static_assert(table.back() == %(last)d);
"""


@dataclasses.dataclass(frozen=True)
class case:
    kind: str
    size: int
    source: str
    slow: bool = False  # seconds of constant evaluation: not in the budget

    @property
    def name(self):
        return f"{self.kind}/{self.size}"


def list_case(kind, source, size):
    words = {"items": ", ".join(f"item<{n}>" for n in range(size)), "half": (size + 1) // 2, "last": size - 1}
    return case(kind, size, source % words)


def all_cases(operators):
    """`operators`: how many Top has."""
    made = [case("operators in the list", n, OPERATORS % n) for n in (8, 32, 128, operators)]
    made += [list_case("types in a list, packs", PACKS, n) for n in (100, 200, 400)]
    made += [list_case("types in a list, Hana", HANA, n) for n in (100, 200, 400)]
    made += [case("layers in a constexpr model", n, LAYERS % n, slow=True) for n in (8, 32, 128)]
    made.append(case("nodes of ResNet-50", 69, RESNET50, slow=True))
    return made

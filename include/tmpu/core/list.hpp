// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/hana/fwd/at.hpp>
#include <boost/hana/fwd/bool.hpp>
#include <boost/hana/fwd/concept/sequence.hpp>
#include <boost/hana/fwd/core/make.hpp>
#include <boost/hana/fwd/drop_front.hpp>
#include <boost/hana/fwd/equal.hpp>
#include <boost/hana/fwd/is_empty.hpp>
#include <boost/hana/fwd/type.hpp>
#include <boost/hana/fwd/unpack.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace boost::hana {
template <class... Xs> struct tuple;
}

namespace tmpu {

namespace hana = boost::hana;

struct list_tag;

/// A compile-time list of types: the operators, dtypes, rules, passes, instructions and chips. It is a Hana Sequence of
/// `hana::type`s, to be appended to, filtered and composed with any algorithm of Hana whose header is included (and boost/hana/type.hpp)
/// (`hana::append(tmpu::operators, hana::type_c<mine>)`); its own members expand the pack, ten times cheaper than one Hana
/// call an element. Having no elements, it costs nothing until something asks for them, as a hana::tuple would.
template <class... Ts> struct list {
  using hana_tag = list_tag;
  static constexpr std::size_t size = sizeof...(Ts);

  /// Calls f.template operator()<T>() for each type, in order.
  template <class F> static constexpr void for_each(F&& f) {
    static_cast<void>(any([&f]<class T>() {
      f.template operator()<T>();
      return false;
    }));
  }
  /// True when f.template operator()<T>() is true for some type; stops there. (A loop: clang folds at most 256 operands.)
  template <class F> static constexpr bool any(F&& f) {
    using function = std::remove_reference_t<F>;
    using call = bool (*)(function&);
    constexpr call calls[] = {[](function& g) -> bool { return g.template operator()<Ts>(); }..., nullptr};
    for (std::size_t i = 0; i < size; ++i) {
      if (calls[i](f)) return true;
    }
    return false;
  }
  /// Puts the types into a template: list<a, b>::into<t> is t<a, b>.
  template <template <class...> class Template> using into = Template<Ts...>;
  template <class T> static constexpr bool contains = any([]<class Other>() { return std::is_same_v<T, Other>; });
};

namespace detail {
template <class... Lists> struct joined;
template <> struct joined<> { using type = list<>; };
template <class... As> struct joined<list<As...>> { using type = list<As...>; };
template <class... As, class... Bs, class... Rest> struct joined<list<As...>, list<Bs...>, Rest...> {
  using type = typename joined<list<As..., Bs...>, Rest...>::type;
};
// Eight at a time: each step writes all types so far into a name.
template <class... As, class... Bs, class... Cs, class... Ds, class... Es, class... Fs, class... Gs, class... Hs,
          class... Rest>
struct joined<list<As...>, list<Bs...>, list<Cs...>, list<Ds...>, list<Es...>, list<Fs...>, list<Gs...>, list<Hs...>,
              Rest...> {
  using type = typename joined<list<As..., Bs..., Cs..., Ds..., Es..., Fs..., Gs..., Hs...>, Rest...>::type;
};
template <class T> struct as_list { using type = list<T>; };
template <class... Ts> struct as_list<list<Ts...>> { using type = list<Ts...>; };
template <class Tuple> struct unpacked;
template <class... Types> struct unpacked<hana::tuple<Types...>> {
  using type = typename joined<list<>, typename as_list<typename Types::type>::type...>::type;
};
template <class... Ts> struct unpacked<list<Ts...>> {
  using type = typename joined<list<>, typename as_list<Ts>::type...>::type;
};

template <std::size_t Index, class T> struct place { using type = T; };
template <class Indices, class... Ts> struct places;
template <std::size_t... Indices, class... Ts>
struct places<std::index_sequence<Indices...>, Ts...> : place<Indices, Ts>... {};
template <std::size_t Index, class T> place<Index, T> place_of(const place<Index, T>&);
template <std::size_t Index, class... Ts>
using type_at = typename decltype(place_of<Index>(places<std::index_sequence_for<Ts...>, Ts...>()))::type;
} // namespace detail

/// list<conv, relu, gelu> of `list<conv, list<relu, gelu>>` or of the Hana tuple of such types (given as `decltype(value)`,
/// const or not): lists among the elements are families, taken member by member.
template <class Tuple> using unpack = typename detail::unpacked<std::remove_cvref_t<Tuple>>::type;

/// One list after the other.
template <class... Lists> using join_lists = typename detail::joined<Lists...>::type;

/// list<T...> of the T for which Keep<T>::value holds, in order.
template <template <class> class Keep, class... Ts>
using filter_types = join_lists<list<>, std::conditional_t<Keep<Ts>::value, list<Ts>, list<>>...>;

} // namespace tmpu

// What Hana asks of a Sequence; its algorithms follow from these (https://boostorg.github.io/hana, concept Sequence).
namespace boost::hana {
template <> struct Sequence<tmpu::list_tag> { static constexpr bool value = true; };
template <> struct make_impl<tmpu::list_tag> {
  template <class... Xs> static constexpr auto apply(const Xs&...) { return tmpu::list<typename Xs::type...>(); }
};
template <> struct unpack_impl<tmpu::list_tag> {
  template <class... Ts, class F> static constexpr decltype(auto) apply(tmpu::list<Ts...>, F&& f) {
    return static_cast<F&&>(f)(type_c<Ts>...);
  }
};
template <> struct at_impl<tmpu::list_tag> {
  template <class... Ts, class N> static constexpr auto apply(tmpu::list<Ts...>, const N&) {
    return type_c<tmpu::detail::type_at<N::value, Ts...>>;
  }
};
template <> struct is_empty_impl<tmpu::list_tag> {
  template <class... Ts> static constexpr auto apply(tmpu::list<Ts...>) { return bool_c<sizeof...(Ts) == 0>; }
};
template <> struct drop_front_impl<tmpu::list_tag> {
  template <class... Ts, class N> static constexpr auto apply(tmpu::list<Ts...>, const N&) {
    constexpr std::size_t first = N::value < sizeof...(Ts) ? N::value : sizeof...(Ts);
    return []<std::size_t... Rest>(std::index_sequence<Rest...>) {
      return tmpu::list<tmpu::detail::type_at<first + Rest, Ts...>...>();
    }
    (std::make_index_sequence<sizeof...(Ts) - first>());
  }
};
} // namespace boost::hana

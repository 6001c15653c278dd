// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>

#include <cstddef>
#include <type_traits>

namespace tmpu {

namespace hana = boost::hana;

/// A compile-time list of types. The user-facing lists (operators, dtypes, rules, passes, instructions, chips) are Hana
/// tuples of types, to be appended to, filtered and composed; inside they are unpacked once to this pack, because pack
/// expansion is ten times cheaper than one Hana call an element.
template <class... Ts> struct list {
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
template <class... Ts> struct unpacked<list<Ts...>> { using type = list<Ts...>; };
} // namespace detail

/// list<conv, relu, gelu> of `hana::tuple_t<conv, list<relu, gelu>>` (given as `decltype(tuple)`, const or not): lists among
/// the elements are families, taken member by member. A list stays what it is.
template <class Tuple> using unpack = typename detail::unpacked<std::remove_cvref_t<Tuple>>::type;

/// One list after the other.
template <class... Lists> using join_lists = typename detail::joined<Lists...>::type;

/// list<T...> of the T for which Keep<T>::value holds, in order.
template <template <class> class Keep, class... Ts>
using filter_types = join_lists<list<>, std::conditional_t<Keep<Ts>::value, list<Ts>, list<>>...>;

} // namespace tmpu

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

/// The members of a reflected struct, and with them the visitor that core/reflect.hpp stands on:
///
///     struct attributes {
///       TMPU_STRUCT((ints, pads), (defaulted<std::int64_t, 1>, group));
///     };
///
/// A pair is a type, which may hold up to three commas, and a name; at most 64 members, none is allowed. The struct stays an
/// aggregate. BOOST_HANA_DEFINE_STRUCT does the same and more, and costs two thirds of the compile time of compile.hpp: in each
/// translation unit it makes a tuple of pairs of compile-time strings of each struct, used or not.
#define TMPU_STRUCT(...)                                                                                               \
  TMPU_DETAIL_EACH(TMPU_DETAIL_DECLARE, __VA_ARGS__)                                                                   \
  template <class TmpuSelf, class TmpuVisitor>                                                                         \
  static constexpr void visit_members([[maybe_unused]] TmpuSelf& tmpu_self,                                            \
                                      [[maybe_unused]] TmpuVisitor&& tmpu_visit) {                                     \
    TMPU_DETAIL_EACH(TMPU_DETAIL_VISIT, __VA_ARGS__)                                                                   \
  }                                                                                                                    \
  static_assert(true)

#define TMPU_DETAIL_DECLARE(...) TMPU_DETAIL_TYPE(__VA_ARGS__) TMPU_DETAIL_NAME(__VA_ARGS__);
#define TMPU_DETAIL_VISIT(...)                                                                                         \
  tmpu_visit(::std::string_view(TMPU_DETAIL_QUOTE(TMPU_DETAIL_NAME(__VA_ARGS__))),                                     \
             tmpu_self.TMPU_DETAIL_NAME(__VA_ARGS__));
#define TMPU_DETAIL_QUOTE(x) TMPU_DETAIL_QUOTE_(x)
#define TMPU_DETAIL_QUOTE_(x) #x

// The last of two to five arguments is the name, what stands before it the type.
#define TMPU_DETAIL_NAME(...)                                                                                          \
  TMPU_DETAIL_PICK(__VA_ARGS__, TMPU_DETAIL_N5, TMPU_DETAIL_N4, TMPU_DETAIL_N3, TMPU_DETAIL_N2, )(__VA_ARGS__)
#define TMPU_DETAIL_TYPE(...)                                                                                          \
  TMPU_DETAIL_PICK(__VA_ARGS__, TMPU_DETAIL_T5, TMPU_DETAIL_T4, TMPU_DETAIL_T3, TMPU_DETAIL_T2, )(__VA_ARGS__)
#define TMPU_DETAIL_PICK(a, b, c, d, e, picked, ...) picked
#define TMPU_DETAIL_N2(a, n) n
#define TMPU_DETAIL_N3(a, b, n) n
#define TMPU_DETAIL_N4(a, b, c, n) n
#define TMPU_DETAIL_N5(a, b, c, d, n) n
#define TMPU_DETAIL_T2(a, n) a
#define TMPU_DETAIL_T3(a, b, n) a, b
#define TMPU_DETAIL_T4(a, b, c, n) a, b, c
#define TMPU_DETAIL_T5(a, b, c, d, n) a, b, c, d

// Applies a macro to each parenthesised argument: every scan of TMPU_DETAIL_SCAN takes the next one.
#define TMPU_DETAIL_EACH(macro, ...) __VA_OPT__(TMPU_DETAIL_SCAN(TMPU_DETAIL_NEXT(macro, __VA_ARGS__)))
#define TMPU_DETAIL_NEXT(macro, first, ...)                                                                            \
  macro first __VA_OPT__(TMPU_DETAIL_AGAIN TMPU_DETAIL_PARENS(macro, __VA_ARGS__))
#define TMPU_DETAIL_AGAIN() TMPU_DETAIL_NEXT
#define TMPU_DETAIL_PARENS ()
#define TMPU_DETAIL_SCAN(...) TMPU_DETAIL_SCAN1(TMPU_DETAIL_SCAN1(TMPU_DETAIL_SCAN1(TMPU_DETAIL_SCAN1(__VA_ARGS__))))
#define TMPU_DETAIL_SCAN1(...) TMPU_DETAIL_SCAN2(TMPU_DETAIL_SCAN2(TMPU_DETAIL_SCAN2(TMPU_DETAIL_SCAN2(__VA_ARGS__))))
#define TMPU_DETAIL_SCAN2(...) TMPU_DETAIL_SCAN3(TMPU_DETAIL_SCAN3(TMPU_DETAIL_SCAN3(TMPU_DETAIL_SCAN3(__VA_ARGS__))))
#define TMPU_DETAIL_SCAN3(...) __VA_ARGS__

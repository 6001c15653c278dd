// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/text.hpp"

#include <cstddef>
#include <exception>

namespace tmpu {

/// A refusal: one line that names the thing, the place and the cure.
class error : public std::exception {
public:
  /// Whatever names a model brings along, the message stays one line.
  explicit error(const text& message) {
    for (const char c : message.view()) message_ << (static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    message_ << '\0';
  }
  [[nodiscard]] const char* what() const noexcept override { return message_.view().data(); }

private:
  text message_;
};

/// Refuses the work with one line. In constant evaluation the call itself is the compile error; in programs without
/// exceptions it ends the program.
[[noreturn]] inline void refuse(const text& message) {
#ifdef __cpp_exceptions
  throw error(message);
#else
  static_cast<void>(message);
  __builtin_trap();
#endif
}

/// Names the operator types that a diagnostic speaks of; it never has members.
template <class... Things> struct listed {};
template <class First, class Second> struct pair_of {};

/// Numbered compile-time refusals. Each is a class template whose instantiation prints its arguments first and the cure
/// second; numbers are never used twice. `docs/errors.md` lists them.
namespace diag {

template <class... Things> inline constexpr bool nothing_listed = sizeof...(Things) == 0;

/// tmpu-L001: pairs (operator, dtype) without a lowering rule.
template <class... Pairs> struct no_lowering_rule {
  static_assert(nothing_listed<Pairs...>,
                "tmpu-L001: no lowering rule for the (operator, dtype) pairs listed above. Append a rule with that op "
                "and dtype to the rules, or take the operator out of the operators.");
  static constexpr bool ok = nothing_listed<Pairs...>;
};

/// tmpu-P001: a pass that was given a graph of another stage than it takes.
template <class Pass, class Given> struct pass_cannot_run {
  static_assert(nothing_listed<Pass>, "tmpu-P001: the pass named above cannot run at the stage named above: put the "
                                      "pass that makes its `from` stage before it.");
};

/// tmpu-E001: Tpu operators for which code generation has no emitter.
template <class... Ops> struct no_emitter {
  static_assert(nothing_listed<Ops...>, "tmpu-E001: no emitter for the Tpu operators listed above. Append one to the "
                                        "emitters, or take the rules that make these operators out of the rules.");
  static constexpr bool ok = nothing_listed<Ops...>;
};

/// tmpu-I001: instructions that share an opcode.
template <class... Instructions> struct opcode_used_twice {
  static_assert(nothing_listed<Instructions...>,
                "tmpu-I001: the instructions listed above share an opcode. Give each its own.");
  static constexpr bool ok = nothing_listed<Instructions...>;
};

/// Elements of each array of a list.
template <std::size_t... Counts> struct elements {};

/// tmpu-S001: arrays that are not a static program's inputs.
template <class Given, class Wanted> struct wrong_inputs {
  static_assert(nothing_listed<Given>,
                "tmpu-S001: the arrays given do not have the number or the sizes of the program's "
                "inputs (both named above: given, wanted). Give one std::array<float, elements> "
                "for each input.");
};

/// tmpu-C001: a chip whose facts contradict each other.
template <class Chip> struct bad_chip {
  static_assert(nothing_listed<Chip>,
                "tmpu-C001: the facts of the chip named above are not usable: lanes, EU bytes and "
                "banks must be powers of two, the banks must divide a lane, the EU bytes a bank.");
};

/// tmpu-O001: a type in the operator list that is no operator.
template <class... Things> struct not_an_operator {
  static_assert(nothing_listed<Things...>, "tmpu-O001: the types listed above are no operators: an operator has "
                                           "`info`, `attributes`, `infer` and `eval`.");
  static constexpr bool ok = nothing_listed<Things...>;
};

} // namespace diag
} // namespace tmpu

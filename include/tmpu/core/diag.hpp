// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/text.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>

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

/// Text as a template argument, for diagnostics that name a part of a model. (Filled to the end: otherwise clang prints numbers.)
template <std::size_t Size> struct label {
  char chars[Size]{};
  explicit constexpr label(std::string_view from) {
    for (std::size_t i = 0; i < Size; ++i) chars[i] = i + 1 < Size ? from[i] : '\0';
  }
};
/// Text that a constant expression gives; what is longer is cut. As a template argument: label_of<it>.
struct short_text {
  char chars[64]{};
  std::size_t size = 0;
  constexpr short_text() = default;
  explicit constexpr short_text(std::string_view from) : size(from.size() < sizeof chars ? from.size() : sizeof chars) {
    for (std::size_t i = 0; i < size; ++i) chars[i] = from[i];
  }
};
template <short_text Text>
inline constexpr auto label_of = label<Text.size + 1>(std::string_view(Text.chars, Text.size));

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

/// What the diagnostics of static models name.
template <label Name> struct layer {};
template <label Name> struct of_operator {};
template <label Shapes> struct operands {};
template <std::int64_t Bytes> struct needed {};
template <std::int64_t Bytes> struct there_are {};
template <std::int64_t Number> struct instruction {};

/// tmpu-G001: a layer whose smallest tile exceeds the local memory of a lane.
template <class Needed, class There, class Layer, class Operator> struct local_memory_exceeded {
  static_assert(
      nothing_listed<Layer>,
      "tmpu-G001: the smallest tile of the layer named above needs more bytes of local memory in each lane than "
      "there are. Compile for a chip with more local memory, or to a narrower dtype.");
};

/// tmpu-H001: a layer that no rule takes, in a program that has no host to compute it.
template <class Layer, class Operator> struct host_step_in_static_program {
  static_assert(nothing_listed<Layer>,
                "tmpu-H001: the layer named above is a host step, which a program without a host cannot run. Append a "
                "lowering rule for its operator, or take the layer out of the model.");
};

/// tmpu-T001: a layer that shape inference refuses.
template <class Operands, class Layer, class Operator> struct shapes_do_not_fit {
  static_assert(nothing_listed<Layer>,
                "tmpu-T001: the operands of the layer named above do not fit its operator. Their shapes, in order, are "
                "named, too: correct the layer, or what makes its operands.");
};

/// tmpu-T002: a model whose graph is no constant expression.
template <class Model> struct graph_is_refused {
  static_assert(nothing_listed<Model>,
                "tmpu-T002: graph() of the model named above is refused. Give it a builder as its parameter, "
                "`graph(tmpu::model_builder m = {})`, to see the layer, or build the graph at run time to read why.");
};

/// tmpu-X001: an instruction that reads what nobody wrote.
template <class Instruction, class Layer> struct uninitialised_read {
  static_assert(nothing_listed<Layer>,
                "tmpu-X001: the instruction named above, of the layer named above, reads a byte that nobody wrote. "
                "Correct the emitter of the layer's operator.");
};

/// tmpu-X002: two instructions whose order nothing fixes touch the same byte, one of them writes.
template <class Instruction, class Other, class Layer> struct hazard {
  static_assert(
      nothing_listed<Layer>,
      "tmpu-X002: the instructions named above touch the same byte in no fixed order. Correct what the emitter "
      "of the layer says that it reads and writes.");
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

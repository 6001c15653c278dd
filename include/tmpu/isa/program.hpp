// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"

#include <cstdint>
#include <span>

/// A compiled model: networks -> segments -> cores -> instructions.
namespace tmpu::isa {

/// An input or output of a network: where it lies and how its elements are to be read. In a slot of the host a dimension
/// may be -1: only a run tells it. `edge`: the model's type of integers that are carried in another one, or none.
struct io_tensor {
  TMPU_STRUCT((text, name), (dtype_id, type), (ints, dims), (float, scale), (std::int32_t, zero_point),
              (std::uint64_t, address), (dtype_id, edge));
};

/// A tensor that can be seen while the program runs. `address` is its place in global memory where it is seen there.
struct traced_tensor {
  TMPU_STRUCT((text, name), (dtype_id, type), (ints, dims), (float, scale), (std::int32_t, zero_point),
              (std::uint64_t, address));
};
/// When a traced tensor, or a part of it, is complete: after instruction `index` of the core's stream. The part is that
/// instruction's result, at (n, c, h) of the tensor folded to [n, c, h, w]; with `in_global` it is the whole tensor in global memory.
struct trace_point {
  TMPU_STRUCT((std::uint32_t, index), (std::int32_t, tensor), (std::int32_t, n), (std::int32_t, c), (std::int32_t, h),
              (bool, in_global));
};

/// What instructions are for: from instruction `index` on, they belong to this layer (its place in network::layers) and layer group.
struct owner {
  TMPU_STRUCT((std::uint32_t, index), (std::int32_t, layer), (std::int32_t, group));
};
/// A node of the compiled graph.
struct layer {
  TMPU_STRUCT((text, name), (text, op), (std::int64_t, macs));
};

/// The instructions of one core in program order. Each engine takes its own in this order as an in-order queue.
struct core_stream {
  TMPU_STRUCT((std::uint32_t, count), (vec<std::uint32_t>, words), (vec<trace_point>, trace), (vec<owner>, owners));
};

/// An operand or result of a host step: a constant in the weights, a tensor in the activations, or a slot of the host. A type of none: absent.
struct host_tensor {
  TMPU_STRUCT((dtype_id, type), (ints, dims), (std::uint64_t, address));
};
/// What the host computes between two streams: an operator of Top by its name, and its attributes as words (core/reflect.hpp).
struct host_step {
  TMPU_STRUCT((text, node), (text, op), (vec<std::uint32_t>, words), (vec<host_tensor>, operands),
              (vec<host_tensor>, results));
};

/// Cores of a stream run side by side; segments run one after the other. A segment is a stream or a host step.
enum class segment_kind : std::uint8_t { stream = 0, host = 1 };
struct segment {
  TMPU_STRUCT((segment_kind, kind), (vec<core_stream>, cores), (host_step, step));
};

struct network {
  /// How many segments are host steps.
  [[nodiscard]] constexpr std::int64_t host_steps() const {
    std::int64_t count = 0;
    for (const segment& s : segments) count += s.kind == segment_kind::host ? 1 : 0;
    return count;
  }
  TMPU_STRUCT((text, name), (vec<io_tensor>, inputs), (vec<io_tensor>, outputs), (vec<traced_tensor>, tensors),
              (std::int64_t, activation_bytes), (std::int64_t, activation_bound), (std::int64_t, local_bytes_peak),
              (std::int64_t, macs), (std::int64_t, cycles), (std::int64_t, dma_bytes), (vec<layer>, layers),
              (vec<segment>, segments));
};

/// The chip that a program was made for: the facts that its meaning depends on.
struct target {
  TMPU_STRUCT((text, chip), (std::int32_t, lanes), (std::int32_t, eu_bytes), (std::int64_t, local_bytes),
              (std::int32_t, banks), (std::int32_t, cores));
};

/// A program: what `sample.tmodel` holds. Weights are apart, so that a loader can map them.
struct program {
  struct description {
    TMPU_STRUCT((text, producer), (isa::target, target), (text, quantize), (vec<network>, networks));
  };
  description info;
  vec<std::uint8_t> weights;
};

namespace detail {
template <class Instruction>
constexpr vec<std::uint32_t> encode_words(const header& h, const Instruction& instruction) {
  vec<std::uint32_t> words;
  words.reserve(64);
  words.push_back(0);
  word_writer writer(words);
  writer.put(h);
  writer.put(instruction);
  words[0] = Instruction::opcode | static_cast<std::uint32_t>(words.size()) << 8;
  return words;
}
} // namespace detail

/// Appends an instruction: word 0 is opcode | number of words << 8, then the header, then the fields.
template <class Instruction>
constexpr void append(core_stream& stream, const header& h, const Instruction& instruction) {
  const vec<std::uint32_t> words = detail::encode_words(h, instruction);
  stream.words.append(words);
  ++stream.count;
}

constexpr std::uint8_t opcode_of(std::uint32_t word) { return static_cast<std::uint8_t>(word); }
constexpr std::size_t size_of(std::uint32_t word) { return word >> 8; }

/// An instruction of a stream, decoded for a visitor. `visit(header, instruction)` is called with the type that has the
/// opcode; false where no instruction of the list has it or its words are too few or too many.
template <class Instructions> struct decoder;
template <class... Is> struct decoder<list<Is...>> {
  template <class Visit> static constexpr bool decode(std::span<const std::uint32_t> words, Visit&& visit) {
    if (words.empty() || size_of(words[0]) != words.size()) return false;
    return ((Is::opcode == opcode_of(words[0]) && decode_as<Is>(words, visit)) || ...);
  }

private:
  template <class Instruction, class Visit>
  static constexpr bool decode_as(std::span<const std::uint32_t> words, Visit& visit) {
    word_reader reader(words.subspan(1));
    const auto h = reader.get<header>();
    const auto instruction = reader.get<Instruction>();
    if (!reader.ok() || !reader.at_end()) return false;
    visit(h, instruction);
    return true;
  }
};

} // namespace tmpu::isa

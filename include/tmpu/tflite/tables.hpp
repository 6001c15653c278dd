// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/packed.hpp"
#include "tmpu/core/vec.hpp"

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

/// TensorFlow Lite models in. The door to flatbuffers: nothing outside of this room includes its headers.
namespace tmpu::tflite {

namespace detail {
/// A table whose own bytes the verifier looks at; its fields are looked at when they are read.
struct raw_table : private flatbuffers::Table {
  friend class table;
  bool Verify(flatbuffers::Verifier& v) const {
    return VerifyTableStart(v) && v.EndTable();
  } // NOLINT: flatbuffers' name
};

/// A table of a file that may be damaged: every field is held against the file's bounds before it is read. Fields are numbered from 0 as
/// in the format's schema (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3).
class table {
public:
  table() = default;
  table(const raw_table* t, flatbuffers::Verifier& v) : t_(t), v_(&v) {}

  [[nodiscard]] bool present() const { return t_ != nullptr; }
  template <class T> [[nodiscard]] T number(int field, T otherwise = {}) const {
    if (t_ == nullptr) return otherwise;
    check(t_->VerifyField<T>(*v_, slot(field), sizeof(T)));
    return t_->GetField<T>(slot(field), otherwise);
  }
  template <class T> [[nodiscard]] std::span<const T> numbers(int field) const {
    const auto* list = pointer<flatbuffers::Vector<T>>(field);
    if (list == nullptr) return {};
    check(v_->VerifyVector(list) && reinterpret_cast<std::uintptr_t>(list->data()) % alignof(T) == 0); // NOLINT
    return {list->data(), list->size()};
  }
  [[nodiscard]] std::string_view string(int field) const {
    const auto* s = pointer<flatbuffers::String>(field);
    if (s == nullptr) return {};
    check(v_->VerifyString(s));
    return {s->c_str(), s->size()};
  }
  [[nodiscard]] table child(int field) const {
    const auto* t = pointer<raw_table>(field);
    check(t == nullptr || t->Verify(*v_));
    return {t, *v_};
  }
  [[nodiscard]] vec<table> children(int field) const {
    vec<table> made;
    const auto* list = pointer<flatbuffers::Vector<flatbuffers::Offset<raw_table>>>(field);
    if (list == nullptr) return made;
    check(v_->VerifyVector(list) && v_->VerifyVectorOfTables(list));
    for (flatbuffers::uoffset_t i = 0; i < list->size(); ++i) made.push_back({list->Get(i), *v_});
    return made;
  }

private:
  static constexpr flatbuffers::voffset_t slot(int field) {
    return static_cast<flatbuffers::voffset_t>(sizeof(flatbuffers::voffset_t) * static_cast<std::size_t>(2 + field));
  }
  template <class T> [[nodiscard]] const T* pointer(int field) const {
    if (t_ == nullptr) return nullptr;
    check(t_->VerifyOffset(*v_, slot(field)));
    return t_->GetPointer<const T*>(slot(field));
  }
  static void check(bool fits) {
    if (!fits) refuse("the TensorFlow Lite model is damaged, or only a part of one: convert it again");
  }

  const raw_table* t_ = nullptr;
  flatbuffers::Verifier* v_ = nullptr;
};
} // namespace detail

/// The file begins as TensorFlow Lite's do.
inline bool looks_like_tflite(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view mark = "TFL3";
  if (bytes.size() < 8) return false;
  for (std::size_t i = 0; i < mark.size(); ++i) {
    if (bytes[4 + i] != static_cast<std::uint8_t>(mark[i])) return false;
  }
  return true;
}

/// The type of elements that has this number in the format; none: tmpu has no such type.
constexpr dtype_id dtype_of(std::int8_t number) {
  constexpr std::array types{dtype_id::f32,     dtype_id::f16, dtype_id::i32,  dtype_id::u8,  dtype_id::i64,
                             dtype_id::none,                                   // texts
                             dtype_id::boolean, dtype_id::i16, dtype_id::none, // complex
                             dtype_id::i8,      dtype_id::f64, dtype_id::none, dtype_id::u64, dtype_id::none,
                             dtype_id::none,    dtype_id::u32, dtype_id::u16,  dtype_id::i4,  dtype_id::bf16};
  return number < 0 || static_cast<std::size_t>(number) >= types.size() ? dtype_id::none
                                                                        : types[static_cast<std::size_t>(number)];
}

/// The names of the format's operators; their places are the numbers that files have.
inline constexpr std::string_view operator_names[] = {"ADD",
                                                      "AVERAGE_POOL_2D",
                                                      "CONCATENATION",
                                                      "CONV_2D",
                                                      "DEPTHWISE_CONV_2D",
                                                      "DEPTH_TO_SPACE",
                                                      "DEQUANTIZE",
                                                      "EMBEDDING_LOOKUP",
                                                      "FLOOR",
                                                      "FULLY_CONNECTED",
                                                      "HASHTABLE_LOOKUP",
                                                      "L2_NORMALIZATION",
                                                      "L2_POOL_2D",
                                                      "LOCAL_RESPONSE_NORMALIZATION",
                                                      "LOGISTIC",
                                                      "LSH_PROJECTION",
                                                      "LSTM",
                                                      "MAX_POOL_2D",
                                                      "MUL",
                                                      "RELU",
                                                      "RELU_N1_TO_1",
                                                      "RELU6",
                                                      "RESHAPE",
                                                      "RESIZE_BILINEAR",
                                                      "RNN",
                                                      "SOFTMAX",
                                                      "SPACE_TO_DEPTH",
                                                      "SVDF",
                                                      "TANH",
                                                      "CONCAT_EMBEDDINGS",
                                                      "SKIP_GRAM",
                                                      "CALL",
                                                      "CUSTOM",
                                                      "EMBEDDING_LOOKUP_SPARSE",
                                                      "PAD",
                                                      "UNIDIRECTIONAL_SEQUENCE_RNN",
                                                      "GATHER",
                                                      "BATCH_TO_SPACE_ND",
                                                      "SPACE_TO_BATCH_ND",
                                                      "TRANSPOSE",
                                                      "MEAN",
                                                      "SUB",
                                                      "DIV",
                                                      "SQUEEZE",
                                                      "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                                      "STRIDED_SLICE",
                                                      "BIDIRECTIONAL_SEQUENCE_RNN",
                                                      "EXP",
                                                      "TOPK_V2",
                                                      "SPLIT",
                                                      "LOG_SOFTMAX",
                                                      "DELEGATE",
                                                      "BIDIRECTIONAL_SEQUENCE_LSTM",
                                                      "CAST",
                                                      "PRELU",
                                                      "MAXIMUM",
                                                      "ARG_MAX",
                                                      "MINIMUM",
                                                      "LESS",
                                                      "NEG",
                                                      "PADV2",
                                                      "GREATER",
                                                      "GREATER_EQUAL",
                                                      "LESS_EQUAL",
                                                      "SELECT",
                                                      "SLICE",
                                                      "SIN",
                                                      "TRANSPOSE_CONV",
                                                      "SPARSE_TO_DENSE",
                                                      "TILE",
                                                      "EXPAND_DIMS",
                                                      "EQUAL",
                                                      "NOT_EQUAL",
                                                      "LOG",
                                                      "SUM",
                                                      "SQRT",
                                                      "RSQRT",
                                                      "SHAPE",
                                                      "POW",
                                                      "ARG_MIN",
                                                      "FAKE_QUANT",
                                                      "REDUCE_PROD",
                                                      "REDUCE_MAX",
                                                      "PACK",
                                                      "LOGICAL_OR",
                                                      "ONE_HOT",
                                                      "LOGICAL_AND",
                                                      "LOGICAL_NOT",
                                                      "UNPACK",
                                                      "REDUCE_MIN",
                                                      "FLOOR_DIV",
                                                      "REDUCE_ANY",
                                                      "SQUARE",
                                                      "ZEROS_LIKE",
                                                      "FILL",
                                                      "FLOOR_MOD",
                                                      "RANGE",
                                                      "RESIZE_NEAREST_NEIGHBOR",
                                                      "LEAKY_RELU",
                                                      "SQUARED_DIFFERENCE",
                                                      "MIRROR_PAD",
                                                      "ABS",
                                                      "SPLIT_V",
                                                      "UNIQUE",
                                                      "CEIL",
                                                      "REVERSE_V2",
                                                      "ADD_N",
                                                      "GATHER_ND",
                                                      "COS",
                                                      "WHERE",
                                                      "RANK",
                                                      "ELU",
                                                      "REVERSE_SEQUENCE",
                                                      "MATRIX_DIAG",
                                                      "QUANTIZE",
                                                      "MATRIX_SET_DIAG",
                                                      "ROUND",
                                                      "HARD_SWISH",
                                                      "IF",
                                                      "WHILE",
                                                      "NON_MAX_SUPPRESSION_V4",
                                                      "NON_MAX_SUPPRESSION_V5",
                                                      "SCATTER_ND",
                                                      "SELECT_V2",
                                                      "DENSIFY",
                                                      "SEGMENT_SUM",
                                                      "BATCH_MATMUL",
                                                      "PLACEHOLDER_FOR_GREATER_OP_CODES",
                                                      "CUMSUM",
                                                      "CALL_ONCE",
                                                      "BROADCAST_TO",
                                                      "RFFT2D",
                                                      "CONV_3D",
                                                      "IMAG",
                                                      "REAL",
                                                      "COMPLEX_ABS",
                                                      "HASHTABLE",
                                                      "HASHTABLE_FIND",
                                                      "HASHTABLE_IMPORT",
                                                      "HASHTABLE_SIZE",
                                                      "REDUCE_ALL",
                                                      "CONV_3D_TRANSPOSE",
                                                      "VAR_HANDLE",
                                                      "READ_VARIABLE",
                                                      "ASSIGN_VARIABLE",
                                                      "BROADCAST_ARGS",
                                                      "RANDOM_STANDARD_NORMAL",
                                                      "BUCKETIZE",
                                                      "RANDOM_UNIFORM",
                                                      "MULTINOMIAL",
                                                      "GELU",
                                                      "DYNAMIC_UPDATE_SLICE",
                                                      "RELU_0_TO_1",
                                                      "UNSORTED_SEGMENT_PROD",
                                                      "UNSORTED_SEGMENT_MAX",
                                                      "UNSORTED_SEGMENT_SUM",
                                                      "ATAN2",
                                                      "UNSORTED_SEGMENT_MIN",
                                                      "SIGN",
                                                      "BITCAST",
                                                      "BITWISE_XOR",
                                                      "RIGHT_SHIFT"};

/// The number of the operator with this name. A name that is not there does not compile.
consteval std::int32_t code_of(std::string_view name) {
  std::int32_t n = 0;
  for (const std::string_view other : operator_names) {
    if (other == name) return n;
    ++n;
  }
  throw "no operator of TensorFlow Lite has this name";
}

/// The name of an operator as a template argument.
template <std::size_t Size> struct operator_name {
  char of[Size];
  consteval operator_name(const char (&name)[Size]) : of() { // NOLINT: a literal is one
    for (std::size_t i = 0; i < Size; ++i) of[i] = name[i];
  }
  [[nodiscard]] consteval std::int32_t code() const { return code_of({of, Size - 1}); }
};

/// The parts of a model that are read, by their names in the schema. The bytes outlive it.
class model {
public:
  /// `name` is what messages call it.
  /// Errors: bytes that are no TensorFlow Lite model, or only a part of one.
  model(std::span<const std::uint8_t> bytes, std::string_view name)
      : verifier_(checked(bytes, name), bytes.size(), limits()) {
    if (!verifier_.VerifyBuffer<detail::raw_table>(nullptr))
      refuse(text("'") << name << "' is no TensorFlow Lite model, or only a part of one: convert it again");
    root_ = {flatbuffers::GetRoot<detail::raw_table>(bytes.data()), verifier_};
    codes_ = root_.children(1);
    buffers_ = root_.children(4);
    const vec<detail::table> graphs = root_.children(2);
    if (graphs.empty()) refuse(text("'") << name << "' is no TensorFlow Lite model: it holds no graph");
    const detail::table& main = graphs[0];
    tensors_ = main.children(0);
    inputs_ = main.numbers<std::int32_t>(1);
    outputs_ = main.numbers<std::int32_t>(2);
    operators_ = main.children(3);
  }
  model(const model&) = delete;
  model& operator=(const model&) = delete;

  [[nodiscard]] const vec<detail::table>& tensors() const { return tensors_; }
  [[nodiscard]] const vec<detail::table>& operators() const { return operators_; }
  [[nodiscard]] std::span<const std::int32_t> inputs() const { return inputs_; }
  [[nodiscard]] std::span<const std::int32_t> outputs() const { return outputs_; }
  /// The number of an operator: one of operator_names, or a newer one.
  [[nodiscard]] std::int32_t code(const detail::table& op) const {
    const detail::table& c = code_table(op);
    const std::int32_t old = c.number<std::int8_t>(0);
    const auto now = c.number<std::int32_t>(3);
    return now > old ? now : old; // files from before 2020 have the first only
  }
  /// What messages call an operator.
  [[nodiscard]] text name_of_code(const detail::table& op) const {
    const std::int32_t c = code(op);
    if (c == code_of("CUSTOM")) return text("CUSTOM '") << code_table(op).string(1) << '\'';
    if (c >= 0 && static_cast<std::size_t>(c) < std::size(operator_names))
      return text(operator_names[static_cast<std::size_t>(c)]);
    return text("operator ") << c;
  }
  /// The elements that the file holds for a tensor; nothing where it holds none.
  [[nodiscard]] std::span<const std::uint8_t> bytes(const detail::table& tensor) const {
    const auto place = tensor.number<std::uint32_t>(2);
    if (place >= buffers_.size()) return {};
    const detail::table& b = buffers_[place];
    if (b.number<std::uint64_t>(2) > 1)
      refuse(text("tensor '") << tensor.string(3)
                              << "' keeps its elements behind the model's tables, which tmpu does not read: "
                              << "convert the model with less than 2 GiB");
    return b.numbers<std::uint8_t>(0);
  }

private:
  static const std::uint8_t* checked(std::span<const std::uint8_t> bytes, std::string_view name) {
    if (!looks_like_tflite(bytes)) refuse(text("'") << name << "' is no TensorFlow Lite model");
    if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
      refuse(text("'") << name << "' is larger than flatbuffers reads (2 GiB): convert it with smaller weights");
    return bytes.data();
  }
  static flatbuffers::Verifier::Options limits() {
    flatbuffers::Verifier::Options o;
    o.max_tables = std::numeric_limits<flatbuffers::uoffset_t>::max(); // each look at a table counts as one
    return o;
  }
  [[nodiscard]] const detail::table& code_table(const detail::table& op) const {
    const auto place = op.number<std::uint32_t>(0);
    if (place >= codes_.size())
      refuse("the TensorFlow Lite model is damaged: an operator has no code; convert it again");
    return codes_[place];
  }

  flatbuffers::Verifier verifier_;
  detail::table root_;
  vec<detail::table> codes_;
  vec<detail::table> buffers_;
  vec<detail::table> tensors_;
  vec<detail::table> operators_;
  std::span<const std::int32_t> inputs_;
  std::span<const std::int32_t> outputs_;
};

} // namespace tmpu::tflite

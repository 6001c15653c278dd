// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/propagate.hpp"
#include "tmpu/tflite/tables.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/quantize.hpp"
#include "tmpu/top/reshape.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace tmpu::tflite {

/// What an operator's block sees while it adds its nodes: the operator's operands, results and options, and the graph so far.
///
/// Tensors keep the axes that they have in the file (channels last). Those of quantized integers are real numbers in the graph: what makes
/// one goes through QuantizeLinear and DequantizeLinear with the tensor's scale, so that calibration takes the model's own scales from there.
class importing {
public:
  importing(const model& m, graph_body& g) : model_(&m), g_(&g), made_(m.tensors().size(), none) {
    for (const detail::table& t : m.tensors()) taken_.emplace(t.string(3));
  }

  /// The operator that the following calls are about.
  void enter(const detail::table& op) {
    operands_ = op.numbers<std::int32_t>(1);
    results_ = op.numbers<std::int32_t>(2);
    options_ = op.child(4);
    what_ = model_->name_of_code(op);
    base_ = results_.empty() ? text("?") : text(table_of(results_[0]).string(3));
    parts_ = 0;
  }
  /// Refuses the operator: `TensorFlow Lite's CONV_2D that makes 'x': ...`.
  [[noreturn]] void fail(const text& why) const {
    refuse(text("TensorFlow Lite's ") << what_ << " that makes '" << base_ << "': " << why);
  }

  // --- options: field numbers as in the operator's table of the schema -------------------------------------------------
  [[nodiscard]] std::int64_t integer(int field, std::int32_t otherwise = 0) const {
    return options_.number<std::int32_t>(field, otherwise);
  }
  [[nodiscard]] std::int8_t byte(int field) const { return options_.number<std::int8_t>(field); }
  [[nodiscard]] bool flag(int field) const { return options_.number<std::uint8_t>(field) != 0; }
  [[nodiscard]] float real(int field) const { return options_.number<float>(field); }
  [[nodiscard]] ints integers(int field) const {
    ints list;
    for (const std::int32_t x : options_.numbers<std::int32_t>(field)) list.push_back(x);
    return list;
  }

  // --- operands ------------------------------------------------------------------------------------------------------
  [[nodiscard]] std::size_t operand_count() const { return operands_.size(); }
  [[nodiscard]] std::size_t result_count() const { return results_.size(); }
  [[nodiscard]] bool has(std::size_t i) const { return i < operands_.size() && operands_[i] >= 0; }
  [[nodiscard]] tensor_id operand(std::size_t i) {
    const std::int32_t place = place_of(i);
    tensor_id& t = made_[static_cast<std::size_t>(place)];
    if (t != none) return t;
    const detail::table& from = table_of(place);
    if (!is_constant(from))
      fail(text("'") << from.string(3) << "' is read before an operator makes it: convert the model again");
    return t = dequantized(add_constant(from), from, {});
  }
  [[nodiscard]] const shape& dims(std::size_t i) { return g_->at(operand(i)).dims; }
  [[nodiscard]] std::int64_t dim(std::size_t i, std::size_t axis) {
    if (axis >= dims(i).rank()) fail(text("operand ") << i << " has only " << dims(i).rank() << " axes");
    return dims(i)[axis];
  }
  /// The shape that the file says a result has.
  [[nodiscard]] shape result_dims(std::size_t i = 0) const { return dims_of(table_of(results_[i])); }
  [[nodiscard]] dtype_id result_type(std::size_t i = 0) const {
    return dtype_of(table_of(results_[i]).number<std::int8_t>(1));
  }
  /// The elements of an operand that is a list of sizes or places.
  [[nodiscard]] ints list(std::size_t i) {
    known_elements e;
    if (!find_known(*g_, operand(i), known_, e) || !e.complete() || is_floating(e.content.type))
      fail(text("operand ") << i << " must be integers that are known before the model runs");
    return e.content.i;
  }
  [[nodiscard]] std::int64_t one(std::size_t i) {
    const ints all = list(i);
    if (all.size() != 1) fail(text("operand ") << i << " must be one number");
    return all[0];
  }
  /// An axis counted from the front; `rank` as where it points into.
  [[nodiscard]] std::int64_t axis(std::int64_t a, std::size_t rank) const {
    const auto n = static_cast<std::int64_t>(rank);
    if (a < -n || a >= n) fail(text("axis ") << a << " is outside of a tensor of rank " << n);
    return a < 0 ? a + n : a;
  }
  /// Operand i with its axes in another order. Constants of quantized integers are put in order before they become real numbers, so that
  /// both are folded.
  [[nodiscard]] tensor_id permuted(std::size_t i, const ints& perm) {
    const std::int32_t place = place_of(i);
    const detail::table& from = table_of(place);
    if (made_[static_cast<std::size_t>(place)] != none || !is_constant(from)) return transposed(operand(i), perm);
    if (dims_of(from).rank() != perm.size())
      fail(text("operand ") << i << " must have " << perm.size() << " axes, not " << dims_of(from).print());
    return dequantized(transposed(add_constant(from), perm), from, perm);
  }

  // --- nodes ---------------------------------------------------------------------------------------------------------
  template <op Op> [[nodiscard]] tensor_id add(const typename Op::attributes& a, std::span<const tensor_id> operands) {
    return add_many<Op>(a, operands, 1)[0];
  }
  template <op Op>
  [[nodiscard]] tensor_id add(const typename Op::attributes& a, std::initializer_list<tensor_id> operands) {
    return add<Op>(a, std::span(operands.begin(), operands.size()));
  }
  template <op Op>
  [[nodiscard]] vec<tensor_id> add_many(const typename Op::attributes& a, std::span<const tensor_id> operands,
                                        std::size_t results) {
    vec<tensor_id> made;
    const text node = fresh();
    for (std::size_t i = 0; i < results; ++i)
      made.push_back(g_->add_tensor(i == 0 ? node : fresh(), dtype_id::none, {}));
    const node_id id = add_node<Op>(*g_, node, a, operands, made.span());
    infer_and_propagate(*g_, id, known_);
    for (const tensor_id t : made) {
      if (g_->at(t).dims.known() && g_->at(t).dims.elements() > most_elements)
        fail(text("the result ") << g_->at(t).dims.print() << " has more than " << most_elements << " elements");
    }
    return made;
  }
  [[nodiscard]] tensor_id constant(const value& v) { return g_->add_constant(fresh(), v); }
  [[nodiscard]] tensor_id constant(const ints& list) {
    value v(dtype_id::i64, {static_cast<std::int64_t>(list.size())});
    v.i = list;
    return constant(v);
  }
  [[nodiscard]] tensor_id constant(float x) {
    value v(dtype_id::f32, {});
    v.f[0] = x;
    return constant(v);
  }
  [[nodiscard]] tensor_id transposed(tensor_id x, const ints& perm) {
    top::transpose::attributes a{};
    a.perm = perm;
    return add<top::transpose>(a, {x});
  }
  [[nodiscard]] tensor_id reshaped(tensor_id x, const ints& to) {
    top::reshape::attributes a{};
    a.shape = to;
    return add<top::reshape>(a, {x});
  }
  [[nodiscard]] tensor_id clamped(tensor_id x, float low, float high) {
    top::clip::attributes a{};
    a.clamp = {low, high};
    return add<top::clip>(a, {x});
  }
  /// From [N, H, W, C] to the [N, C, H, W] of Top's windows, and back.
  [[nodiscard]] tensor_id channels_first(tensor_id x) { return transposed(x, {0, 3, 1, 2}); }
  [[nodiscard]] tensor_id channels_last(tensor_id x) { return transposed(x, {0, 2, 3, 1}); }
  [[nodiscard]] const shape& dims_of(tensor_id t) const { return g_->at(t).dims; }
  [[nodiscard]] dtype_id type_of(tensor_id t) const { return g_->at(t).type; }

  // --- results -------------------------------------------------------------------------------------------------------
  /// `made` is result i of the operator, after the fused activation that option `activation` names.
  void result(tensor_id made, std::int8_t activation = 0, std::size_t i = 0) {
    switch (activation) {
    case 0: break;
    case 1: made = add<top::relu>({}, {made}); break;
    case 2: made = clamped(made, -1.0F, 1.0F); break;
    case 3: made = clamped(made, 0.0F, 6.0F); break;
    case 4: made = add<top::tanh>({}, {made}); break;
    default: fail(text("the fused activation ") << activation << " is not known");
    }
    if (i >= results_.size()) return;
    define(results_[i], made);
  }
  /// An input of the graph, with the shape that it is bound to.
  void input(std::int32_t place, const shape& d) {
    const detail::table& t = table_of(place);
    const bool real = is_quantized(t);
    base_ = t.string(3);
    const tensor_id x = g_->add_tensor(t.string(3), real ? dtype_id::f32 : type_checked(t), d);
    g_->inputs.push_back(x);
    made_[static_cast<std::size_t>(place)] = real ? quantized(x, t) : x;
  }
  void output(std::int32_t place) {
    const detail::table& from = table_of(place);
    tensor_id t = made_[static_cast<std::size_t>(place)];
    if (t == none) {
      refuse(text("the TensorFlow Lite model is damaged: no operator makes its output '")
             << from.string(3) << "'; convert it again");
    }
    if (g_->is_input(t) || g_->is_output(t)) {
      base_ = from.string(3);
      t = add<top::identity>({}, {t});
    }
    g_->outputs.push_back(t);
  }
  [[nodiscard]] std::string_view name(std::int32_t place) const { return table_of(place).string(3); }
  [[nodiscard]] shape dims_at(std::int32_t place, bool free) const { return dims_of(table_of(place), free); }

private:
  static constexpr std::int64_t most_elements = std::int64_t{1} << 31;

  [[nodiscard]] const detail::table& table_of(std::int32_t place) const {
    if (place < 0 || static_cast<std::size_t>(place) >= model_->tensors().size())
      refuse("the TensorFlow Lite model is damaged: it names a tensor that is not there; convert it again");
    return model_->tensors()[static_cast<std::size_t>(place)];
  }
  [[nodiscard]] std::int32_t place_of(std::size_t i) const {
    if (!has(i)) fail(text("operand ") << i << " is absent");
    static_cast<void>(table_of(operands_[i]));
    return operands_[i];
  }
  [[nodiscard]] bool is_constant(const detail::table& t) const { return !model_->bytes(t).empty(); }
  static bool is_quantized(const detail::table& t) {
    const dtype_id type = dtype_of(t.number<std::int8_t>(1));
    return !is_floating(type) && !t.child(4).numbers<float>(2).empty();
  }
  static dtype_id type_checked(const detail::table& t) {
    const dtype_id type = dtype_of(t.number<std::int8_t>(1));
    if (type == dtype_id::none) {
      refuse(text("tensor '") << t.string(3) << "' has elements of TensorFlow Lite's type " << t.number<std::int8_t>(1)
                              << ", which tmpu does not know");
    }
    return type;
  }
  /// `free`: dimensions that the model leaves open are -1.
  static shape dims_of(const detail::table& t, bool free = false) {
    std::span<const std::int32_t> list = t.numbers<std::int32_t>(0);
    if (const auto open = t.numbers<std::int32_t>(7); free && open.size() == list.size()) list = open;
    if (list.size() > shape::max_rank)
      refuse(text("tensor '") << t.string(3) << "' has " << list.size() << " dimensions; tmpu takes at most 8");
    shape d;
    std::int64_t count = 1;
    for (const std::int32_t n : list) {
      if (n < (free ? -1 : 0) || (n > 0 && count > most_elements / n)) {
        refuse(text("tensor '") << t.string(3) << "' has an impossible shape: the TensorFlow Lite model is damaged; "
                                << "convert it again");
      }
      count *= n < 1 ? 1 : n;
      d.push_back(n);
    }
    return d;
  }

  /// A name that no tensor has: the first result's with a number.
  text fresh() {
    for (;;) {
      text name(base_);
      name << '.' << ++parts_;
      if (taken_.emplace(name.view()).second) return name;
    }
  }
  tensor_id add_constant(const detail::table& from) {
    const dtype_id type = type_checked(from);
    const shape d = dims_of(from);
    const std::span<const std::uint8_t> bytes = model_->bytes(from);
    const bool packed = is_packed(type);
    const std::int64_t needed = packed ? packed_bytes(type, d.elements()) : d.elements() * bytes_of(type);
    if (static_cast<std::int64_t>(bytes.size()) != needed) {
      refuse(text("tensor '") << from.string(3) << "' " << d.print() << " of " << name_of(type) << " needs " << needed
                              << " bytes, but has " << bytes.size()
                              << ": the TensorFlow Lite model is damaged; convert it again");
    }
    text name(from.string(3));
    if (is_quantized(from)) name = fresh();
    if (!packed) return g_->add_constant_view(name, type, d, bytes);
    return g_->add_constant(name, type, d, unpack_elements(type, bytes, static_cast<std::size_t>(d.elements())));
  }
  /// The scales of a tensor, and its zero points in its type; the second is none where all are 0.
  std::pair<tensor_id, tensor_id> steps_of(const detail::table& t) {
    const detail::table q = t.child(4);
    const std::span<const float> scales = q.numbers<float>(2);
    const std::span<const std::int64_t> zeros = q.numbers<std::int64_t>(3);
    const bool each = scales.size() > 1;
    const shape d = each ? shape{static_cast<std::int64_t>(scales.size())} : shape{};
    value s(dtype_id::f32, d);
    value z(dtype_of(t.number<std::int8_t>(1)), d);
    bool zero = true;
    for (std::size_t i = 0; i < scales.size(); ++i) {
      s.f[i] = scales[i];
      z.i[i] = zeros.empty() ? 0 : zeros[zeros.size() == scales.size() ? i : 0];
      zero = zero && z.i[i] == 0;
    }
    if (q.number<std::int32_t>(6) < 0) fail(text("'") << t.string(3) << "' has scales along an axis that is not there");
    return {constant(s), zero && !is_byte(z.type) ? none : constant(z)};
  }
  static bool is_byte(dtype_id t) { return t == dtype_id::i8 || t == dtype_id::u8; }
  /// The real numbers that a constant of quantized integers stands for; others as they are. `perm`: how its axes were put before.
  tensor_id dequantized(tensor_id x, const detail::table& t, const ints& perm) {
    if (!is_quantized(t)) return x;
    std::int64_t axis = t.child(4).number<std::int32_t>(6);
    for (std::size_t i = 0; i < perm.size(); ++i) {
      if (perm[i] != axis) continue;
      axis = static_cast<std::int64_t>(i);
      break;
    }
    const auto [scale, zero] = steps_of(t);
    top::dequantize_linear::attributes a{};
    a.axis = g_->at(scale).dims.rank() == 0 ? 1 : axis;
    vec<tensor_id> operands{x, scale};
    if (zero != none) operands.push_back(zero);
    return add<top::dequantize_linear>(a, operands.span());
  }
  /// Real numbers rounded to the steps of the tensor.
  tensor_id quantized(tensor_id x, const detail::table& t) {
    const auto [scale, zero] = steps_of(t);
    if (g_->at(scale).dims.rank() != 0)
      fail(text("'") << t.string(3) << "' is computed, but has a scale for each channel");
    const dtype_id type = dtype_of(t.number<std::int8_t>(1));
    top::quantize_linear::attributes a{};
    if (zero == none) a.output_dtype = static_cast<std::int64_t>(onnx_number_of(type));
    vec<tensor_id> operands{x, scale};
    if (zero != none) operands.push_back(zero);
    operands[0] = add<top::quantize_linear>(a, operands.span());
    return add<top::dequantize_linear>({}, operands.span());
  }
  void define(std::int32_t place, tensor_id made) {
    const detail::table& t = table_of(place);
    tensor_id& known = made_[static_cast<std::size_t>(place)];
    if (known != none || is_constant(t)) fail(text("'") << t.string(3) << "' is made twice: convert the model again");
    // A tensor that has a name already keeps it: this one is a copy.
    const bool named =
        g_->is_input(made) || g_->is_constant(made) || std::find(made_.begin(), made_.end(), made) != made_.end();
    if (is_quantized(t)) {
      made = quantized(made, t);
    } else if (named) {
      made = add<top::identity>({}, {made});
    }
    g_->rename(made, t.string(3));
    known = made;
  }

  const model* model_;
  graph_body* g_;
  known_values known_;
  vec<tensor_id> made_; ///< by the file's tensors: the one in the graph
  std::unordered_set<std::string> taken_;
  std::span<const std::int32_t> operands_;
  std::span<const std::int32_t> results_;
  detail::table options_;
  text what_;
  text base_;
  std::int64_t parts_ = 0;
};

} // namespace tmpu::tflite

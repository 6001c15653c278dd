// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/qtable.hpp"
#include "tmpu/calibrate/quantize_range.hpp"
#include "tmpu/chip/chip.hpp"
#include "tmpu/core/quantize.hpp"
#include "tmpu/lower/modes.hpp"
#include "tmpu/top/cast.hpp"
#include "tmpu/top/common.hpp"
#include "tmpu/tpu/operators.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Lowering: rules from Top operators to Tpu operators, one a pair (operator, dtype), and the pass that applies them.
namespace tmpu::lower {

/// What a user decides about the types that a model is lowered to.
struct options {
  /// int8: with zero point from min and max; otherwise symmetric, u8 for what is never negative.
  bool asymmetric = false;
  weight_format weights{}; ///< float dtypes: constant weights of convolutions and matrix products in fewer bits
  bool float_io = false;   ///< int8: the inputs and outputs of the graph are f32
  const calibrate::qtable* layers = nullptr; ///< layers and inputs that take another dtype than the pass
};

/// Element type and scale of an activation.
struct format {
  dtype_id type = dtype_id::none;
  quantization quant{};
  friend constexpr bool operator==(const format& a, const format& b) {
    return a.type == b.type && a.quant.scale == b.quant.scale && a.quant.zero_point == b.quant.zero_point;
  }
};

/// The number that stands for x, within the type.
constexpr std::int64_t quantized(float x, const format& f) {
  return quantize_value(x, f.quant.scale, f.quant.zero_point, least_of(f.type), greatest_of(f.type));
}

/// A bound other than zero, which the type would round to zero, as the number next to it: it may guard a division.
constexpr float kept_from_zero(float bound, dtype_id type) {
  constexpr float least = 0x1p-24F; // of f16; those of the other types are beyond any guard
  if (type != dtype_id::f16 || bound == 0.0F || bound >= least || bound <= -least) return bound;
  return bound > 0.0F ? least : -least;
}

/// Bounds of a fused activation [low, high] (or none) as the operator takes them: always two numbers; for integers quantized.
constexpr floats bounds(const floats& clamp, const format& f) {
  float low = -math::infinity<float>;
  float high = math::infinity<float>;
  if (clamp.size() == 2) {
    low = clamp[0];
    high = clamp[1];
  }
  if (is_floating(f.type)) return {kept_from_zero(low, f.type), kept_from_zero(high, f.type)};
  return {static_cast<float>(quantized(low, f)), static_cast<float>(quantized(high, f))};
}

constexpr bool is_finite(float x) { return !math::is_nan(x) && !math::is_inf(x); }

/// What a rule sees of the Top node at hand, and how it makes Tpu nodes of it. The tensor that a rule makes with
/// `emit_result` has the name of the Top tensor, so that the two stages can be compared by name.
class context {
  // First: clang evaluates at compile time only templates that are defined before their use.
  template <class Op>
  constexpr tensor_id add_named(std::string_view tensor_name, const typename Op::attributes& a,
                                std::span<const tensor_id> operands, const format& f, std::string_view node_name) {
    const tensor_id t = target_->add_tensor(tensor_name, f.type, {});
    target_->at(t).quant = f.quant;
    const tensor_id results[] = {t};
    infer(*target_, add_node<Op>(*target_, node_name.empty() ? tensor_name : node_name, a, operands, results));
    return t;
  }
  /// Rows are never cut. Where those of an elementwise node are too long for local memory it works on [N, C * H, W, 1]; another node can
  /// do so where rows are all there is, [N, C, 1, W].
  template <class Op>
  constexpr tensor_id emit_named(std::string_view tensor_name, const typename Op::attributes& a,
                                 std::span<const tensor_id> operands, const format& f, std::string_view node_name) {
    if constexpr (Op::elementwise) {
      if (has_long_rows(operands) && can_stand(operands)) {
        const tensor_id y = add_standing<Op>(tensor_name, a, operands, f);
        return add_shaped(tensor_name, y, broadcast(operands), f, node_name);
      }
    } else if constexpr (requires { Op::turned(a); }) {
      if (has_long_rows(operands) && has_only_rows(operands) && Op::turnable(a)) {
        const tensor_id y = add_standing<Op>(tensor_name, Op::turned(a), operands, f);
        const shape& d = target_->at(y).dims;
        const bool flat = rank_of(operands) == 3;
        return add_shaped(tensor_name, y, flat ? ints{d[0], d[1], d[2]} : ints{d[0], d[1], 1, d[2]}, f, node_name);
      }
    }
    return add_named<Op>(tensor_name, a, operands, f, node_name);
  }
  template <class Op>
  constexpr tensor_id add_standing(std::string_view tensor_name, const typename Op::attributes& a,
                                   std::span<const tensor_id> operands, const format& f) {
    const std::size_t rank = rank_of(operands);
    vec<tensor_id> list;
    for (const tensor_id t : operands) list.push_back(target_->at(t).dims.rank() == rank ? stood_up(t) : t);
    text name(tensor_name);
    name << ".rows";
    return add_named<Op>(unique(name), a, list.span(), f, {});
  }
  constexpr tensor_id add_shaped(std::string_view tensor_name, tensor_id t, const ints& dims, const format& f,
                                 std::string_view node_name) {
    const tensor_id one[] = {t};
    return add_named<tpu::reshape>(tensor_name, {dims}, one, f, node_name);
  }
  /// The greatest: operands with fewer dimensions are scalars and tables.
  [[nodiscard]] constexpr std::size_t rank_of(std::span<const tensor_id> operands) const {
    std::size_t most = 0;
    for (const tensor_id t : operands) most = target_->at(t).dims.rank() > most ? target_->at(t).dims.rank() : most;
    return most;
  }
  /// Whether `holds(folded dimensions)` is true of all operands that are neither scalars nor tables.
  template <class Holds> [[nodiscard]] constexpr bool all_of(std::span<const tensor_id> operands, Holds holds) const {
    const std::size_t rank = rank_of(operands);
    for (const tensor_id t : operands) {
      const shape& d = target_->at(t).dims;
      if (d.rank() == rank && !holds(tpu::fold(d))) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool has_long_rows(std::span<const tensor_id> operands) const {
    std::int64_t most = 0;
    for (const tensor_id t : operands) {
      const tensor& x = target_->at(t);
      const std::int64_t row = x.dims.rank() < 3 ? 0 : isa::row_bytes(x.type, tpu::fold(x.dims).w);
      most = row > most ? row : most;
    }
    return 4 * most > chip_->local_bytes; // operand and result, both twice
  }
  [[nodiscard]] constexpr bool has_only_rows(std::span<const tensor_id> operands) const {
    const std::size_t rank = rank_of(operands);
    return (rank == 3 || rank == 4) && all_of(operands, [](const tpu::view4& v) { return v.h == 1; });
  }
  /// C and H are one dimension for all operands: none is broadcast along one of them only.
  [[nodiscard]] constexpr bool can_stand(std::span<const tensor_id> operands) const {
    tpu::view4 whole{};
    static_cast<void>(all_of(operands, [&](const tpu::view4& v) {
      if (v.c * v.h > whole.c * whole.h) whole = v;
      return true;
    }));
    return all_of(operands, [&](const tpu::view4& v) { return v.c * v.h == 1 || (v.c == whole.c && v.h == whole.h); });
  }
  [[nodiscard]] constexpr ints broadcast(std::span<const tensor_id> operands) const {
    ints dims(rank_of(operands), 1);
    for (const tensor_id t : operands) {
      const shape& d = target_->at(t).dims;
      for (std::size_t i = 0; i < dims.size() && d.rank() == dims.size(); ++i)
        dims[i] = d[i] > dims[i] ? d[i] : dims[i];
    }
    return dims;
  }
  constexpr tensor_id stood_up(tensor_id t) {
    const tpu::view4 v = tpu::fold(target_->at(t).dims);
    const shape wanted{v.n, v.c * v.h, v.w, 1};
    const node_id from = target_->at(t).producer;
    if (from != none && is<tpu::reshape>(*target_, from) && target_->at(target_->operand(from, 0)).dims == wanted)
      return target_->operand(from, 0);
    return reshape_to(t, wanted, ".rows");
  }

public:
  constexpr context(const graph_body& source, graph_body& target, const chip::facts& chip, dtype_id type,
                    const options& o)
      : source_(&source), target_(&target), chip_(&chip), options_(o), base_(type), compute_(type),
        map_(source.tensors.size(), none), read_wide_(source.tensors.size(), 0), whole_(source.tensors.size(), 0) {}

  // --- the Top side --------------------------------------------------------------------------------------------
  [[nodiscard]] constexpr const graph_body& source() const { return *source_; }
  [[nodiscard]] constexpr const chip::facts& chip() const { return *chip_; }
  [[nodiscard]] constexpr node_id node() const { return node_; }
  template <class Op> [[nodiscard]] constexpr typename Op::attributes attributes() const {
    return attributes_of<Op>(*source_, node_);
  }
  [[nodiscard]] constexpr std::size_t operand_count() const { return source_->operands(node_).size(); }
  [[nodiscard]] constexpr bool has(std::size_t i) const { return source_->operand(node_, i) != none; }
  [[nodiscard]] constexpr bool is_constant(std::size_t i) const {
    return source_->is_constant(source_->operand(node_, i));
  }
  [[nodiscard]] constexpr value constant(std::size_t i) const {
    return source_->constant_value(source_->operand(node_, i));
  }
  [[nodiscard]] constexpr const shape& dims(std::size_t i) const {
    return source_->at(source_->operand(node_, i)).dims;
  }
  [[nodiscard]] constexpr std::string_view name(std::size_t i) const {
    return source_->name(source_->operand(node_, i));
  }
  /// The node has a result i that something may read.
  [[nodiscard]] constexpr bool wants(std::size_t i) const {
    const auto results = source_->results(node_);
    return i < results.size() && results[i] != none;
  }
  [[nodiscard]] constexpr const shape& result_dims(std::size_t i = 0) const {
    return source_->at(source_->result(node_, i)).dims;
  }
  /// The name of the first result that is there.
  [[nodiscard]] constexpr std::string_view result_name() const {
    for (const tensor_id t : source_->results(node_)) {
      if (t != none) return source_->name(t);
    }
    return {};
  }

  // --- types ---------------------------------------------------------------------------------------------------
  /// The type that the node computes in: that of the pass, the wider one of `computed_in`, or that of the qtable. Its result
  /// stays in this type; who reads it in another casts it.
  [[nodiscard]] constexpr dtype_id type() const { return compute_; }
  [[nodiscard]] constexpr bool floating() const { return is_floating(compute_); }
  /// How constant weights of sums are stored.
  [[nodiscard]] constexpr const weight_format& weights() const { return options_.weights; }
  /// What a Top tensor becomes on the chip: floats the type that the node computes in, or what the calibrated range asks for;
  /// integers the type that carries them.
  [[nodiscard]] constexpr format format_of(tensor_id top_tensor) const {
    const tensor& t = source_->at(top_tensor);
    if (!is_floating(t.type)) return {carrier_of(t.type) == dtype_id::none ? t.type : carrier_of(t.type), {}};
    if (floating()) return {compute_, {}};
    if (t.quant.present()) return {dtype_id::i8, t.quant}; // the model's own scale
    if (!t.range.known)
      fail(text("tensor '") << source_->name(top_tensor)
                            << "' has no range: calibrate the model, or lower it to a float type");
    return quantized_format(t.range, options_.asymmetric);
  }
  /// The chip can hold the tensor: a type of its own or one that is carried in another, a known shape, and elements that fit where they
  /// are known.
  [[nodiscard]] static constexpr bool carries(const graph_body& g, tensor_id t) {
    const tensor& x = g.at(t);
    if (!x.dims.known() || x.dims.elements() == 0) return false;
    if (is_floating(x.type)) return tpu::holds(x.type);
    const dtype_id carrier = carrier_of(x.type);
    if (carrier == dtype_id::none || carrier == x.type || !g.is_constant(t)) return carrier != dtype_id::none;
    for (const std::int64_t e : g.constant_value(t).i) {
      if ((x.type == dtype_id::u64 && e < 0) || e < least_of(carrier) || e > greatest_of(carrier)) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool carries(std::size_t i) const { return carries(*source_, source_->operand(node_, i)); }
  [[nodiscard]] constexpr dtype_id top_type(std::size_t i) const {
    return source_->at(source_->operand(node_, i)).type;
  }
  [[nodiscard]] constexpr dtype_id result_type() const { return source_->at(source_->result(node_)).type; }
  [[nodiscard]] constexpr format result_format(std::size_t i = 0) const { return format_of(source_->result(node_, i)); }
  /// The format of a result that is a sum of products: in int8 one that is only read in wider types or by additions is not rounded to 8
  /// bits, but to i32.
  [[nodiscard]] constexpr format sum_format() const {
    const tensor_id t = source_->result(node_);
    const format f = format_of(t);
    return !floating() && whole_[static_cast<std::size_t>(t)] != 0 ? whole(f) : f;
  }
  /// The same scale with 12 fractional bits: what is left of 31 for the multiplier of an addition keeps as many.
  [[nodiscard]] static constexpr format whole(const format& f) {
    return {dtype_id::i32, {f.quant.scale * 0x1p-12F, 0}};
  }
  [[nodiscard]] static constexpr bool is_whole(const format& f) { return f.type == dtype_id::i32 && f.quant.present(); }
  /// The format of a Tpu tensor.
  [[nodiscard]] constexpr format format_at(tensor_id t) const { return {target_->at(t).type, target_->at(t).quant}; }
  [[nodiscard]] constexpr const shape& dims_at(tensor_id t) const { return target_->at(t).dims; }
  [[nodiscard]] constexpr bool is_made_constant(tensor_id t) const { return target_->is_constant(t); }

  // --- the Tpu side --------------------------------------------------------------------------------------------
  /// Operand i as a Tpu tensor in the type that the node computes in; `sums`: one that kept the bits of a sum keeps them.
  constexpr tensor_id operand(std::size_t i, bool sums = false) {
    const tensor_id s = source_->operand(node_, i);
    if (s == none) fail(text("operand ") << i << " is absent");
    if (source_->is_constant(s)) return constant_operand(i, source_->at(s).dims);
    const tensor_id t = map_[static_cast<std::size_t>(s)];
    const format have = format_at(t);
    if (sums && is_whole(have) && !floating()) return t;
    const bool wide = (is_floating(have.type) || is_whole(have)) && !floating(); // f32 of a host step, a sum
    return floating() || wide || !have.quant.present() ? cast_to(t, format_of(s)) : t;
  }
  /// Operand i of a node that only moves elements: a float stays what it is where it is read as a float behind the move, a sum also where
  /// it is only added to something.
  constexpr tensor_id moved_operand(std::size_t i) {
    const tensor_id s = source_->operand(node_, i);
    const tensor_id t = s == none || source_->is_constant(s) ? none : map_[static_cast<std::size_t>(s)];
    if (t == none || compute_ != base_) return operand(i);
    const tensor_id y = source_->result(node_);
    if (!read_wide(y)) return operand(i, whole_[static_cast<std::size_t>(y)] != 0);
    if (is_whole(format_at(t))) return cast_to(t, {dtype_id::f32, {}});
    return is_floating(target_->at(t).type) && tpu::holds(target_->at(t)) ? t : operand(i);
  }
  /// Operand i as the host step takes it: in the type that it has in the model.
  constexpr tensor_id host_operand(std::size_t i) {
    const tensor_id s = source_->operand(node_, i);
    if (s == none) return none;
    if (source_->is_constant(s)) return host_constant(s);
    return cast_to(map_[static_cast<std::size_t>(s)], {source_->at(s).type, {}});
  }
  /// A constant of the model as it is.
  constexpr tensor_id host_constant(tensor_id s) {
    if (map_[static_cast<std::size_t>(s)] == none) {
      const tensor& t = source_->at(s);
      const vec<std::uint8_t> bytes(source_->bytes(s));
      set(s, target_->add_constant(unique(source_->name(s)), t.type, t.dims, bytes));
    }
    return map_[static_cast<std::size_t>(s)];
  }
  /// A constant of the model in the type that carries it, or that the pass makes of floats as they are.
  constexpr tensor_id carried_constant(tensor_id s) {
    const tensor& t = source_->at(s);
    if (is_floating(t.type) || carrier_of(t.type) == t.type) return host_constant(s);
    value v = source_->constant_value(s);
    v.type = carrier_of(t.type);
    return add_constant(source_->name(s), v);
  }
  /// A constant operand as a Tpu tensor of these dims (of the same number of elements); integers: symmetric i8.
  constexpr tensor_id constant_operand(std::size_t i, const shape& dims) {
    const value v = constant(i);
    if (!is_floating(v.type)) return constant_operand(i, dims, format_of(source_->operand(node_, i)));
    return floating() ? constant_operand(i, dims, {compute_, {}}) : symmetric_constant(i, dims);
  }
  /// A constant operand of floats in symmetric i8.
  constexpr tensor_id symmetric_constant(std::size_t i, const shape& dims) {
    float greatest = 0.0F;
    for (const float x : constant(i).f) greatest = math::abs(x) > greatest ? math::abs(x) : greatest;
    return constant_operand(i, dims, {dtype_id::i8, {greatest > 0.0F ? greatest / 127.0F : 1.0F, 0}});
  }
  constexpr tensor_id constant_operand(std::size_t i, const shape& dims, const format& f) {
    value v = constant(i);
    v.dims = dims;
    if (!is_floating(v.type)) {
      for (std::int64_t& x : v.i)
        x = x < least_of(f.type) ? least_of(f.type) : x > greatest_of(f.type) ? greatest_of(f.type) : x;
      v.type = f.type;
      return add_constant(derived(i, f.type), v);
    }
    if (is_floating(f.type)) {
      round_constant(v, f.type, name(i));
      return add_constant(derived(i, f.type), v);
    }
    value q(f.type, dims);
    for (std::size_t n = 0; n < v.f.size(); ++n) {
      if (!is_finite(v.f[n]))
        fail(text("constant '") << name(i)
                                << "' holds NaN or infinity, which int8 cannot hold: keep this model in a float type");
      q.i[n] = quantized(v.f[n], f);
    }
    const tensor_id t = add_constant(derived(i, f.type), q);
    target_->at(t).quant = f.quant;
    return t;
  }
  /// Rounds a constant to a float type; refuses what it cannot hold.
  constexpr void round_constant(value& v, dtype_id type, std::string_view what) const {
    v.type = type;
    for (float& x : v.f) {
      const float rounded = round_to(type, x);
      if (math::is_inf(rounded) && !math::is_inf(x)) {
        fail(text("constant '") << what << "' has elements that " << name_of(type) << " cannot hold: use bf16 or f32");
      }
      x = rounded;
    }
  }
  constexpr tensor_id add_constant(std::string_view wanted, const value& v) {
    return target_->add_constant(unique(wanted), v);
  }

  /// Adds a node with one result of this name and format. Its dims come from the operator's shape rule.
  template <class Op>
  constexpr tensor_id emit(std::string_view wanted, const typename Op::attributes& a,
                           std::initializer_list<tensor_id> operands, const format& f) {
    return emit_named<Op>(unique(wanted), a, {operands.begin(), operands.size()}, f, {});
  }
  template <class Op>
  constexpr tensor_id emit_list(std::string_view wanted, const typename Op::attributes& a,
                                std::span<const tensor_id> operands, const format& f) {
    return emit_named<Op>(unique(wanted), a, operands, f, {});
  }
  /// Adds the node that makes result i of the Top node.
  template <class Op>
  constexpr void emit_result(const typename Op::attributes& a, std::span<const tensor_id> operands, const format& f,
                             std::size_t i = 0) {
    const tensor_id to = source_->result(node_, i);
    const std::string_view of_node = i == 0 ? source_->node_name(node_) : std::string_view();
    const tensor_id t = emit_named<Op>(source_->name(to), a, operands, f, of_node);
    if (!(target_->at(t).dims == result_dims(i))) {
      fail(text("is lowered to shape ") << target_->at(t).dims.print() << " instead of " << result_dims(i).print()
                                        << " (a mistake in the rule)");
    }
    set(to, t);
  }
  template <class Op>
  constexpr void emit_result(const typename Op::attributes& a, std::initializer_list<tensor_id> operands,
                             const format& f, std::size_t i = 0) {
    emit_result<Op>(a, std::span<const tensor_id>(operands.begin(), operands.size()), f, i);
  }

  /// The tensor in another format: itself, or a cast of it (made once).
  constexpr tensor_id cast_to(tensor_id t, const format& f) {
    const format have = format_at(t);
    if (have == f) return t;
    for (const cast_made& c : casts_) {
      if (c.from == t && c.made == f) return c.to;
    }
    // Quantized numbers are the chip's own: the host gives and takes f32.
    constexpr format plain{dtype_id::f32, {}};
    if ((have.quant.present() && !tpu::holds(f.type)) || (f.quant.present() && !tpu::holds(have.type)))
      return cast_to(cast_to(t, plain), f);
    text wanted(target_->name(t));
    wanted << '.' << name_of(f.type);
    const bool on_chip = tpu::holds(target_->at(t)) && tpu::holds(f.type) &&
                         (is_floating(have.type) || have.quant.present()) && (is_floating(f.type) || f.quant.present());
    const tensor_id to = on_chip ? emit<tpu::cast>(wanted, cast_attributes(format_at(t), f), {t}, f)
                                 : host_cast(unique(wanted), t, f.type);
    casts_.push_back({t, f, to});
    return to;
  }
  [[nodiscard]] constexpr tpu::cast::attributes cast_attributes(const format& from, const format& to) const {
    tpu::cast::attributes a{};
    if (is_floating(from.type) != is_floating(to.type))
      a.scale = is_floating(from.type) ? to.quant.scale : from.quant.scale;
    if (!is_floating(from.type) && !is_floating(to.type)) {
      const multiplier m = make_multiplier(static_cast<double>(from.quant.scale) / static_cast<double>(to.quant.scale));
      if (!m.valid())
        fail("the scales of operand and result are too far apart for a 32-bit multiplier: check the calibration table");
      a.multiplier = m.value;
      a.shift = m.shift;
    }
    return a;
  }
  /// The tensor under another shape: itself, a reshape of it, or a constant with its elements.
  constexpr tensor_id reshape_to(tensor_id t, const shape& dims, std::string_view suffix) {
    if (target_->at(t).dims == dims) return t;
    text wanted(target_->name(t));
    wanted << suffix;
    return reshape_as(t, dims, wanted);
  }
  constexpr tensor_id reshape_as(tensor_id t, const shape& dims, std::string_view wanted) {
    if (!target_->is_constant(t)) return emit<tpu::reshape>(wanted, {ints(dims.span())}, {t}, format_at(t));
    const format f = format_at(t);
    const vec<std::uint8_t> bytes(target_->bytes(t));
    const tensor_id made = target_->add_constant(unique(wanted), f.type, dims, bytes);
    target_->at(made).quant = f.quant;
    return made;
  }

  /// Refuses the node in one line.
  [[noreturn]] void fail(text why) const {
    text line;
    line << "lower to " << name_of(base_) << ": ";
    if (node_ != none)
      line << "node '" << source_->node_name(node_) << "' (" << source_->node_at(node_).op->info.name << "): ";
    refuse(line << why);
  }

  /// A name that no tensor has yet, nor one that another node of the source makes: `W.i8`, `W.i8.2`.
  [[nodiscard]] constexpr text unique(std::string_view wanted) const {
    const auto taken = [&](std::string_view name) {
      const tensor_id s = source_->find(name);
      return target_->find(name) != none ||
             (s != none && source_->at(s).producer != none && source_->at(s).producer != node_);
    };
    text name(wanted);
    for (int n = 2; taken(name); ++n) {
      name = text(wanted);
      name << '.' << n;
    }
    return name;
  }

  /// A tensor of this name that holds the elements of t: copied by the chip where it holds their type.
  constexpr tensor_id copy_of(tensor_id t, std::string_view wanted) {
    const tensor& x = target_->at(t);
    const text name = unique(wanted);
    if (tpu::holds(x)) {
      if (x.dims.rank() == 0)
        return emit<tpu::reshape>(name, {ints()}, {copy_of(reshape_to(t, {1}, ".one"), name)}, format_at(t));
      tpu::slice::attributes a{};
      for (const std::int64_t d : x.dims) {
        a.starts.push_back(0);
        a.ends.push_back(d);
        a.steps.push_back(1);
      }
      return emit<tpu::slice>(name, a, {t}, format_at(t));
    }
    return host_cast(name, t, x.type);
  }

  /// Keeps the Top node as a host step: operands in their own types, results as the model has them.
  constexpr void emit_host() {
    vec<tensor_id> operands;
    for (std::size_t i = 0; i < operand_count(); ++i) operands.push_back(host_operand(i));
    emit_host(*source_->node_at(node_).op, source_->words(source_->node_at(node_)), operands);
  }
  /// A host step of another operator that makes the results of the Top node.
  constexpr void emit_host(const op_record& op, std::span<const std::uint32_t> words,
                           std::span<const tensor_id> operands) {
    vec<tensor_id> results;
    for (const tensor_id s : source_->results(node_)) {
      results.push_back(none);
      if (s == none) continue;
      results.back() = target_->add_tensor(unique(source_->name(s)), source_->at(s).type, source_->at(s).dims);
      set(s, results.back());
    }
    target_->add_node(source_->node_name(node_), op, words, operands, results);
  }

  // --- for the pass and for rules about rules ------------------------------------------------------------------
  constexpr void enter(node_id id) { node_ = id; }
  constexpr void set(tensor_id top_tensor, tensor_id tpu_tensor) {
    map_[static_cast<std::size_t>(top_tensor)] = tpu_tensor;
  }
  [[nodiscard]] constexpr tensor_id lowered(tensor_id top_tensor) const {
    return map_[static_cast<std::size_t>(top_tensor)];
  }
  constexpr void compute_in(dtype_id type) { compute_ = type; }
  [[nodiscard]] constexpr dtype_id base() const { return base_; }
  /// Marks a Top tensor that is read in another type than that of the pass.
  constexpr void set_read_wide(tensor_id top_tensor) {
    if (top_tensor != none) read_wide_[static_cast<std::size_t>(top_tensor)] = 1;
  }
  [[nodiscard]] constexpr bool read_wide(tensor_id top_tensor) const {
    return top_tensor != none && read_wide_[static_cast<std::size_t>(top_tensor)] != 0;
  }

  /// Marks a Top tensor that is only read in wider types than that of the pass, or added to something.
  constexpr void set_whole(tensor_id top_tensor) { whole_[static_cast<std::size_t>(top_tensor)] = 1; }

  static constexpr format quantized_format(const activation_range& range, bool asymmetric) {
    if (asymmetric) return {dtype_id::i8, calibrate::asymmetric_quantization(range)};
    bool is_unsigned = false;
    const quantization q = calibrate::symmetric_quantization(range, is_unsigned);
    return {is_unsigned ? dtype_id::u8 : dtype_id::i8, q};
  }

private:
  struct cast_made {
    tensor_id from = none;
    format made{};
    tensor_id to = none;
  };

  // A host step that changes the element type; the shape need not be known.
  constexpr tensor_id host_cast(const text& name, tensor_id from, dtype_id type) {
    const tensor_id to = target_->add_tensor(name, type, target_->at(from).dims);
    const tensor_id operands[] = {from};
    const tensor_id results[] = {to};
    top::cast::attributes a{};
    a.to = onnx_number_of(type);
    a.narrow = !is_floating(target_->at(from).type) && target_->at(from).type != type &&
                       carrier_of(target_->at(from).type) == type
                   ? 1
                   : 0;
    add_node<top::cast>(*target_, name, a, operands, results);
    return to;
  }
  [[nodiscard]] constexpr text derived(std::size_t i, dtype_id type) const {
    text name_wanted(name(i));
    if (type != dtype_id::f32 || base_ != dtype_id::f32) name_wanted << '.' << name_of(type);
    return name_wanted;
  }
  const graph_body* source_;
  graph_body* target_;
  const chip::facts* chip_;
  options options_;
  dtype_id base_;
  dtype_id compute_;
  node_id node_ = none;
  vec<tensor_id> map_;          // from Top tensors to Tpu tensors
  vec<std::uint8_t> read_wide_; // of Top tensors
  vec<std::uint8_t> whole_;     // of Top tensors
  vec<cast_made> casts_;
};

/// A rule for a narrow dtype that computes in a wider one: the operands are cast to it, and its result stays in it until a
/// node reads it in another type. What a dtype cannot do well (softmax and division in int8) is registered with this, never
/// silently; a layer that the qtable gives another dtype goes the same way.
template <class WideRule, class Dtype> struct computed_in {
  using op = typename WideRule::op;
  using dtype = Dtype;
  using computes = typename WideRule::dtype;
  using rule = WideRule;
};

} // namespace tmpu::lower

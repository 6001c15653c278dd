// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/lower/context.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tmpu::lower {

/// A lowering rule: how the Top operator `op` becomes Tpu operators when the pass makes `dtype`. Optional: `chip`, the only
/// chip that it is for (it then goes before the general rule), `takes`, which forms of the operator it can lower,
/// `any_type`: it looks at the element types itself (other rules are only asked about nodes of floats), `moves`: its
/// result is elements of operand 0 in whatever type they come, and `elementwise`: an element of its result depends on one
/// of each operand at most; where the result is only read as float, it is computed in f32 as well, and `sums`: its result, made with `sum_format`,
/// is not rounded to 8 bits there; `symmetric`: it takes its operands with a zero point of 0; `takes_sums`: it
/// takes operands that are not rounded. Or `computed_in` with the rule of a wider dtype.
template <class Rule> concept rule = requires {
  typename Rule::op;
  { Rule::dtype::id } -> std::convertible_to<dtype_id>;
}
&&(
    requires(context& c, node_id id) { Rule::apply(c, id); } || requires { typename Rule::computes; });

/// Stands for any chip that has no rules of its own.
struct any_chip {};

namespace detail {

template <class Rule> struct chip_of { using type = any_chip; };
template <class Rule>
requires requires { typename Rule::chip; }
struct chip_of<Rule> {
  using type = typename Rule::chip;
};

/// A number that stands for the type (FNV-1a of its name): comparing types as values costs no instantiation a pair. (Not
/// an address: g++ with sanitizers does not compare those at compile time.)
template <class T> constexpr std::uint64_t make_tag() {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
  for (const char c : std::string_view(__PRETTY_FUNCTION__)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3U;
  }
  return hash;
}
template <class T> inline constexpr std::uint64_t tag = make_tag<T>();

/// Whether each operator is covered: a loop over values, since the lists are long.
template <class Operators, class Rules, class HostOnly, class Dtype, class Chip> struct coverage;
template <class... Operators, class... Rules, class... HostOnly, class Dtype, class Chip>
struct coverage<list<Operators...>, list<Rules...>, list<HostOnly...>, Dtype, Chip> {
  // A loop: clang folds at most 256 operands.
  static constexpr bool only_rules = [] {
    for (const bool is_rule : {rule<Rules>..., true}) {
      if (!is_rule) return false;
    }
    return true;
  }();
  static_assert(only_rules, "a lowering rule has `op`, `dtype` and `static constexpr void apply(context&, node_id)`");

  static constexpr std::array<bool, sizeof...(Operators) + 1> flags = [] {
    struct pair {
      std::uint64_t op;
      std::uint64_t dtype;
      std::uint64_t chip;
    };
    const std::uint64_t wanted[] = {tag<Operators>..., 0};
    const std::uint64_t exempt[] = {tag<HostOnly>..., 0};
    const pair given[] = {{tag<typename Rules::op>, tag<typename Rules::dtype>, tag<typename chip_of<Rules>::type>}...,
                          {0, 0, 0}};
    // What covers an operator in this dtype on this chip, in one row: constant evaluation counts the steps of the search.
    std::uint64_t covered[sizeof...(HostOnly) + sizeof...(Rules) + 1] = {};
    std::size_t count = 0;
    for (std::size_t k = 0; k < sizeof...(HostOnly); ++k) covered[count++] = exempt[k];
    for (const pair& r : given) {
      if (r.dtype == tag<Dtype> && (r.chip == tag<any_chip> || r.chip == tag<Chip>)) covered[count++] = r.op;
    }
    std::array<bool, sizeof...(Operators) + 1> found{};
    bool all = true;
    for (std::size_t i = 0; i < sizeof...(Operators); ++i) {
      std::size_t k = 0;
      while (k < count && covered[k] != wanted[i]) ++k;
      found[i] = k < count;
      all = all && k < count;
    }
    found[sizeof...(Operators)] = all;
    return found;
  }();

  template <bool All, class Indexes> struct gaps;
  template <class Indexes> struct gaps<true, Indexes> { using type = list<>; };
  template <std::size_t... I> struct gaps<false, std::index_sequence<I...>> {
    using type = join_lists<list<>, std::conditional_t<flags[I], list<>, list<pair_of<Operators, Dtype>>>...>;
  };
  using missing = typename gaps<flags[sizeof...(Operators)], std::make_index_sequence<sizeof...(Operators)>>::type;
};

/// One rule as the pass calls it.
struct entry {
  const op_record* op = nullptr;
  std::string_view chip{};
  bool (*takes)(const context&, node_id) = nullptr;
  void (*apply)(context&, node_id) = nullptr;
  dtype_id computes = dtype_id::none;
  bool any_type = false;
  bool moves = false;
  bool elementwise = false;
  bool sums = false;
  bool symmetric = false;
  bool takes_sums = false;
};
template <class Rule> constexpr entry entry_of() {
  if constexpr (requires { typename Rule::computes; }) {
    return entry_of<typename Rule::rule>();
  } else {
    entry e{.op = &record_of<typename Rule::op>,
            .chip = {},
            .takes = nullptr,
            .apply = &Rule::apply,
            .computes = Rule::dtype::id};
    if constexpr (requires { typename Rule::chip; }) e.chip = Rule::chip::info.name;
    if constexpr (requires(const context& c, node_id id) { Rule::takes(c, id); }) e.takes = &Rule::takes;
    if constexpr (requires { Rule::any_type; }) e.any_type = Rule::any_type;
    if constexpr (requires { Rule::moves; }) e.moves = Rule::moves;
    if constexpr (requires { Rule::elementwise; }) e.elementwise = Rule::elementwise;
    if constexpr (requires { Rule::sums; }) e.sums = Rule::sums;
    if constexpr (requires { Rule::symmetric; }) e.symmetric = Rule::symmetric;
    if constexpr (requires { Rule::takes_sums; }) e.takes_sums = Rule::takes_sums;
    return e;
  }
}
template <class List> struct tags_of;
template <class... Ts> struct tags_of<list<Ts...>> { static constexpr std::uint64_t all[] = {tag<Ts>..., 0}; };
template <class T, class List> constexpr bool listed() {
  for (const std::uint64_t t : tags_of<List>::all) {
    if (t == tag<T>) return true;
  }
  return false;
}

/// The rule's entry if it is for this dtype and for a listed operator (only then is the rule instantiated), else an
/// empty one.
template <class Rule, class Dtype, class Operators> constexpr entry entry_for() {
  if constexpr (std::is_same_v<typename Rule::dtype, Dtype>) {
    if constexpr (listed<typename Rule::op, Operators>()) return entry_of<Rule>();
  }
  return {};
}
template <class Dtype, class Operators, class... Rules> constexpr auto table_of(list<Rules...>) {
  return std::array<entry, sizeof...(Rules)>{entry_for<Rules, Dtype, Operators>()...};
}
template <class Dtype, class Operators, class Rules>
inline constexpr auto table_for = table_of<Dtype, Operators>(Rules{});

/// The rules of one dtype.
struct rules_of_type {
  dtype_id type = dtype_id::none;
  std::span<const entry> entries{};
};
template <class Operators, class Rules, class... Dtypes>
constexpr std::array<rules_of_type, sizeof...(Dtypes)> tables_of(list<Dtypes...>) {
  return {rules_of_type{Dtypes::id, table_for<Dtypes, Operators, Rules>}...};
}

} // namespace detail

/// The pass from Top to Tpu in one dtype. Operators, Rules and HostOnly are lists (tmpu::list, or the type of a Hana tuple):
/// for every operator there must be a rule for Dtype (and Chip), or it is in HostOnly; tmpu-L001 lists all pairs that have
/// neither. A node that no rule takes (its operator is in HostOnly, its form, its element types, a shape that depends on
/// data) stays in the graph as a host step. Others: the dtypes besides Dtype that the qtable may give to single layers.
template <class Operators, class Rules, class Dtype, class HostOnly = list<>, class Chip = any_chip,
          class Others = list<>>
struct lower {
  static constexpr stage from = is_floating(Dtype::id) ? stage::canonical : stage::calibrated;
  static constexpr stage to = stage::lowered;
  static constexpr std::string_view name = "lower";
  using dtype = Dtype;

  using missing = typename detail::coverage<unpack<Operators>, unpack<Rules>, unpack<HostOnly>, Dtype, Chip>::missing;
  /// Evaluated when the pass is instantiated, before any rule is.
  using checked = std::bool_constant<missing::template into<diag::no_lowering_rule>::ok>;
  static constexpr bool covered = checked::value;

  constexpr graph<stage::lowered> operator()(const graph<from>& g, const chip::facts& chip,
                                             const options& o = {}) const {
    graph<stage::lowered> out;
    context c(g, out, chip, Dtype::id, o);
    check(g, c, o);
    const vec<const detail::entry*> chosen = choose(g, c, o);
    for (const tensor_id t : g.inputs) {
      const tensor& x = g.at(t);
      format f{x.type, {}};
      const bool carried = context::carries(g, t) && !read_as_it_is(g, t, chosen);
      if (is_floating(x.type)) {
        if (const dtype_id other = type_of(g, t, o); other != Dtype::id) {
          f.type = other;
        } else if (carried && !keeps_float(o) && (x.range.known || !own_scales(g))) {
          f = c.format_of(t);
        }
      } else if (carried) {
        f = c.format_of(t);
      }
      const tensor_id made = out.add_tensor(g.name(t), f.type, x.dims);
      out.at(made).edge = edge_of(x, out.at(made));
      out.at(made).quant = f.quant;
      out.at(made).range = x.range;
      out.inputs.push_back(made);
      c.set(t, made);
    }
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      const auto id = static_cast<node_id>(i);
      c.enter(id);
      if (chosen[i] == nullptr) {
        c.emit_host();
      } else {
        c.compute_in(chosen[i]->computes);
        chosen[i]->apply(c, id);
        c.compute_in(Dtype::id);
      }
      for (const tensor_id t : g.results(id)) {
        if (t != none && c.lowered(t) != none) out.at(c.lowered(t)).range = g.at(t).range;
      }
    }
    c.enter(none);
    for (const tensor_id t : g.outputs) {
      tensor_id made = g.is_constant(t) || g.is_input(t) ? copied(c, t) : c.lowered(t);
      if (keeps_float(o) && out.at(made).quant.present()) made = as_float(c, out, made, g.name(t));
      out.at(made).edge = edge_of(g.at(t), out.at(made));
      out.outputs.push_back(made);
    }
    return out;
  }

  /// The layers (nodes) that compute in the pass's dtype, moves left out: those that a qtable may make wider to some effect.
  static constexpr vec<node_id> layers(const graph<from>& g, const chip::facts& chip, const options& o = {}) {
    graph<stage::lowered> nothing;
    context c(g, nothing, chip, Dtype::id, o);
    const vec<const detail::entry*> chosen = choose(g, c, o);
    vec<node_id> found;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      if (chosen[i] == nullptr || chosen[i]->moves || chosen[i]->computes != Dtype::id) continue;
      const auto id = static_cast<node_id>(i);
      if (g.results(id)[0] != none && is_floating(g.at(g.results(id)[0]).type)) found.push_back(id);
    }
    return found;
  }

private:
  static constexpr auto tables =
      detail::tables_of<unpack<Operators>, unpack<Rules>>(join_lists<list<Dtype>, unpack<Others>>{});

  static constexpr bool keeps_float(const options& o) { return o.float_io && !is_floating(Dtype::id); }

  /// The dtype of the layer that makes t, or of the input t.
  static constexpr dtype_id type_of(const graph_body& g, tensor_id t, const options& o) {
    const dtype_id asked = o.layers == nullptr || t == none ? dtype_id::none : o.layers->find(g.name(t));
    return asked == dtype_id::none ? Dtype::id : asked;
  }
  /// The model was quantized elsewhere.
  static constexpr bool own_scales(const graph_body& g) {
    for (const tensor& t : g.tensors) {
      if (t.quant.present()) return true;
    }
    return false;
  }
  /// The dtype of a node: f32 where the model has scales of its own, but none for a float that the node reads or makes.
  static constexpr dtype_id layer_type(const graph_body& g, node_id id, const options& o) {
    const dtype_id type = type_of(g, g.results(id).empty() ? none : g.results(id)[0], o);
    if (is_floating(type)) return type;
    const auto lacks = [&](std::span<const tensor_id> list) {
      for (const tensor_id t : list) {
        if (t != none && !g.is_constant(t) && is_floating(g.at(t).type) && !g.at(t).range.known) return true;
      }
      return false;
    };
    return own_scales(g) && (lacks(g.operands(id)) || lacks(g.results(id))) ? dtype_id::f32 : type;
  }
  /// Refuses a qtable with layers that the graph has not, or with dtypes that this pass does not mix in.
  static constexpr void check(const graph_body& g, const context& c, const options& o) {
    if (o.layers == nullptr) return;
    for (const calibrate::layer_type& l : o.layers->layers) {
      bool known = false;
      for (const tensor_id t : g.inputs) known = known || g.name(t) == l.layer.view();
      for (const node& n : g.nodes)
        known = known || (!g.results(n).empty() && g.name(g.results(n)[0]) == l.layer.view());
      if (!known) {
        c.fail(text("the qtable names a layer '")
               << l.layer << "', but no node of the canonical graph makes a tensor of "
               << "that name: `tmpuc sensitivity` lists the layers");
      }
      bool mixed = false;
      for (const detail::rules_of_type& t : tables) mixed = mixed || t.type == l.type;
      if (!mixed) {
        text names;
        for (const detail::rules_of_type& t : tables) names << (names.empty() ? "" : ", ") << name_of(t.type);
        c.fail(text("the qtable gives layer '") << l.layer << "' the dtype " << name_of(l.type)
                                                << ", but this compiler mixes " << names << ": take one of them");
      }
    }
  }

  /// All that read the tensor take it in the type that it has in the model: host steps, and nodes that compute in that type of floats.
  static constexpr bool read_as_it_is(const graph_body& g, tensor_id t, const vec<const detail::entry*>& chosen) {
    bool read = false;
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      for (const tensor_id operand : g.operands(static_cast<node_id>(i))) {
        if (operand != t) continue;
        if (chosen[i] != nullptr && chosen[i]->computes != g.at(t).type) return false;
        read = true;
      }
    }
    return read;
  }

  /// The model's type of integers that the chip carries in another.
  static constexpr dtype_id edge_of(const tensor& model, const tensor& here) {
    return model.type != here.type && carrier_of(model.type) == here.type ? model.type : dtype_id::none;
  }

  /// The tensor in f32, which takes the name over.
  static constexpr tensor_id as_float(context& c, graph_body& out, tensor_id quantized, std::string_view wanted) {
    const tensor_id made = c.cast_to(quantized, {dtype_id::f32, {}});
    if (out.name(quantized) == wanted) {
      text own(wanted);
      own << '.' << name_of(out.at(quantized).type);
      out.rename(quantized, c.unique(own));
    }
    if (out.name(made) != wanted) out.rename(made, wanted);
    return made;
  }

  /// A constant or an input of the model that is an output, too.
  static constexpr tensor_id copied(context& c, tensor_id t) {
    const graph_body& g = c.source();
    const tensor_id made = !g.is_constant(t)        ? c.lowered(t)
                           : context::carries(g, t) ? c.carried_constant(t)
                                                    : c.host_constant(t);
    return c.copy_of(made, g.name(t));
  }

  /// The rule of this dtype that takes the node; one for the chip goes before the general one.
  static constexpr const detail::entry* rule_for(context& c, node_id id, dtype_id type, bool floats) {
    const detail::entry* found = nullptr;
    for (const detail::rules_of_type& rules : tables) {
      if (rules.type != type) continue;
      for (const detail::entry& e : rules.entries) {
        if (e.op != c.source().node_at(id).op || !(e.chip.empty() || e.chip == c.chip().name)) continue;
        c.compute_in(e.computes);
        if (!(floats || e.any_type) || (e.takes != nullptr && !e.takes(c, id))) continue;
        if (found == nullptr || (found->chip.empty() && !e.chip.empty())) found = &e;
      }
    }
    return found;
  }

  /// Moved out of a larger tensor, of which it has a range of its own: who takes it symmetrically casts it anyway.
  static constexpr bool is_part(const graph_body& g, const vec<const detail::entry*>& chosen, tensor_id t) {
    tensor_id whole = t;
    for (;;) {
      const node_id made = g.at(whole).producer;
      const detail::entry* e = made == none ? nullptr : chosen[static_cast<std::size_t>(made)];
      if (e == nullptr || !e->moves || g.operand(made, 0) == none) break;
      whole = g.operand(made, 0);
    }
    return g.at(whole).dims.elements() != g.at(t).dims.elements();
  }

  /// Marks what is read in another type than that of the pass. An elementwise node whose readers all are such is computed in f32, and the
  /// sums of one keep their bits: rounding the result would only lose some (the residual stream of a transformer). Sums keep them for
  /// additions, too, where local memory has room for four bytes an element beside what else a group needs.
  static constexpr void keep_floats(const graph_body& g, vec<const detail::entry*>& chosen, context& c,
                                    const options& o) {
    enum reader : std::uint8_t { wide = 1, narrow = 2, adds = 4 };
    vec<std::uint8_t> readers(g.tensors.size());
    for (const tensor_id t : g.outputs) {
      c.set_read_wide(t);
      if (keeps_float(o)) readers[static_cast<std::size_t>(t)] = wide;
    }
    for (std::size_t i = chosen.size(); i-- > 0;) {
      const auto id = static_cast<node_id>(i);
      const tensor_id y = g.results(id).empty() ? none : g.results(id)[0];
      const std::uint8_t own = y == none ? 0 : readers[static_cast<std::size_t>(y)];
      const bool here = chosen[i] != nullptr && chosen[i]->computes == Dtype::id;
      const bool moves = here && chosen[i]->moves;
      if (here && own != 0 && (own & narrow) == 0 && (chosen[i]->sums || moves) && !is_floating(Dtype::id) &&
          (keeps_float(o) || !g.is_output(y)) && (own == wide || has_room(g.at(y).dims, c.chip())))
        c.set_whole(y);
      if (here && own == wide && chosen[i]->elementwise &&
          (o.layers == nullptr || o.layers->find(g.name(y)) == dtype_id::none)) {
        c.enter(id);
        if (const detail::entry* e = rule_for(c, id, dtype_id::f32, true); e != nullptr) chosen[i] = e;
        c.compute_in(Dtype::id);
      }
      const bool now = chosen[i] != nullptr && chosen[i]->computes == Dtype::id;
      bool reads_wide = !now || (chosen[i]->symmetric && o.asymmetric && !is_floating(Dtype::id));
      const std::uint8_t reads = reads_wide ? wide : chosen[i]->takes_sums ? adds : narrow;
      if (moves) {
        for (const tensor_id t : g.results(id)) reads_wide = reads_wide || c.read_wide(t);
      }
      for (const tensor_id t : g.operands(id)) {
        if (t == none) continue;
        std::uint8_t& of = readers[static_cast<std::size_t>(t)];
        std::uint8_t as = moves ? own : reads;
        if (!moves && reads == narrow && chosen[i]->symmetric && is_part(g, chosen, t)) as = adds;
        of = static_cast<std::uint8_t>(of | as);
        if (reads_wide) c.set_read_wide(t);
      }
    }
  }

  /// A sum of that shape, as i32, takes a quarter of local memory at most.
  static constexpr bool has_room(const shape& d, const chip::facts& chip) {
    return d.elements() * 4 <= std::int64_t{chip.lanes} * chip.local_bytes / 4;
  }

  /// The rule of each node; nullptr: it is a host step.
  static constexpr vec<const detail::entry*> choose(const graph_body& g, context& c, const options& o) {
    vec<const detail::entry*> chosen(g.nodes.size(), nullptr);
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      const auto id = static_cast<node_id>(i);
      c.enter(id);
      bool held = true; // the chip can hold what the node reads and makes
      bool floats = true;
      const auto look = [&](tensor_id t) {
        if (t == none || g.is_constant(t)) return;
        held = held && context::carries(g, t);
        floats = floats && is_floating(g.at(t).type);
      };
      for (const tensor_id t : g.operands(id)) look(t);
      for (const tensor_id t : g.results(id)) look(t);
      if (!held) continue;
      chosen[i] = rule_for(c, id, layer_type(g, id, o), floats);
    }
    c.compute_in(Dtype::id);
    keep_floats(g, chosen, c, o);
    c.enter(none);
    return chosen;
  }
};

} // namespace tmpu::lower

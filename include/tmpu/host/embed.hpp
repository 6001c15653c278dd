// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/list.hpp"
#include "tmpu/core/math.hpp"
#include "tmpu/core/reflect.hpp"
#include "tmpu/ir/op.hpp"

#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// A graph as a C++ header: the type that static_program.hpp compiles (`tmpuc embed`).
namespace tmpu::host {

/// What a header says besides the graph.
struct embed_facts {
  std::string name;    ///< of the network; the type is called so, too, as far as C++ allows
  std::string dtype;   ///< C++ name: tmpu::i8
  std::string command; ///< how the header was made
  bool asymmetric = false;
};

namespace detail {

/// A C++ identifier made of a name.
inline std::string identifier(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && (out.empty() || out.back() == '_')) continue;
    out += letter || digit ? c : '_';
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out.insert(0, "n");
  return out;
}

/// The text of a string literal, without its quotes. '?' is escaped for the sake of trigraphs.
template <class Bytes> std::string literal_text(const Bytes& bytes) {
  std::string out;
  for (const auto b : bytes) {
    const auto c = static_cast<unsigned char>(b);
    if (c >= 32 && c < 127 && c != '"' && c != '\\' && c != '?') {
      out += static_cast<char>(c);
    } else {
      char octal[8];
      std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(c));
      out += octal;
    }
  }
  return out;
}

inline std::string float_literal(float x) {
  if (math::is_nan(x)) return "tmpu::math::nan<float>";
  if (math::is_inf(x)) return x < 0 ? "-tmpu::math::infinity<float>" : "tmpu::math::infinity<float>";
  char hex[48]; // hexadecimal: every bit, on every compiler
  std::snprintf(hex, sizeof hex, "%aF", static_cast<double>(x));
  return hex;
}

template <class T> std::string cpp_value(const T& x) {
  if constexpr (tmpu::detail::is_defaulted<T>::value) {
    return cpp_value(x.value);
  } else if constexpr (std::is_same_v<T, text>) {
    return x.empty() ? "{}" : "tmpu::text(\"" + literal_text(x.view()) + "\")";
  } else if constexpr (tmpu::detail::is_vec<T>::value) {
    std::string out = "{";
    for (const auto& item : x) out += (out.size() > 1 ? ", " : "") + cpp_value(item);
    return out + "}";
  } else if constexpr (std::is_floating_point_v<T>) {
    return float_literal(x);
  } else if constexpr (std::is_same_v<T, bool>) {
    return x ? "true" : "false";
  } else {
    if (static_cast<std::int64_t>(x) == (-9223372036854775807 - 1)) return "-9223372036854775807 - 1";
    return std::to_string(x);
  }
}

template <op Op> std::string cpp_attributes(std::span<const std::uint32_t> words) {
  const auto a = word_reader(words).get<typename Op::attributes>();
  std::string out;
  for_each_member(a, [&](std::string_view name, const auto& member) {
    out += (out.empty() ? "." : ", .") + std::string(name) + " = " + cpp_value(member);
  });
  return "{" + out + "}";
}

inline std::string quoted(std::string_view s) { return "\"" + literal_text(s) + "\""; }
inline std::string cpp_type(dtype_id t) {
  return "tmpu::dtype_id::" + std::string(t == dtype_id::boolean ? "boolean" : name_of(t));
}
inline std::string cpp_quant(const quantization& q) {
  return "{" + float_literal(q.scale) + ", " + std::to_string(q.zero_point) + "}";
}
inline std::string cpp_dims(const shape& dims) { return "{" + std::string(join(dims, ", ").view()) + "}"; }

} // namespace detail

/// The header of a graph at stage `at`; `Operators` is the list of all operators that it may hold (Top and Tpu).
template <class Operators> std::string to_header(const graph_body& g, stage at, const embed_facts& facts) {
  std::set<std::string> taken;
  std::vector<std::string> names(g.tensors.size());
  const auto name_tensor = [&](tensor_id t) -> const std::string& {
    std::string& name = names[static_cast<std::size_t>(t)];
    if (!name.empty()) return name;
    const std::string wanted = "t_" + detail::identifier(g.name(t));
    name = wanted;
    for (int n = 2; !taken.insert(name).second; ++n) name = wanted + "_" + std::to_string(n);
    return name;
  };

  std::string weights;
  std::string body;
  const auto use = [&](tensor_id t) -> std::string {
    if (t == none) return "tmpu::none";
    const bool fresh = names[static_cast<std::size_t>(t)].empty();
    const std::string name = name_tensor(t);
    if (!fresh || !g.is_constant(t)) return name;
    const tensor& x = g.at(t);
    const auto bytes = g.bytes(t);
    weights += "  static constexpr unsigned char bytes_of_" + name + "[] =\n";
    constexpr std::size_t line = 48;
    for (std::size_t i = 0; i == 0 || i < bytes.size(); i += line) {
      const auto count = bytes.size() - i < line ? bytes.size() - i : line;
      weights += "      \"" + detail::literal_text(bytes.subspan(i, count)) + "\"\n";
    }
    weights.insert(weights.size() - 1, ";");
    body += "    const auto " + name + " = m.constant(" + detail::quoted(g.name(t)) + ", " + detail::cpp_type(x.type) +
            ", " + detail::cpp_dims(x.dims) + ", bytes_of_" + name +
            (x.quant.present() ? ", " + detail::cpp_quant(x.quant) : "") + ");\n";
    return name;
  };

  for (const tensor_id t : g.inputs) {
    const tensor& x = g.at(t);
    body += "    const auto " + name_tensor(t) + " = m.input(" + detail::quoted(g.name(t)) + ", " +
            detail::cpp_type(x.type) + ", " + detail::cpp_dims(x.dims) +
            (x.quant.present() ? ", " + detail::cpp_quant(x.quant) : "") + ");\n";
  }
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    const node& n = g.node_at(id);
    std::string attributes;
    const bool known = Operators::any([&]<class Op>() {
      if (!is<Op>(n)) return false;
      attributes = detail::cpp_attributes<Op>(g.words(n));
      return true;
    });
    if (!known)
      refuse(text("node '") << g.node_name(id) << "' (" << n.op->info.name
                            << ") is in no list of operators, so that it has no C++ name");
    std::string operands;
    for (const tensor_id t : g.operands(id)) operands += (operands.empty() ? "" : ", ") + use(t);
    std::string results;
    for (const tensor_id t : g.results(id)) {
      std::string one = "{}";
      if (t != none) {
        const tensor& x = g.at(t);
        const bool own_name = g.node_name(id) != g.name(t);
        one = "{" + detail::quoted(g.name(t));
        if (at == stage::lowered) {
          one += ", " + detail::cpp_type(x.type);
          if (x.quant.present() || own_name)
            one += ", " + (x.quant.present() ? detail::cpp_quant(x.quant) : std::string("{}"));
        }
        if (own_name) one += ", " + detail::quoted(g.node_name(id));
        one += "}";
      }
      results += (results.empty() ? "" : ", ") + one;
    }
    const std::string op = "<tmpu::" + std::string(n.op->domain) + "::" + std::string(n.op->info.name) + ">(";
    if (g.results(id).size() == 1) {
      body += "    const auto " + name_tensor(g.result(id)) + " = m.add" + op + results + ", " + attributes + ", {" +
              operands + "});\n";
      continue;
    }
    const std::string list = "results_" + std::to_string(i);
    body +=
        "    const auto " + list + " = m.add_many" + op + attributes + ", {" + operands + "}, {" + results + "});\n";
    for (std::size_t r = 0; r < g.results(id).size(); ++r) {
      if (g.result(id, r) != none)
        body += "    [[maybe_unused]] const auto " + name_tensor(g.result(id, r)) + " = " + list + "[" +
                std::to_string(r) + "];\n";
    }
  }
  for (const tensor_id t : g.outputs) body += "    m.output(" + use(t) + ");\n";

  const std::string stage_name = "tmpu::stage::" + std::string(name_of(at));
  const std::string headers = at == stage::lowered ? "#include \"tmpu/tpu/operators.hpp\"\n" : "";
  return "// SPDX-License-Identifier: Apache-2.0\n"
         "// Made by `" +
         facts.command +
         "`. Do not edit: make it again.\n"
         "// clang-format off\n"
         "#pragma once\n\n"
         "#include \"tmpu/ir/builder.hpp\"\n"
         "#include \"tmpu/top/operators.hpp\"\n" +
         headers +
         "\n"
         "/// " +
         facts.name + ", " + std::string(name_of(at)) +
         ", as a model that the C++ compiler compiles:\n"
         "/// `constexpr auto program = tmpu::compile<" +
         detail::identifier(facts.name) +
         ", tmpu::chip::nano>();`\n"
         "struct " +
         detail::identifier(facts.name) +
         " {\n"
         "  static constexpr std::string_view name = " +
         detail::quoted(facts.name) +
         ";\n"
         "  using dtype = " +
         facts.dtype +
         ";\n"
         "  static constexpr bool asymmetric = " +
         (facts.asymmetric ? "true" : "false") +
         ";\n\n"
         "  static constexpr tmpu::graph<" +
         stage_name + "> graph(tmpu::graph_builder<" + stage_name + "> m = {}) {\n" + body +
         "    return m.take();\n"
         "  }\n\n"
         "private:\n" +
         weights + "};\n";
}

} // namespace tmpu::host

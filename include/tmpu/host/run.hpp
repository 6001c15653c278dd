// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/executor.hpp"
#include "tmpu/host/edge.hpp"
#include "tmpu/host/fast_loops.hpp"
#include "tmpu/host/memory_limit.hpp"
#include "tmpu/host/steps.hpp"
#include "tmpu/host/threads.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/tpu/op.hpp"

#include <string>
#include <vector>

namespace tmpu::host {

struct named_value {
  std::string name;
  value content; ///< as the machine or graph has it
  quantization quant{};
  /// Of a tensor on the chip: 1 for each element that was computed. Empty: all were. (What no consumer reads, a strided
  /// convolution's rows between for example, no instruction computes.)
  std::vector<std::uint8_t> made{};
  dtype_id edge = dtype_id::none; ///< the model's type of integers that are carried in another one
};

/// The real numbers (or plain integers) of a result.
inline value user_value(const named_value& v) { return from_edge(v.content, v.quant, v.edge); }

/// Inference of a graph at any stage on a user's inputs: all activations with `keep::everything`, otherwise the outputs only. `constants`
/// keeps the graph's constants between runs.
inline std::vector<named_value> run_graph(const graph_body& g, std::span<const value> inputs, keep what = keep::outputs,
                                          vec<value>* constants = nullptr) {
  vec<value> edge;
  for (std::size_t i = 0; i < inputs.size() && i < g.inputs.size(); ++i) {
    const tensor& t = g.at(g.inputs[i]);
    edge.push_back(to_edge(inputs[i], t.type, t.quant, g.name(g.inputs[i])));
  }
  vec<value> values = evaluate(g, edge, what, constants);
  std::vector<named_value> out;
  const auto put = [&](tensor_id t) {
    out.push_back(
        {std::string(g.name(t)), std::move(values[static_cast<std::size_t>(t)]), g.at(t).quant, {}, g.at(t).edge});
  };
  if (what == keep::outputs) {
    for (const tensor_id t : g.outputs) put(t);
    return out;
  }
  for (const tensor_id t : g.inputs) put(t);
  for (const node& n : g.nodes) {
    for (const tensor_id t : g.results(n)) {
      if (t != none) put(t);
    }
  }
  return out;
}

/// A program on the reference TPU. The program outlives the runner; runs follow each other on one machine.
class runner {
public:
  explicit runner(const isa::program& p, std::size_t network = 0)
      : executor_(p, network), network_(&p.info.networks[network]), memory_(machine_of(executor_)),
        steps_(*network_, p.weights.span()) {}

  [[nodiscard]] const isa::network& network() const { return *network_; }
  [[nodiscard]] const exec::executor& executor() const { return executor_; }

  /// The outputs for a user's inputs, in their order, as the machine has them. `order`: how the engines interleave.
  std::vector<named_value> run(std::span<const value> inputs, const exec::interleaving& order = {}) {
    return outputs(execute(inputs, order, exec::no_observer{}));
  }

  /// The same for inputs that are given as the bytes of the network's own elements, row-major: the machine takes them from where they are.
  std::vector<named_value> run_bytes(std::span<const std::span<const std::uint8_t>> inputs,
                                     const exec::interleaving& order = {}) {
    for (std::size_t i = 0; i < inputs.size() && i < network_->inputs.size(); ++i) {
      const isa::io_tensor& t = network_->inputs[i];
      if (isa::region_of(t.address) != isa::region::host) continue;
      if (static_cast<std::int64_t>(inputs[i].size()) != isa::bytes_needed(t))
        refuse(text("input '") << t.name << "' takes " << isa::bytes_needed(t) << " bytes, not " << inputs[i].size());
      steps_.set_input(t, from_bytes(t.type, shape(t.dims.span()), inputs[i]));
    }
    return outputs(start(inputs, order, exec::no_observer{}));
  }

  /// Every tensor that the machine shows, once: inputs, traced tensors (each that an instruction completes), outputs.
  std::vector<named_value> run_all(std::span<const value> inputs, const exec::interleaving& order = {}) {
    std::vector<named_value> traced;
    for (const isa::traced_tensor& t : network_->tensors) {
      traced.push_back({std::string(t.name.view()), value(t.type, shape(t.dims.span())), {t.scale, t.zero_point}});
    }
    for (named_value& v : traced) v.made.assign(v.content.size(), 0);
    const auto result = execute(inputs, order, [&](const isa::trace_point& at, const auto& part, exec::memory& m) {
      put_part(traced[static_cast<std::size_t>(at.tensor)], at, part, m);
    });
    std::vector<named_value> out;
    const auto put = [&](named_value v) {
      for (const named_value& o : out) {
        if (o.name == v.name) return;
      }
      out.push_back(std::move(v));
    };
    for (std::size_t i = 0; i < network_->inputs.size(); ++i) {
      const isa::io_tensor& t = network_->inputs[i];
      const quantization q{t.scale, t.zero_point};
      put({std::string(t.name.view()), to_edge(inputs[i], t.type, q, t.name), q, {}, t.edge});
    }
    for (named_value& v : traced) {
      bool all = true;
      for (const std::uint8_t element : v.made) all = all && element != 0;
      if (all) v.made.clear();
      put(std::move(v));
    }
    for (named_value& v : outputs(result)) put(std::move(v));
    return out;
  }

private:
  static exec::memory machine_of(const exec::executor& e) {
    require_memory(e.memory_limits());
    return e.make_memory();
  }
  template <class Observe>
  vec<vec<std::uint8_t>> execute(std::span<const value> inputs, const exec::interleaving& order, Observe&& observe) {
    std::vector<vec<std::uint8_t>> bytes;
    std::vector<std::span<const std::uint8_t>> spans;
    for (std::size_t i = 0; i < inputs.size() && i < network_->inputs.size(); ++i) {
      const isa::io_tensor& t = network_->inputs[i];
      const quantization q{t.scale, t.zero_point};
      const dtype_id wanted = user_type(t.type, q, t.edge);
      if (!(inputs[i].dims == shape(t.dims.span())) || inputs[i].type != wanted) {
        refuse(text("input '") << t.name << "' takes " << name_of(wanted) << shape(t.dims.span()).print() << ", not "
                               << name_of(inputs[i].type) << inputs[i].dims.print());
      }
      const value v = to_edge(inputs[i], t.type, q, t.name);
      steps_.set_input(t, v);
      bytes.push_back(to_bytes(v));
    }
    for (const auto& b : bytes) spans.emplace_back(b.span());
    return start(spans, order, observe);
  }
  template <class Observe>
  vec<vec<std::uint8_t>> start(std::span<const std::span<const std::uint8_t>> inputs, const exec::interleaving& order,
                               Observe&& observe) {
    return executor_.run(
        memory_, inputs, order, observe,
        [&](const isa::host_step& s, exec::memory& m) { steps_.run(s, m.activations()); }, in_threads{});
  }
  [[nodiscard]] std::vector<named_value> outputs(const vec<vec<std::uint8_t>>& bytes) const {
    std::vector<named_value> out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const isa::io_tensor& t = network_->outputs[i];
      const value* kept = steps_.slot(t.address);
      out.push_back({std::string(t.name.view()),
                     kept != nullptr ? *kept : from_bytes(t.type, shape(t.dims.span()), bytes[i]),
                     {t.scale, t.zero_point},
                     {},
                     t.edge});
    }
    return out;
  }
  static void put_part(named_value& result, const isa::trace_point&, const isa::traced_tensor& whole, exec::memory& m) {
    value& to = result.content;
    result.made.assign(to.size(), 1);
    const auto bytes = static_cast<std::size_t>(isa::bytes_needed(whole));
    const std::span<const std::uint8_t> region = m.activations();
    to = from_bytes(to.type, to.dims, region.subspan(static_cast<std::size_t>(isa::offset_of(whole.address)), bytes));
  }
  static void put_part(named_value& result, const isa::trace_point& at, const isa::local_ref& part, exec::memory& m) {
    value& to = result.content;
    const tpu::view4 whole = tpu::fold(to.dims);
    const shape dims{part.n, part.c, part.h, part.w};
    const value elements = from_bytes(part.type, dims, exec::collect(m, part));
    const auto inside = [](std::int64_t first, std::int64_t count, std::int64_t size) {
      return first >= 0 && first + count <= size;
    };
    if (!inside(at.n, part.n, whole.n) || !inside(at.c, part.c, whole.c) || !inside(at.h, part.h, whole.h) ||
        part.w != whole.w || part.type != to.type) {
      refuse("the trace names a part that is outside of its tensor: the program is damaged");
    }
    std::size_t from = 0;
    for (std::int64_t n = 0; n < part.n; ++n) {
      for (std::int64_t c = 0; c < part.c; ++c) {
        for (std::int64_t h = 0; h < part.h; ++h) {
          const auto row = static_cast<std::size_t>((((at.n + n) * whole.c + at.c + c) * whole.h + at.h + h) * whole.w);
          for (std::int64_t w = 0; w < part.w; ++w, ++from) {
            result.made[row + static_cast<std::size_t>(w)] = 1;
            if (is_floating(to.type)) {
              to.f[row + static_cast<std::size_t>(w)] = elements.f[from];
            } else {
              to.i[row + static_cast<std::size_t>(w)] = elements.i[from];
            }
          }
        }
      }
    }
  }

  exec::executor executor_;
  const isa::network* network_;
  exec::memory memory_;
  host_steps steps_;
};

} // namespace tmpu::host

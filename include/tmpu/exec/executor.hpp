// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/fast.hpp"
#include "tmpu/exec/validate.hpp"
#include "tmpu/isa/check.hpp"

#include <tuple>

namespace tmpu::exec {

/// In which order the engines of a core take their instructions. Each respects queues and waits; only a program with a
/// hazard gives other results in another order.
struct interleaving {
  enum class kind : std::uint8_t { program_order, compute_first, dma_first, random };
  kind order = kind::program_order;
  std::uint32_t seed = 1; ///< of random
};

struct no_observer {
  constexpr void operator()(const isa::trace_point&, const isa::local_ref&, memory&) const {}
  constexpr void operator()(const isa::trace_point&, const isa::traced_tensor&, memory&) const {}
};

/// What takes host steps; this one does not.
struct no_host {
  void operator()(const isa::host_step& s, memory&) const {
    refuse(text("node '") << s.node << "' (" << s.op << ") is a host step: run the program with host::runner");
  }
};

/// What runs the cores of a segment: calls core(0), ..., core(count - 1), which may run at the same time. This one does not.
struct one_by_one {
  template <class Core> constexpr void operator()(std::size_t count, Core&& core) const {
    for (std::size_t i = 0; i < count; ++i) core(i);
  }
};

namespace detail {
template <class... Is> constexpr bool opcodes_differ() {
  constexpr std::uint8_t codes[] = {Is::opcode...};
  for (std::size_t i = 0; i < sizeof...(Is); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (codes[i] == codes[j]) return false;
    }
  }
  return true;
}
template <bool Differ, class... Is> struct check_opcodes : diag::opcode_used_twice<Is...> {};
template <class... Is> struct check_opcodes<true, Is...> { static constexpr bool ok = true; };
} // namespace detail

/// Runs the streams of a program. Instructions are decoded, checked and put into tables once, when the executor is made; the
/// program outlives it. `Instructions` is the list of what the machine knows: the table of kernels is filled from it. An instruction of
/// one's own brings its meaning along: `run(memory&) const`, and `consistent() const` if not all operands in memory will do.
/// Errors: one line when an instruction is unknown, damaged, out of bounds, or waits for ever.
template <class Instructions> class basic_executor;

template <class... Is> class basic_executor<list<Is...>> {
  static_assert(detail::check_opcodes<detail::opcodes_differ<Is...>(), Is...>::ok);

public:
  constexpr explicit basic_executor(const isa::program& p, std::size_t network = 0) : program_(&p) {
    if (network >= p.info.networks.size())
      refuse(text("the program has ") << p.info.networks.size() << " networks, but number " << network
                                      << " was asked for");
    if (const text bad = isa::fault_of<list<Is...>>(p); !bad.empty()) refuse(text(bad) << ": the program is damaged");
    network_ = &p.info.networks[network];
    most_ = {.lanes = p.info.target.lanes,
             .local_bytes = p.info.target.local_bytes,
             .activation_bytes = network_->activation_bytes,
             .weight_bytes = static_cast<std::int64_t>(p.weights.size())};
    constexpr std::int64_t sane = std::int64_t{1} << 36;
    if (most_.lanes < 1 || most_.lanes > 4096 || most_.local_bytes < 1 || most_.local_bytes > sane / most_.lanes ||
        most_.activation_bytes < 0 || most_.activation_bytes > sane) {
      refuse("the program asks for a machine of impossible size: it is damaged");
    }
    for (const isa::segment& s : network_->segments) {
      for (const isa::core_stream& c : s.cores) decode(c);
      if (s.kind == isa::segment_kind::stream) check_order(s);
    }
  }

  [[nodiscard]] constexpr const isa::network& network() const { return *network_; }
  /// A machine for this program: local memory, the activation region, the program's weights.
  [[nodiscard]] constexpr memory make_memory() const {
    return {most_.lanes, most_.local_bytes, most_.activation_bytes, program_->weights.span()};
  }

  /// Runs the network: inputs and outputs are the bytes of the io tensors in their order. After each instruction that completes a part
  /// of a traced tensor, `observe(trace_point, local_ref, memory)` is called with the part, or, where the tensor is seen in global
  /// memory, `observe(trace_point, traced_tensor, memory)`. `host(host_step, memory)` does what stands between the streams; inputs and
  /// outputs in the host's slots are its own: their bytes here are none. `cores` runs the cores of a segment that do not wait for each
  /// other, in program order and without an observer; otherwise they take turns.
  template <class Observe = no_observer, class Host = no_host, class Cores = one_by_one>
  constexpr vec<vec<std::uint8_t>> run(memory& m, std::span<const std::span<const std::uint8_t>> inputs,
                                       const interleaving& order = {}, Observe&& observe = {}, Host&& host = {},
                                       Cores&& cores = {}) {
    if (inputs.size() != network_->inputs.size()) {
      refuse(text("the program has ") << network_->inputs.size() << " inputs, but " << inputs.size() << " were given");
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const isa::io_tensor& t = network_->inputs[i];
      if (isa::region_of(t.address) == isa::region::host) continue;
      if (static_cast<std::int64_t>(inputs[i].size()) != isa::bytes_needed(t)) {
        refuse(text("input '") << t.name << "' takes " << isa::bytes_needed(t) << " bytes, but " << inputs[i].size()
                               << " were given");
      }
      std::uint8_t* to = m.activations().data() + isa::offset_of(t.address);
      for (const std::uint8_t b : inputs[i]) *to++ = b;
    }
    add_cores(m);
    std::size_t first = 0;
    for (const isa::segment& s : network_->segments) {
      if (s.kind == isa::segment_kind::host) {
        host(s.step, m);
        continue;
      }
      if (order.order == interleaving::kind::program_order && apart(first, s.cores.size())) {
        const auto core = [&](std::size_t c) {
          run_in_program_order(first + c, s.cores[c], memory_of(m, c), workspaces_[c], observe);
        };
        if constexpr (std::is_same_v<std::remove_cvref_t<Observe>, no_observer>) {
          cores(s.cores.size(), core);
        } else {
          one_by_one{}(s.cores.size(), core);
        }
      } else {
        run_interleaved(first, s, m, order, observe);
      }
      first += s.cores.size();
    }
    vec<vec<std::uint8_t>> outputs;
    for (const isa::io_tensor& t : network_->outputs) {
      if (isa::region_of(t.address) == isa::region::host) {
        outputs.push_back({});
        continue;
      }
      const auto from = static_cast<std::size_t>(isa::offset_of(t.address));
      outputs.push_back(vec<std::uint8_t>(std::span<const std::uint8_t>(m.activations())
                                              .subspan(from, static_cast<std::size_t>(isa::bytes_needed(t)))));
    }
    return outputs;
  }

  /// One instruction as the checkers see it.
  struct step {
    isa::engine engine = isa::engine::compute;
    isa::wait waits[2] = {};
    std::uint32_t kind = 0;  // which type of the list
    std::uint32_t index = 0; // which of that type
  };
  /// The instructions of a core, in program order; cores of all segments one after the other.
  [[nodiscard]] constexpr const vec<vec<step>>& cores() const { return cores_; }
  /// Calls visit(instruction) with the decoded instruction of a step.
  template <class Visit> constexpr void with_instruction(const step& s, Visit&& visit) const {
    std::uint32_t kind = 0;
    (void)((kind++ == s.kind && (visit(std::get<vec<Is>>(decoded_)[s.index]), true)) || ...);
  }
  [[nodiscard]] constexpr const limits& memory_limits() const { return most_; }

private:
  using kernel = void (*)(const basic_executor&, std::uint32_t, memory&, workspace&);
  template <class I>
  static constexpr void run_one(const basic_executor& e, std::uint32_t index, memory& m, workspace& w) {
    const I& i = std::get<vec<I>>(e.decoded_)[index];
    if constexpr (requires { i.run(m); }) {
      i.run(m);
    } else {
      exec::perform(i, m, w);
    }
  }
  static constexpr kernel kernels[sizeof...(Is)] = {&run_one<Is>...};

  constexpr void decode(const isa::core_stream& stream) {
    vec<step> steps;
    std::size_t at = 0;
    while (at < stream.words.size()) {
      const std::size_t size = isa::size_of(stream.words[at]);
      bool known = false;
      if (size > 0 && size <= stream.words.size() - at) {
        known = isa::decoder<list<Is...>>::decode(
            stream.words.span().subspan(at, size), [&]<class I>(const isa::header& h, const I& i) {
              validate(i, steps.size(), most_);
              step s{.engine = I::engine, .waits = {h.first, h.second}, .kind = kind_of<I>(), .index = 0};
              auto& all = std::get<vec<I>>(decoded_);
              s.index = static_cast<std::uint32_t>(all.size());
              all.push_back(i);
              steps.push_back(s);
            });
      }
      if (!known) {
        refuse(text("word ")
               << at << " of a stream (instruction " << steps.size()
               << ") is no instruction of this machine: the program is damaged or was made by a newer version");
      }
      at += size;
    }
    cores_.push_back(std::move(steps));
    waits_for_others_.push_back(0);
  }
  template <class I> static constexpr std::uint32_t kind_of() {
    std::uint32_t kind = 0;
    std::uint32_t found = 0;
    ((std::is_same_v<I, Is> ? found = kind++ : kind++), ...);
    return found;
  }

  // Whether no core of the segment waits for another one.
  [[nodiscard]] constexpr bool apart(std::size_t first, std::size_t cores) const {
    for (std::size_t c = 0; c < cores; ++c) {
      if (waits_for_others_[first + c] != 0) return false;
    }
    return true;
  }
  // Local memory and room to work in for each core; the first has the memory given.
  constexpr void add_cores(memory& m) {
    std::size_t most = 1;
    for (const isa::segment& s : network_->segments) most = s.cores.size() > most ? s.cores.size() : most;
    if (workspaces_.size() < most) workspaces_.resize(most);
    if (!others_.empty() && others_[0].activations().data() != m.activations().data()) others_ = {};
    while (others_.size() + 1 < most) others_.push_back(m.beside());
  }
  constexpr memory& memory_of(memory& m, std::size_t core) { return core == 0 ? m : others_[core - 1]; }

  // Program order of one core must itself fulfil every wait; several cores must not wait for each other in a circle.
  constexpr void check_order(const isa::segment& s) {
    const std::size_t first = cores_.size() - s.cores.size();
    if (s.cores.size() == 1) {
      std::uint32_t done[2] = {};
      for (std::size_t i = 0; i < cores_[first].size(); ++i) {
        const step& x = cores_[first][i];
        for (const isa::wait& w : x.waits) {
          if (w.count == 0) continue;
          if (w.core != 0 || static_cast<std::size_t>(w.engine) > 1)
            refuse(text("instruction ") << i << " waits for a queue that is not there: the program is damaged");
          if (w.count > done[static_cast<std::size_t>(w.engine)]) {
            refuse(text("instruction ") << i << " waits for number " << w.count << " of the " << isa::name_of(w.engine)
                                        << " queue, which comes later: the program would wait for ever");
          }
        }
        ++done[static_cast<std::size_t>(x.engine)];
      }
      return;
    }
    for (std::size_t c = 0; c < s.cores.size(); ++c) {
      for (const step& x : cores_[first + c]) {
        for (const isa::wait& w : x.waits) {
          if (w.count != 0 && w.core != c) waits_for_others_[first + c] = 1;
        }
      }
    }
    queues q(*this, first, s.cores.size());
    while (q.advance(interleaving{}, [](std::size_t, std::size_t) {})) {}
    if (!q.finished()) refuse("the cores of the program wait for each other for ever: it is damaged");
  }

  /// The queues of a segment: which instruction each takes next, and how many each has completed.
  class queues {
  public:
    constexpr queues(const basic_executor& e, std::size_t first, std::size_t cores) : e_(&e), first_(first), seed_(0) {
      for (std::size_t c = 0; c < cores; ++c) {
        for (const isa::engine engine : {isa::engine::compute, isa::engine::dma}) {
          queue q;
          q.core = c;
          for (std::size_t i = 0; i < e.cores_[first + c].size(); ++i) {
            if (e.cores_[first + c][i].engine == engine) q.steps.push_back(static_cast<std::uint32_t>(i));
          }
          list_.push_back(std::move(q));
        }
      }
    }
    /// Completes one instruction that may run, chosen by the order; false when none may.
    template <class Run> constexpr bool advance(const interleaving& order, Run&& run_step) {
      const std::size_t count = list_.size();
      if (seed_ == 0) seed_ = order.seed * 2654435761U + 1U;
      seed_ = seed_ * 1664525U + 1013904223U;
      for (std::size_t k = 0; k < count; ++k) {
        std::size_t at = k;
        if (order.order == interleaving::kind::dma_first) at = k ^ 1U;
        if (order.order == interleaving::kind::random) at = (k + (seed_ >> 16)) % count;
        queue& q = list_[at];
        if (q.done == q.steps.size() || !ready(q)) continue;
        run_step(q.core, q.steps[q.done]);
        ++q.done;
        return true;
      }
      return false;
    }
    [[nodiscard]] constexpr bool finished() const {
      for (const queue& q : list_) {
        if (q.done != q.steps.size()) return false;
      }
      return true;
    }

  private:
    struct queue {
      std::size_t core = 0;
      vec<std::uint32_t> steps;
      std::size_t done = 0;
    };
    [[nodiscard]] constexpr bool ready(const queue& q) const {
      for (const isa::wait& w : e_->cores_[first_ + q.core][q.steps[q.done]].waits) {
        if (w.count == 0) continue;
        const std::size_t other = std::size_t{w.core} * 2 + static_cast<std::size_t>(w.engine);
        if (other >= list_.size() || list_[other].done < w.count) return false;
      }
      return true;
    }
    const basic_executor* e_;
    std::size_t first_;
    std::uint32_t seed_;
    vec<queue> list_;
  };

  template <class Observe>
  constexpr void run_step(const step& s, std::uint32_t number, const isa::core_stream& stream, std::size_t& trace,
                          memory& m, workspace& w, Observe& observe) {
    kernels[s.kind](*this, s.index, m, w);
    while (trace < stream.trace.size() && stream.trace[trace].index < number) ++trace;
    for (std::size_t t = trace; t < stream.trace.size() && stream.trace[t].index == number; ++t) {
      const isa::trace_point& point = stream.trace[t];
      if (point.in_global) {
        observe(point, network_->tensors[static_cast<std::size_t>(point.tensor)], m);
        continue;
      }
      with_instruction(s, [&](const auto& i) {
        i.writes([&](const auto& result) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(result)>, isa::local_ref>)
            observe(point, result, m);
        });
      });
    }
  }
  template <class Observe>
  constexpr void run_in_program_order(std::size_t core, const isa::core_stream& stream, memory& m, workspace& w,
                                      Observe& observe) {
    std::size_t trace = 0;
    std::uint32_t number = 0;
    for (const step& s : cores_[core]) run_step(s, number++, stream, trace, m, w, observe);
  }
  template <class Observe>
  constexpr void run_interleaved(std::size_t first, const isa::segment& s, memory& m, const interleaving& order,
                                 Observe& observe) {
    queues q(*this, first, s.cores.size());
    while (q.advance(order, [&](std::size_t core, std::size_t number) {
      std::size_t trace = 0;
      run_step(cores_[first + core][number], static_cast<std::uint32_t>(number), s.cores[core], trace,
               memory_of(m, core), workspaces_[core], observe);
    })) {}
  }

  const isa::program* program_;
  const isa::network* network_ = nullptr;
  limits most_;
  std::tuple<vec<Is>...> decoded_;
  vec<vec<step>> cores_;
  vec<std::uint8_t> waits_for_others_; // of each core in cores_: whether it waits for another one
  vec<workspace> workspaces_;
  vec<memory> others_; // the memories of cores 1, 2, ...
};

/// The executor of the standard instruction set.
using executor = basic_executor<unpack<decltype(isa::instructions)>>;

/// The elements of an operand as dense bytes [n, c, h, w] (what a traced tensor's part holds).
constexpr vec<std::uint8_t> collect(memory& m, const isa::local_ref& r) {
  const std::int64_t element = bytes_of(r.type);
  vec<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(std::int64_t{r.n} * r.c * r.h * r.w * element));
  for (std::int64_t n = 0; n < r.n; ++n) {
    for (std::int64_t c = 0; c < r.c; ++c) {
      for (std::int64_t h = 0; h < r.h; ++h) {
        bytes.append({m.plane(r, n, c) + h * r.h_stride, static_cast<std::size_t>(r.w * element)});
      }
    }
  }
  return bytes;
}

} // namespace tmpu::exec

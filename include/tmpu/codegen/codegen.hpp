// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/codegen/emitters.hpp"
#include "tmpu/core/packed.hpp"
#include "tmpu/group/cores.hpp"
#include "tmpu/memory/assign.hpp"
#include "tmpu/timing/timeline.hpp"

namespace tmpu::codegen {

namespace detail {
/// Emits one layer group: its steps in order, each stored slice right after the node that makes it. Its first loads are asked for one by one,
/// since they may belong into the stream of an earlier group.
template <class Emitters> class group_emitter {
public:
  constexpr group_emitter() = default;
  constexpr group_emitter(const graph_body& g, const layer_group& plan, std::span<const std::int32_t> readers,
                          const chip::facts& chip, stream_builder& out, std::int32_t group)
      : group_emitter(g, plan, readers, chip, out, group, {0, group::slices_of(plan).steps()}) {}
  /// Of a core that takes these steps.
  constexpr group_emitter(const graph_body& g, const layer_group& plan, std::span<const std::int32_t> readers,
                          const chip::facts& chip, stream_builder& out, std::int32_t group, const group::part& steps)
      : g_(&g), plan_(&plan), chip_(&chip), out_(&out), group_(group), tiling_(g, plan.first, plan.count, readers),
        slices_(group::slices_of(plan)), steps_(steps), boxes_(tiling_.infer(slices_, steps.first, chip.lanes)),
        content_(tiling_.buffers().size()), current_(tiling_.buffers().size()) {}

  [[nodiscard]] constexpr std::size_t buffer_count() const { return boxes_.size(); }
  /// The first step loads this buffer.
  [[nodiscard]] constexpr bool loads_first(std::size_t b) const {
    return tiling_.buffers()[b].role == local_buffer::role_kind::load && !boxes_[b].empty();
  }
  constexpr void load_first(std::size_t b) { load(boxes_, b); }

  /// `before(id)` is called before node `id` runs for the last time.
  template <class Before> constexpr void run(Before&& before) {
    for (std::int64_t step = steps_.first; step < steps_.last; ++step) {
      group::tiling::boxes next;
      const bool last = step + 1 == steps_.last;
      for (std::size_t b = 0; b < current_.size(); ++b) current_[b] = content_[b].current;
      if (!last) {
        next = tiling_.infer(slices_, step + 1, chip_->lanes);
        if (plan_->ahead > 0) load_all(next);
      }
      for (std::int32_t i = 0; i < plan_->count; ++i) {
        if (last) before(plan_->first + i);
        compute(i, step);
      }
      if (!last && plan_->ahead == 0) load_all(next);
      boxes_ = std::move(next);
    }
  }

  /// By itself, with its first loads in its own stream.
  constexpr void run_alone() {
    const auto due = [&](node_id id) {
      for (std::size_t b = 0; b < buffer_count(); ++b) {
        if (loads_first(b) && plan_->buffers[b].issue <= id) load_first(b);
      }
    };
    due(plan_->first);
    run(due);
  }

private:
  struct content {
    tpu::box held[2] = {};
    bool valid = false;
    std::int32_t current = 0;
  };

  constexpr void load_all(const group::tiling::boxes& boxes) {
    for (std::size_t b = 0; b < boxes.size(); ++b) load(boxes, b);
  }
  // Unless it is there.
  constexpr void load(const group::tiling::boxes& boxes, std::size_t b) {
    const group::tiling::buffer& x = tiling_.buffers()[b];
    if (x.role != local_buffer::role_kind::load || boxes[b].empty()) return;
    content& c = content_[b];
    if (c.valid && c.held[c.current] == boxes[b]) return;
    if (c.valid) c.current = (c.current + 1) % plan_->buffers[b].copies;
    c.valid = true;
    c.held[c.current] = boxes[b];
    out_->owner(plan_->first + x.first_use, group_);
    out_->emit(isa::dma_load{.src = part_of_tensor(*g_, x.tensor, x.dims, boxes[b]),
                             .dst = isa::as_bytes(part_of_buffer(*chip_, x.layout, x.type, x.dims.w, boxes[b], boxes[b],
                                                                 address(b, c.current)))});
  }

  constexpr void compute(std::int32_t i, std::int64_t step) {
    const std::size_t y = tiling_.result_buffer(i);
    if (boxes_[y].empty()) return;
    const node_id id = plan_->first + i;
    const std::int64_t k = step % slices_.k;
    emit_context c{.g = *g_,
                   .chip = *chip_,
                   .id = id,
                   .tile = tiling_.tile_of(i, boxes_[y], slices_, step),
                   .part = {.resume = k > 0, .finish = k == slices_.k - 1},
                   .operands = {},
                   .operand_boxes = {},
                   .scratch = {},
                   .result = part(y, boxes_[y], step),
                   .out = *out_};
    out_->owner(id, group_);
    for (std::size_t o = 0; o < g_->operands(id).size(); ++o) {
      const tpu::box wanted = tiling_.need(i, o, c.tile);
      c.operand_boxes.push_back(wanted);
      c.operands.push_back(part(tiling_.operand_buffer(i, o), wanted, step));
    }
    std::int32_t index = 0;
    for (const tpu::scratch_facts& f : tiling_.scratch_of(i, c.tile, slices_.k > 1)) {
      c.scratch.push_back(isa::make_local(*chip_, f.layout, f.type, f.dims.n, f.dims.c, f.dims.h, f.dims.w,
                                          scratch_address(id, index++)));
    }
    if (c.scratch.empty()) c.scratch.push_back(isa::local_ref{});
    dispatch<Emitters>(c);
    const group::tiling::buffer& x = tiling_.buffers()[y];
    if (!x.stored || !c.part.finish) return;
    const tpu::box slice = group::stored_slice(x.dims, slices_, step, chip_->lanes);
    if (slice.empty()) return;
    out_->emit(isa::dma_store{.src = part(y, slice, step), .dst = part_of_tensor(*g_, x.tensor, x.dims, slice)});
  }

  [[nodiscard]] constexpr isa::local_ref part(std::size_t b, const tpu::box& wanted, std::int64_t step) const {
    const group::tiling::buffer& x = tiling_.buffers()[b];
    const std::int64_t copy =
        x.role == local_buffer::role_kind::load ? current_[b] : (step / slices_.k) % plan_->buffers[b].copies;
    return part_of_buffer(*chip_, x.layout, x.type, x.dims.w, boxes_[b], wanted, address(b, copy));
  }
  [[nodiscard]] constexpr std::int64_t address(std::size_t b, std::int64_t copy) const {
    return plan_->buffers[b].address + copy * plan_->buffers[b].bytes;
  }
  [[nodiscard]] constexpr std::int64_t scratch_address(node_id id, std::int32_t index) const {
    for (const local_buffer& b : plan_->buffers) {
      if (b.role == local_buffer::role_kind::scratch && b.node == id && b.index == index) return b.address;
    }
    return 0;
  }

  const graph_body* g_ = nullptr;
  const layer_group* plan_ = nullptr;
  const chip::facts* chip_ = nullptr;
  stream_builder* out_ = nullptr;
  std::int32_t group_ = 0; // its number
  group::tiling tiling_;
  group::slices slices_;
  group::part steps_;          // that are emitted
  group::tiling::boxes boxes_; // of the step at hand
  vec<content> content_;       // what the copies of each loaded buffer hold
  vec<std::int32_t> current_;  // the copy of each loaded buffer that the step at hand uses
};

constexpr isa::io_tensor io_of(const graph_body& g, tensor_id t) {
  const tensor& x = g.at(t);
  return {.name = text(g.name(t)),
          .type = x.type,
          .dims = ints(x.dims.span()),
          .scale = x.quant.scale,
          .zero_point = x.quant.zero_point,
          .address = address_of(g, t),
          .edge = x.edge};
}

/// A Top operator that stayed: the host runs it between two streams. What nobody reads has no place and is absent.
constexpr isa::host_step host_step_of(const graph_body& g, node_id id) {
  isa::host_step step{.node = text(g.node_name(id)),
                      .op = text(g.node_at(id).op->info.name),
                      .words = vec<std::uint32_t>(g.words(g.node_at(id))),
                      .operands = {},
                      .results = {}};
  const auto put = [&](vec<isa::host_tensor>& list, tensor_id t) {
    list.push_back({});
    if (t == none || g.at(t).address == none) return;
    list.back() = {.type = g.at(t).type, .dims = ints(g.at(t).dims.span()), .address = address_of(g, t)};
  };
  for (const tensor_id t : g.operands(id)) put(step.operands, t);
  for (const tensor_id t : g.results(id)) put(step.results, t);
  return step;
}

/// The tensors that the traces of the streams name, which then name them by their place in this list.
constexpr vec<isa::traced_tensor> number_traced(const graph_body& g, isa::network& network) {
  vec<isa::traced_tensor> list;
  vec<std::int32_t> place(g.tensors.size(), none);
  const auto number = [&](isa::trace_point& point) {
    std::int32_t& at = place[static_cast<std::size_t>(point.tensor)];
    if (at == none) {
      const tensor& t = g.at(point.tensor);
      at = static_cast<std::int32_t>(list.size());
      list.push_back({.name = text(g.name(point.tensor)),
                      .type = t.type,
                      .dims = ints(t.dims.span()),
                      .scale = t.quant.scale,
                      .zero_point = t.quant.zero_point,
                      .address = point.in_global ? address_of(g, point.tensor) : 0});
    }
    point.tensor = at;
  };
  for (isa::segment& s : network.segments) {
    for (isa::core_stream& c : s.cores) {
      for (isa::trace_point& point : c.trace) number(point);
    }
  }
  return list;
}

constexpr vec<std::uint8_t> pack_weights(const graph_body& g) {
  vec<std::uint8_t> bytes(static_cast<std::size_t>(g.weight_bytes));
  for (std::size_t i = 0; i < g.tensors.size(); ++i) {
    const auto t = static_cast<tensor_id>(i);
    if (!g.is_constant(t) || g.at(t).address == none) continue;
    const dtype_id type = g.at(t).type;
    const vec<std::uint8_t> packed = is_packed(type) ? pack_elements(type, g.bytes(t)) : vec<std::uint8_t>();
    const std::span<const std::uint8_t> own = is_packed(type) ? packed.span() : g.bytes(t);
    copy_elements(own.data(), own.size(), bytes.data() + g.at(t).address);
  }
  return bytes;
}
} // namespace detail

/// Code generation: layer groups, slices and addresses become the instruction stream, with weights, inputs and outputs. `structure_only`
/// leaves the bytes of the weights out: such a program cannot run, but has sizes and cycles. A group that several cores share is a segment of
/// its own, with a stream for each core; neighbours that one core does alone are one stream.
template <class Emitters> struct codegen_pass {
  static constexpr std::string_view name = "codegen";
  static constexpr stage from = stage::addressed;

  static constexpr isa::program run(const graph<stage::addressed>& g, const chip::facts& chip,
                                    std::string_view network_name, std::string_view quantize,
                                    bool structure_only = false, std::int32_t cores = 1) {
    const vec<std::int32_t> readers = group::last_readers(g);
    stream_builder out(chip.lanes);
    isa::network network{};
    network.name = text(network_name);
    using group_emitter = detail::group_emitter<Emitters>;
    vec<group_emitter> tiled;
    struct first_load {
      node_id issue;
      std::size_t group;
      std::size_t buffer;
    };
    vec<first_load> loads; // in the order of the stream: by node, then by group
    std::int32_t number = 0;
    for (const layer_group& lg : g.groups) {
      const std::int32_t number_of_group = number++;
      if (cores > 1 || !tpu::is_tiled(g, lg.first)) continue;
      tiled.push_back(group_emitter(g, lg, readers, chip, out, number_of_group));
      for (std::size_t b = 0; b < tiled.back().buffer_count(); ++b) {
        if (!tiled.back().loads_first(b)) continue;
        std::size_t place = loads.size();
        while (place > 0 && loads[place - 1].issue > lg.buffers[b].issue) --place;
        loads.insert(place, {lg.buffers[b].issue, tiled.size() - 1, b});
      }
    }
    std::size_t loaded = 0;
    std::size_t at = 0;
    number = 0;
    for (const layer_group& lg : g.groups) {
      const std::int32_t number_of_group = number++;
      if (tpu::is_host(g, lg.first)) {
        close_stream(network, out, chip);
        for (node_id id = lg.first; id < lg.first + lg.count; ++id) {
          isa::segment host{};
          host.kind = isa::segment_kind::host;
          host.step = detail::host_step_of(g, id);
          network.segments.push_back(std::move(host));
        }
        continue;
      }
      if (tpu::is_tiled(g, lg.first)) {
        if (cores > 1) {
          share(g, lg, readers, chip, cores, number_of_group, network, out);
        } else {
          const auto issue_one = [&] {
            tiled[loads[loaded].group].load_first(loads[loaded].buffer);
            ++loaded;
          };
          const auto comes_first = [&](const first_load& x) {
            return x.issue < lg.first || (x.issue == lg.first && x.group == at);
          };
          while (loaded < loads.size() && comes_first(loads[loaded])) issue_one(); // before the first of several steps
          tiled[at].run([&](node_id id) {
            while (loaded < loads.size() && loads[loaded].issue <= id) issue_one();
          });
          ++at;
        }
      } else {
        out.owner(lg.first, number_of_group);
        transfer_context c{.g = g, .chip = chip, .id = lg.first, .out = out, .local_peak = 0};
        dispatch<Emitters>(c);
        out.trace_in_global(g.result(lg.first));
        if (c.local_peak > network.local_bytes_peak) network.local_bytes_peak = c.local_peak;
      }
      for (const local_buffer& b : lg.buffers) {
        const std::int64_t top = b.address + b.bytes * b.copies;
        if (top > network.local_bytes_peak) network.local_bytes_peak = top;
      }
    }
    for (std::size_t n = 0; n < g.nodes.size(); ++n) {
      const auto id = static_cast<node_id>(n);
      const std::int64_t macs = tpu::is_host(g, id) ? 0 : tpu::record(g, id).macs(g, id);
      network.macs += macs;
      network.layers.push_back({.name = text(g.node_name(id)), .op = text(g.node_at(id).op->info.name), .macs = macs});
    }
    for (const tensor_id t : g.inputs) network.inputs.push_back(detail::io_of(g, t));
    for (const tensor_id t : g.outputs) network.outputs.push_back(detail::io_of(g, t));
    network.activation_bytes = g.activation_bytes;
    network.activation_bound = g.activation_bound;
    if (network.segments.empty() || out.count() > 0) close_stream(network, out, chip, true);
    network.tensors = detail::number_traced(g, network);
    isa::program p{};
    p.info.producer = text("tmpu");
    p.info.target = {.chip = text(chip.name),
                     .lanes = chip.lanes,
                     .eu_bytes = chip.eu_bytes,
                     .local_bytes = chip.local_bytes,
                     .banks = chip.banks,
                     .cores = chip.cores};
    p.info.quantize = text(quantize);
    p.info.networks.push_back(std::move(network));
    if (!structure_only) p.weights = detail::pack_weights(g);
    return p;
  }

private:
  /// A group for several cores. What one core takes alone goes on in its stream; loads stay within the group.
  static constexpr void share(const graph_body& g, const layer_group& lg, std::span<const std::int32_t> readers,
                              const chip::facts& chip, std::int32_t cores, std::int32_t number, isa::network& network,
                              stream_builder& out) {
    using group_emitter = detail::group_emitter<Emitters>;
    const group::slices s = group::slices_of(lg);
    const std::int64_t sharing = group::cores_of(s, cores);
    if (sharing == 1) {
      group_emitter(g, lg, readers, chip, out, number).run_alone();
      return;
    }
    close_stream(network, out, chip);
    vec<isa::core_stream> streams;
    for (std::int64_t core = 0; core < sharing; ++core) {
      stream_builder own(chip.lanes, static_cast<std::uint8_t>(core));
      group_emitter(g, lg, readers, chip, own, number, group::steps_of_core(s, cores, core)).run_alone();
      streams.push_back(own.take());
    }
    add_segment(network, std::move(streams), chip);
  }
  /// What was emitted so far becomes a segment; nothing becomes one only where it must.
  static constexpr void close_stream(isa::network& network, stream_builder& out, const chip::facts& chip,
                                     bool must = false) {
    if (!must && out.count() == 0) return;
    vec<isa::core_stream> streams;
    streams.push_back(out.take());
    add_segment(network, std::move(streams), chip);
    out = stream_builder(chip.lanes);
  }
  static constexpr void add_segment(isa::network& network, vec<isa::core_stream> streams, const chip::facts& chip) {
    isa::segment segment{};
    segment.cores = std::move(streams);
    const timing::segment_time time = timing::simulate(segment, chip);
    network.cycles += time.cycles;
    network.dma_bytes += time.dma_bytes;
    network.segments.push_back(std::move(segment));
  }
};

} // namespace tmpu::codegen

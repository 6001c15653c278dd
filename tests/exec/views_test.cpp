// SPDX-License-Identifier: Apache-2.0
// Random networks of slices, concats, reshapes and sums: what lies inside of something else in global memory is there when it is read. A
// program from wrong addresses is either refused by the checker of memory assignment, or its bits are right all the same.
#include "group/lowered_models.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace tmpu;

class network {
public:
  explicit network(std::uint32_t seed) : random(seed) {
    const std::int64_t batch = random(4) == 0 ? 2 : 1;
    pool_.push_back(b.input({batch, 4 + 4 * random(3), 6, 8}));
    const auto nodes = static_cast<std::size_t>(8 + random(14));
    while (b.g.nodes.size() < nodes) grow();
    if (random(2) == 0) conv(pool_.back());
    for (std::size_t n = 0; n < b.g.nodes.size(); ++n) { // nothing is made in vain
      bool read = false;
      for (std::size_t reader = n; reader < b.g.nodes.size() && !read; ++reader) {
        for (const tensor_id t : b.g.operands(static_cast<node_id>(reader)))
          read = read || t == b.g.result(static_cast<node_id>(n));
      }
      if (!read) b.output(b.g.result(static_cast<node_id>(n)));
    }
  }
  lowered_models::builder b;

private:
  const shape& dims(tensor_id t) const { return b.g.at(t).dims; }
  /// One of the last few tensors.
  tensor_id any() {
    const auto most = static_cast<std::uint32_t>(pool_.size() < 4 ? pool_.size() : 4);
    return pool_[pool_.size() - 1 - static_cast<std::size_t>(random(most))];
  }
  tensor_id conv(tensor_id x) { return b.conv(x, 4 + 4 * random(4), random(2) == 0 ? 1 : 3, 1); }

  void grow() {
    const tensor_id x = any();
    const shape d = dims(x); // a copy: tensors are added below
    switch (random(7)) {
    case 0: // channels, or rows: together only where there is one sample, respectively one channel
    case 1: {
      const std::size_t axis = random(4) == 0 ? 2 : 1;
      ints starts{0, 0, 0, 0};
      ints ends{d[0], d[1], d[2], d[3]};
      starts[axis] = random(static_cast<std::uint32_t>(d[axis]));
      ends[axis] = starts[axis] + 1 + random(static_cast<std::uint32_t>(d[axis] - starts[axis]));
      if (axis == 2) { // as high as the others again
        pool_.push_back(b.add<tpu::concat>({.axis = 2}, {x, b.add<tpu::slice>({starts, ends, {1, 1, 1, 1}}, {x})}));
        ends = {d[0], d[1], d[2], d[3]};
        pool_.back() = b.add<tpu::slice>({{0, 0, 0, 0}, ends, {1, 1, 1, 1}}, {pool_.back()});
      } else {
        pool_.push_back(b.add<tpu::slice>({starts, ends, {1, 1, 1, 1}}, {x}));
      }
      break;
    }
    case 2:
    case 3: pool_.push_back(b.add<tpu::concat>({.axis = 1}, {x, any(), conv(any())})); break;
    case 4: pool_.push_back(b.sum(x, conv_like(x))); break;
    case 5: pool_.push_back(b.reshape(b.reshape(x, {d[0], d[1], d[2] * d[3]}), {d[0], d[1], d[2], d[3]})); break;
    default: pool_.push_back(conv(x));
    }
  }
  tensor_id conv_like(tensor_id x) { return b.conv(x, dims(x)[1], 3, 1); }

  lowered_models::random_numbers random;
  std::vector<tensor_id> pool_;
};

struct outcome {
  bool right = true;
  bool hazards = false;
};
outcome run(const graph<stage::addressed>& g, const chip::facts& chip, const vec<value>& wanted,
            std::span<const std::uint8_t> input) {
  const isa::program p = codegen::codegen_pass<standard::emitters>::run(g, chip, "random", "f32");
  exec::executor e(p);
  exec::memory m = e.make_memory();
  const std::span<const std::uint8_t> bytes[] = {input};
  const auto out = e.run(m, bytes);
  outcome o{.right = out.size() == g.outputs.size(), .hazards = !exec::check(e).empty()};
  for (std::size_t i = 0; i < out.size() && o.right; ++i)
    o.right = out[i] == to_bytes(wanted[static_cast<std::size_t>(g.outputs[i])]);
  return o;
}

} // namespace

TEST_CASE("networks of slices and concats run on views of global memory, bit-equal and without hazards; of wrong "
          "addresses the checker lets none through that changes a bit") {
  const std::vector<chip::facts> chips = {chip::nano::info, lowered_models::with_local_bytes(chip::nano::info, 2048),
                                          lowered_models::with_local_bytes(chip::bm1684x::info, 8192),
                                          chip::bm1684x::info};
  std::size_t still = 0;
  std::size_t refused = 0;
  std::size_t wrong = 0;
  std::size_t fine = 0;
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    network n(seed);
    const graph<stage::lowered> g(std::move(n.b.g));
    const tensor& in = g.at(g.inputs[0]);
    const vec<value> inputs = {lowered_models::some_input(in)};
    const vec<std::uint8_t> input = to_bytes(inputs[0]);
    const vec<value> wanted = evaluate(g, inputs.span());
    const chip::facts& chip = chips[seed % chips.size()];
    CAPTURE(seed);
    CAPTURE(chip.name);
    group::misfit misfit;
    auto grouped =
        group::layer_group_pass::run(g, chip, seed % 5 == 0 ? group::effort::none : group::effort::full, &misfit);
    REQUIRE_FALSE(misfit.found());
    const memory::views inside(grouped);
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      const auto id = static_cast<node_id>(i);
      still += !is<tpu::reshape>(g, id) && !tpu::is_tiled(g, id) && inside.moves_nothing(id);
    }
    const auto addressed = memory::memory_pass::run(std::move(grouped), chip);
    const outcome good = run(addressed, chip, wanted, input.span());
    CHECK(good.right);
    CHECK_FALSE(good.hazards);
    // Tensors one by one to other places, most of them views.
    lowered_models::random_numbers random(seed);
    for (std::size_t t = 0; t < addressed.tensors.size(); ++t) {
      const auto id = static_cast<tensor_id>(t);
      const node_id producer = addressed.at(id).producer;
      if (addressed.is_constant(id) || addressed.at(id).address == none || producer == none) continue;
      if (is<tpu::reshape>(addressed, producer)) continue; // has no place of its own
      graph<stage::addressed> moved = addressed;
      const std::int64_t bytes = addressed.at(id).dims.elements() * 4;
      const std::int64_t places = (addressed.activation_bytes - bytes) / 64 + 1;
      moved.at(id).address = random(static_cast<std::uint32_t>(places)) * 64;
      const bool passed = memory::check(moved).empty();
      if (!passed) {
        ++refused;
        if (refused % 4 == 0) wrong += !run(moved, chip, wanted, input.span()).right;
        continue;
      }
      CAPTURE(moved.name(id));
      CHECK(run(moved, chip, wanted, input.span()).right);
      ++fine;
    }
  }
  MESSAGE(still << " slices and concats move nothing; of wrong addresses " << fine << " are fine, " << refused
                << " refused, of which a quarter was run and " << wrong << " gave other bits");
  CHECK(still > 60);
  CHECK(refused > 100);
  CHECK(wrong > 10);
  CHECK(fine > 10);
}

// SPDX-License-Identifier: Apache-2.0
// Whole networks, cut as the memory of the chip asks for, against the untiled inference of their Tpu operators: bit for bit, without
// hazards. The networks are random; the chips differ in lanes and have so little local memory that most groups are cut.
#include "group/lowered_models.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"
#include "tmpu/ir/builder.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace tmpu;

class network {
public:
  network(std::uint32_t seed, bool integers) : random(seed), integers_(integers) {
    const std::int64_t channels = 4 + 4 * random(8);
    tensor_id at = input({1 + random(2), channels, 6 + random(12), 5 + random(14)});
    const auto nodes = static_cast<std::size_t>(4 + random(6));
    while (b.g.nodes.size() < nodes) at = grow(at);
    b.output(at);
  }
  lowered_models::builder b;

private:
  const shape& dims(tensor_id t) const { return b.g.at(t).dims; }

  tensor_id grow(tensor_id x) {
    switch (random(8)) {
    case 0: return dims(x)[2] > 3 && dims(x)[3] > 3 ? b.max_pool(x) : x;
    case 1: return sum(conv(x, dims(x)[1], 1, 1), conv(x, dims(x)[1], 3, 1));
    case 2: return b.add<tpu::join>({}, {conv(x, 4 + 4 * random(6), 3, 1), x, conv(x, 8, 1, 1)});
    case 3: return dims(x)[2] * dims(x)[3] < 300 ? b.add<tpu::upsample>({{1 + random(3), 1 + random(3)}}, {x}) : x;
    case 4: return conv(x, dims(x)[1], 3, 1 + random(2), dims(x)[1]);
    case 5: return b.reshape(x, {dims(x)[0], dims(x)[1], dims(x)[3], dims(x)[2]});
    default: return conv(x, 4 + 4 * random(8), 1 + 2 * random(3), 1 + random(2));
    }
  }

  tensor_id input(const shape& d) {
    const tensor_id t = b.input(d);
    if (integers_) b.g.at(t).type = dtype_id::i8;
    return t;
  }
  tensor_id conv(tensor_id x, std::int64_t channels, std::int64_t kernel, std::int64_t stride, std::int64_t group = 1) {
    if (!integers_) return b.conv(x, channels, kernel, stride, group);
    const std::int64_t pad = kernel / 2;
    value w(dtype_id::i8, {channels, dims(x)[1] / group, kernel, kernel});
    for (std::size_t i = 0; i < w.i.size(); ++i) w.i[i] = random(255) - 127;
    value params(dtype_id::i32, {channels, 3});
    for (std::int64_t c = 0; c < channels; ++c) {
      params.i[static_cast<std::size_t>(3 * c)] = random(2000) - 1000;
      params.i[static_cast<std::size_t>(3 * c + 1)] = (1 << 30) + random(1 << 20);
      params.i[static_cast<std::size_t>(3 * c + 2)] = 40 + random(3);
    }
    return b.add<tpu::conv>({.kernel_shape = {kernel, kernel},
                             .strides = {stride, stride},
                             .dilations = {1, 1},
                             .pads = {pad, pad, pad, pad},
                             .group = group,
                             .clamp = {-100.0F, 120.0F}},
                            {x, b.g.add_constant(text("c") << b.g.tensors.size(), w),
                             b.g.add_constant(text("c") << b.g.tensors.size(), params)});
  }
  tensor_id sum(tensor_id x, tensor_id y) {
    if (!(dims(x) == dims(y))) return x;
    if (!integers_) return b.sum(x, y);
    return b.add<tpu::binary>(
        {.kind = 0, .a_multiplier = 77, .b_multiplier = 99, .shift = 7, .clamp = {-128.0F, 127.0F}}, {x, y});
  }

  lowered_models::random_numbers random;
  bool integers_;
};

} // namespace

TEST_CASE(
    "random networks in slices are bit-equal to their untiled inference, on all kinds of chips, without hazards") {
  const std::vector<chip::facts> chips = {chip::nano::info, lowered_models::with_local_bytes(chip::nano::info, 4096),
                                          lowered_models::with_local_bytes(chip::cv184x::info, 8192),
                                          lowered_models::with_local_bytes(chip::bm1684x::info, 8192),
                                          lowered_models::with_local_bytes(chip::bm1688::info, 4096)};
  int cut = 0;
  int ran = 0;
  int refused = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    for (const bool integers : {false, true}) {
      network n(seed, integers);
      const graph<stage::lowered> g(std::move(n.b.g));
      const tensor& in = g.at(g.inputs[0]);
      const vec<value> inputs = {lowered_models::some_input(in)};
      const vec<std::uint8_t> input = to_bytes(inputs[0]);
      const vec<value> wanted = evaluate(g, inputs.span());
      for (const group::effort how : {group::effort::none, group::effort::greedy, group::effort::full}) {
        const chip::facts& chip = chips[(seed + static_cast<std::uint32_t>(how)) % chips.size()];
        CAPTURE(seed);
        CAPTURE(chip.name);
        CAPTURE(static_cast<int>(how));
        group::misfit misfit;
        auto grouped = group::layer_group_pass::run(g, chip, how, &misfit);
        if (misfit.found()) {
          ++refused;
          continue;
        }
        for (const layer_group& lg : grouped.groups) cut += lg.n_slices * lg.c_slices * lg.h_slices * lg.k_slices > 1;
        const isa::program p = codegen::codegen_pass<standard::emitters>::run(
            memory::memory_pass::run(std::move(grouped), chip), chip, "random", "random");
        exec::executor e(p);
        CHECK(exec::check(e).empty());
        exec::memory m = e.make_memory();
        const std::span<const std::uint8_t> bytes[] = {input.span()};
        const auto out = e.run(m, bytes);
        REQUIRE(out.size() == 1);
        CHECK(out[0] == to_bytes(wanted[static_cast<std::size_t>(g.outputs[0])]));
        ++ran;
      }
    }
  }
  MESSAGE(ran << " programs, " << cut << " groups in slices, " << refused << " too large");
  CHECK(ran > 200);
  CHECK(cut > ran);
}

namespace {
/// On nano in f32, bit for bit against the inference of its Tpu operators; `in`: the only input.
void check_on_nano(model_builder& m, const value& in) {
  vec<value> wanted;
  tensor_id out = none;
  const isa::program p = compile<f32>(m.take(), {.chip = chip::nano::info}, [&]<class Stage>(const Stage& g) {
    if constexpr (!std::is_same_v<Stage, isa::program>) {
      if (Stage::at_stage != stage::lowered) return;
      wanted = evaluate(g, std::span<const value>(&in, 1));
      out = g.outputs[0];
    }
  });
  exec::executor e(p);
  CHECK(exec::check(e).empty());
  exec::memory memory = e.make_memory();
  const vec<std::uint8_t> input = to_bytes(in);
  const std::span<const std::uint8_t> bytes[] = {input};
  const auto result = e.run(memory, bytes);
  REQUIRE(result.size() == 1);
  CHECK(result[0] == to_bytes(wanted[static_cast<std::size_t>(out)]));
}
value waves(const shape& d) {
  value v(dtype_id::f32, d);
  for (std::size_t i = 0; i < v.f.size(); ++i)
    v.f[i] = static_cast<float>(static_cast<int>(i * 37 % 201) - 100) / 64.0F;
  return v;
}
} // namespace

TEST_CASE("elementwise operators cut rows that exceed local memory, in any shape, broadcast or not") {
  for (const shape& row : {shape{1, 1, 1, 1000}, shape{2, 3, 5, 1}}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 3, 5, 1000});
    const auto both = m.add<top::add>("both", {}, {x, m.add<top::sigmoid>("s", {}, {x})});
    m.output(m.add<top::mul>("y", {}, {both, m.constant("row", waves(row))}));
    check_on_nano(m, waves({2, 3, 5, 1000}));
  }
}

TEST_CASE("softmax of rows that exceed local memory") {
  for (const std::int64_t axis : {1, 2}) {
    model_builder m;
    m.output(m.add<top::softmax>("y", {.axis = axis}, {m.input("x", dtype_id::f32, {2, 1500, 3})}));
    check_on_nano(m, waves({2, 1500, 3}));
  }
}

TEST_CASE("rows that exceed local memory are cut where they are all there is") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 1, 9001});
  const auto pooled = m.add<top::max_pool>("pooled", {.kernel_shape = {1, 3}, .pads = {0, 1, 0, 0}, .strides = {1, 2}},
                                           {m.add<top::sigmoid>("s", {}, {x})});
  value weight(dtype_id::f32, {3, 2, 1, 5});
  for (std::size_t i = 0; i < weight.f.size(); ++i) weight.f[i] = static_cast<float>(i % 7) / 8.0F - 0.25F;
  const auto y =
      m.add<top::conv>("y", {.kernel_shape = {1, 5}, .pads = {0, 2, 0, 1}}, {pooled, m.constant("w", weight)});
  m.output(m.add<top::add>("sum", {}, {y, y}));
  check_on_nano(m, waves({1, 2, 1, 9001}));
}

// SPDX-License-Identifier: Apache-2.0
#include "tmpu/group/group.hpp"

#include "lowered_models.hpp"
#include "tmpu/group/cores.hpp"
#include "tmpu/ir/verify.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace tmpu;

namespace {

// Each element of a stored tensor belongs to exactly one step's slice.
void check_slices_partition(const tpu::view4& v, const group::slices& s, std::int64_t lanes) {
  vec<int> seen(static_cast<std::size_t>(v.n * v.c * v.h));
  for (std::int64_t step = 0; step < s.steps(); ++step) {
    if (step % s.k != 0) continue;
    const tpu::box b = group::stored_slice(v, s, step, lanes);
    for (std::int64_t n = b.n0; n < b.n1; ++n) {
      for (std::int64_t c = b.c0; c < b.c1; ++c) {
        for (std::int64_t h = b.h0; h < b.h1; ++h) ++seen[static_cast<std::size_t>((n * v.c + c) * v.h + h)];
      }
    }
  }
  for (const int count : seen) CHECK(count == 1);
}

} // namespace

TEST_CASE("stored slices partition the tensor") {
  for (const tpu::view4 v : {tpu::view4{1, 24, 16, 4}, tpu::view4{3, 10, 7, 1}, tpu::view4{2, 65, 1, 1}}) {
    for (const group::slices s :
         {group::slices{1, 1, 1, 1}, group::slices{1, 2, 5, 1}, group::slices{2, 3, 4, 2}, group::slices{3, 1, 7, 1}}) {
      if (s.n > v.n) continue;
      check_slices_partition(v, s, 8);
      group::slices inside = s;
      inside.c_inside = true;
      check_slices_partition(v, inside, 8);
    }
  }
}

TEST_CASE("steps and places are each other's inverse, in either order") {
  for (const bool c_inside : {false, true}) {
    const group::slices s{2, 3, 4, 2, c_inside};
    for (std::int64_t step = 0; step < s.steps(); ++step) CHECK(s.step_at(s.places_of(step)) == step);
    CHECK(s.places_of(2).h == (c_inside ? 0 : 1)); // the step behind both parts of the first sum
    CHECK(s.places_of(2).c == (c_inside ? 1 : 0));
  }
}

TEST_CASE("a product whose weights and rows both exceed local memory loads one of them once") {
  lowered_models::builder b;
  const tensor_id x = b.input({48, 96});
  b.output(b.dense(x, 640)); // in a lane of nano (8 KiB): 18 KiB of rows, 30 KiB of weights
  for (const group::effort how : {group::effort::none, group::effort::full}) {
    const auto g = group::layer_group_pass::run(b.g, chip::nano::info, how);
    REQUIRE(g.groups.size() == 1);
    const group::slices s = group::slices_of(g.groups[0]);
    CHECK(s.n > 1);
    CHECK(s.n < 48);
    CHECK(s.c > 1);
    const vec<std::int32_t> readers = group::last_readers(g);
    const group::tiling t(g, 0, 1, readers);
    std::int64_t loaded[2] = {};
    tpu::box held[2] = {};
    for (std::int64_t step = 0; step < s.steps(); ++step) {
      const group::tiling::boxes boxes = t.infer(s, step, chip::nano::info.lanes);
      for (const std::size_t o : {std::size_t{0}, std::size_t{1}}) {
        const std::size_t at = t.operand_buffer(0, o);
        if (step > 0 && held[o] == boxes[at]) continue;
        held[o] = boxes[at];
        loaded[o] += boxes[at].n() * boxes[at].c() * boxes[at].h() * t.buffers()[at].dims.w;
      }
    }
    CHECK(loaded[1] == 640 * 96); // the weights
    CHECK(loaded[0] == s.c * 48 * 96);
  }
}

TEST_CASE("backward inference: rows with halo, united over two branches") {
  lowered_models::builder b;
  const tensor_id x = b.input({1, 8, 16, 4});
  const tensor_id wide = b.conv(x, 8, 5, 1);   // two rows of halo on each side
  const tensor_id narrow = b.conv(x, 8, 3, 1); // one
  b.output(b.sum(wide, narrow));
  const group::tiling t(b.g, 0, 3, group::last_readers(b.g));
  REQUIRE(t.legal());
  const group::tiling::boxes held = t.infer({1, 1, 4, 1}, 1, 8); // rows 4..7 of the sum
  const auto held_of = [&](tensor_id id) {
    for (std::size_t i = 0; i < t.buffers().size(); ++i) {
      if (t.buffers()[i].tensor == id) return held[i];
    }
    return tpu::box{};
  };
  CHECK(held_of(wide) == tpu::box{0, 1, 0, 8, 4, 8});
  CHECK(held_of(x) == tpu::box{0, 1, 0, 8, 2, 10});
}

TEST_CASE("groups cover the nodes, fit the chip and keep buffers apart") {
  for (const chip::facts& chip : {chip::nano::info, chip::cv184x::info, chip::bm1684x::info}) {
    CAPTURE(chip.name);
    const auto g = group::layer_group_pass::run(lowered_models::residual(2), chip);
    CHECK(verify(g).view() == "");
    const vec<std::int32_t> readers = group::last_readers(g);
    for (const layer_group& lg : g.groups) {
      for (const local_buffer& b : lg.buffers) {
        CHECK(b.address >= 0);
        CHECK(b.address + b.bytes * b.copies <= chip.local_bytes);
        CHECK(b.address % chip.eu_bytes == 0);
      }
      if (!tpu::record(g, lg.first).tiled) continue;
      const group::tiling t(g, lg.first, lg.count, readers);
      for (std::size_t i = 0; i < t.buffers().size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          const auto& a = t.buffers()[i];
          const auto& b = t.buffers()[j];
          if (a.first_use > b.last_use || b.first_use > a.last_use) continue;
          const local_buffer& pa = lg.buffers[i];
          const local_buffer& pb = lg.buffers[j];
          CHECK((pa.address >= pb.address + pb.bytes * pb.copies || pb.address >= pa.address + pa.bytes * pa.copies));
        }
      }
    }
    if (chip.name == "nano") {
      CHECK(g.groups.size() > 3);
    } else if (chip.name == "bm1684x") {
      CHECK(g.groups.size() == 3); // the convolutions in one, reshape, dense
    }
  }
}

namespace {

std::int64_t cycles_of(const graph_body& g) {
  std::int64_t sum = 0;
  for (const layer_group& lg : g.groups) sum += lg.cycles;
  return sum;
}

/// The least cost of all partitions into runs of nodes.
std::int64_t least_cycles(const graph_body& g, const chip::facts& chip) {
  const auto count = static_cast<std::int32_t>(g.nodes.size());
  std::int64_t least = -1;
  for (std::uint32_t cuts = 0; cuts < 1U << (count - 1); ++cuts) {
    std::int64_t sum = 0;
    std::int32_t first = 0;
    for (std::int32_t i = 0; i < count && sum >= 0; ++i) {
      if (i + 1 < count && (cuts >> i & 1U) == 0) continue;
      const group::plan p = group::layer_group_pass::plan_of(g, first, i + 1 - first, chip);
      sum = p.fits ? sum + p.cycles : -1;
      first = i + 1;
    }
    if (sum >= 0 && (least < 0 || sum < least)) least = sum;
  }
  return least;
}

} // namespace

TEST_CASE("the full search reaches the best of all partitions; no group, greedy and full search are ever better in "
          "this order") {
  lowered_models::random_numbers random(3);
  int equal = 0;
  int merged = 0;
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    const graph<stage::lowered> g = lowered_models::random_chain(random);
    const auto alone = group::layer_group_pass::run(g, chip::nano::info, group::effort::none);
    const auto greedy = group::layer_group_pass::run(g, chip::nano::info, group::effort::greedy);
    const auto full = group::layer_group_pass::run(g, chip::nano::info, group::effort::full);
    CHECK(alone.groups.size() == g.nodes.size());
    CHECK(cycles_of(greedy) <= cycles_of(alone));
    CHECK(cycles_of(full) <= cycles_of(greedy));
    const std::int64_t least = least_cycles(g, chip::nano::info);
    CHECK(cycles_of(full) * 100 <= least * 105);
    if (cycles_of(full) == least) ++equal;
    if (full.groups.size() < alone.groups.size()) ++merged;
  }
  CHECK(equal * 100 >= rounds * 95);
  CHECK(merged > rounds / 2);
}

TEST_CASE("what lies in local memory at one time lies apart, also what is loaded while earlier groups run") {
  lowered_models::random_numbers random(11);
  int early = 0;
  for (int round = 0; round < 100; ++round) {
    const auto g = group::layer_group_pass::run(lowered_models::random_chain(random), chip::nano::info,
                                                round % 2 == 0 ? group::effort::full : group::effort::none);
    const vec<std::int32_t> readers = group::last_readers(g);
    struct space {
      std::int64_t first, last;
      node_id from, until;
    };
    std::vector<space> spaces;
    node_id issued = 0;
    for (const layer_group& lg : g.groups) {
      const group::tiling t(g, lg.first, lg.count, readers);
      const bool steps = lg.n_slices * lg.c_slices * lg.h_slices * lg.k_slices > 1;
      for (std::size_t i = 0; i < lg.buffers.size(); ++i) {
        const local_buffer& b = lg.buffers[i];
        space s{b.address, b.address + b.bytes * b.copies, b.node, b.node + 1};
        if (b.role != local_buffer::role_kind::scratch) {
          s.from = lg.first + t.buffers()[i].first_use;
          s.until = lg.first + t.buffers()[i].last_use + 1;
        }
        if (b.role == local_buffer::role_kind::load) {
          if (steps) s.until = lg.first + lg.count;
          CHECK(b.issue <= (steps ? lg.first : s.from));
          CHECK(b.issue > g.at(b.tensor).producer);
          early += b.issue < lg.first;
          s.from = b.issue;
          if (g.is_constant(b.tensor)) {
            CHECK(b.issue >= issued); // in the order of their use
            issued = b.issue;
          }
        }
        spaces.push_back(s);
      }
    }
    for (std::size_t i = 0; i < spaces.size(); ++i) {
      CHECK(spaces[i].first >= 0);
      CHECK(spaces[i].last <= chip::nano::info.local_bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const space& a = spaces[i];
        const space& b = spaces[j];
        CHECK((a.from >= b.until || b.from >= a.until || a.first >= b.last || b.first >= a.last));
      }
    }
  }
  CHECK(early > 100);
}

TEST_CASE("a node whose smallest tile does not fit is refused with its name and bytes") {
  lowered_models::builder b;
  const tensor_id x = b.input({1, 8, 4, 40000}); // one row of one channel block exceeds a lane of nano
  b.output(b.max_pool(x));
  try {
    group::layer_group_pass::run(std::move(b.g), chip::nano::info);
    FAIL("not refused");
  } catch (const error& e) {
    const std::string_view what = e.what();
    CHECK(what.find("(pool) does not fit nano") != what.npos);
    CHECK(what.find("bytes of local memory a lane") != what.npos);
  }
}

TEST_CASE("what a node makes is read in the layout that it is made in, also where it has fewer slices than the group") {
  lowered_models::builder b;
  const tensor_id rows = b.input({2, 4});
  const tensor_id small = b.input({1, 1});
  const tensor_id others = b.input({4, 3});
  const tpu::unary::attributes twice{.kind = static_cast<std::int64_t>(isa::unary_kind::abs), .alpha = 0, .beta = 0};
  const tensor_id number = b.add<tpu::unary>(twice, {small});
  b.output(b.add<tpu::binary>({.kind = static_cast<std::int64_t>(isa::binary_kind::sub),
                               .a_multiplier = 0,
                               .b_multiplier = 0,
                               .shift = 0,
                               .clamp = {-math::infinity<float>, math::infinity<float>}},
                              {rows, number})); // broadcast from every lane
  b.output(b.add<tpu::unary>(twice, {others}));
  for (const group::effort how : {group::effort::greedy, group::effort::full}) {
    const auto grouped = group::layer_group_pass::run(b.g, chip::nano::info, how);
    const vec<std::int32_t> readers = group::last_readers(grouped);
    for (const layer_group& lg : grouped.groups)
      CHECK(group::tiling(grouped, lg.first, lg.count, readers.span()).legal());
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "tmpu/group/catalog.hpp"

#include "lowered_models.hpp"

#include <doctest/doctest.h>

using namespace tmpu;

TEST_CASE("the last reader of a tensor; outputs are read after the last node") {
  lowered_models::builder b;
  const tensor_id x = b.input({1, 8, 4, 4});
  const tensor_id y = b.conv(x, 8, 3, 1);
  const tensor_id z = b.conv(y, 8, 1, 1);
  const tensor_id s = b.sum(z, y);
  b.output(s);
  b.output(z);
  const vec<std::int32_t> last = group::last_readers(b.g);
  CHECK(last[static_cast<std::size_t>(x)] == 0);
  CHECK(last[static_cast<std::size_t>(y)] == 2);
  CHECK(last[static_cast<std::size_t>(z)] == 3);
  CHECK(last[static_cast<std::size_t>(s)] == 3);
}

TEST_CASE("entries say of a node what its operator says") {
  lowered_models::builder b;
  const tensor_id x = b.input({2, 16, 9, 7});
  const tensor_id dense = b.conv(x, 24, 3, 1);
  const tensor_id depth = b.conv(dense, 24, 3, 1, 24);
  const tensor_id both = b.add<tpu::join>({}, {depth, dense});
  const tensor_id pooled = b.max_pool(both);
  const tensor_id flat = b.reshape(pooled, {2, 48 * 4 * 3});
  b.output(b.dense(flat, 10));
  const group::catalog c(b.g, chip::nano::info);
  CHECK(c.count() == 6);

  CHECK(c.node(0).channels == 16);
  CHECK(c.node(0).taps == 9);
  CHECK(c.node(0).inner == 16);
  CHECK(c.node(1).channels == 0); // each channel by itself: the execution units
  CHECK(c.node(1).passes == 9);
  CHECK(c.node(2).passes == 1);
  CHECK(c.node(3).passes == 4);
  CHECK_FALSE(c.node(4).tiled);
  CHECK(c.node(5).channels == 48 * 4 * 3);
  CHECK(c.node(5).taps == 1);
  for (node_id n = 0; n < c.count(); ++n) {
    const group::catalog::entry& e = c.node(n);
    if (!e.tiled) continue;
    CAPTURE(n);
    CHECK(c.at(e.result).tensor == b.g.result(n));
    REQUIRE(e.count == b.g.operands(n).size());
    for (std::size_t o = 0; o < e.count; ++o) {
      const group::catalog::slot& s = c.at(c.operand_of(e, o).slot);
      const tpu::operand_facts facts = tpu::record(b.g, n).operand(b.g, n, o);
      CHECK(s.tensor == b.g.operand(n, o));
      CHECK(s.layout == facts.layout);
      CHECK(s.dims == facts.dims);
    }
    if (const std::int64_t macs = tpu::record(b.g, n).macs(b.g, n); e.channels > 0)
      CHECK(b.g.at(b.g.result(n)).dims.elements() * e.channels * e.taps == macs);
  }
}

TEST_CASE("one slot for a tensor as long as it is wanted in one way") {
  lowered_models::builder b;
  const tensor_id x = b.input({4, 32});
  const tensor_id twice = b.sum(x, x);    // channels over the lanes
  b.output(b.sum(b.dense(x, 32), twice)); // the product wants x in every lane
  const group::catalog c(b.g, chip::nano::info);
  const group::catalog::entry& sum = c.node(0);
  CHECK(c.operand_of(sum, 0).slot == c.operand_of(sum, 1).slot);
  CHECK(c.operand_of(sum, 0).slot != c.operand_of(c.node(1), 0).slot);
  int slots = 0;
  for (std::int32_t s = c.first_slot(x); s != none; s = c.at(s).next) ++slots;
  CHECK(slots == 2);
  CHECK(c.operand_of(c.node(2), 1).slot == sum.result);
}

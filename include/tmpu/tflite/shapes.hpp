// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tflite/importing.hpp"
#include "tmpu/top/cast.hpp"
#include "tmpu/top/constants.hpp"
#include "tmpu/top/gather.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/pad.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/reshape.hpp"
#include "tmpu/top/resize.hpp"

#include <limits>

/// TensorFlow Lite's operators that move elements, and those of images.
namespace tmpu::tflite {

// --- images ------------------------------------------------------------------------------------------------------------

namespace detail {
inline void add_resize(importing& m, const top::resize::attributes& a) {
  const ints to = m.list(1);
  if (to.size() != 2) m.fail("the size must be [height, width]");
  const tensor_id x = m.channels_first(m.operand(0));
  const shape d = m.dims_of(x);
  m.result(m.channels_last(m.add<top::resize>(a, {x, none, none, m.constant(ints{d[0], d[1], to[0], to[1]})})));
}
} // namespace detail

struct resize_bilinear {
  static constexpr std::int32_t code = code_of("RESIZE_BILINEAR");
  static void add(importing& m) {
    top::resize::attributes a{};
    a.mode = "linear";
    a.coordinate_transformation_mode = m.flag(2) ? "align_corners" : m.flag(3) ? "half_pixel" : "asymmetric";
    detail::add_resize(m, a);
  }
};
struct resize_nearest_neighbor {
  static constexpr std::int32_t code = code_of("RESIZE_NEAREST_NEIGHBOR");
  static void add(importing& m) {
    top::resize::attributes a{};
    a.mode = "nearest";
    a.coordinate_transformation_mode = m.flag(0) ? "align_corners" : m.flag(1) ? "tf_half_pixel_for_nn" : "asymmetric";
    a.nearest_mode = m.flag(0) ? "round_prefer_ceil" : "floor";
    detail::add_resize(m, a);
  }
};
/// Between blocks of channels and places, by option 0.
template <operator_name Name, class Op> struct space_and_depth {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    typename Op::attributes a{};
    a.blocksize = m.integer(0);
    m.result(m.channels_last(m.add<Op>(a, {m.channels_first(m.operand(0))})));
  }
};

namespace detail {
/// Blocks of operand 1 and the rows of pairs of operand 2; x [N, spatial..., rest...].
struct blocks {
  ints sizes;
  ints pairs;
};
inline blocks blocks_of(importing& m) {
  blocks b{m.list(1), m.list(2)};
  if (b.sizes.empty() || b.pairs.size() != 2 * b.sizes.size() || b.sizes.size() >= m.dims(0).rank())
    m.fail("the blocks and their margins do not fit x");
  for (const std::int64_t n : b.sizes) {
    if (n < 1) m.fail("a block must have at least one element");
  }
  return b;
}
} // namespace detail

/// Pads x, and puts the places of each block one behind the other along the batch.
struct space_to_batch_nd {
  static constexpr std::int32_t code = code_of("SPACE_TO_BATCH_ND");
  static void add(importing& m) {
    const detail::blocks b = detail::blocks_of(m);
    const std::size_t n = b.sizes.size();
    const std::size_t rank = m.dims(0).rank();
    ints pads(2 * rank, 0);
    for (std::size_t i = 0; i < n; ++i) {
      pads[1 + i] = b.pairs[2 * i];
      pads[rank + 1 + i] = b.pairs[2 * i + 1];
    }
    const tensor_id x = m.add<top::pad>({}, {m.operand(0), m.constant(pads)});
    const shape d = m.dims_of(x);
    ints apart{d[0]};
    ints perm;
    ints together{d[0]};
    for (std::size_t i = 0; i < n; ++i) {
      if (d[1 + i] % b.sizes[i] != 0) m.fail("the blocks do not divide x");
      apart.push_back(d[1 + i] / b.sizes[i]);
      apart.push_back(b.sizes[i]);
      perm.push_back(static_cast<std::int64_t>(2 + 2 * i));
      together[0] *= b.sizes[i];
      together.push_back(d[1 + i] / b.sizes[i]);
    }
    perm.push_back(0);
    for (std::size_t i = 0; i < n; ++i) perm.push_back(static_cast<std::int64_t>(1 + 2 * i));
    for (std::size_t i = 1 + n; i < rank; ++i) {
      perm.push_back(static_cast<std::int64_t>(apart.size()));
      apart.push_back(d[i]);
      together.push_back(d[i]);
    }
    m.result(m.reshaped(m.transposed(m.reshaped(x, apart), perm), together));
  }
};
/// The other way, and crops the result.
struct batch_to_space_nd {
  static constexpr std::int32_t code = code_of("BATCH_TO_SPACE_ND");
  static void add(importing& m) {
    const detail::blocks b = detail::blocks_of(m);
    const std::size_t n = b.sizes.size();
    const shape d = m.dims(0);
    std::int64_t all = 1;
    for (const std::int64_t s : b.sizes) all *= s;
    if (d[0] % all != 0) m.fail("the blocks do not divide the batch");
    ints apart(b.sizes.span());
    apart.push_back(d[0] / all);
    ints perm{static_cast<std::int64_t>(n)};
    ints together{d[0] / all};
    for (std::size_t i = 1; i < d.rank(); ++i) {
      perm.push_back(static_cast<std::int64_t>(n + i));
      if (i <= n) perm.push_back(static_cast<std::int64_t>(i - 1));
      apart.push_back(d[i]);
      together.push_back(i <= n ? d[i] * b.sizes[i - 1] : d[i]);
    }
    ints starts;
    ints ends;
    ints axes;
    for (std::size_t i = 0; i < n; ++i) {
      starts.push_back(b.pairs[2 * i]);
      ends.push_back(together[1 + i] - b.pairs[2 * i + 1]);
      axes.push_back(static_cast<std::int64_t>(1 + i));
    }
    const tensor_id y = m.reshaped(m.transposed(m.reshaped(m.operand(0), apart), perm), together);
    m.result(m.add<top::slice>({}, {y, m.constant(starts), m.constant(ends), m.constant(axes)}));
  }
};

// --- shapes --------------------------------------------------------------------------------------------------------------

struct reshape {
  static constexpr std::int32_t code = code_of("RESHAPE");
  static void add(importing& m) {
    const ints to = m.has(1) ? m.list(1) : m.integers(0);
    top::reshape::attributes a{};
    a.shape = to;
    a.allowzero = 1;
    m.result(m.add<top::reshape>(a, {m.operand(0)}));
  }
};
struct squeeze {
  static constexpr std::int32_t code = code_of("SQUEEZE");
  static void add(importing& m) {
    top::squeeze::attributes a{};
    a.axes = m.integers(0);
    m.result(m.add<top::squeeze>(a, {m.operand(0)}));
  }
};
struct expand_dims {
  static constexpr std::int32_t code = code_of("EXPAND_DIMS");
  static void add(importing& m) {
    top::unsqueeze::attributes a{};
    a.axes = {m.one(1)};
    m.result(m.add<top::unsqueeze>(a, {m.operand(0)}));
  }
};
/// The sizes of x, in the type of the result.
struct shape_of {
  static constexpr std::int32_t code = code_of("SHAPE");
  static void add(importing& m) {
    const tensor_id y = m.add<top::shape>({}, {m.operand(0)});
    top::cast::attributes narrow{};
    narrow.to = static_cast<std::int64_t>(onnx_number_of(m.result_type()));
    m.result(m.result_type() == dtype_id::i64 ? y : m.add<top::cast>(narrow, {y}));
  }
};
struct broadcast_to {
  static constexpr std::int32_t code = code_of("BROADCAST_TO");
  static void add(importing& m) { m.result(m.add<top::expand>({}, {m.operand(0), m.constant(m.list(1))})); }
};
struct tile {
  static constexpr std::int32_t code = code_of("TILE");
  static void add(importing& m) { m.result(m.add<top::tile>({}, {m.operand(0), m.constant(m.list(1))})); }
};

// --- moves ---------------------------------------------------------------------------------------------------------------

struct transpose {
  static constexpr std::int32_t code = code_of("TRANSPOSE");
  static void add(importing& m) { m.result(m.transposed(m.operand(0), m.list(1))); }
};
struct concatenation {
  static constexpr std::int32_t code = code_of("CONCATENATION");
  static void add(importing& m) {
    vec<tensor_id> operands;
    for (std::size_t i = 0; i < m.operand_count(); ++i) operands.push_back(m.operand(i));
    top::concat::attributes a{};
    a.axis = m.axis(m.integer(0), m.dims(0).rank());
    m.result(m.add<top::concat>(a, operands.span()), m.byte(1));
  }
};
struct pack {
  static constexpr std::int32_t code = code_of("PACK");
  static void add(importing& m) {
    const std::int64_t axis = m.axis(m.integer(1), m.dims(0).rank() + 1);
    top::unsqueeze::attributes wider{};
    wider.axes = {axis};
    vec<tensor_id> parts;
    for (std::size_t i = 0; i < m.operand_count(); ++i) parts.push_back(m.add<top::unsqueeze>(wider, {m.operand(i)}));
    top::concat::attributes a{};
    a.axis = axis;
    m.result(m.add<top::concat>(a, parts.span()));
  }
};

namespace detail {
inline vec<tensor_id> parts_of(importing& m, tensor_id x, std::int64_t axis, const ints& sizes) {
  top::split::attributes a{};
  a.axis = m.axis(axis, m.dims_of(x).rank());
  const tensor_id operands[] = {x, m.constant(sizes)};
  return m.add_many<top::split>(a, operands, sizes.size());
}
} // namespace detail

struct unpack {
  static constexpr std::int32_t code = code_of("UNPACK");
  static void add(importing& m) {
    const std::int64_t axis = m.axis(m.integer(1), m.dims(0).rank());
    top::squeeze::attributes a{};
    a.axes = {axis};
    const vec<tensor_id> parts = detail::parts_of(m, m.operand(0), axis, ints(m.result_count(), 1));
    for (std::size_t i = 0; i < parts.size(); ++i) m.result(m.add<top::squeeze>(a, {parts[i]}), 0, i);
  }
};
/// The axis, x: as many equal parts as there are results.
struct split {
  static constexpr std::int32_t code = code_of("SPLIT");
  static void add(importing& m) {
    const std::int64_t axis = m.axis(m.one(0), m.dims(1).rank());
    const auto count = static_cast<std::int64_t>(m.result_count());
    const std::int64_t size = m.dim(1, static_cast<std::size_t>(axis));
    if (count == 0 || size % count != 0) m.fail(text() << size << " elements do not make " << count << " equal parts");
    const vec<tensor_id> parts = detail::parts_of(m, m.operand(1), axis, ints(m.result_count(), size / count));
    for (std::size_t i = 0; i < parts.size(); ++i) m.result(parts[i], 0, i);
  }
};
/// x, the sizes (-1: what is left), the axis.
struct split_v {
  static constexpr std::int32_t code = code_of("SPLIT_V");
  static void add(importing& m) {
    const std::int64_t axis = m.axis(m.one(2), m.dims(0).rank());
    ints sizes = m.list(1);
    std::int64_t left = m.dim(0, static_cast<std::size_t>(axis));
    for (const std::int64_t n : sizes) left -= n < 0 ? 0 : n;
    for (std::int64_t& n : sizes) n = n < 0 ? left : n;
    if (sizes.size() != m.result_count())
      m.fail(text() << sizes.size() << " sizes for " << m.result_count() << " results");
    const vec<tensor_id> parts = detail::parts_of(m, m.operand(0), axis, sizes);
    for (std::size_t i = 0; i < parts.size(); ++i) m.result(parts[i], 0, i);
  }
};
/// x, where each axis begins, how many elements of it (-1: all that are left).
struct slice {
  static constexpr std::int32_t code = code_of("SLICE");
  static void add(importing& m) {
    const ints begin = m.list(1);
    ints end = m.list(2);
    const shape d = m.dims(0);
    if (begin.size() != d.rank() || end.size() != d.rank())
      m.fail(text("needs a begin and a size for each axis of ") << d.print());
    for (std::size_t i = 0; i < d.rank(); ++i) end[i] = end[i] < 0 ? d[i] : begin[i] + end[i];
    m.result(m.add<top::slice>({}, {m.operand(0), m.constant(begin), m.constant(end)}));
  }
};
/// x, begins, ends, steps; masks of axes that begin or end with x, and of those that one place is taken of.
struct strided_slice {
  static constexpr std::int32_t code = code_of("STRIDED_SLICE");
  static void add(importing& m) {
    ints begin = m.list(1);
    ints end = m.list(2);
    ints step = m.list(3);
    if (begin.size() != end.size() || begin.size() != step.size() || begin.size() > m.dims(0).rank())
      m.fail("begins, ends and steps must have one length, at most x's rank");
    if (m.integer(2) != 0 || m.integer(3) != 0) m.fail("ellipses and new axes are not read: write them as reshapes");
    top::squeeze::attributes one{};
    ints axes;
    for (std::size_t i = 0; i < begin.size(); ++i) {
      const auto marked = [&](int field) { return (m.integer(field) >> i & 1) != 0; };
      if (marked(4)) {
        one.axes.push_back(static_cast<std::int64_t>(i));
        step[i] = 1;
        end[i] = begin[i] == -1 ? std::numeric_limits<std::int64_t>::max() : begin[i] + 1;
      } else {
        if (marked(0)) begin[i] = step[i] < 0 ? std::numeric_limits<std::int64_t>::max() : 0;
        if (marked(1))
          end[i] = step[i] < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
      }
      axes.push_back(static_cast<std::int64_t>(i));
    }
    tensor_id y =
        m.add<top::slice>({}, {m.operand(0), m.constant(begin), m.constant(end), m.constant(axes), m.constant(step)});
    if (!one.axes.empty()) y = m.add<top::squeeze>(one, {y});
    m.result(y);
  }
};
struct reverse {
  static constexpr std::int32_t code = code_of("REVERSE_V2");
  static void add(importing& m) {
    const ints axes = m.list(1);
    const ints last(axes.size(), -1);
    const ints before_first(axes.size(), std::numeric_limits<std::int64_t>::min());
    m.result(m.add<top::slice>(
        {}, {m.operand(0), m.constant(last), m.constant(before_first), m.constant(axes), m.constant(last)}));
  }
};

namespace detail {
/// Operand 1 as ONNX has it: all begins, then all ends.
inline ints margins_of(importing& m) {
  const ints pairs = m.list(1);
  if (pairs.size() != 2 * m.dims(0).rank()) m.fail(text("needs two margins for each axis of ") << m.dims(0).print());
  ints pads;
  for (std::size_t side = 0; side < 2; ++side) {
    for (std::size_t i = side; i < pairs.size(); i += 2) pads.push_back(pairs[i]);
  }
  return pads;
}
} // namespace detail

template <operator_name Name> struct pad {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    vec<tensor_id> operands{m.operand(0), m.constant(detail::margins_of(m))};
    if (m.has(2)) operands.push_back(m.operand(2));
    m.result(m.add<top::pad>({}, operands.span()));
  }
};
struct mirror_pad {
  static constexpr std::int32_t code = code_of("MIRROR_PAD");
  static void add(importing& m) {
    if (m.byte(0) != 0) m.fail("margins that repeat the edge (SYMMETRIC) are not read: pad with REFLECT");
    top::pad::attributes a{};
    a.mode = "reflect";
    m.result(m.add<top::pad>(a, {m.operand(0), m.constant(detail::margins_of(m))}));
  }
};
struct gather {
  static constexpr std::int32_t code = code_of("GATHER");
  static void add(importing& m) {
    if (m.integer(1) != 0) m.fail("batch_dims are not read: reshape x so that it is 0");
    top::gather::attributes a{};
    a.axis = m.axis(m.integer(0), m.dims(0).rank());
    m.result(m.add<top::gather>(a, {m.operand(0), m.operand(1)}));
  }
};
/// Places, a table of rows.
struct embedding_lookup {
  static constexpr std::int32_t code = code_of("EMBEDDING_LOOKUP");
  static void add(importing& m) {
    const tensor_id places = m.operand(0);
    m.result(m.add<top::gather>({}, {m.operand(1), places}));
  }
};
struct gather_nd {
  static constexpr std::int32_t code = code_of("GATHER_ND");
  static void add(importing& m) {
    top::cast::attributes wide{};
    wide.to = static_cast<std::int64_t>(onnx_number_of(dtype_id::i64));
    m.result(m.add<top::gather_nd>({}, {m.operand(0), m.add<top::cast>(wide, {m.operand(1)})}));
  }
};
/// Places, the depth, the values of what is hit and of the rest.
struct one_hot {
  static constexpr std::int32_t code = code_of("ONE_HOT");
  static void add(importing& m) {
    top::unsqueeze::attributes line{};
    line.axes = {0};
    top::one_hot::attributes a{};
    a.axis = m.integer(0);
    top::concat::attributes both{};
    both.axis = 0;
    const tensor_id on = m.reshaped(m.operand(2), {1});
    const tensor_id off = m.reshaped(m.operand(3), {1});
    m.result(m.add<top::one_hot>(a, {m.operand(0), m.constant(ints{m.one(1)}), m.add<top::concat>(both, {off, on})}));
  }
};

} // namespace tmpu::tflite

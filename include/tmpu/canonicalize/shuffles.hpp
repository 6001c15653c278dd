// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

/// Moves of whole channels that are written as Reshape, Transpose, Reshape.
namespace tmpu::canonicalize {

namespace detail {
/// Reshape(Transpose(Reshape(x))) with this node last; x = none where it is not.
struct shuffle {
  tensor_id x = none;
  tmpu::shape cut; ///< the dimensions between the first Reshape and the Transpose
  ints perm;
};
constexpr shuffle shuffle_at(const rewriter& r, node_id id) {
  if (!r.is<top::reshape>(id)) return {};
  const node_id turned = r.inner<top::transpose>(r.operand(id));
  const node_id first = turned == none ? none : r.inner<top::reshape>(r.operand(turned));
  if (first == none || r.dims(r.operand(first)).rank() != 4 || r.dims(r.result(id)).rank() != 4) return {};
  return {r.operand(first), r.dims(r.operand(turned)), r.attributes<top::transpose>(turned).perm};
}
} // namespace detail

/// Reshape [N, C, b, b, H, W], Transpose (0, 1, 4, 2, 5, 3), Reshape [N, C, H*b, W*b]  ==>  DepthToSpace of mode CRD;
/// Reshape [N, b, b, C, H, W], Transpose (0, 3, 4, 1, 5, 2), Reshape [N, C, H*b, W*b]  ==>  DepthToSpace of mode DCR.
/// Needs: x of rank 4; nothing else reads what lies between.
struct fuse_pixel_shuffle {
  static constexpr std::string_view name = "fuse-pixel-shuffle";
  static constexpr bool apply(rewriter& r, node_id id) {
    const detail::shuffle s = detail::shuffle_at(r, id);
    if (s.x == none || s.cut.rank() != 6) return false;
    const bool columns_first = s.perm == ints{0, 1, 4, 2, 5, 3};
    if (!columns_first && !(s.perm == ints{0, 3, 4, 1, 5, 2})) return false;
    const std::int64_t block = s.cut[2];
    const std::int64_t channels = columns_first ? s.cut[1] : s.cut[3];
    if ((columns_first ? s.cut[3] : s.cut[1]) != block) return false;
    const tmpu::shape& d = r.dims(s.x);
    if (s.cut[0] != d[0] || s.cut[4] != d[2] || s.cut[5] != d[3] ||
        !(r.dims(r.result(id)) == tmpu::shape{d[0], channels, d[2] * block, d[3] * block}))
      return false;
    top::depth_to_space::attributes a{};
    a.blocksize = block;
    a.mode = text(columns_first ? "CRD" : "DCR");
    r.become<top::depth_to_space>(id, a, {s.x});
    return true;
  }
};
static_assert(rewrite_rule<fuse_pixel_shuffle>);

/// Reshape [N, g, C/g, H, W] (or [N, g, C/g, H*W]), Transpose (0, 2, 1, ...), Reshape to the shape of x  ==>
/// channel_shuffle(x; g).   Needs: x of rank 4; nothing else reads what lies between.
struct fuse_channel_shuffle {
  static constexpr std::string_view name = "fuse-channel-shuffle";
  static constexpr bool apply(rewriter& r, node_id id) {
    const detail::shuffle s = detail::shuffle_at(r, id);
    if (s.x == none || !(r.dims(s.x) == r.dims(r.result(id)))) return false;
    const tmpu::shape& d = r.dims(s.x);
    const bool planes = s.cut.rank() == 5 && s.perm == ints{0, 2, 1, 3, 4} && s.cut[3] == d[2] && s.cut[4] == d[3];
    const bool flat = s.cut.rank() == 4 && s.perm == ints{0, 2, 1, 3} && s.cut[3] == d[2] * d[3];
    if ((!planes && !flat) || s.cut[0] != d[0] || s.cut[1] * s.cut[2] != d[1]) return false;
    top::channel_shuffle::attributes a{};
    a.groups = s.cut[1];
    r.become<top::channel_shuffle>(id, a, {s.x});
    return true;
  }
};
static_assert(rewrite_rule<fuse_channel_shuffle>);

} // namespace tmpu::canonicalize

// SPDX-License-Identifier: Apache-2.0
// Whatever a .tmodel holds, with a checksum that fits: it is refused in one line, or saved again it is the same file and runs inside of its
// own machine. libFuzzer drives it (run.cmake); what it changes is the structure and the weights, and the container fits again.
#include "fuzz/seeds.hpp"
#include "isa/every_instruction.hpp"
#include "tmpu/exec/checked.hpp"
#include "tmpu/isa/tmodel.hpp"

namespace {

using namespace tmpu;

/// Machines beyond this are not made here; a user who trusts nobody looks at the sizes in the same way.
constexpr std::int64_t most_bytes = 1 << 20;
/// Products and elements that a run may take: what runs longer finds nothing new.
constexpr std::int64_t most_work = 20'000'000;

std::int64_t product(std::initializer_list<std::int64_t> factors) {
  std::int64_t all = 1;
  for (const std::int64_t f : factors) all = all > most_work / (f > 0 ? f : 1) ? most_work : all * f;
  return all;
}
std::int64_t size_of(const isa::local_ref& r) { return product({r.n, r.c, r.h, r.w}); }
std::int64_t size_of(const isa::global_ref& r) { return product({r.n, r.c, r.h, r.w}); }

std::int64_t work_of(const exec::executor& e) {
  std::int64_t work = 0;
  for (const auto& core : e.cores()) {
    for (const auto& s : core) {
      e.with_instruction(s, [&](const auto& i) {
        const auto add = [&](const auto& r) { work += size_of(r); };
        i.reads(add);
        i.writes(add);
        if constexpr (requires { i.weight; }) work += product({size_of(i.y), i.weight.h, i.weight.w});
        if constexpr (requires { i.kernel_h; }) work += product({size_of(i.y), i.kernel_h, i.kernel_w});
      });
    }
  }
  return work;
}

void load_and_run(std::span<const std::uint8_t> file) {
  const isa::program p = isa::from_bytes(file);
  if (!(isa::to_bytes(p) == vec<std::uint8_t>(file))) fuzz::fault("what was taken is not saved as it was");
  for (std::size_t n = 0; n < p.info.networks.size() && n < 4; ++n) {
    exec::executor e(p, n);
    const exec::limits& most = e.memory_limits();
    if (most.lanes * most.local_bytes > most_bytes || most.activation_bytes > most_bytes || work_of(e) > most_work)
      return;
    exec::memory m = e.make_memory();
    vec<vec<std::uint8_t>> bytes;
    vec<std::span<const std::uint8_t>> inputs;
    for (const isa::io_tensor& t : e.network().inputs) {
      bytes.push_back({});
      if (isa::region_of(t.address) != isa::region::host)
        bytes.back().resize(static_cast<std::size_t>(isa::bytes_needed(t)));
    }
    for (const auto& b : bytes) inputs.push_back(b.span());
    static_cast<void>(e.run(m, inputs.span())); // a host step is refused: nobody is here to take it
    bool one_core = true;
    for (const isa::segment& s : e.network().segments) one_core = one_core && s.cores.size() < 2;
    if (one_core) {
      for (const exec::finding& f : exec::check(e)) static_cast<void>(exec::describe(f));
    }
  }
}

const std::vector<std::vector<std::uint8_t>>& seeds() {
  static const std::vector<std::vector<std::uint8_t>> all = [] {
    std::vector<std::vector<std::uint8_t>> made;
    for (const isa::program& p : {tiny::build(), tiny::every_instruction()}) {
      const vec<std::uint8_t> bytes = isa::to_bytes(p);
      made.emplace_back(bytes.begin(), bytes.end());
    }
    return made;
  }();
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::one_line([&] { load_and_run({data, size}); });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using isa::detail::get_number;
  using isa::detail::put_number;
  const std::span<const std::uint8_t> file(data, size);
  if (size < 64 || !isa::looks_like_tmodel(file)) return fuzz::put_seed(seeds(), seed, data, most);
  const std::size_t count = get_number(file, 32, 8);
  const std::size_t weights = get_number(file, 40, 8);
  const std::size_t weight_bytes = get_number(file, 48, 8);
  if (count > size / 4 || weights > size || weight_bytes > size - weights || 64 + count * 4 > weights)
    return fuzz::put_seed(seeds(), seed, data, most);
  // Mostly words of the structure, in their place; sometimes its length; sometimes the weights.
  std::vector<std::uint8_t> structure(data + 64, data + 64 + count * 4);
  std::vector<std::uint8_t> rest(data + weights, data + weights + weight_bytes);
  std::vector<std::uint8_t>& part = seed % 16 == 0 && !rest.empty() ? rest : structure;
  if (seed % 3 == 0) {
    const std::size_t before = part.size();
    part.resize(before + 64);
    part.resize((LLVMFuzzerMutate(part.data(), before, part.size()) + 3) / 4 * 4);
  } else if (!part.empty()) {
    const std::size_t at = seed / 16 % ((part.size() + 3) / 4) * 4;
    LLVMFuzzerMutate(part.data() + at, std::min<std::size_t>(4, part.size() - at),
                     std::min<std::size_t>(4, part.size() - at));
  }
  const std::size_t begin = isa::detail::round_to(64 + structure.size(), isa::detail::page_bytes);
  vec<std::uint8_t> out(isa::detail::round_to(begin + rest.size(), 8));
  if (out.size() > most) return size;
  std::copy(data, data + 64, out.begin());
  std::copy(structure.begin(), structure.end(), out.begin() + 64);
  std::copy(rest.begin(), rest.end(), out.begin() + begin);
  put_number(out, 16, out.size(), 8);
  put_number(out, 32, structure.size() / 4, 8);
  put_number(out, 40, begin, 8);
  put_number(out, 48, rest.size(), 8);
  put_number(out, 24, isa::detail::checksum(out.span()), 8);
  std::copy(out.begin(), out.end(), data);
  return out.size();
}

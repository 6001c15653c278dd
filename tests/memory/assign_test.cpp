// SPDX-License-Identifier: Apache-2.0
#include "tmpu/memory/assign.hpp"

#include "group/lowered_models.hpp"
#include "tmpu/group/group.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace tmpu;

/// A tensor that owns bytes of the activation region in the times [first, last], as memory_pass counts them: node n reads at 2n and stores at
/// 2n + 1 where its group has one step; a group of several steps reads and stores all the time. Outputs are read behind the last node.
struct tenant {
  tensor_id tensor = none;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t bytes = 0;
  std::vector<std::pair<tensor_id, std::int64_t>> names; // what lies in it, from which byte on; itself too
};

/// Where every tensor lies: in which other one and from which byte on. Slices and concats of these tests go along the second dimension.
std::vector<std::pair<tensor_id, std::int64_t>> places_of(const graph_body& g) {
  const auto bytes = [&](tensor_id t) { return g.at(t).dims.elements() * bytes_of(g.at(t).type); };
  std::vector<std::pair<tensor_id, std::int64_t>> place;
  for (std::size_t t = 0; t < g.tensors.size(); ++t) place.emplace_back(static_cast<tensor_id>(t), 0);
  for (std::size_t n = 0; n < g.nodes.size(); ++n) { // nodes are in order
    const auto id = static_cast<node_id>(n);
    const auto y = static_cast<std::size_t>(g.result(id));
    const auto x = static_cast<std::size_t>(g.operand(id, 0));
    const bool one = g.at(g.result(id)).dims.rank() > 1 && g.at(g.result(id)).dims[0] == 1;
    if (is<tpu::reshape>(g, id)) place[y] = place[x];
    if (is<tpu::slice>(g, id) && one) {
      const std::int64_t first = attributes_of<tpu::slice>(g, id).starts[1];
      place[y] = {place[x].first, place[x].second + bytes(g.operand(id, 0)) / g.tensors[x].dims[1] * first};
    }
    std::int64_t at = 0;
    for (const tensor_id o : g.operands(id)) {
      if (!is<tpu::concat>(g, id) || !one) break;
      const tensor_id root = place[static_cast<std::size_t>(o)].first;
      if (root != g.result(id) && g.at(root).producer != none && bytes(root) == bytes(o)) {
        for (auto& p : place)
          if (p.first == root) p = {g.result(id), p.second + at};
      }
      at += bytes(o);
    }
  }
  return place;
}

/// Who must own bytes, from the graph alone: what is read by another group than the one that makes it, inputs and outputs.
std::vector<tenant> tenants_of(const graph_body& g) {
  std::vector<const layer_group*> group_of(g.nodes.size());
  for (const layer_group& lg : g.groups)
    for (node_id id = lg.first; id < lg.first + lg.count; ++id) group_of[static_cast<std::size_t>(id)] = &lg;
  const auto at_once = [&](const layer_group& lg) {
    return tpu::is_tiled(g, lg.first) && lg.n_slices == 1 && lg.c_slices == 1 && lg.h_slices == 1 && lg.k_slices == 1;
  };
  const auto place = places_of(g);
  std::vector<tenant> out;
  for (std::size_t root = 0; root < place.size(); ++root) {
    const auto id = static_cast<tensor_id>(root);
    if (place[root].first != id || g.is_constant(id)) continue;
    tenant x{id, INT64_MAX, -1, g.at(id).dims.elements() * bytes_of(g.at(id).type), {}};
    for (std::size_t t = 0; t < place.size(); ++t) {
      if (place[t].first != id) continue;
      const auto name = static_cast<tensor_id>(t);
      x.names.emplace_back(name, place[t].second);
      const node_id producer = g.at(name).producer;
      const layer_group* made_by = producer == none ? nullptr : group_of[static_cast<std::size_t>(producer)];
      std::int64_t last = -1;
      for (std::size_t n = 0; n < g.nodes.size(); ++n) {
        const auto node = static_cast<std::int64_t>(n);
        for (const tensor_id operand : g.operands(static_cast<node_id>(n))) {
          if (operand != name || group_of[n] == made_by) continue;
          last = std::max(last, at_once(*group_of[n]) ? 2 * node : 2 * (group_of[n]->first + group_of[n]->count) - 1);
        }
      }
      if (g.is_output(name)) last = 2 * static_cast<std::int64_t>(g.nodes.size());
      if (last < 0) continue;
      x.last = std::max(x.last, last);
      x.first = std::min<std::int64_t>(x.first, made_by == nullptr  ? 0
                                                : at_once(*made_by) ? 2 * producer + 1
                                                                    : 2 * made_by->first);
    }
    if (x.last >= 0) out.push_back(x);
  }
  return out;
}

/// True where no byte has two owners at one time: an owner is written down for each byte and each time.
bool sound(const graph_body& g, const std::vector<tenant>& tenants) {
  for (std::int64_t time = 0; time <= 2 * static_cast<std::int64_t>(g.nodes.size()); ++time) {
    std::vector<tensor_id> owner(static_cast<std::size_t>(g.activation_bytes), none);
    for (const tenant& t : tenants) {
      if (time < t.first || time > t.last) continue;
      const std::int64_t at = g.at(t.tensor).address;
      if (at < 0 || at + t.bytes > g.activation_bytes) return false;
      for (std::int64_t b = at; b < at + t.bytes; ++b) {
        if (owner[static_cast<std::size_t>(b)] != none) return false;
        owner[static_cast<std::size_t>(b)] = t.tensor;
      }
    }
  }
  return true;
}

/// A block that splits its channels, computes on one part and joins all: parts are read and made in place, except what is an input or is there
/// already; with two samples, where parts do not stay together, all of it is copied.
graph<stage::lowered> parts(std::int64_t batch) {
  lowered_models::builder b;
  const tensor_id x = b.input({batch, 8, 12, 12});
  const tensor_id first = b.conv(x, 16, 3, 1);
  const auto half = [&](std::int64_t from) {
    return b.add<tpu::slice>({.starts = {0, from, 0, 0}, .ends = {batch, from + 8, 12, 12}, .steps = {1, 1, 1, 1}},
                             {first});
  };
  const tensor_id one = half(0);
  const tensor_id two = half(8);
  const tensor_id more = b.conv(two, 8, 3, 1);
  const tensor_id sum = b.sum(b.conv(more, 8, 3, 1), two);
  const tensor_id all = b.add<tpu::concat>({.axis = 1}, {one, more, sum, x, sum});
  const tensor_id again = b.add<tpu::concat>(
      {.axis = 1}, {b.reshape(all, {batch, 40, 6, 24}), b.reshape(b.conv(all, 8, 1, 1), {batch, 8, 6, 24})});
  b.output(b.conv(again, 8, 1, 1));
  return std::move(b.g);
}

/// Two branches that stay apart for long, several outputs, a reshape of an output and a reshape in the middle.
graph<stage::lowered> branches() {
  lowered_models::builder b;
  const tensor_id x = b.input({1, 8, 16, 16});
  const tensor_id second = b.input({1, 8, 16, 16});
  const tensor_id kept = b.conv(x, 16, 3, 1);
  const tensor_id one = b.conv(b.conv(kept, 40, 3, 1), 16, 3, 1);
  const tensor_id two = b.conv(b.conv(second, 24, 3, 1), 16, 1, 1);
  const tensor_id sum = b.sum(one, two);
  b.output(b.reshape(sum, {1, 16, 256}));
  const tensor_id late = b.sum(sum, kept);
  b.output(b.dense(b.reshape(b.max_pool(late), {1, 16 * 64}), 10));
  b.output(late);
  return std::move(b.g);
}

std::vector<graph<stage::lowered>> models() {
  std::vector<graph<stage::lowered>> all;
  all.push_back(lowered_models::residual());
  all.push_back(lowered_models::residual(2));
  all.push_back(lowered_models::residual(1, 12, 40));
  all.push_back(branches());
  all.push_back(parts(1));
  all.push_back(parts(2));
  return all;
}
graph<stage::addressed> assigned(graph<stage::lowered> g, const chip::facts& chip) {
  return memory::memory_pass::run(group::layer_group_pass::run(std::move(g), chip), chip);
}

TEST_CASE("no two tensors that live at one time share a byte, and the bound is what lives at one time") {
  std::size_t shared = 0; // pairs that take turns on the same bytes: memory is reused at all
  for (const chip::facts& chip : {chip::nano::info, chip::cv184x::info}) {
    CAPTURE(chip.name);
    for (graph<stage::lowered>& model : models()) {
      const graph<stage::addressed> g = assigned(std::move(model), chip);
      CAPTURE(g.groups.size());
      const std::vector<tenant> tenants = tenants_of(g);
      REQUIRE(tenants.size() >= 3);
      CHECK(sound(g, tenants));
      CHECK(memory::check(g).view() == "");

      // Addresses: aligned, of tenants and what lies in them only.
      std::vector<std::int64_t> wanted(g.tensors.size(), none);
      for (const tenant& t : tenants) {
        CHECK(g.at(t.tensor).address % chip.dma_align == 0);
        for (const auto& [name, offset] : t.names)
          wanted[static_cast<std::size_t>(name)] = g.at(t.tensor).address + offset;
      }
      for (std::size_t t = 0; t < g.tensors.size(); ++t) {
        if (g.is_constant(static_cast<tensor_id>(t))) continue;
        CAPTURE(g.name(static_cast<tensor_id>(t)));
        CHECK(g.tensors[t].address == wanted[t]);
      }

      std::int64_t bound = 0;
      for (std::int64_t time = 0; time <= 2 * static_cast<std::int64_t>(g.nodes.size()); ++time) {
        std::int64_t alive = 0;
        for (const tenant& t : tenants) {
          if (t.first <= time && time <= t.last)
            alive += (t.bytes + chip.dma_align - 1) / chip.dma_align * chip.dma_align;
        }
        bound = std::max(bound, alive);
      }
      CHECK(g.activation_bound == bound);
      CHECK(g.activation_bytes >= g.activation_bound);
      MESSAGE(chip.name << ": " << g.groups.size() << " groups, " << tenants.size() << " tensors, "
                        << g.activation_bytes << " bytes, bound " << g.activation_bound);

      for (const tenant& a : tenants)
        for (const tenant& b : tenants) {
          const std::int64_t first = g.at(a.tensor).address;
          const std::int64_t second = g.at(b.tensor).address;
          shared += a.tensor < b.tensor && first < second + b.bytes && second < first + a.bytes;
        }
    }
  }
  CHECK(shared > 0);
}

TEST_CASE("constants lie one behind the other in the weight region") {
  for (graph<stage::lowered>& model : models()) {
    const graph<stage::addressed> g = assigned(std::move(model), chip::nano::info);
    std::vector<int> owners(static_cast<std::size_t>(g.weight_bytes));
    std::int64_t bytes = 0;
    for (std::size_t t = 0; t < g.tensors.size(); ++t) {
      const auto id = static_cast<tensor_id>(t);
      if (!g.is_constant(id)) continue;
      const std::int64_t at = g.at(id).address;
      const auto size = static_cast<std::int64_t>(g.bytes(id).size());
      CHECK(at % 64 == 0);
      REQUIRE(at >= 0);
      REQUIRE(at + size <= g.weight_bytes);
      for (std::int64_t b = at; b < at + size; ++b) ++owners[static_cast<std::size_t>(b)];
      bytes += (size + 63) / 64 * 64;
    }
    CHECK(*std::max_element(owners.begin(), owners.end()) == 1);
    CHECK(g.weight_bytes == bytes);
  }
}

TEST_CASE("the checker finds an overlap wherever one is provoked, and only there") {
  std::size_t bad = 0;
  std::size_t fine = 0;
  for (graph<stage::lowered>& model : models()) {
    const graph<stage::addressed> good = assigned(std::move(model), chip::nano::info);
    const std::vector<tenant> tenants = tenants_of(good);
    bool in_parts = false;
    for (std::size_t n = 0; n < good.nodes.size(); ++n)
      in_parts = in_parts || is<tpu::slice>(good, static_cast<node_id>(n));
    for (const tenant& moved : tenants) {
      for (const tenant& onto : tenants) {
        // Its first byte, its middle, its last byte.
        for (const std::int64_t offset : {std::int64_t{0}, onto.bytes / 2, onto.bytes - 1, onto.bytes}) {
          graph<stage::addressed> g = good;
          const std::int64_t at = good.at(onto.tensor).address + offset;
          for (const auto& [name, inside] : moved.names) g.at(name).address = at + inside;
          CAPTURE(g.name(moved.tensor));
          CAPTURE(at);
          const bool is_sound = sound(g, tenants);
          // Of parts that are not there yet, or not read any more, the checker knows that they are free.
          const bool said = memory::check(g).empty();
          CHECK((said == is_sound || (said && in_parts)));
          ++(is_sound ? fine : bad);
        }
      }
    }
  }
  CHECK(bad > 20);
  CHECK(fine > 20);
}

TEST_CASE("the checker names the tensor and its reader") {
  graph<stage::addressed> g = assigned(lowered_models::residual(), chip::nano::info);
  const std::vector<tenant> tenants = tenants_of(g);
  const tenant& input = tenants.front();
  REQUIRE(g.is_input(input.tensor));
  const auto said = [](const graph_body& body) { return std::string(memory::check(body).view()); };
  CHECK(said(g).empty());

  graph<stage::addressed> outside = g;
  outside.at(input.tensor).address = g.activation_bytes - input.bytes + 1;
  CHECK(said(outside) == "input 'x0' lies outside of the activation region");
  outside.at(input.tensor).address = -64;
  CHECK(said(outside) == "input 'x0' lies outside of the activation region");

  // The first tensor that a group stores, laid over the input that the group reads.
  const tenant& next = tenants[1];
  graph<stage::addressed> over = g;
  over.at(next.tensor).address = g.at(input.tensor).address;
  const std::string wanted =
      "tensor 'x0' is overwritten in global memory before " + std::string(g.node_name(0)) + " reads it";
  CHECK(said(over) == wanted);
  over.at(next.tensor).address = g.activation_bytes;
  CHECK(said(over) == "tensor '" + std::string(g.name(next.tensor)) + "' lies outside of the activation region");

  // An output overwritten by the last group's result: nobody but the host reads it then.
  const tensor_id scores = g.outputs[0];
  const tensor_id joined = g.outputs[1];
  graph<stage::addressed> host = g;
  host.at(scores).address = g.at(joined).address;
  const std::string text = said(host);
  CHECK_MESSAGE(text.find("tensor '" + std::string(g.name(joined)) + "' is overwritten") == 0, text);
  CHECK_MESSAGE(text.find("before the host reads it") != std::string::npos, text);
}

TEST_CASE("outputs that nothing computes are refused by name") {
  const auto refusal = [](graph<stage::lowered> g) -> std::string {
    try {
      (void)assigned(std::move(g), chip::nano::info);
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  lowered_models::builder input;
  const tensor_id x = input.input({1, 8, 4, 4});
  input.output(input.max_pool(x));
  input.output(x);
  CHECK(refusal(input.g) == "output 'x0' is an input of the model, so that there is nothing to compile for it: take it "
                            "out of the model's outputs");
  lowered_models::builder constant;
  constant.output(constant.max_pool(constant.input({1, 8, 4, 4})));
  constant.output(constant.constant({4}, 1.0F));
  CHECK(refusal(constant.g).find("output 'c2' is a constant, ") == 0);
}

// ---- placement of published allocation problems

/// id,lower,upper,size with a line of titles; the half-open times of google/minimalloc.
std::vector<memory::lifetime> read_csv(const std::string& path) {
  std::vector<memory::lifetime> out;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string id;
    memory::lifetime l;
    char comma = ',';
    std::getline(fields, id, ',');
    fields >> l.first >> comma >> l.last >> comma >> l.size;
    REQUIRE(fields);
    out.push_back(l);
  }
  return out;
}

/// Checks a placement and gives its peak.
std::int64_t placed(const std::vector<memory::lifetime>& buffers, std::int64_t& bound) {
  const memory::placement p = memory::place(buffers, 1);
  std::int64_t peak = 0;
  std::size_t overlaps = 0;
  bound = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    CHECK(p.offsets[i] >= 0);
    peak = std::max(peak, p.offsets[i] + buffers[i].size);
    std::int64_t alive = 0;
    for (std::size_t j = 0; j < buffers.size(); ++j) {
      if (buffers[j].first <= buffers[i].first && buffers[i].first < buffers[j].last) alive += buffers[j].size;
      if (j >= i || buffers[i].first >= buffers[j].last || buffers[j].first >= buffers[i].last) continue;
      overlaps += p.offsets[i] < p.offsets[j] + buffers[j].size && p.offsets[j] < p.offsets[i] + buffers[i].size;
    }
    bound = std::max(bound, alive);
  }
  CHECK(overlaps == 0);
  CHECK(p.peak == peak);
  CHECK(p.lower_bound == bound);
  CHECK(p.optimal() == (peak == bound));
  return peak;
}

TEST_CASE("published allocation problems are placed without overlap, the small example within its capacity") {
  const char* models_folder = std::getenv("TMPU_SHARED_MODELS");
  const std::string folder = std::string(models_folder == nullptr ? "" : models_folder) + "/../minimalloc/";
  if (!std::ifstream(folder + "example.12.csv")) {
    MESSAGE("skipped: there is no " << folder << "example.12.csv");
    return;
  }
  std::int64_t bound = 0;
  const std::vector<memory::lifetime> example = read_csv(folder + "example.12.csv");
  REQUIRE(example.size() == 5);
  CHECK(placed(example, bound) == 12);
  for (char name = 'A'; name <= 'K'; ++name) {
    const std::vector<memory::lifetime> buffers = read_csv(folder + name + ".1048576.csv");
    if (buffers.empty()) continue;
    const std::int64_t peak = placed(buffers, bound);
    CHECK(peak >= bound);
    MESSAGE(std::string(1, name) << ": " << buffers.size() << " buffers, peak " << peak << ", bound " << bound
                                 << ", capacity of the problem 1048576");
  }
}

} // namespace

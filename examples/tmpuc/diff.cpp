// SPDX-License-Identifier: Apache-2.0
// diff: where two programs differ.
#include "models.hpp"
#include "pages.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

std::string shape_words(const isa::io_tensor& t) {
  std::string out = fmt::format("{}{}", name_of(t.type), shape(t.dims.span()).print().view());
  if (t.scale != 0.0F) out += fmt::format(" scale {} zero point {}", t.scale, t.zero_point);
  return out;
}

/// How often each instruction stands in a network.
std::map<std::string, std::int64_t> instructions_of(const isa::network& n) {
  std::map<std::string, std::int64_t> counts;
  for (const isa::segment& s : n.segments) {
    for (const isa::core_stream& c : s.cores) {
      for (std::size_t at = 0; at < c.words.size(); at += isa::size_of(c.words[at])) {
        isa::decoder<unpack<decltype(isa::instructions)>>::decode(
            c.words.span().subspan(at, isa::size_of(c.words[at])),
            [&]<class I>(const isa::header&, const I&) { ++counts[std::string(I::name)]; });
      }
    }
  }
  return counts;
}

/// Predicted cycles of each layer, where the program can be profiled.
std::map<std::string, std::int64_t> cycles_of(const isa::program& p) {
  std::map<std::string, std::int64_t> cycles;
  if (!can_be_profiled(p)) return cycles;
  const isa::network& n = p.info.networks[0];
  const timing::profile made = timing::profile_of(n, chip_named(std::string(p.info.target.chip.view())));
  for (const timing::cost& c : made.layers) {
    cycles[std::string(n.layers[static_cast<std::size_t>(c.layer)].name.view())] += std::max(c.busy[0], c.busy[1]);
  }
  return cycles;
}

/// Lines of what differs: the thing, and what it is in A and in B.
class differences {
public:
  void words(const std::string& what, const std::string& a, const std::string& b) {
    if (a != b) lines_.push_back({what, a, b});
  }
  void number(const std::string& what, std::int64_t a, std::int64_t b) {
    if (a == b) return;
    const std::string change =
        a == 0 ? std::string()
               : fmt::format(" ({:+.1f} %)", 100.0 * static_cast<double>(b - a) / static_cast<double>(a));
    lines_.push_back({what, std::to_string(a), std::to_string(b) + change});
  }
  template <class Map> void counts(const std::string& what, const Map& a, const Map& b) {
    Map all = a;
    all.insert(b.begin(), b.end());
    for (const auto& [name, ignored] : all) {
      const auto in_a = a.find(name);
      const auto in_b = b.find(name);
      if (in_a == a.end() || in_b == b.end()) {
        words(what + " " + name, in_a == a.end() ? "-" : std::to_string(in_a->second),
              in_b == b.end() ? "-" : std::to_string(in_b->second));
      } else {
        number(what + " " + name, in_a->second, in_b->second);
      }
    }
  }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] std::string text() const {
    std::size_t what = 0;
    std::size_t a = 1;
    for (const line& l : lines_) {
      what = std::max(what, l.what.size());
      a = std::max(a, l.a.size());
    }
    std::string out;
    if (!lines_.empty()) out = fmt::format("{:<{}}  {:<{}}  {}\n", "", what, "A", a, "B");
    for (const line& l : lines_) out += fmt::format("{:<{}}  {:<{}}  {}\n", l.what, what, l.a, a, l.b);
    return out;
  }
  [[nodiscard]] std::string json() const {
    std::string out;
    for (const line& l : lines_) {
      out += fmt::format("{}{{\"what\": {}, \"a\": {}, \"b\": {}}}", out.empty() ? "" : ", ", json_text(l.what),
                         json_text(l.a), json_text(l.b));
    }
    return out;
  }

private:
  struct line {
    std::string what;
    std::string a;
    std::string b;
  };
  std::vector<line> lines_;
};

void compare_networks(differences& d, const isa::network& a, const isa::network& b) {
  const std::string of = " of " + std::string(a.name.view());
  d.words("name", std::string(a.name.view()), std::string(b.name.view()));
  const auto side = [&](const std::string& what, const vec<isa::io_tensor>& x, const vec<isa::io_tensor>& y) {
    std::map<std::string, std::pair<std::string, std::string>> all;
    for (const isa::io_tensor& t : x) all[std::string(t.name.view())].first = shape_words(t);
    for (const isa::io_tensor& t : y) all[std::string(t.name.view())].second = shape_words(t);
    for (const auto& [name, both] : all)
      d.words(what + " " + name, both.first.empty() ? "-" : both.first, both.second.empty() ? "-" : both.second);
  };
  side("input", a.inputs, b.inputs);
  side("output", a.outputs, b.outputs);
  d.number("cycles" + of, a.cycles, b.cycles);
  d.number("DMA bytes" + of, a.dma_bytes, b.dma_bytes);
  d.number("activation bytes" + of, a.activation_bytes, b.activation_bytes);
  d.number("local bytes at the peak" + of, a.local_bytes_peak, b.local_bytes_peak);
  d.number("multiply-accumulates" + of, a.macs, b.macs);
  d.number("host steps" + of, a.host_steps(), b.host_steps());
  d.number("layers" + of, static_cast<std::int64_t>(a.layers.size()), static_cast<std::int64_t>(b.layers.size()));
  d.counts("instructions", instructions_of(a), instructions_of(b));
}

struct options {
  std::string a;
  std::string b;
  bool json = false;
};

int diff(const options& o) {
  const vec<std::uint8_t> bytes_a = host::read_file(o.a);
  const vec<std::uint8_t> bytes_b = host::read_file(o.b);
  const isa::program a = isa::from_bytes(bytes_a, o.a);
  const isa::program b = isa::from_bytes(bytes_b, o.b);
  const bool same = bytes_a == bytes_b;
  differences d;
  d.words("producer", std::string(a.info.producer.view()), std::string(b.info.producer.view()));
  d.words("chip", std::string(a.info.target.chip.view()), std::string(b.info.target.chip.view()));
  d.words("quantize", std::string(a.info.quantize.view()), std::string(b.info.quantize.view()));
  d.number("weight bytes", static_cast<std::int64_t>(a.weights.size()), static_cast<std::int64_t>(b.weights.size()));
  if (a.weights.size() == b.weights.size()) {
    std::int64_t other = 0;
    for (std::size_t i = 0; i < a.weights.size(); ++i) other += a.weights[i] != b.weights[i] ? 1 : 0;
    d.number("bytes of weights that differ", 0, other);
  }
  d.number("networks", static_cast<std::int64_t>(a.info.networks.size()),
           static_cast<std::int64_t>(b.info.networks.size()));
  for (std::size_t i = 0; i < a.info.networks.size() && i < b.info.networks.size(); ++i)
    compare_networks(d, a.info.networks[i], b.info.networks[i]);
  d.counts("cycles of layer", cycles_of(a), cycles_of(b));
  if (o.json) {
    fmt::print("{{\"same\": {}, \"differences\": [{}]}}\n", same, d.json());
  } else {
    fmt::print("{}{}\n", d.text(),
               same ? "the programs are equal, byte for byte"
                    : (d.empty() ? "the programs differ, but in none of these figures" : "the programs differ"));
  }
  return same ? 0 : 1;
}

} // namespace

void add_diff(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("diff", "Where two programs differ; exit code 1 where they do");
  auto o = std::make_shared<options>();
  command->add_option("A", o->a, "A .tmodel")->required();
  command->add_option("B", o->b, "Another one")->required();
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([&chosen, o] { chosen = [o] { return diff(*o); }; });
}

} // namespace tmpuc

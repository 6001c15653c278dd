// SPDX-License-Identifier: Apache-2.0
// place: the memory solver by itself, on a table of buffers.
#include "tmpu/memory/place.hpp"

#include "command.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/host/files.hpp"

#include <fmt/core.h>

#include <charconv>
#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

constexpr std::string_view header = "id,lower,upper,size";

struct table {
  std::vector<std::string> lines; ///< without line ends; the first is the header
  vec<memory::lifetime> buffers;
};

table read_table(const std::string& path) {
  const vec<std::uint8_t> bytes = host::read_file(path);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size()); // NOLINT: bytes as text
  table out;
  std::set<std::string, std::less<>> ids;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const auto bad = [&](const char* why) { refuse(text("'") << path << "' line " << number << ": " << why); };
    if (out.lines.empty()) {
      if (line != header) bad("the first line must be id,lower,upper,size");
      out.lines.emplace_back(line);
      continue;
    }
    const std::size_t comma = line.find(',');
    if (comma == std::string_view::npos || comma == 0) bad("expected id,lower,upper,size");
    if (!ids.emplace(line.substr(0, comma)).second) bad("this id stands there twice");
    std::int64_t numbers[3] = {};
    const char* at = line.data() + comma;
    const char* const last = line.data() + line.size();
    for (std::int64_t& n : numbers) {
      if (at == last || *at != ',') bad("expected id,lower,upper,size");
      const auto r = std::from_chars(at + 1, last, n);
      if (r.ec != std::errc()) bad("lower, upper and size must be whole numbers below 2^63");
      at = r.ptr;
    }
    if (at != last) bad("there is something after the size");
    if (numbers[0] < 0 || numbers[0] >= numbers[1]) bad("a buffer lives in [lower, upper): 0 <= lower < upper");
    if (numbers[2] <= 0 || numbers[2] > std::int64_t{1} << 48) bad("size must be from 1 to 2^48");
    if (numbers[1] > std::int64_t{1} << 48) bad("upper must be at most 2^48");
    out.buffers.push_back({numbers[0], numbers[1], numbers[2]});
    out.lines.emplace_back(line);
  }
  if (out.buffers.empty()) refuse(text("'") << path << "' holds no buffers: lines of id,lower,upper,size are expected");
  return out;
}

} // namespace

void add_place(CLI::App& app, work& chosen) {
  struct options {
    std::string path;
    std::string out;
    std::int64_t capacity = 0;
    double limit = 60;
  };
  auto* command = app.add_subcommand("place", "Place buffers with lifetimes within a capacity (exact search)");
  auto o = std::make_shared<options>();
  command->add_option("FILE", o->path, "Table with the columns id,lower,upper,size; a buffer lives in [lower, upper)")
      ->required();
  command->add_option("--capacity", o->capacity, "Bytes that there are")->required();
  command->add_option("--time-limit", o->limit, "Seconds of one core after which the search gives up")
      ->capture_default_str();
  command->add_option("-o,--output", o->out, "The table to write, with the column offset added")->required();
  command->callback([&chosen, o] {
    chosen = [o] {
      if (o->capacity <= 0) refuse("--capacity must be positive");
      if (!(o->limit > 0)) refuse("--time-limit must be positive");
      const table t = read_table(o->path);
      const std::clock_t start = std::clock();
      const auto seconds = [&] { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; };
      int calls = 0;
      const memory::fitting f = memory::place_within(t.buffers, 1, o->capacity, std::int64_t{1} << 60,
                                                     [&] { return ++calls % 64 == 0 && seconds() > o->limit; });
      if (f.result != memory::outcome::placed) {
        fmt::print(stderr,
                   "tmpuc: {} buffers do not fit {} bytes: {} (at most {} live at one time, best placement found {})\n",
                   t.buffers.size(), o->capacity,
                   f.result == memory::outcome::impossible
                       ? std::string("proved impossible")
                       : fmt::format("nothing found within the limit of {} s; raise --time-limit", o->limit),
                   f.best.lower_bound, f.best.peak);
        return 1;
      }
      std::string out = t.lines[0] + ",offset\n";
      for (std::size_t i = 0; i < t.buffers.size(); ++i)
        out += fmt::format("{},{}\n", t.lines[i + 1], f.best.offsets[i]);
      host::write_file(o->out, std::span(reinterpret_cast<const std::uint8_t*>(out.data()), out.size())); // NOLINT
      fmt::print("placed {} buffers: peak {} of {} bytes, at most {} live at one time{}, {:.2f} s\n", t.buffers.size(),
                 f.best.peak, o->capacity, f.best.lower_bound, f.best.optimal() ? ": optimal" : "", seconds());
      return 0;
    };
  });
}

} // namespace tmpuc

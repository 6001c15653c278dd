// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/calibrate.hpp"

#include "models.hpp"
#include "tmpu/host/fast_loops.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/host/threads.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <memory>

namespace tmpuc {

using namespace tmpu;

namespace {

struct shard_words {
  std::int64_t index = 0;
  std::int64_t count = 1;
};
shard_words parse_shard(const std::string& words) {
  if (words.empty()) return {};
  shard_words s;
  const char* end = words.data() + words.size();
  const auto first = std::from_chars(words.data(), end, s.index);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  if (slash) {
    const auto second = std::from_chars(first.ptr + 1, end, s.count);
    if (second.ec == std::errc() && second.ptr == end && s.index >= 0 && s.index < s.count) return s;
  }
  refuse(text("--shard '") << words << "' must be I/N with 0 <= I < N, for example 0/4");
}

void add_method(CLI::App& command, std::string& method) {
  command
      .add_option("--method", method,
                  "How the threshold is chosen: auto (the best of all, tensor by tensor), kl, mse, percentile, minmax, "
                  "aciq-gauss or aciq-laplace")
      ->type_name("NAME")
      ->capture_default_str();
}
void check_method(const std::string& method) {
  text methods;
  const bool known = unpack<decltype(calibrate::methods)>::any([&]<class Method>() {
    methods << (methods.empty() ? "" : ", ") << Method::name;
    return Method::name == method;
  });
  if (!known) refuse(text("--method '") << method << "' is not known: there are " << methods);
}

} // namespace

void add_merge(CLI::App& app, work& chosen) {
  struct options {
    std::vector<std::string> parts;
    std::string method = "auto";
    std::string out;
  };
  auto* command = app.add_subcommand("merge", "Make one table of what `tmpuc calibrate --shard` saw of the parts");
  auto o = std::make_shared<options>();
  command->add_option("PARTS", o->parts, "The statistics of all parts, in any order")->required();
  add_method(*command, o->method);
  command->add_option("-o,--output", o->out, "The table to write")->required()->type_name("TABLE.cali");
  command->callback([&chosen, o] {
    chosen = [o] {
      check_method(o->method);
      calibrate::statistics all;
      for (std::size_t i = 0; i < o->parts.size(); ++i) {
        const vec<std::uint8_t> bytes = host::read_file(o->parts[i]);
        const std::string content(bytes.data(), bytes.data() + bytes.size());
        calibrate::statistics part = calibrate::parse_statistics(content, o->parts[i]);
        if (i == 0) {
          all = std::move(part);
        } else {
          all.merge(part, o->parts[i]);
        }
      }
      host::write_file(o->out, calibrate::print(all.finish(o->method)).view());
      return 0;
    };
  });
}

namespace {

struct calibrate_options {
  model_options model;
  rule_options rules;
  data_options data;
  std::string method = "auto";
  std::string shard;
  std::string out;
};

/// What a part of the samples shows, and how long it took; `shown`: for people who wait.
calibrate::statistics seen_of(const calibrate_options& o, const shard_words& part, bool shown) {
  const canonical_model model = canonicalize(load_origin(o.model), rules_of(o.rules));
  const host::dataset data = open_data(o.data, inputs_of(model.graph));
  const std::int64_t runs = (data.runs() - part.index + part.count - 1) / part.count;
  const std::size_t threads = host::threads_for(o.data.threads, runs);
  std::vector<calibrate::calibrator> seen(threads, calibrate::calibrator(model.graph, model.rules));
  host::progress progress("calibrating", shown ? runs : 0);
  std::atomic<std::int64_t> done = 0;
  const auto start = std::chrono::steady_clock::now();
  host::in_threads{}(threads, [&](std::size_t thread) {
    for (auto i = static_cast<std::int64_t>(thread); i < runs; i += static_cast<std::int64_t>(threads)) {
      const std::int64_t run = part.index + i * part.count;
      seen[thread].add(data.inputs(run), run);
      const std::int64_t all = ++done;
      if (thread == 0 && shown) progress.at(all);
    }
  });
  for (std::size_t i = 1; i < threads; ++i) seen[0].merge(seen[i]);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  if (shown && ::isatty(STDOUT_FILENO) != 0) { // for people: files and pages hold nothing that changes from run to run
    fmt::print("{} samples in {:.1f} s, {:.0f} a second\n", seen[0].samples(), taken.count(),
               static_cast<double>(seen[0].samples()) / taken.count());
  }
  return seen[0].seen();
}

/// Each process takes its part of the samples; the first merges what all have seen, as `tmpuc merge` does, and writes the table. What goes
/// wrong in any of them the first one says.
int calibrate_together(calibrate_options o, ranks& all) {
  constexpr char good = ' ';
  constexpr char bad = '!';
  if (o.data.threads == 0) o.data.threads = 1; // the launcher decides how many work side by side
  const bool first = all.index() == 0;
  std::string message;
  calibrate::statistics merged;
  try {
    if (!o.shard.empty()) refuse("--shard does not go with mpirun, which gives each process its part: leave it out");
    check_method(o.method);
    merged = seen_of(o, {all.index(), all.count()}, first);
  } catch (const std::exception& e) {
    message = e.what();
  }
  if (!first) {
    all.give(message.empty() ? good + std::string(calibrate::print(merged).view()) : bad + message);
    return 0;
  }
  for (std::int64_t i = 1; i < all.count(); ++i) { // also after an error: they wait for it
    const std::string given = all.take(i);
    if (given[0] == bad && message.empty()) message = given.substr(1);
    if (message.empty()) merged.merge(calibrate::parse_statistics(given.substr(1), "of a process"), "of a process");
  }
  if (!message.empty()) refuse(text(message));
  host::write_file(o.out, calibrate::print(merged.finish(o.method)).view());
  return 0;
}

int calibrate_alone(const calibrate_options& o) {
  check_method(o.method);
  const calibrate::statistics seen = seen_of(o, parse_shard(o.shard), true);
  host::write_file(o.out,
                   o.shard.empty() ? calibrate::print(seen.finish(o.method)).view() : calibrate::print(seen).view());
  return 0;
}

} // namespace

void add_calibrate(CLI::App& app, work& chosen, join_ranks join) {
  auto* command =
      app.add_subcommand("calibrate", "Run samples through a model and write the range of each tensor (.cali)");
  auto o = std::make_shared<calibrate_options>();
  o->model.add(*command, "The model, an .onnx or .tflite file");
  o->rules.add(*command);
  o->data.add(*command);
  o->data.add_threads(*command);
  add_method(*command, o->method);
  command
      ->add_option("--shard", o->shard,
                   "Take the i-th of n parts of the samples (0 <= i < n) and write what was seen, for `tmpuc merge`; "
                   "`mpirun -n N tmpuc calibrate ...` takes N parts and merges them")
      ->type_name("I/N");
  command->add_option("-o,--output", o->out, "The table to write (with --shard: the statistics)")
      ->required()
      ->type_name("TABLE.cali");
  command->callback([&chosen, o, join] {
    chosen = [o, join] {
      const std::unique_ptr<ranks> all = join == nullptr ? nullptr : join();
      return all == nullptr ? calibrate_alone(*o) : calibrate_together(*o, *all);
    };
  });
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ranks.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// The driver's commands: each file registers its own and says what it runs. What a command's work returns is the exit code
/// (0 done, 1 a comparison failed); what it refuses is a tmpu::error, which main prints (2).
namespace tmpuc {

using work = std::function<int()>;

void add_calibrate(CLI::App& app, work& chosen, join_ranks join = nullptr);
void add_correct(CLI::App& app, work& chosen);
void add_export_qdq(CLI::App& app, work& chosen);
void add_merge(CLI::App& app, work& chosen);
void add_sensitivity(CLI::App& app, work& chosen);
void add_compile(CLI::App& app, work& chosen);
void add_run(CLI::App& app, work& chosen);
void add_check(CLI::App& app, work& chosen);
void add_compare(CLI::App& app, work& chosen);
void add_diff(CLI::App& app, work& chosen);
void add_info(CLI::App& app, work& chosen);
void add_disasm(CLI::App& app, work& chosen);
void add_chips(CLI::App& app, work& chosen);
void add_ops(CLI::App& app, work& chosen);
void add_place(CLI::App& app, work& chosen);
void add_profile(CLI::App& app, work& chosen);
void add_conformance(CLI::App& app, work& chosen);
void add_embed(CLI::App& app, work& chosen);

/// Options that several commands have.
struct model_options {
  std::string path;
  std::vector<std::string> input_shapes; ///< NAME=1,1,28,28
  void add(CLI::App& command, const std::string& what);
};

/// The canonicalize rules that are left out.
struct rule_options {
  std::vector<std::string> without;
  void add(CLI::App& command);
};

struct compile_options {
  model_options model;
  rule_options rules;
  std::string chip;
  std::string quantize;
  bool asymmetric = false;
  std::int64_t weight_group = 0; ///< 0: not given
  bool float_io = false;
  std::string calibration;
  std::string qtable;
  int opt = 2;
  int cores = 1;
  void add(CLI::App& command);
};

struct data_options {
  std::vector<std::string> data;
  std::string mean;
  std::string scale;
  std::int64_t samples = 0; ///< 0: all
  std::int64_t threads = 0; ///< 0: as many as the processor runs
  void add(CLI::App& command);
  /// Of commands whose samples go side by side.
  void add_threads(CLI::App& command);
};

} // namespace tmpuc

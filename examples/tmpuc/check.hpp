// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models.hpp"
#include "tmpu/compare/table.hpp"

#include <array>
#include <functional>
#include <string>
#include <vector>

/// `check` apart from its options: the Python module calls it, too.
namespace tmpuc {

struct check_request {
  compile_options compile;
  std::string reference;    ///< ONNX Runtime's outputs (.npz), or empty
  std::string tolerance;    ///< COS,EUCLID, or empty: by dtype
  std::int64_t threads = 0; ///< that the four inferences of a sample share; 0: as many as the processor runs
};

/// What a graph is at a stage.
struct stage_size {
  tmpu::stage at = tmpu::stage::origin;
  std::size_t nodes = 0;
  std::size_t groups = 0;
};

struct checked_model {
  tmpu::isa::program program;
  std::vector<stage_size> stages;
  tmpu::compare::table table;
  std::string partial; ///< names of the tensors of which the chip computes a part only
  std::int64_t samples = 0;
  tmpu::compare::tolerance least;
  std::array<bool, 4> ok{}; ///< of the pairs in the order of compare::pairs: exact, rounded, bit-equal, the whole way
  [[nodiscard]] bool passed() const { return ok[0] && ok[1] && ok[2] && ok[3]; }
};

using data_opener = std::function<tmpu::host::dataset(std::vector<tmpu::host::input_facts>)>;
/// Compiles the model, runs it at every stage on the data and compares.
checked_model check_model(const check_request& r, const data_opener& open);
/// The four-way table and the verdict, for people and as JSON.
std::string text_of(const check_request& r, const checked_model& m);
std::string json_of(const check_request& r, const checked_model& m);
/// One page, without anything from outside. (report.cpp)
std::string page_of(const check_request& r, const checked_model& m);

} // namespace tmpuc

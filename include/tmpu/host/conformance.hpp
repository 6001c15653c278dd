// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/compare/similarity.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/onnx/import.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// ONNX's backend tests: folders that hold `model.onnx` and, in `test_data_set_N`, the inputs and the outputs that the reference
/// implementation computed.
namespace tmpu::host {

struct backend_case {
  std::string name; ///< the folder's: "test_add_bcast"
  std::filesystem::path folder;
};

/// All cases in and below a folder, sorted. Errors: a folder that is not there.
inline std::vector<backend_case> find_cases(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code bad;
  if (!fs::is_directory(directory, bad)) refuse(text("'") << directory << "' is no folder: give one of backend tests");
  std::vector<backend_case> found;
  const auto look = [&](const fs::path& folder) {
    if (fs::exists(folder / "model.onnx", bad)) found.push_back({folder.filename().string(), folder});
  };
  look(fs::canonical(directory));
  for (const auto& entry : fs::recursive_directory_iterator(fs::canonical(directory))) {
    if (entry.is_directory()) look(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.folder < b.folder; });
  return found;
}

/// Does the name match a pattern of the shell (`*`, `?`, `[...]`)?
inline bool matches_glob(const std::string& name, const std::string& glob) {
  return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

enum class verdict : std::uint8_t { passed, failed, refused };
constexpr std::string_view name_of(verdict v) {
  return v == verdict::passed ? "passed" : (v == verdict::failed ? "failed" : "refused");
}

struct case_result {
  std::string name;
  verdict result = verdict::passed;
  std::string reason;      ///< one line; empty where it passed
  bool all_floats = false; ///< it ran, and every input and output is f32
  double error = 0;        ///< greatest |got - wanted| / max |wanted| of the outputs of f32; 0 where both are equal
};

/// How near a result must be. Integers and bools are equal.
struct nearness {
  double rtol = 1e-3; ///< those of ONNX's own runner: |got - wanted| <= atol + rtol * |wanted|
  double atol = 1e-7;
  double of_greatest = 0; ///< where not 0, instead: |got - wanted| <= of_greatest * max |wanted|
  double cosine = 0;      ///< where not 0, instead: the cosine is at least this
  bool same_type = true;  ///< the element types are equal, too (f32 may stand for every floating type otherwise)
};

namespace detail {
inline bool near(float got, float wanted, double allowed) {
  if (got == wanted || (math::is_nan(got) && math::is_nan(wanted))) return true;
  return math::abs(static_cast<double>(got) - static_cast<double>(wanted)) <= allowed;
}

inline double greatest(const value& v) {
  double found = 0;
  for (const float x : v.f) {
    if (!math::is_inf(x)) found = std::max(found, math::abs(static_cast<double>(x)));
  }
  return found;
}

/// Greatest |got - wanted| / max |wanted| of two tensors of one shape.
inline double error_of_greatest(const value& got, const value& wanted) {
  double found = 0;
  for (std::size_t i = 0; i < wanted.f.size(); ++i) {
    if (near(got.f[i], wanted.f[i], 0)) continue;
    found = std::max(found, math::abs(static_cast<double>(got.f[i]) - static_cast<double>(wanted.f[i])));
  }
  return found == 0 ? 0 : found / greatest(wanted);
}

/// Random numbers: their mean and variance must be those of the wanted ones, within five standard errors.
inline text compare_moments(const value& got, const value& wanted) {
  const auto moments = [](const value& v) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double x = is_floating(v.type) ? static_cast<double>(v.f[i]) : static_cast<double>(v.i[i]);
      sum += x;
      squares += x * x;
    }
    const auto n = static_cast<double>(v.size());
    const double mean = n == 0 ? 0 : sum / n;
    return std::pair{mean, n == 0 ? 0 : squares / n - mean * mean};
  };
  const auto [mean, variance] = moments(got);
  const auto [wanted_mean, wanted_variance] = moments(wanted);
  const double n = std::max(1.0, static_cast<double>(wanted.size()));
  const double spread = std::max(variance, wanted_variance);
  if (math::abs(mean - wanted_mean) > 5 * math::sqrt(2 * spread / n)) {
    return text("the mean is ") << mean << ", not about " << wanted_mean;
  }
  if (math::abs(variance - wanted_variance) > 5 * spread * math::sqrt(2 / n)) {
    return text("the variance is ") << variance << ", not about " << wanted_variance;
  }
  return {};
}
} // namespace detail

/// Empty where `got` is near enough to `wanted`, otherwise the first difference.
inline text difference(const value& got, const value& wanted, const nearness& how = {}) {
  const bool types_fit = how.same_type || !is_floating(got.type) || !is_floating(wanted.type);
  if (types_fit && got.type != wanted.type) {
    return text("the type is ") << name_of(got.type) << ", not " << name_of(wanted.type);
  }
  if (!(got.dims == wanted.dims)) return text("the shape is ") << got.dims.print() << ", not " << wanted.dims.print();
  if (!is_floating(wanted.type)) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (got.i[i] != wanted.i[i]) return text("element ") << i << " is " << got.i[i] << ", not " << wanted.i[i];
    }
    return {};
  }
  if (how.cosine != 0) {
    const double cosine = compare::cosine(wanted.f.span(), got.f.span());
    if (cosine >= how.cosine) return {};
    return text("the cosine is ") << cosine << ", less than " << how.cosine;
  }
  const double greatest = detail::greatest(wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double allowed = how.of_greatest != 0 ? how.of_greatest * greatest
                                                : how.atol + how.rtol * math::abs(static_cast<double>(wanted.f[i]));
    if (!detail::near(got.f[i], wanted.f[i], allowed)) {
      return text("element ") << i << " is " << got.f[i] << ", not " << wanted.f[i];
    }
  }
  return {};
}

/// What runs an imported model on the values of its inputs: gives its outputs, in their order.
using model_runner = std::function<std::vector<named_value>(graph<stage::origin>, std::span<const value>)>;
/// How near the results of an imported model must be.
using model_nearness = std::function<nearness(const graph<stage::origin>&)>;

/// The Top level: inference of the imported graph.
inline std::vector<named_value> run_at_top(graph<stage::origin> g, std::span<const value> inputs) {
  vec<value> values = evaluate(g, inputs);
  std::vector<named_value> out;
  for (const tensor_id t : g.outputs) out.push_back({std::string(g.name(t)), values[static_cast<std::size_t>(t)]});
  return out;
}

namespace detail {
/// `input_3.pb` of a data set: a tensor. The test data of ONNX 1.12 keeps bf16 as its bits in u16.
inline value read_case_value(const std::filesystem::path& path, dtype_id type) {
  const vec<std::uint8_t> bytes = read_file(path.string());
  ::onnx::TensorProto t;
  if (!t.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    refuse(text("'") << path.string() << "' holds no tensor");
  }
  const auto stored = tmpu::onnx::read_tensor(t);
  const bool bits = type == dtype_id::bf16 && stored.type == dtype_id::u16;
  return from_bytes(bits ? type : stored.type, stored.dims, stored.bytes());
}

inline bool makes_random_numbers(const ::onnx::ModelProto& m) {
  return std::any_of(m.graph().node().begin(), m.graph().node().end(), [](const auto& n) {
    return n.op_type() == "Bernoulli" || n.op_type() == "Multinomial" || n.op_type().rfind("Random", 0) == 0;
  });
}

inline std::filesystem::path input_file(const std::filesystem::path& data, std::ptrdiff_t i) {
  return data / ("input_" + std::to_string(i) + ".pb");
}

template <class Operators>
text run_data_set(const ::onnx::ModelProto& model, const std::filesystem::path& folder,
                  const std::filesystem::path& data, const model_runner& run, const model_nearness& near,
                  case_result& out) {
  // The inputs have the shapes of the data, also where the model leaves dimensions free or says others (as in cases of ONNX 1.12).
  ::onnx::ModelProto bound = model;
  const auto names = tmpu::onnx::inputs_of(model);
  for (auto& in : *bound.mutable_graph()->mutable_input()) {
    const auto at = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.name == in.name(); });
    if (at == names.end() || at->type == dtype_id::none) continue;
    auto* dims = in.mutable_type()->mutable_tensor_type()->mutable_shape();
    dims->clear_dim();
    for (const std::int64_t d : read_case_value(input_file(data, at - names.begin()), at->type).dims) {
      dims->add_dim()->set_dim_value(d);
    }
  }
  graph<stage::origin> g =
      tmpu::onnx::import_model<Operators>(bound, {.input_shapes = {}, .directory = text(folder.string())});
  vec<value> inputs;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    inputs.push_back(read_case_value(input_file(data, static_cast<std::ptrdiff_t>(i)), g.at(g.inputs[i]).type));
  }
  const nearness how = near(g);
  const std::vector<named_value> got = run(std::move(g), inputs);
  std::vector<value> wanted;
  for (std::size_t i = 0; i < got.size(); ++i) {
    wanted.push_back(read_case_value(data / ("output_" + std::to_string(i) + ".pb"), got[i].content.type));
  }
  const auto is_f32 = [](const value& v) { return v.type == dtype_id::f32; };
  out.all_floats =
      std::all_of(inputs.begin(), inputs.end(), is_f32) && std::all_of(wanted.begin(), wanted.end(), is_f32);
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (is_f32(wanted[i]) && got[i].content.dims == wanted[i].dims) {
      out.error = std::max(out.error, error_of_greatest(got[i].content, wanted[i]));
    }
    text bad = difference(got[i].content, wanted[i], how);
    if (!bad.empty() && got[i].content.type == wanted[i].type && got[i].content.dims == wanted[i].dims &&
        makes_random_numbers(model)) {
      bad = compare_moments(got[i].content, wanted[i]);
    }
    if (!bad.empty()) return text(data.filename().string()) << ", output '" << got[i].name << "': " << bad;
  }
  return {};
}
} // namespace detail

/// Runs a case on all of its data sets. A refusal (tmpu::error) of importer, compiler or inference is `refused`, any other fault `failed`.
template <class Operators>
case_result run_case(
    const backend_case& c, const model_runner& run = run_at_top,
    const model_nearness& near = [](const graph<stage::origin>&) { return nearness{}; }) {
  case_result out{.name = c.name};
  const auto say = [&](verdict v, std::string_view reason) {
    out.result = v;
    out.reason = reason;
  };
  try {
    const vec<std::uint8_t> bytes = read_file((c.folder / "model.onnx").string());
    const auto model = tmpu::onnx::parse_model(bytes, c.name);
    std::vector<std::filesystem::path> sets;
    for (const auto& entry : std::filesystem::directory_iterator(c.folder)) {
      if (entry.is_directory() && entry.path().filename().string().rfind("test_data_set_", 0) == 0) {
        sets.push_back(entry.path());
      }
    }
    std::sort(sets.begin(), sets.end());
    if (sets.empty()) say(verdict::failed, "the folder has no test_data_set_*");
    for (const auto& set : sets) {
      if (out.result != verdict::passed) break;
      const text bad = detail::run_data_set<Operators>(model, c.folder, set, run, near, out);
      if (!bad.empty()) say(verdict::failed, bad.view());
    }
  } catch (const error& e) {
    const bool ours = std::string_view(e.what()).starts_with("internal error");
    say(ours ? verdict::failed : verdict::refused, e.what());
  } catch (const std::exception& e) {
    say(verdict::failed, e.what());
  }
  return out;
}

} // namespace tmpu::host

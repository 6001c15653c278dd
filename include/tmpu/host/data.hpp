// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/reflect.hpp"
#include "tmpu/host/npz.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace tmpu::host {

/// An input of a network as its user sees it (edge.hpp: f32, or plain integers).
struct input_facts {
  std::string name;
  dtype_id type = dtype_id::f32;
  shape dims;
};

/// One `--data` of the command line: [INPUT=]FILE.npz[:KEY] or [INPUT=]FILE.npy.
struct data_spec {
  std::string input;
  std::string path;
  std::string key;
};

inline data_spec parse_data_spec(const std::string& word) {
  data_spec spec;
  std::string rest = word;
  std::error_code ignored;
  const auto equals = rest.find('=');
  if (equals != std::string::npos && !std::filesystem::exists(rest, ignored)) {
    spec.input = rest.substr(0, equals);
    rest = rest.substr(equals + 1);
  }
  const auto ending = rest.find(".npz:"); // keys may hold colons: TensorFlow's do
  const auto colon = ending == std::string::npos ? rest.rfind(':') : ending + 4;
  if (colon != std::string::npos && !std::filesystem::exists(rest, ignored)) {
    spec.key = rest.substr(colon + 1);
    rest.resize(colon);
  }
  spec.path = rest;
  if (spec.path.empty()) refuse(text("--data '") << word << "' names no file; it is [INPUT=]FILE.npz[:KEY]");
  return spec;
}

/// What is done to the data before a float input gets it: (x - mean) * scale in f32, a value for all or one a channel (axis 1 of the input).
struct preprocessing {
  floats mean;
  floats scale;
};

/// Samples for all inputs of a network. The first axis of each array counts the samples; a network of batch N takes N
/// samples a run, and the last run is filled up with copies of the last sample.
class dataset {
public:
  /// Opens the arrays and holds them against the inputs. `most`: take at most that many samples (0: all).
  /// Errors: wrong files, keys, shapes, element types; inputs without data; arrays that count different samples.
  dataset(std::vector<input_facts> inputs, const std::vector<data_spec>& specs, preprocessing p, std::int64_t most = 0)
      : inputs_(std::move(inputs)), preprocessing_(std::move(p)) {
    if (specs.empty()) refuse("no data was given: say --data FILE.npz:KEY");
    for (const data_spec& s : specs) {
      if (s.input.empty()) continue;
      const bool known =
          std::any_of(inputs_.begin(), inputs_.end(), [&](const input_facts& i) { return i.name == s.input; });
      if (!known) refuse(text("--data names the input '") << s.input << "', but the inputs are " << input_names());
    }
    for (const input_facts& i : inputs_) arrays_.push_back(find(i, specs));
    count_samples(most);
  }
  /// The same of arrays in memory, by their names.
  dataset(std::vector<input_facts> inputs, std::vector<array> arrays, preprocessing p = {}, std::int64_t most = 0)
      : inputs_(std::move(inputs)), preprocessing_(std::move(p)) {
    for (const array& a : arrays) {
      const bool known =
          std::any_of(inputs_.begin(), inputs_.end(), [&](const input_facts& i) { return i.name == a.name; });
      if (!known) refuse(text("there is no input '") << a.name << "'; the inputs are " << input_names());
    }
    for (const input_facts& i : inputs_) {
      const auto at = std::find_if(arrays.begin(), arrays.end(), [&](const array& a) { return a.name == i.name; });
      if (at == arrays.end()) refuse(text("no data for the input '") << i.name << '\'');
      arrays_.push_back(std::move(*at));
    }
    count_samples(most);
  }

  [[nodiscard]] std::int64_t samples() const { return samples_; }
  /// Samples that one run of the network takes.
  [[nodiscard]] std::int64_t batch() const { return batch_; }
  [[nodiscard]] std::int64_t runs() const { return (samples_ + batch_ - 1) / batch_; }
  /// How many of a run's samples are no filling.
  [[nodiscard]] std::int64_t real_samples(std::int64_t run) const { return std::min(batch_, samples_ - run * batch_); }

  /// The inputs of a run, in their order: f32 for float inputs (preprocessed), integers as they are.
  [[nodiscard]] vec<value> inputs(std::int64_t run) const {
    vec<value> out;
    for (std::size_t i = 0; i < inputs_.size(); ++i) out.push_back(input(i, run));
    return out;
  }

private:
  void count_samples(std::int64_t most) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      fit(inputs_[i], arrays_[i]);
      const std::int64_t count = arrays_[i].dims[0];
      if (i > 0 && count != arrays_[0].dims[0]) {
        refuse(text("the arrays for '") << inputs_[0].name << "' and '" << inputs_[i].name << "' hold "
                                        << arrays_[0].dims[0] << " and " << count << " samples: they must be as many");
      }
      samples_ = count;
    }
    if (samples_ == 0) refuse("the data holds no sample");
    if (most > 0 && most < samples_) samples_ = most;
  }
  [[nodiscard]] text input_names() const {
    text names;
    for (const input_facts& i : inputs_) names << (names.empty() ? "'" : ", '") << i.name << '\'';
    return names;
  }

  [[nodiscard]] array find(const input_facts& input, const std::vector<data_spec>& specs) const {
    for (const data_spec& s : specs) {
      if (s.input == input.name || (s.input.empty() && inputs_.size() == 1 && (!s.key.empty() || is_npy(s.path))))
        return open(s, s.key);
    }
    text tried;
    for (const data_spec& s : specs) {
      if (!s.input.empty()) continue;
      if (!s.key.empty() || is_npy(s.path)) {
        refuse(text("the network has ") << inputs_.size() << " inputs (" << input_names() << "): say which one '"
                                        << s.path << "' is for, --data NAME=" << s.path << (s.key.empty() ? "" : ":")
                                        << s.key);
      }
      for (const std::string& key : npz_keys(s.path)) {
        if (key == input.name) return open(s, key);
        tried << (tried.empty() ? "'" : ", '") << key << '\'';
      }
    }
    refuse(text("no data for the input '") << input.name << "'" << (tried.empty() ? "" : ": the file has ") << tried
                                           << "; say --data " << input.name << "=FILE.npz:KEY");
  }
  static bool is_npy(const std::string& path) {
    return path.size() > 4 && path.compare(path.size() - 4, 4, ".npy") == 0;
  }
  [[nodiscard]] static array open(const data_spec& s, const std::string& key) {
    if (is_npy(s.path)) return read_npy(s.path);
    if (!key.empty()) return read_npz(s.path, key);
    const auto keys = npz_keys(s.path);
    if (keys.size() == 1) return read_npz(s.path, keys[0]);
    text names;
    for (const std::string& k : keys) names << (names.empty() ? "'" : ", '") << k << '\'';
    refuse(text("'") << s.path << "' holds several arrays (" << names << "): say which one, FILE.npz:KEY");
  }

  void fit(const input_facts& input, const array& a) {
    const shape& d = input.dims;
    const auto same_from = [&](std::size_t first) {
      bool same = a.dims.rank() == 1 + d.rank() - first;
      for (std::size_t i = first; same && i < d.rank(); ++i) same = a.dims[1 + i - first] == d[i];
      return same;
    };
    std::int64_t batch = 0;
    if (d.rank() > 0 && same_from(1)) {
      batch = d[0];
    } else if (same_from(0)) {
      batch = 1;
    } else {
      refuse(text("the data for input '") << input.name << "' has the shape " << a.dims.print() << "; the input is "
                                          << d.print() << ", so an array [samples" << rest(d) << "] is needed");
    }
    if (batch_ != 0 && batch != batch_) {
      refuse(text("the inputs take ") << batch_ << " and " << batch
                                      << " samples a run: their batch sizes must be equal");
    }
    batch_ = batch;
    const bool floating_data = is_floating(a.type);
    if (!is_floating(input.type) && floating_data) {
      refuse(text("the data for input '") << input.name << "' is " << name_of(a.type) << ", but the input takes "
                                          << name_of(input.type) << ": give integers");
    }
    const std::int64_t channels = d.rank() > 1 ? d[1] : 1;
    for (const auto* list : {&preprocessing_.mean, &preprocessing_.scale}) {
      const auto count = static_cast<std::int64_t>(list->size());
      if (is_floating(input.type) && count > 1 && count != channels) {
        refuse(text(list == &preprocessing_.mean ? "--mean" : "--scale")
               << " has " << count << " values, but input '" << input.name << "' " << d.print() << " has " << channels
               << " channels");
      }
    }
  }
  static text rest(const shape& d) {
    text out;
    for (std::size_t i = 1; i < d.rank(); ++i) out << ',' << d[i];
    return out;
  }

  [[nodiscard]] value input(std::size_t which, std::int64_t run) const {
    const input_facts& facts = inputs_[which];
    const array& a = arrays_[which];
    const std::int64_t size = batch_ == 0 ? 0 : facts.dims.elements() / batch_;
    const auto bytes = static_cast<std::size_t>(size * bytes_of(a.type));
    vec<std::uint8_t> joined;
    for (std::int64_t k = 0; k < batch_; ++k) {
      const auto sample = static_cast<std::size_t>(std::min(run * batch_ + k, samples_ - 1));
      joined.append(a.bytes.span().subspan(sample * bytes, bytes));
    }
    value v = from_bytes(a.type, facts.dims, joined);
    if (!is_floating(facts.type)) {
      if (v.type != facts.type) check_range(facts, v);
      v.type = facts.type;
      return v;
    }
    if (!is_floating(v.type)) {
      v.f.resize(v.i.size());
      for (std::size_t i = 0; i < v.i.size(); ++i) v.f[i] = static_cast<float>(v.i[i]);
      v.i = {};
    }
    v.type = facts.type;
    const floats& mean = preprocessing_.mean;
    const floats& scale = preprocessing_.scale;
    if (mean.empty() && scale.empty()) return v;
    const std::int64_t channels = facts.dims.rank() > 1 ? facts.dims[1] : 1;
    const std::int64_t inner = facts.dims.rank() > 1 ? size / std::max<std::int64_t>(channels, 1) : size;
    for (std::size_t i = 0; i < v.f.size(); ++i) {
      const auto c = static_cast<std::size_t>(inner == 0 ? 0 : (static_cast<std::int64_t>(i) / inner) % channels);
      if (!mean.empty()) v.f[i] = v.f[i] - mean[mean.size() == 1 ? 0 : c];
      if (!scale.empty()) v.f[i] = v.f[i] * scale[scale.size() == 1 ? 0 : c];
    }
    return v;
  }
  static void check_range(const input_facts& facts, const value& v) {
    if (bytes_of(facts.type) == 8) return;
    for (const std::int64_t x : v.i) {
      if (x < least_of(facts.type) || x > greatest_of(facts.type)) {
        refuse(text("the data for input '")
               << facts.name << "' holds " << x << ", which is outside of " << name_of(facts.type));
      }
    }
  }

  std::vector<input_facts> inputs_;
  preprocessing preprocessing_;
  std::vector<array> arrays_;
  std::int64_t samples_ = 0;
  std::int64_t batch_ = 0;
};

/// Joins a result over the runs: along the network's batch axis where its first axis is the batch, otherwise run by run on a new first axis.
class joined_result {
public:
  void add(const value& v, const dataset& data, std::int64_t run) {
    const bool batched = v.dims.rank() > 0 && v.dims[0] == data.batch();
    const std::int64_t keep = batched ? data.real_samples(run) : 1;
    if (joined_.type == dtype_id::none) {
      joined_.type = v.type;
      joined_.dims = shape();
      joined_.dims.push_back(0);
      for (std::size_t i = batched ? 1 : 0; i < v.dims.rank(); ++i) joined_.dims.push_back(v.dims[i]);
    }
    joined_.dims[0] += keep;
    const std::int64_t rows = batched ? v.dims[0] : 1;
    const auto part = static_cast<std::size_t>(rows == 0 ? 0 : static_cast<std::int64_t>(v.size()) / rows * keep);
    joined_.f.append(v.f.span().first(v.f.empty() ? 0 : part));
    joined_.i.append(v.i.span().first(v.i.empty() ? 0 : part));
  }
  [[nodiscard]] const value& get() const { return joined_; }

private:
  value joined_;
};

} // namespace tmpu::host

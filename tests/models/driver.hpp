// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

/// What the tests of trained models share: the driver, and where models and results lie.
namespace models {

namespace fs = std::filesystem;

inline std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}
inline bool long_form() { return variable("TMPU_LONG_TESTS") == "1"; }

/// Runs the driver with its messages on the terminal; gives its exit code.
inline int tmpuc(const std::string& words, bool quiet = false) {
  return std::system(("\"" + variable("TMPU_TMPUC") + "\" " + words + (quiet ? " > /dev/null" : "")).c_str()) >> 8;
}

/// A folder of one's own that goes away.
class workplace {
public:
  explicit workplace(const std::string& name)
      : path_(fs::temp_directory_path() / ("tmpu_" + name + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~workplace() { fs::remove_all(path_); }
  workplace(const workplace&) = delete;
  workplace& operator=(const workplace&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
  fs::path path_;
};

/// A file of the trained models that are not in the project; empty where they are not there.
inline std::string shared(const std::string& file) {
  const std::string path = variable("TMPU_SHARED_MODELS") + "/" + file;
  return fs::exists(path) ? path : std::string();
}

} // namespace models

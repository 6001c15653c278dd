// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/compile.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/isa/tmodel.hpp"
#include "tmpu/onnx/import.hpp"

#include <string>

namespace tmpu::host {

/// A model from a file. External data is looked for beside it.
template <class Lists = standard>
graph<stage::origin> load_onnx(const std::string& path, tmpu::onnx::import_options options = {}) {
  const vec<std::uint8_t> bytes = read_file(path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  options.directory = folder.empty() ? text(".") : text(folder);
  return tmpu::onnx::import_model<typename Lists::operators>(tmpu::onnx::parse_model(bytes, path), options);
}

/// A program from and to a `.tmodel` file.
inline isa::program load_program(const std::string& path) { return isa::from_bytes(read_file(path), path); }
inline void save_program(const std::string& path, const isa::program& p) { write_file(path, isa::to_bytes(p)); }

} // namespace tmpu::host

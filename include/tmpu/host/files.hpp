// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/vec.hpp"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace tmpu::host {

/// The bytes of a file. Errors: a file that is not there, a folder, one that cannot be read.
inline vec<std::uint8_t> read_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) refuse(text("'") << path << "' is a folder: give a file");
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) refuse(text("'") << path << "' cannot be opened: is there such a file, and may you read it?");
  const std::streamoff size = file.tellg();
  if (size < 0) refuse(text("'") << path << "' cannot be read: give a regular file");
  vec<std::uint8_t> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), size); // NOLINT: bytes from a stream
  if (!file) refuse(text("'") << path << "' cannot be read to its end");
  return bytes;
}

/// A file that appears under its name when it is complete: until `finish` it is written beside it under another name, and
/// it is removed when anything goes wrong before.
class pending_file {
public:
  explicit pending_file(std::string path)
      : path_(std::move(path)), temporary_(path_ + ".part" + std::to_string(static_cast<long>(::getpid()))) {
    std::error_code ignored;
    const auto there = std::filesystem::status(path_, ignored);
    if (std::filesystem::is_directory(there)) refuse(text("'") << path_ << "' is a folder: name a file in it");
    // A device or a pipe would be replaced by the finished file.
    if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
      refuse(text("'") << path_ << "' is no regular file: name a file to write");
  }
  pending_file(const pending_file&) = delete;
  pending_file& operator=(const pending_file&) = delete;
  ~pending_file() {
    std::error_code ignored;
    if (!finished_) std::filesystem::remove(temporary_, ignored);
  }
  /// Where to write.
  [[nodiscard]] const std::string& temporary() const { return temporary_; }
  void finish() {
    std::error_code bad;
    std::filesystem::rename(temporary_, path_, bad);
    if (bad) refuse(text("'") << path_ << "' cannot be written: " << bad.message());
    finished_ = true;
  }

private:
  std::string path_;
  std::string temporary_;
  bool finished_ = false;
};

/// Writes a file as a whole or not at all.
inline void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  pending_file pending(path);
  {
    std::ofstream file(pending.temporary(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), // NOLINT: bytes to a stream
               static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file)
      refuse(text("'") << path << "' cannot be written: does its folder exist, may you write there, is there space?");
  }
  pending.finish();
}
inline void write_file(const std::string& path, std::string_view content) {
  write_file(path, {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}); // NOLINT: text as bytes
}

} // namespace tmpu::host

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

namespace tmpu::onnx {

/// Files beside a model that hold the bytes of its tensors, mapped: a page is read when it is looked at, so that weights may be larger
/// than the memory. A file that was written anew is mapped anew, beside what graphs still look into.
class external_files {
public:
  external_files() = default;
  external_files(const external_files&) = delete;
  external_files& operator=(const external_files&) = delete;
  ~external_files() {
    for (const auto& [state, bytes] : open_) {
      if (!bytes.empty()) ::munmap(const_cast<std::uint8_t*>(bytes.data()), bytes.size()); // NOLINT: mapped by us
    }
  }

  /// The bytes of a file; `tensor` is what messages call the reader.
  std::span<const std::uint8_t> open(const std::string& path, std::string_view tensor) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct ::stat facts {};
    if (file < 0 || ::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
      if (file >= 0) ::close(file);
      refuse(text("tensor '") << tensor << "' keeps its data in '" << path
                              << "', which cannot be opened: put that file beside the model");
    }
    const file_state state{facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
    if (const auto found = open_.find(state); found != open_.end()) {
      ::close(file);
      return found->second;
    }
    const auto size = static_cast<std::size_t>(facts.st_size);
    void* memory = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) refuse(text("file '") << path << "' cannot be read");
    return open_.emplace(state, std::span<const std::uint8_t>(static_cast<const std::uint8_t*>(memory), size))
        .first->second;
  }

private:
  /// Device, number, bytes and time of the last change.
  using file_state = std::tuple<::dev_t, ::ino_t, ::off_t, ::time_t, long>;
  std::map<file_state, std::span<const std::uint8_t>> open_;
};

} // namespace tmpu::onnx

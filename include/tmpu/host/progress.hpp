// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/text.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace tmpu::host {

/// A line on stderr that shows how far long work is; nothing where stderr is no terminal.
class progress {
public:
  progress(std::string what, std::int64_t total)
      : what_(std::move(what)), total_(total), shown_(::isatty(STDERR_FILENO) != 0) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    if (printed_) std::fputs("\r\x1b[K", stderr);
  }
  void at(std::int64_t done) {
    if (!shown_) return;
    const auto now = std::chrono::steady_clock::now();
    if (printed_ && done != total_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    printed_ = true;
    std::fprintf(stderr, "\r%s %lld/%lld\x1b[K", what_.c_str(), static_cast<long long>(done),
                 static_cast<long long>(total_));
    std::fflush(stderr);
  }

private:
  std::string what_;
  std::int64_t total_;
  bool shown_;
  bool printed_ = false;
  std::chrono::steady_clock::time_point last_;
};

} // namespace tmpu::host

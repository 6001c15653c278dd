// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace tmpu::host {

/// Runs part(0), ..., part(count - 1) at the same time, each on a thread. Errors: those of the first part that has one.
struct in_threads {
  template <class Part> void operator()(std::size_t count, Part&& part) const {
    std::vector<std::exception_ptr> failed(count);
    const auto guarded = [&](std::size_t i) {
      try {
        part(i);
      } catch (...) {
        failed[i] = std::current_exception();
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t i = 1; i < count; ++i) others.emplace_back(guarded, i);
      guarded(0);
    }
    for (const std::exception_ptr& f : failed) {
      if (f) std::rethrow_exception(f);
    }
  }
};

/// How many threads `wanted` stands for: itself, or for 0 as many as the processor runs; no more than there is work.
inline std::size_t threads_for(std::int64_t wanted, std::int64_t work) {
  const auto runs = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  const std::int64_t most = wanted > 0 ? wanted : runs > 0 ? runs : 1;
  return static_cast<std::size_t>(most < work ? most : work > 0 ? work : 1);
}

} // namespace tmpu::host

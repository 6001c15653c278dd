// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

/// The processes that `mpirun` started together. Only the program tmpuc knows MPI; what links its commands (the Python module) does not.
namespace tmpuc {

class ranks {
public:
  ranks() = default;
  ranks(const ranks&) = delete;
  ranks& operator=(const ranks&) = delete;
  virtual ~ranks() = default;
  [[nodiscard]] virtual std::int64_t index() const = 0; ///< of this process, 0 ... count() - 1
  [[nodiscard]] virtual std::int64_t count() const = 0;
  virtual void give(const std::string& bytes) = 0; ///< to process 0, which takes them
  virtual std::string take(std::int64_t from) = 0; ///< what that process gave
};

/// The processes at hand; nullptr where this one is alone. Refuses where a launcher started several, but tmpuc was built without MPI.
using join_ranks = std::unique_ptr<ranks> (*)();
std::unique_ptr<ranks> join_mpi();

} // namespace tmpuc

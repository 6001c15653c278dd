// SPDX-License-Identifier: Apache-2.0
#include "ranks.hpp"

#include "tmpu/core/diag.hpp"

#include <cstdlib>
#include <string_view>

#if TMPU_HAS_MPI
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#endif

namespace tmpuc {

namespace {

/// Launchers tell their processes how many there are; a program that was started alone need not ask MPI, which takes a while.
bool launched() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* count = std::getenv(name);
    if (count != nullptr && std::string_view(count) != "1") return true;
  }
  return false;
}

#if TMPU_HAS_MPI
class mpi_ranks final : public ranks {
public:
  mpi_ranks() {
    MPI_Init(nullptr, nullptr);
    MPI_Comm_rank(MPI_COMM_WORLD, &index_);
    MPI_Comm_size(MPI_COMM_WORLD, &count_);
  }
  ~mpi_ranks() override { MPI_Finalize(); }
  [[nodiscard]] std::int64_t index() const override { return index_; }
  [[nodiscard]] std::int64_t count() const override { return count_; }
  void give(const std::string& bytes) override {
    const auto size = static_cast<std::int64_t>(bytes.size());
    MPI_Send(&size, 1, MPI_INT64_T, 0, 0, MPI_COMM_WORLD);
    for (std::int64_t at = 0; at < size; at += most)
      MPI_Send(bytes.data() + at, piece(size, at), MPI_BYTE, 0, 0, MPI_COMM_WORLD);
  }
  std::string take(std::int64_t from) override {
    const int source = static_cast<int>(from);
    std::int64_t size = 0;
    MPI_Recv(&size, 1, MPI_INT64_T, source, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    for (std::int64_t at = 0; at < size; at += most)
      MPI_Recv(bytes.data() + at, piece(size, at), MPI_BYTE, source, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return bytes;
  }

private:
  static constexpr std::int64_t most = std::int64_t{1} << 30; ///< bytes of a message, whose size is an int
  static int piece(std::int64_t size, std::int64_t at) { return static_cast<int>(std::min(most, size - at)); }
  int index_ = 0;
  int count_ = 1;
};
#endif

} // namespace

std::unique_ptr<ranks> join_mpi() {
  if (!launched()) return nullptr;
#if TMPU_HAS_MPI
  return std::make_unique<mpi_ranks>();
#else
  tmpu::refuse(
      "several processes were started together, but this tmpuc was built without MPI: build it where CMake finds "
      "MPI (Debian: libopenmpi-dev), or use --shard and `tmpuc merge`");
#endif
}

} // namespace tmpuc

// SPDX-License-Identifier: Apache-2.0
// Whatever a file of tensors holds, .npz as a whole or the .npy in it: it is refused in one line, or its arrays have the bytes of their
// shapes, and written again they are read as the same.
#include "fuzz/seeds.hpp"
#include "tmpu/host/npz.hpp"

#include <sys/mman.h>

namespace {

using namespace tmpu;

/// Bytes as a file of the memory.
class memory_file {
public:
  memory_file() : descriptor_(::memfd_create("fuzz", 0)) {}
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;
  ~memory_file() { ::close(descriptor_); }
  void fill(std::span<const std::uint8_t> bytes) const {
    if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) < 0)
      fuzz::fault("no memory file");
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

private:
  int descriptor_;
};

void look(const host::array& a) {
  if (static_cast<std::int64_t>(a.bytes.size()) != a.dims.elements() * bytes_of(a.type))
    fuzz::fault("an array of another size");
  const host::array again = host::detail::parse_npy(host::detail::make_npy(a), "again");
  if (again.type != a.type || !(again.dims == a.dims) || !(again.bytes == a.bytes))
    fuzz::fault("a written array is read as another one");
}

void read(std::span<const std::uint8_t> bytes) {
  if (!bytes.empty() && bytes[0] == 0x93) return look(host::detail::parse_npy(bytes, "fuzz.npy"));
  static const memory_file file;
  file.fill(bytes);
  for (const std::string& key : host::npz_keys(file.path())) look(host::read_npz(file.path(), key));
}

const std::vector<std::vector<std::uint8_t>>& seeds() {
  static const std::vector<std::vector<std::uint8_t>> all = [] {
    std::vector<std::vector<std::uint8_t>> made;
    std::vector<host::array> arrays;
    for (const auto& [type, dims] : {std::pair{dtype_id::f32, shape{2, 3}}, std::pair{dtype_id::i8, shape{}},
                                     std::pair{dtype_id::i64, shape{0, 4}}}) {
      arrays.push_back(host::to_array("a" + std::to_string(arrays.size()), value(type, dims)));
      const vec<std::uint8_t> npy = host::detail::make_npy(arrays.back());
      made.emplace_back(npy.begin(), npy.end());
    }
    const std::string path = "seed_" + std::to_string(static_cast<long>(::getpid())) + ".npz";
    host::write_npz(path, arrays);
    const vec<std::uint8_t> npz = host::read_file(path);
    std::filesystem::remove(path);
    made.emplace_back(npz.begin(), npz.end());
    return made;
  }();
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::one_line([&] { read({data, size}); });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  if (size < 12 || (data[0] != 0x93 && data[0] != 'P')) return fuzz::put_seed(seeds(), seed, data, most);
  if (data[0] == 0x93 && seed % 8 != 0)
    return 10 + LLVMFuzzerMutate(data + 10, size - 10, most - 10); // the header and behind
  return LLVMFuzzerMutate(data, size, most);
}

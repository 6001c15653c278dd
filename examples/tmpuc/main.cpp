// SPDX-License-Identifier: Apache-2.0
// tmpuc: the compiler's driver. See README.md, "The driver", and `tmpuc --help`.
#include "command.hpp"
#include "tmpu/version.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <cstdio>
#include <exception>
#include <new>
#include <string>

namespace {

// Errors are one line, whatever they come from.
int fail(std::string message) {
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  while (!message.empty() && message.back() == ' ') message.pop_back();
  std::fprintf(stderr, "tmpuc: error: %s\n", message.c_str());
  return 2;
}

} // namespace

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  // Inference asks for the same great blocks again and again: they stay with the process instead of going back to the system each time.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 25);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  CLI::App app{"Compiles neural networks (ONNX) for a TPU and runs them on the reference TPU.", "tmpuc"};
  app.require_subcommand(0, 1); // none: see below
  app.set_version_flag("--version", std::to_string(tmpu::version.major_number) + "." +
                                        std::to_string(tmpu::version.minor_number) + "." +
                                        std::to_string(tmpu::version.patch_number));
  app.footer("Errors are one line on stderr and exit code 2; a comparison that fails is exit code 1.");
  tmpuc::work chosen;
  tmpuc::add_calibrate(app, chosen, tmpuc::join_mpi);
  tmpuc::add_correct(app, chosen);
  tmpuc::add_export_qdq(app, chosen);
  tmpuc::add_merge(app, chosen);
  tmpuc::add_sensitivity(app, chosen);
  tmpuc::add_compile(app, chosen);
  tmpuc::add_run(app, chosen);
  tmpuc::add_check(app, chosen);
  tmpuc::add_compare(app, chosen);
  tmpuc::add_diff(app, chosen);
  tmpuc::add_info(app, chosen);
  tmpuc::add_disasm(app, chosen);
  tmpuc::add_chips(app, chosen);
  tmpuc::add_ops(app, chosen);
  tmpuc::add_place(app, chosen);
  tmpuc::add_profile(app, chosen);
  tmpuc::add_conformance(app, chosen);
  tmpuc::add_embed(app, chosen);
  try {
    app.parse(argc, argv);
    if (!chosen) return fail("no command was given; see tmpuc --help");
    return chosen();
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e); // --help, --version
    return fail(std::string(e.what()) + "; see tmpuc --help");
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}

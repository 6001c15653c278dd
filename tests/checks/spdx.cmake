# SPDX-License-Identifier: Apache-2.0
# cmake -DROOT=... -P spdx.cmake: every source, script and page has the licence in its first lines (the first, or the
# second under a `#!`). Formats that have no comments (JSON, ONNX, npz, golden texts) are not looked at.
cmake_minimum_required(VERSION 3.25)

file(GLOB files LIST_DIRECTORIES FALSE "${ROOT}/*")
file(GLOB_RECURSE more LIST_DIRECTORIES FALSE "${ROOT}/include/*" "${ROOT}/examples/*" "${ROOT}/tests/*" "${ROOT}/cmake/*"
     "${ROOT}/benchmarks/*" "${ROOT}/docs/*" "${ROOT}/python/*" "${ROOT}/tools/*" "${ROOT}/.ci/*")
set(count 0)
set(bad "")
foreach(file IN LISTS files more)
  if(NOT file MATCHES "(\\.(hpp|h|cpp|py|cmake|cmake\\.in|sh|md|yml)|/CMakeLists\\.txt|/\\.clang-format|/\\.clang-tidy|/\\.gitignore|/\\.ci/[a-z]+)$")
    continue()
  endif()
  math(EXPR count "${count} + 1")
  file(READ "${file}" head LIMIT 120)
  if(NOT head MATCHES "^(#![^\n]*\n)?[^\n]*SPDX-License-Identifier: Apache-2\\.0")
    list(APPEND bad "${file}")
  endif()
endforeach()
if(bad)
  list(JOIN bad "\n  " text)
  message(FATAL_ERROR "the first line must hold `SPDX-License-Identifier: Apache-2.0`:\n  ${text}")
endif()
if(count EQUAL 0)
  message(FATAL_ERROR "no files found below ${ROOT}")
endif()
message(STATUS "${count} files carry their licence")

# SPDX-License-Identifier: Apache-2.0
# cmake -DCOMPILER=... -DFLAGS=... -DSOURCE=FILE.cpp -P must_not_compile.cmake
#
# Compiles FILE.cpp twice. Plain it must pass: so the error comes from what TMPU_MUST_FAIL adds and from nothing else.
# With -DTMPU_MUST_FAIL it must fail, and the compiler's output must hold the text of every line of the file that reads
#     // expect: TEXT            both compilers
#     // expect-gcc: TEXT        g++ only
#     // expect-clang: TEXT      clang++ only
# At least one `// expect:` is required. The text must not hold a semicolon.
cmake_minimum_required(VERSION 3.25)
set(ENV{LC_ALL} C)

execute_process(COMMAND "${COMPILER}" --version OUTPUT_VARIABLE version)
set(other gcc)
if(NOT version MATCHES "clang")
  set(other clang)
endif()

file(STRINGS "${SOURCE}" lines REGEX "^ *// expect(-gcc|-clang)?: ")
set(expected "")
set(common 0)
foreach(line IN LISTS lines)
  string(REGEX REPLACE "^ *// expect(-gcc|-clang)?: *(.*[^ ]) *$" "\\2" text "${line}")
  if(line MATCHES "^ *// expect: ")
    math(EXPR common "${common} + 1")
  endif()
  if(NOT line MATCHES "^ *// expect-${other}: ")
    list(APPEND expected "${text}")
  endif()
endforeach()
if(common EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: no `// expect:` line")
endif()

set(command "${COMPILER}" ${FLAGS} -S -o /dev/null)
execute_process(
  COMMAND ${command} "${SOURCE}"
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "${SOURCE}: does not compile without TMPU_MUST_FAIL; it must")
endif()

execute_process(
  COMMAND ${command} -DTMPU_MUST_FAIL "${SOURCE}"
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: compiles with TMPU_MUST_FAIL; it must not")
endif()
foreach(text IN LISTS expected)
  string(FIND "${output}" "${text}" at)
  if(at EQUAL -1)
    message("${output}")
    message(FATAL_ERROR "${SOURCE}: fails as it must, but the output above lacks: ${text}")
  endif()
endforeach()
list(LENGTH expected count)
message(STATUS "${SOURCE}: refused, with the ${count} expected texts")

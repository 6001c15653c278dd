# SPDX-License-Identifier: Apache-2.0
# The must-not-compile harness accepts a right file and refuses four wrong ones, each for its own reason.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")

function(expect name passes text body)
  file(WRITE "${WORK}/${name}.cpp" "${body}")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DCOMPILER=${COMPILER} -DFLAGS=-std=c++20 -DSOURCE=${WORK}/${name}.cpp -P ${HARNESS}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  string(FIND "${output}" "${text}" at)
  if((passes AND NOT result EQUAL 0)
     OR (NOT passes AND result EQUAL 0)
     OR at EQUAL -1)
    message(FATAL_ERROR "${name}: result ${result}, wanted the text \"${text}\" in: ${output}")
  endif()
  message(STATUS "${name}: as expected")
endfunction()

set(bad "#ifdef TMPU_MUST_FAIL\nstatic_assert(false, \"tmpu-T001: no\")@\n#endif\nint x = 0@\n")
string(REPLACE "@" ";" bad "${bad}")
expect(right TRUE "refused, with the 1 expected texts" "// expect: tmpu-T001: no\n${bad}")
expect(no_expectation FALSE "no `// expect:` line" "${bad}")
expect(plain_fails FALSE "does not compile without TMPU_MUST_FAIL" "// expect: no\nbroken\n")
expect(passes FALSE "compiles with TMPU_MUST_FAIL" "// expect: no\n")
expect(other_text FALSE "lacks: tmpu-T002" "// expect: tmpu-T001\n// expect: tmpu-T002\n${bad}")

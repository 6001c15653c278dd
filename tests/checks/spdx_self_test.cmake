# SPDX-License-Identifier: Apache-2.0
# The licence check passes a file that has the line and names one that has it too late.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")

function(run result_variable output_variable)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${CHECK}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  set(${result_variable} ${result} PARENT_SCOPE)
  set(${output_variable} "${output}" PARENT_SCOPE)
endfunction()

file(WRITE "${WORK}/include/tmpu/good.hpp" "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n")
file(WRITE "${WORK}/.ci/run" "#!/usr/bin/env bash\n# SPDX-License-Identifier: Apache-2.0\n")
run(result output)
if(NOT result EQUAL 0 OR NOT output MATCHES "2 files carry")
  message(FATAL_ERROR "two right files are refused: ${output}")
endif()
file(WRITE "${WORK}/tests/late.cpp" "#include <vector>\n// SPDX-License-Identifier: Apache-2.0\n")
run(result output)
if(result EQUAL 0 OR NOT output MATCHES "late\\.cpp" OR output MATCHES "good\\.hpp")
  message(FATAL_ERROR "a file whose first line is not the licence goes through: ${output}")
endif()
message(STATUS "as expected")

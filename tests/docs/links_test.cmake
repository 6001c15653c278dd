# SPDX-License-Identifier: Apache-2.0
# Links and tables of the pages; and that the check finds a dead link, a dead anchor and a wrong table.
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
execute_process(COMMAND ${python} ${SOURCE}/tests/docs/pages.py links ${SOURCE} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the pages have errors, see above")
endif()

file(REMOVE_RECURSE ${WORK})
file(COPY ${SOURCE}/docs ${SOURCE}/CONTRIBUTING.md DESTINATION ${WORK})
file(COPY ${SOURCE}/tests/checks DESTINATION ${WORK}/tests)
file(COPY ${SOURCE}/include DESTINATION ${WORK})
file(APPEND ${WORK}/docs/design.md "[dead](nowhere.md) [no heading](errors.md#nowhere)\n")
file(READ ${WORK}/CONTRIBUTING.md text)
string(REPLACE "exec: core chip isa simd" "exec: core" text "${text}")
file(WRITE ${WORK}/CONTRIBUTING.md "${text}")
execute_process(
  COMMAND ${python} ${SOURCE}/tests/docs/pages.py links ${WORK}
  RESULT_VARIABLE result
  OUTPUT_QUIET
  ERROR_VARIABLE errors)
foreach(text "there is no nowhere.md" "no heading #nowhere" "CONTRIBUTING.md: the include table has \\['core'\\] for exec")
  if(NOT errors MATCHES "${text}")
    message(FATAL_ERROR "the check does not say '${text}':\n${errors}")
  endif()
endforeach()

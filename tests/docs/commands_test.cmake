# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc timeout=900
# Every ```sh block of the pages runs, and what the pages show of its output is its output. To write the output of today into the
# pages: python3 tests/docs/pages.py update . WORK BUILD/tmpuc
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
execute_process(COMMAND ${python} ${SOURCE}/tests/docs/pages.py run ${SOURCE} ${WORK}/run ${TMPUC} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the pages are stale, see above")
endif()

# The check can fail: a text that is not the output, and a command that does not run.
file(REMOVE_RECURSE ${WORK}/wrong)
file(WRITE ${WORK}/wrong/docs/page.md "```sh\ntmpuc chips\n```\n\n```text\nno chips\n```\n\n```sh\ntmpuc frobnicate\n```\n")
file(COPY ${SOURCE}/examples/data DESTINATION ${WORK}/wrong/examples)
execute_process(
  COMMAND ${python} ${SOURCE}/tests/docs/pages.py run ${WORK}/wrong ${WORK}/wrong_run ${TMPUC}
  RESULT_VARIABLE result
  OUTPUT_QUIET
  ERROR_VARIABLE errors)
if(result EQUAL 0 OR NOT errors MATCHES "is not what the page shows" OR NOT errors MATCHES "page.md:10: exit")
  message(FATAL_ERROR "the check passes a wrong page:\n${errors}")
endif()

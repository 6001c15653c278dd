# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# The pages that the driver writes, in a browser where there is one. See pages_in_browser.py.
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
execute_process(COMMAND ${python} ${SOURCE}/tests/tmpuc/pages_in_browser.py ${SOURCE} ${WORK} ${TMPUC} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "a page does not do in a browser, see above")
endif()

# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc labels=sanitize
# The driver's words: what each command prints and writes, and what it refuses. See driver.py.
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
execute_process(COMMAND ${python} ${SOURCE}/tests/tmpuc/driver.py ${SOURCE} ${WORK} ${TMPUC} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the driver does not keep its word, see above")
endif()

# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# tools/amalgamate.py makes a header that compiles alone and runs programs as the driver does. See tests/consumers/single_header.py.
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
find_program(compiler NAMES g++ c++ REQUIRED)
execute_process(COMMAND ${python} ${SOURCE}/tests/consumers/single_header.py ${SOURCE} ${WORK} ${TMPUC} ${compiler}
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the single header does not do, see above")
endif()

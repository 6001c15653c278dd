# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# The cases of vectors/ (see its README) pass at Top, and compiled for a chip in F32 and run in checked mode.
cmake_minimum_required(VERSION 3.25)
file(GLOB cases ${SOURCE}/tests/onnx/vectors/test_*)
list(LENGTH cases count)
foreach(level top chip)
  execute_process(COMMAND ${TMPUC} conformance --level ${level} --chip nano ${SOURCE}/tests/onnx/vectors
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0 OR count EQUAL 0 OR NOT output MATCHES "${count} cases: ${count} passed, 0 failed, 0 refused")
    message(FATAL_ERROR "not every one of ${count} cases passes (${level}):\n${output}")
  endif()
endforeach()

# The check can fail: a case whose output is another one's.
file(REMOVE_RECURSE ${WORK}/wrong)
file(COPY ${SOURCE}/tests/onnx/vectors/test_less_int16 DESTINATION ${WORK}/wrong)
file(COPY_FILE ${SOURCE}/tests/onnx/vectors/test_isnan_float16/test_data_set_0/output_0.pb
     ${WORK}/wrong/test_less_int16/test_data_set_0/output_0.pb)
execute_process(COMMAND ${TMPUC} conformance ${WORK}/wrong RESULT_VARIABLE result OUTPUT_VARIABLE output
                ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "test_less_int16")
  message(FATAL_ERROR "the check passes a wrong output:\n${output}")
endif()

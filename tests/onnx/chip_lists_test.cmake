# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# ONNX's backend tests compiled for two chips and run in checked mode. Each list in chip/ holds the cases that pass: those without a host
# step in F32; those of only f32 inputs and outputs in F16 and BF16 (within the bounds of lower/error_bounds.hpp) and INT8 (cosine 0.99).
# A listed case that no longer passes, and one that does and is not listed, fail this test. With the environment's TMPU_UPDATE_DOCS=1 it
# writes the lists.
cmake_minimum_required(VERSION 3.25)
set(data /usr/share/libonnx-testdata/data)
if(NOT IS_DIRECTORY ${data})
  message(STATUS "skipped: ${data} is not there (Debian: libonnx-testdata)")
  return()
endif()

function(compare listed found where)
  set(gone ${listed})
  list(REMOVE_ITEM gone ${found})
  set(fresh ${found})
  list(REMOVE_ITEM fresh ${listed})
  if(gone OR fresh)
    set(differs "${where}: no longer passing [${gone}]; not listed [${fresh}]" PARENT_SCOPE)
  else()
    set(differs "" PARENT_SCOPE)
  endif()
endfunction()

# The cases of a list: on both chips they pass in the dtype, and their record matches FIELDS. At least LEAST of them are promised.
function(check_list name dtype fields least)
  set(list_file ${SOURCE}/tests/onnx/chip/${name}.txt)
  foreach(chip nano bm1684x)
    execute_process(COMMAND ${TMPUC} conformance --level chip --chip ${chip} --quantize ${dtype} --json ${data}
                    OUTPUT_VARIABLE output ERROR_QUIET)
    string(REGEX MATCHALL "\"test_[^\"]*\", \"result\": \"passed\", \"reason\": \"\", ${fields}" ${chip} "${output}")
    list(TRANSFORM ${chip} REPLACE "^\"(test_[^\"]*)\".*$" "\\1")
  endforeach()
  set(only_nano ${nano})
  list(REMOVE_ITEM only_nano ${bm1684x})
  list(REMOVE_ITEM nano ${only_nano})
  list(SORT nano)
  if("$ENV{TMPU_UPDATE_DOCS}" STREQUAL "1")
    list(JOIN nano "\n" lines)
    file(WRITE ${list_file}
         "# SPDX-License-Identifier: Apache-2.0\n# Written by chip_lists_test.cmake with TMPU_UPDATE_DOCS=1.\n${lines}\n")
  endif()
  file(STRINGS ${list_file} listed REGEX "^test_")
  list(LENGTH listed count)
  if(count LESS ${least})
    message(FATAL_ERROR "${list_file} lists ${count} cases, fewer than the ${least} that are promised")
  endif()
  compare("${listed}" "${nano}" "${list_file}")
  if(differs)
    message(FATAL_ERROR "${differs}")
  endif()
  set(listed "${listed}" PARENT_SCOPE)
endfunction()

check_list(f32_without_host_step f32 "\"host_steps\": 0," 650)
check_list(floats_in_f16 f16 "\"host_steps\": [0-9]+, \"all_floats\": true" 450)
check_list(floats_in_bf16 bf16 "\"host_steps\": [0-9]+, \"all_floats\": true" 450)
check_list(floats_in_int8 int8 "\"host_steps\": [0-9]+, \"all_floats\": true" 250)

# The check can fail, either way.
compare("${listed}" "${listed};test_not_there" "no chip")
if(NOT differs MATCHES "not listed .test_not_there.")
  message(FATAL_ERROR "the check passes a case that is not listed")
endif()
set(found ${listed})
list(POP_FRONT found)
compare("${listed}" "${found}" "no chip")
if(NOT differs MATCHES "no longer passing .test_")
  message(FATAL_ERROR "the check passes a case that is gone")
endif()

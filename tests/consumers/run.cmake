# SPDX-License-Identifier: Apache-2.0
# Builds and runs a project that uses tmpu as a user would. WAY is find_package (from an installed copy), add_subdirectory
# or fetch_content.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")

macro(run what)
  execute_process(
    COMMAND ${ARGN}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "${WAY}: ${what} failed")
  endif()
endmacro()

set(options -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Debug -DEXPECT_VERSION=${VERSION} -DEXPECT_HOST=${HOST}
            -DEXPECT_ONNX=${ONNX})
if(WAY STREQUAL "find_package")
  set(project find_package)
  run("the installation" ${CMAKE_COMMAND} --install ${PROJECT_BUILD} --prefix ${WORK}/prefix --component tmpu_dev)
  # What was installed must not lean on this tree.
  file(GLOB_RECURSE installed "${WORK}/prefix/*.cmake")
  foreach(file IN LISTS installed)
    file(READ "${file}" text)
    foreach(place "${PROJECT_SOURCE}" "${PROJECT_BUILD}")
      string(FIND "${text}" "${place}/" at)
      if(NOT at EQUAL -1)
        message(FATAL_ERROR "${file} names ${place}")
      endif()
    endforeach()
  endforeach()
  list(APPEND options -DCMAKE_PREFIX_PATH=${WORK}/prefix)
else()
  set(project add_subdirectory)
  list(APPEND options -DTMPU_SOURCE=${PROJECT_SOURCE} -DWAY=${WAY})
endif()

run("configuring" ${CMAKE_COMMAND} -S ${PROJECT_SOURCE}/tests/consumers/${project} -B ${WORK}/build -G ${GENERATOR} ${options})
run("building" ${CMAKE_COMMAND} --build ${WORK}/build)
run("running" ${WORK}/build/consumer)
message(STATUS "${WAY}: ${output}")

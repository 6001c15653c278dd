# SPDX-License-Identifier: Apache-2.0
# cmake -P cmake/demo.cmake
#
# Installs the missing Debian packages, builds tmpuc and the demo in build/demo and runs the demo.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)

tmpu_need_packages(${tmpu_packages_demo})

function(step what)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${root}" RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "the demo stopped: ${what} failed (${result})")
  endif()
endfunction()

message("Building tmpuc and the demo (build/demo, once: a few minutes)")
step("configuring" ${CMAKE_COMMAND} -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DTMPU_BUILD_TESTS=OFF
     -DTMPU_BUILD_BENCHMARKS=OFF --log-level=WARNING)
step("building" ${CMAKE_COMMAND} --build build/demo --parallel ${cores} --target tmpuc example_demo)
step("running" build/demo/examples/example_demo)

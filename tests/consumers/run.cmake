# SPDX-License-Identifier: Apache-2.0
# Builds and runs a project that uses tmpu as a user would. WAY is find_package (from an installed copy), deb (from the Debian package),
# pkg_config (the compiler alone, told by pkg-config), add_subdirectory or fetch_content.
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
            -DEXPECT_ONNX=${ONNX} -DEXPECT_TFLITE=${TFLITE})
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
elseif(WAY MATCHES "^(deb|pkg_config)$")
  set(project find_package)
  foreach(tool dpkg-deb pkg-config)
    find_program(found_${tool} ${tool})
    if(NOT found_${tool})
      message(STATUS "${WAY}: skipped, there is no ${tool}")
      return()
    endif()
  endforeach()
  run("configuring for the package" ${CMAKE_COMMAND} -S ${PROJECT_SOURCE} -B ${WORK}/package -G ${GENERATOR}
      -DCMAKE_CXX_COMPILER=${COMPILER} -DTMPU_BUILD_TESTS=OFF -DTMPU_BUILD_EXAMPLES=OFF -DTMPU_BUILD_PYTHON=OFF
      -DTMPU_BUILD_BENCHMARKS=OFF)
  get_filename_component(cpack "${CMAKE_COMMAND}" DIRECTORY)
  run("cpack" ${cpack}/cpack --config ${WORK}/package/CPackConfig.cmake -G DEB -B ${WORK}/deb)
  run("unpacking" ${found_dpkg-deb} -x ${WORK}/deb/libtmpu-dev_${VERSION}_all.deb ${WORK}/root)
  list(APPEND options -DCMAKE_PREFIX_PATH=${WORK}/root/usr)
  if(WAY STREQUAL "pkg_config")
    set(ENV{PKG_CONFIG_PATH} ${WORK}/root/usr/share/pkgconfig)
    execute_process(
      COMMAND ${found_pkg-config} --cflags tmpu
      OUTPUT_VARIABLE flags
      OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    execute_process(
      COMMAND ${found_pkg-config} --modversion tmpu
      OUTPUT_VARIABLE version
      OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    if(NOT version STREQUAL VERSION OR NOT flags MATCHES "-ffp-contract=off")
      message(FATAL_ERROR "${WAY}: tmpu.pc says version ${version} and flags ${flags}")
    endif()
    separate_arguments(flags)
    run("compiling" ${COMPILER} -std=c++20 ${flags} ${PROJECT_SOURCE}/tests/consumers/main.cpp -o ${WORK}/consumer)
    run("running" ${WORK}/consumer)
    message(STATUS "${WAY}: ${output}")
    return()
  endif()
else()
  set(project add_subdirectory)
  list(APPEND options -DTMPU_SOURCE=${PROJECT_SOURCE} -DWAY=${WAY})
endif()

run("configuring" ${CMAKE_COMMAND} -S ${PROJECT_SOURCE}/tests/consumers/${project} -B ${WORK}/build -G ${GENERATOR} ${options})
run("building" ${CMAKE_COMMAND} --build ${WORK}/build)
run("running" ${WORK}/build/consumer)
message(STATUS "${WAY}: ${output}")

# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# From an ONNX file to a program that the C++ compiler makes: `tmpuc embed` writes the header that examples/embedded has, and the program
# in that example is byte for byte what `tmpuc compile` writes.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
get_filename_component(build ${TMPUC} DIRECTORY)
set(data ${SOURCE}/examples/data)

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE result ERROR_VARIABLE error)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${error}")
  endif()
endfunction()
function(same what a b)
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${a} ${b} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what}: ${a} and ${b} differ")
  endif()
endfunction()

set(model ${data}/digits_cnn.onnx)
run(${TMPUC} calibrate ${model} --data ${data}/digits.npz:calib_x --scale 0.00392156862745098 -o digits.cali)
run(${TMPUC} embed ${model} --quantize int8 --calibration digits.cali -o digits_cnn.hpp)
same("the committed header is not what tmpuc embed writes now" ${WORK}/digits_cnn.hpp ${SOURCE}/examples/embedded/digits_cnn.hpp)
run(${TMPUC} compile ${model} --chip nano --quantize int8 --calibration digits.cali -o digits.tmodel)
run(${build}/examples/embedded/example_embedded ${WORK}/embedded.tmodel)
same("constant evaluation and tmpuc make different programs" ${WORK}/embedded.tmodel ${WORK}/digits.tmodel)

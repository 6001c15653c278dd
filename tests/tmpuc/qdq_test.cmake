# SPDX-License-Identifier: Apache-2.0
# tmpu-test: needs=tmpuc
# export-qdq: ONNX Runtime's integers against those of the instruction stream, of the classifier and, where they are, of the trained models.
cmake_minimum_required(VERSION 3.25)
find_program(python python3 REQUIRED)
execute_process(COMMAND ${python} -c "import numpy, onnxruntime" RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
if(missing)
  message("skipped: python3 does not find numpy and onnxruntime: pip install numpy onnxruntime")
  return()
endif()
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(agreement ${python} ${SOURCE}/tools/qdq_agreement.py --tmpuc ${TMPUC} --work ${WORK})
set(data ${SOURCE}/examples/data)
execute_process(COMMAND ${agreement} --onnx ${data}/digits_cnn.onnx --calib ${data}/digits.npz:calib_x --data ${data}/digits.npz:test_x
                        --scale 0.00392156862745098
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "ONNX Runtime computes something else, see above")
endif()
set(models "$ENV{TMPU_SHARED_MODELS}")
if(NOT EXISTS "${models}/sr_espcn.onnx")
  message("the trained models are left out: TMPU_SHARED_MODELS does not name their folder")
  return()
endif()
# Sums read by floats, a table of a function, recurrent cells, gates.
execute_process(COMMAND ${agreement} --models ${models} --model sr_espcn --model digits_rnn --model digits_mobilenet --samples 10
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "ONNX Runtime computes something else, see above")
endif()

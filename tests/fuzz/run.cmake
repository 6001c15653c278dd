# SPDX-License-Identifier: Apache-2.0
# cmake -DFUZZER=BINARY -DTHING=importer -DWORK=FOLDER -DSECONDS=60 -P run.cmake
# Runs a libFuzzer target for a while. Those of the importers begin with the smallest models of ONNX's backend tests and with the models of
# tests/tflite/data, the others bring their seeds along.
file(MAKE_DIRECTORY ${WORK}/corpus ${WORK}/found)
set(most_bytes 2000)
if(THING STREQUAL "tmodel")
  set(most_bytes 20000) # its sections begin on pages of 4,096 bytes
elseif(THING STREQUAL "tflite")
  set(most_bytes 14000)
  file(COPY ${CMAKE_CURRENT_LIST_DIR}/../tflite/data/ DESTINATION ${WORK}/corpus FILES_MATCHING PATTERN "*.tflite")
endif()
set(models "")
if(THING STREQUAL "importer")
  file(GLOB models /usr/share/libonnx-testdata/data/*/*/model.onnx)
endif()
foreach(model IN LISTS models)
  file(SIZE ${model} size)
  if(size LESS 1500)
    get_filename_component(case ${model} DIRECTORY)
    get_filename_component(case ${case} NAME)
    configure_file(${model} ${WORK}/corpus/${case} COPYONLY)
  endif()
endforeach()
execute_process(
  COMMAND ${FUZZER} -max_total_time=${SECONDS} -max_len=${most_bytes} -timeout=10 -rss_limit_mb=1500 -malloc_limit_mb=1000 -print_final_stats=1
          -artifact_prefix=${WORK}/ ${WORK}/found ${WORK}/corpus
  WORKING_DIRECTORY ${WORK}
  OUTPUT_FILE ${WORK}/log.txt
  ERROR_FILE ${WORK}/log.txt
  RESULT_VARIABLE result)
file(READ ${WORK}/log.txt log)
string(REGEX MATCHALL "stat::[^\n]*|[^\n]*(ERROR|runtime error|fuzz fault:)[^\n]*" facts "${log}")
list(JOIN facts "\n" facts)
message("${facts}")
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the fuzzer found a fault: ${WORK}/log.txt; the input lies beside it")
endif()

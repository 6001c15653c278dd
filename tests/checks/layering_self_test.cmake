# SPDX-License-Identifier: Apache-2.0
# The include check passes a right tree and names each kind of forbidden include.
cmake_minimum_required(VERSION 3.25)

function(expect name text file line)
  file(REMOVE_RECURSE "${WORK}")
  file(WRITE "${WORK}/include/tmpu/core/a.hpp" "#include <cstdint>\n")
  file(WRITE "${WORK}/include/tmpu/ir/b.hpp" "#include \"tmpu/core/a.hpp\"\n")
  file(WRITE "${WORK}/include/tmpu/host/c.hpp" "#include \"tmpu/ir/b.hpp\"\n#include <xtensor/xarray.hpp>\n")
  file(WRITE "${WORK}/include/tmpu/tmpu.hpp" "#include \"tmpu/host/c.hpp\"\n")
  if(file)
    file(APPEND "${WORK}/include/tmpu/${file}" "${line}\n")
  endif()
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${CHECK}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  string(FIND "${output}" "${text}" at)
  if((file AND result EQUAL 0)
     OR (NOT file AND NOT result EQUAL 0)
     OR at EQUAL -1)
    message(FATAL_ERROR "${name}: result ${result}, wanted \"${text}\" in: ${output}")
  endif()
  message(STATUS "${name}: as expected")
endfunction()

expect("a right tree" "4 headers, 3 includes" "" "")
expect("upwards" "core must not include ir" core/a.hpp "#include \"tmpu/ir/b.hpp\"")
expect("sideways" "exec must not include tpu" exec/e.hpp "#include \"tmpu/tpu/op.hpp\"")
expect("spaces" "core must not include ir" core/a.hpp "  #  include \"tmpu/ir/b.hpp\"")
expect("the pipeline" "root must not include host" compile.hpp "#include \"tmpu/host/c.hpp\"")
expect("the table of contents" "ir must not include umbrella" ir/b.hpp "#include \"tmpu/tmpu.hpp\"")
expect("a new room" "'extra' is not a room" extra/x.hpp "#include <cstdint>")
expect("a missing file" "does not exist" ir/b.hpp "#include \"tmpu/core/nothing.hpp\"")
expect("relative" "write #include \"tmpu/ROOM/FILE.hpp\"" ir/b.hpp "#include \"../core/a.hpp\"")
expect("angle brackets" "write #include \"tmpu/ROOM/FILE.hpp\"" ir/b.hpp "#include <tmpu/core/a.hpp>")
expect("flatbuffers" "in tflite/ only" top/t.hpp "#include <flatbuffers/flatbuffers.h>")
expect("protobuf" "in onnx/ only" top/t.hpp "#include <onnx/onnx_pb.h>")
expect("xtensor" "in host/ only" exec/e.hpp "#include <xtensor/xarray.hpp>")
expect("all of Hana" "narrow Hana headers" core/a.hpp "#include <boost/hana.hpp>")
expect("string in a pass" "not in a room whose passes" lower/l.hpp "#include <string>")

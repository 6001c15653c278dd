# SPDX-License-Identifier: Apache-2.0
# What the headers need from outside, found in one place for the build tree and for find_package(tmpu):
#   tmpu::onnx   tmpu::tmpu + protobuf + ONNX                for include/tmpu/onnx/
#   tmpu::tflite tmpu::tmpu + flatbuffers                for include/tmpu/tflite/
#   tmpu::host   tmpu::tmpu + xtensor + libzip + zlib + threads for include/tmpu/host/
# Each target exists only where its packages were found; tmpu_onnx_missing, tmpu_tflite_missing and tmpu_host_missing say what was not.
include_guard(DIRECTORY)

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON) # so that add_subdirectory() users see the imported targets, too

find_package(Boost 1.81 QUIET)

# ---- tmpu::onnx. Protobuf first: ONNX's config links to its target without finding it.
set(tmpu_onnx_missing "")
find_package(Protobuf QUIET)
if(NOT TARGET protobuf::libprotobuf)
  list(APPEND tmpu_onnx_missing libprotobuf-dev protobuf-compiler)
else()
  find_package(ONNX QUIET CONFIG)
  if(NOT TARGET onnx OR NOT TARGET onnx_proto)
    list(APPEND tmpu_onnx_missing libonnx-dev)
  endif()
endif()
if(NOT tmpu_onnx_missing AND NOT TARGET tmpu::onnx)
  add_library(tmpu::onnx INTERFACE IMPORTED GLOBAL)
  target_link_libraries(tmpu::onnx INTERFACE tmpu::tmpu onnx onnx_proto protobuf::libprotobuf)
endif()

# ---- tmpu::tflite: flatbuffers' headers alone
set(tmpu_tflite_missing "")
find_path(TMPU_FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h)
mark_as_advanced(TMPU_FLATBUFFERS_INCLUDE_DIR)
if(NOT TMPU_FLATBUFFERS_INCLUDE_DIR)
  list(APPEND tmpu_tflite_missing libflatbuffers-dev)
endif()
if(NOT tmpu_tflite_missing AND NOT TARGET tmpu::tflite)
  add_library(tmpu::tflite INTERFACE IMPORTED GLOBAL)
  target_link_libraries(tmpu::tflite INTERFACE tmpu::tmpu)
  target_include_directories(tmpu::tflite INTERFACE ${TMPU_FLATBUFFERS_INCLUDE_DIR})
endif()

# ---- tmpu::host
set(tmpu_host_missing "")
find_package(xtensor QUIET CONFIG)
if(NOT TARGET xtensor)
  list(APPEND tmpu_host_missing libxtensor-dev)
endif()
# Debian's libzip-config.cmake fails unless the zip tools are installed, too: look for the library itself.
find_path(TMPU_ZIP_INCLUDE_DIR zip.h)
find_library(TMPU_ZIP_LIBRARY zip)
mark_as_advanced(TMPU_ZIP_INCLUDE_DIR TMPU_ZIP_LIBRARY)
if(NOT TMPU_ZIP_INCLUDE_DIR OR NOT TMPU_ZIP_LIBRARY)
  list(APPEND tmpu_host_missing libzip-dev)
endif()
find_package(ZLIB QUIET)
if(NOT TARGET ZLIB::ZLIB)
  list(APPEND tmpu_host_missing zlib1g-dev)
endif()
find_package(Threads QUIET)
if(NOT TARGET Threads::Threads)
  list(APPEND tmpu_host_missing libc6-dev)
endif()
if(NOT tmpu_host_missing AND NOT TARGET tmpu::host)
  add_library(tmpu::host INTERFACE IMPORTED GLOBAL)
  target_link_libraries(tmpu::host INTERFACE tmpu::tmpu xtensor ${TMPU_ZIP_LIBRARY} ZLIB::ZLIB Threads::Threads)
  target_include_directories(tmpu::host INTERFACE ${TMPU_ZIP_INCLUDE_DIR})
  # With relaxed matching of template template arguments xtensor 0.24's strided views are silently wrong (g++ 12 in
  # C++20) or ambiguous (clang 19).
  target_compile_options(
    tmpu::host
    INTERFACE
      $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-new-ttp-matching>
      $<$<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,19>>:-fno-relaxed-template-template-args>
      $<$<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,19>>:-Wno-deprecated-no-relaxed-template-template-args>)
endif()

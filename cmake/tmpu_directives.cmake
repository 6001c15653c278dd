# SPDX-License-Identifier: Apache-2.0
include_guard(GLOBAL)

# Warning flags for everything that this project compiles itself; users' targets do not get them.
function(tmpu_add_dev_target)
  add_library(tmpu_dev INTERFACE)
  target_link_libraries(tmpu_dev INTERFACE tmpu::tmpu)
  target_compile_options(
    tmpu_dev
    INTERFACE
      $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wsign-conversion;-Wshadow;-Wno-missing-field-initializers;-Werror>
  )
  if(TMPU_DEEP_CHECKS)
    target_compile_definitions(tmpu_dev INTERFACE TMPU_DEEP_CHECKS=1)
  endif()
endfunction()

# tmpu_scan(PREFIX FILE...)
#
# Reads what a test or an example says about itself, from lines such as
#     // tmpu-test: optimize=3 labels=sanitize,slow timeout=900 limits=big links=onnx,host
# and from its #includes, and sets in the caller:
#   PREFIX_OPTIMIZE  1, 2, 3 or empty     the -O level of this target where the preset has none of its own
#   PREFIX_LABELS    list                 further ctest labels
#   PREFIX_TIMEOUT   seconds or empty
#   PREFIX_LIMITS    "big" or empty       raises the limits on constant evaluation
#   PREFIX_GENERATED name or empty        NAME_generator.cpp beside the test is built and run; what it prints is NAME.generated.hpp
#   PREFIX_NEEDS     "tmpuc" or empty     the test runs the driver: its path is in the environment as TMPU_TMPUC
#   PREFIX_LINKS     list of onnx, tflite, host   from `links=` and from includes of tmpu/onnx/, tmpu/tflite/, tmpu/host/, tmpu/tmpu.hpp, ...
function(tmpu_scan prefix)
  set(optimize "")
  set(labels "")
  set(timeout "")
  set(limits "")
  set(links "")
  set(needs "")
  set(generated "")
  foreach(file IN LISTS ARGN)
    set_property(
      DIRECTORY
      APPEND
      PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" lines REGEX "^(//|#) tmpu-test:|^#include [\"<](tmpu/onnx/|tmpu/tflite/|tmpu/host/|tmpu/tmpu.hpp|onnx/|google/protobuf/|xtensor/|zip\\.h)")
    foreach(line IN LISTS lines)
      if(line MATCHES "tmpu/tmpu.hpp|tmpu/host/") # host/ may include onnx/
        list(APPEND links onnx host)
        if(line MATCHES "tmpu/tmpu.hpp")
          list(APPEND links tflite)
        endif()
      elseif(line MATCHES "^#include .tmpu/tflite")
        list(APPEND links tflite)
      elseif(line MATCHES "^#include .(tmpu/onnx|onnx|google)")
        list(APPEND links onnx)
      elseif(line MATCHES "^#include ")
        list(APPEND links host)
      else()
        string(REGEX REPLACE "^(//|#) tmpu-test:[ ]*" "" line "${line}")
        string(REGEX MATCHALL "[^ ]+" words "${line}")
        foreach(word IN LISTS words)
          if(NOT word MATCHES "^(optimize|labels|timeout|limits|links|needs|generated)=(.+)$")
            message(FATAL_ERROR "${file}: '${word}' is not known in a tmpu-test line; known are optimize= labels= timeout= limits= links= needs= generated=")
          endif()
          string(REPLACE "," ";" value "${CMAKE_MATCH_2}")
          list(APPEND ${CMAKE_MATCH_1} ${value})
        endforeach()
      endif()
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES links)
  foreach(name optimize labels timeout limits links needs generated)
    string(TOUPPER ${name} upper)
    set(${prefix}_${upper}
        "${${name}}"
        PARENT_SCOPE)
  endforeach()
endfunction()

# Applies what tmpu_scan found. Sets ${ok} to FALSE where a package is missing (the target is then not to be made).
function(tmpu_links_available ok prefix what)
  set(${ok}
      TRUE
      PARENT_SCOPE)
  foreach(link IN LISTS ${prefix}_LINKS)
    if(NOT TARGET tmpu::${link})
      message(STATUS "${what} is left out: tmpu::${link} needs the packages ${tmpu_${link}_missing}")
      set(${ok}
          FALSE
          PARENT_SCOPE)
    endif()
  endforeach()
  if(${prefix}_NEEDS AND NOT TARGET ${${prefix}_NEEDS})
    message(STATUS "${what} is left out: ${${prefix}_NEEDS} is not built here")
    set(${ok}
        FALSE
        PARENT_SCOPE)
  endif()
endfunction()

function(tmpu_apply target prefix)
  target_link_libraries(${target} PRIVATE tmpu_dev)
  foreach(link IN LISTS ${prefix}_LINKS)
    target_link_libraries(${target} PRIVATE tmpu::${link})
  endforeach()
  if(${prefix}_OPTIMIZE)
    target_compile_options(${target} PRIVATE -O${${prefix}_OPTIMIZE})
  endif()
  if(${prefix}_LIMITS)
    tmpu_constexpr_limits(${target})
  endif()
endfunction()

# SPDX-License-Identifier: Apache-2.0
include_guard(GLOBAL)

# tmpu_constexpr_limits(TARGET... [OPS n] [LOOP n] [STEPS n])
#
# Raises the compilers' limits on constant evaluation for targets that compile big models in it. The default limits do
# for ResNet-101; clang is the first to need more (about 650 nodes, or 100,000 weights quantized).
#   OPS    g++    -fconstexpr-ops-limit    default here 2,000,000,000
#   LOOP   g++    -fconstexpr-loop-limit   default here   100,000,000
#   STEPS  clang  -fconstexpr-steps        default here 2,000,000,000
# Interface targets hand the flags on to who links them.
function(tmpu_constexpr_limits)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OPS;LOOP;STEPS" "")
  if(NOT arg_OPS)
    set(arg_OPS 2000000000)
  endif()
  if(NOT arg_LOOP)
    set(arg_LOOP 100000000)
  endif()
  if(NOT arg_STEPS)
    set(arg_STEPS 2000000000)
  endif()
  if(NOT arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tmpu_constexpr_limits: name at least one target")
  endif()
  foreach(target IN LISTS arg_UNPARSED_ARGUMENTS)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "tmpu_constexpr_limits: no target named '${target}'")
    endif()
    get_target_property(type ${target} TYPE)
    set(scope PRIVATE)
    if(type STREQUAL "INTERFACE_LIBRARY")
      set(scope INTERFACE)
    endif()
    target_compile_options(
      ${target}
      ${scope}
        $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fconstexpr-ops-limit=${arg_OPS}>
        $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fconstexpr-loop-limit=${arg_LOOP}>
        $<$<COMPILE_LANG_AND_ID:CXX,Clang,AppleClang>:-fconstexpr-steps=${arg_STEPS}>)
  endforeach()
endfunction()

# SPDX-License-Identifier: Apache-2.0
# What both consumers check: the optional parts are there exactly where the project itself found their packages, the
# project builds nothing of its own inside somebody else's build, and the function for the limits is known.
foreach(part HOST ONNX TFLITE)
  string(TOLOWER ${part} name)
  if(EXPECT_${part})
    if(NOT TARGET tmpu::${name})
      message(FATAL_ERROR "there is no tmpu::${name}")
    endif()
    target_link_libraries(consumer PRIVATE tmpu::${name})
    target_compile_definitions(consumer PRIVATE CONSUMER_HAS_${part})
  endif()
endforeach()
foreach(target tmpu_dev tmpuc tests_all)
  if(TARGET ${target})
    message(FATAL_ERROR "the target ${target} leaks into a user's project")
  endif()
endforeach()
tmpu_constexpr_limits(consumer)

# SPDX-License-Identifier: Apache-2.0
# `cpack -G DEB` in a build folder makes libtmpu-dev: the headers, the CMake package and the pkg-config file.
include_guard(GLOBAL)
set(CPACK_PACKAGE_NAME tmpu)
set(CPACK_PACKAGE_CONTACT "the developers of tmpu")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL tmpu_dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_TMPU_DEV_PACKAGE_NAME libtmpu-dev)
set(CPACK_DEBIAN_TMPU_DEV_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_TMPU_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TMPU_DEV_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_TMPU_DEV_PACKAGE_DEPENDS "libboost-dev (>= 1.81) | libboost1.81-dev")
set(CPACK_DEBIAN_TMPU_DEV_PACKAGE_SUGGESTS
    "libflatbuffers-dev, libonnx-dev, libprotobuf-dev, protobuf-compiler, libxtensor-dev, libzip-dev, zlib1g-dev")
include(CPack)

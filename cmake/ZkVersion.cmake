# version.h is the only place that knows the version.

# Sets `out` to major.minor.patch as defined in `header`.
function(zk_read_version header out)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
    file(READ "${header}" text)
    set(numbers)
    foreach(part IN ITEMS MAJOR MINOR PATCH)
        if(NOT text MATCHES "#define ZK_VERSION_${part} ([0-9]+)")
            message(FATAL_ERROR "${header} does not define ZK_VERSION_${part}")
        endif()
        list(APPEND numbers "${CMAKE_MATCH_1}")
    endforeach()
    list(JOIN numbers "." version)
    set(${out} "${version}" PARENT_SCOPE)
endfunction()

# ZK_SANITIZE applies to everything that is built: a program and the library
# that it links must agree.

if(ZK_SANITIZE)
    add_compile_options(
        -fsanitize=${ZK_SANITIZE}
        -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${ZK_SANITIZE})
endif()

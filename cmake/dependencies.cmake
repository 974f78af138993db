# Every outside library, found once. Packages: docs/internals/development.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(lib libevent_core libevent_extra libevent_openssl libevent_pthreads hiredis libcurl zlib libssl libcrypto json-c liblz4)
  string(MAKE_C_IDENTIFIER ${lib} id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${lib})
endforeach()

# llhttp: Debian 13 has the library; Debian 12 ships the C sources with node-llhttp.
find_path(LLHTTP_INCLUDE llhttp.h PATH_SUFFIXES llhttp PATHS /usr/include /usr/share/include)
find_library(LLHTTP_LIBRARY llhttp)
add_library(hookpace_llhttp STATIC cmake/empty.c)
if(LLHTTP_LIBRARY)
  target_link_libraries(hookpace_llhttp PUBLIC ${LLHTTP_LIBRARY})
elseif(EXISTS /usr/share/llhttp/llhttp.c)
  target_sources(hookpace_llhttp PRIVATE
    /usr/share/llhttp/api.c /usr/share/llhttp/http.c /usr/share/llhttp/llhttp.c)
  target_compile_definitions(hookpace_llhttp PRIVATE LLHTTP_STRICT_MODE=1) # 9.x is always strict
else()
  message(FATAL_ERROR "llhttp not found: install libllhttp-dev (Debian 13) or node-llhttp (Debian 12)")
endif()
target_include_directories(hookpace_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})
target_compile_options(hookpace_llhttp PRIVATE -O2 -w)

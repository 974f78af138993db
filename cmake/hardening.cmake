# What the compiler puts between a mistake and its exploitation, or, with a sanitizer, what finds the
# mistake. tests/analysis/hardening looks for it in the binaries.
include(CheckCCompilerFlag)
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection -mbranch-protection=standard)
  string(MAKE_C_IDENTIFIER "has${flag}" has) # the last two are of x86 and of ARM
  check_c_compiler_flag("-Werror ${flag}" ${has})
  if(${has})
    add_compile_options(${flag})
  endif()
endforeach()
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)

if(HOOKPACE_SANITIZE OR HOOKPACE_FUZZ)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(HOOKPACE_SANITIZE_THREADS)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
else() # sanitizers see less through it
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(HOOKPACE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

// The small library that LD_PRELOAD names. Children inherit that variable, so it is also loaded
// by shells and the like; only where the program is linked with libtorch it loads the device.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int look(struct dl_phdr_info* info, size_t size, void* found) {
    (void)size;
    if (strstr(info->dlpi_name, "/libtorch_cpu.so")) *(int*)found |= 1;
    if (strstr(info->dlpi_name, "/libtorch_cuda.so")) *(int*)found |= 2;
    return 0;
}

__attribute__((constructor)) static void start(void) {
    int found = 0;
    dl_iterate_phdr(look, &found);
    if (!(found & 1)) return;
    if (found & 2) {
        fprintf(stderr, "pretend: this program is linked with libtorch_cuda\n");
        _exit(2);
    }
    Dl_info own;
    char path[4096];
    if (!dladdr((void*)look, &own)) return;
    const char* end = strrchr(own.dli_fname, '/');
    int folder = end ? (int)(end - own.dli_fname) + 1 : 0;
    snprintf(path, sizeof path, "%.*spretend_device.so", folder, own.dli_fname);
    if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) {
        fprintf(stderr, "pretend: %s\n", dlerror());
        _exit(2);
    }
}

/*
 * version.h - which zkrt this is. CMakeLists.txt reads the three numbers here.
 */
#ifndef ZKRT_VERSION_H
#define ZKRT_VERSION_H

#include <zkrt/export.h>

#define ZK_VERSION_MAJOR 0
#define ZK_VERSION_MINOR 1
#define ZK_VERSION_PATCH 0

ZK_BEGIN_DECLS

/* The version of the library that was loaded, "major.minor.patch". */
ZK_API const char *zk_version(void);

ZK_END_DECLS

#endif

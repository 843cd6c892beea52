/*
 * ck_md.h - Concurrency Kit's description of the machine, for AArch64.
 *
 * The one that a distribution installs describes the machine it was built
 * for, and the atomic verbs refuse it when cross-compiling. Put this folder
 * before it: -I tools/cross/aarch64. The values are those that Concurrency
 * Kit's own configure script writes for AArch64, without its LSE mode, which
 * does not compile in any release so far.
 */
#ifndef CK_MD_H
#define CK_MD_H

#ifndef CK_MD_CACHELINE
#define CK_MD_CACHELINE (64)
#endif

#ifndef CK_MD_PAGESIZE
#define CK_MD_PAGESIZE (4096)
#endif

#ifndef CK_MD_RTM_DISABLE
#define CK_MD_RTM_DISABLE
#endif

#ifndef CK_MD_LSE_DISABLE
#define CK_MD_LSE_DISABLE
#endif

#ifndef CK_MD_POINTER_PACK_DISABLE
#define CK_MD_POINTER_PACK_DISABLE
#endif

#ifndef CK_MD_SSE_DISABLE
#define CK_MD_SSE_DISABLE
#endif

#ifndef CK_MD_PPC32_LWSYNC_DISABLE
#define CK_MD_PPC32_LWSYNC_DISABLE
#endif

#ifndef CK_MD_VMA_BITS_UNKNOWN
#define CK_MD_VMA_BITS_UNKNOWN
#endif

#ifndef CK_MD_RMO
#define CK_MD_RMO
#endif

#ifndef CK_PR_ENABLE_DOUBLE
#define CK_PR_ENABLE_DOUBLE
#endif

#define CK_VERSION "0.7.1"
#define CK_GIT_SHA ""

#endif

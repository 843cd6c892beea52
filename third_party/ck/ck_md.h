/*
 * ck_md.h - what Concurrency Kit is to know about the machine.
 *
 * CK's configure script writes this file for one machine. This one asks the
 * compiler instead, so the same headers serve native and cross builds. Only
 * what ck_pr reads is decided here.
 */
#ifndef CK_MD_H
#define CK_MD_H

#define CK_MD_CACHELINE (64)
#define CK_MD_PAGESIZE (4096)

#define CK_MD_RTM_DISABLE
#define CK_MD_POINTER_PACK_DISABLE
#define CK_MD_PPC32_LWSYNC_DISABLE
#define CK_MD_VMA_BITS 48ULL

#if defined(__x86_64__)
#define CK_MD_TSO
#define CK_MD_SSE_ENABLE
#else
#define CK_MD_RMO
#define CK_MD_SSE_DISABLE
#endif

#ifdef __ARM_FEATURE_ATOMICS
#define CK_MD_LSE_ENABLE
#else
#define CK_MD_LSE_DISABLE
#endif

#define CK_VERSION "0.7.1"
#define CK_GIT_SHA ""

#endif

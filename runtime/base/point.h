/*
 * point.h - named places at which a test may stop a thread for good.
 *
 * They stand between the instructions where a stopped thread would hurt most,
 * and compile to nothing. With THRUM_POINTS the program must define
 * thrum_point_hook, which is called, unless NULL, with the name of every
 * point that is passed; tests/stop_test.c does.
 */
#ifndef THRUM_BASE_POINT_H
#define THRUM_BASE_POINT_H

#ifdef THRUM_POINTS
extern void (*thrum_point_hook)(const char *name);
#define POINT(name) (thrum_point_hook ? thrum_point_hook(name) : (void)0)
#else
#define POINT(name) ((void)0)
#endif

#endif

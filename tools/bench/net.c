/*
 * net.c - workloads over sockets: see bench.c.
 */
#include "tools/bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listening socket on the loopback interface, its port printed; or -errno. */
static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        return -errno;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* The answer to a request has been sent long before the next one comes: wait first. */
static int echo_one(void *arg)
{
    int fd = *(const int *)arg;
    char bytes[4096];

    while (thrum_fd_wait(fd, THRUM_FD_READ) > 0) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);

        if (got <= 0 || send(fd, bytes, (size_t)got, MSG_NOSIGNAL) != got) /* 64 bytes fit */
            break;
    }
    close(fd);
    return 0;
}

/* Until the process is killed. */
int echo(void *arg)
{
    int listener = listen_anywhere();
    thrum_group group;
    int status = listener < 0 ? listener : thrum_group_open(&group, NULL);
    int one = 1;

    (void)arg;
    while (status >= 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

        if (fd < 0) {
            status = thrum_fd_wait(listener, THRUM_FD_READ);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        status = thrum_group_spawn_copy(&group, echo_one, &fd, sizeof fd, NULL, NULL);
    }
    return listener < 0 ? status : thrum_group_close(&group, status, NULL);
}

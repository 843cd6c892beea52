/*
 * echo.c - a TCP server that sends back what it gets: a task for each connection.
 *
 * With a port as its argument it serves there, on the loopback interface, until it is interrupted
 * (SIGINT). Without one it is its own customer: clients at once talk to it, and then the server is
 * cancelled while one of them is still connected.
 *
 * Calls that read errno are functions of their own: a task may wake on another thread than it fell
 * asleep on, and the compiler must not keep the place of the old one's errno.
 *
 * Prints:
 *     50 clients, 5000 answers, all as sent
 *     the server was cancelled, and has hung up
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

#define CONNECTIONS 1000 /* at most at once; others wait to be accepted */
#define IDLE thrum_s(30) /* who says nothing for so long is hung up on */

enum { CLIENTS = 50, MESSAGES = 100, MESSAGE_BYTES = 64 };

#define OUT_OF_LINE __attribute__((noinline))

/* ---- calls that do not block: what they return, or -errno -------------------------------------- */

static OUT_OF_LINE ssize_t try_receive(int fd, void *bytes, size_t size)
{
    ssize_t got = recv(fd, bytes, size, 0);

    return got < 0 ? -errno : got;
}

static OUT_OF_LINE ssize_t try_send(int fd, const void *bytes, size_t size)
{
    ssize_t put = send(fd, bytes, size, MSG_NOSIGNAL);

    return put < 0 ? -errno : put;
}

static OUT_OF_LINE int try_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static OUT_OF_LINE int try_connect(int fd, const struct sockaddr_in *address)
{
    return connect(fd, (const struct sockaddr *)address, sizeof *address) ? -errno : 0;
}

static OUT_OF_LINE int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

/* ---- the same, for tasks ----------------------------------------------------------------------- */

/* How many bytes came; 0: the other side has hung up; or a status. */
static ssize_t receive(int fd, void *bytes, size_t size)
{
    ssize_t got;

    while ((got = try_receive(fd, bytes, size)) == -EAGAIN) {
        int ready = thrum_fd_wait(fd, THRUM_FD_READ);

        if (ready < 0)
            return ready;
    }
    return got;
}

/* 0 or a status. */
static int send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = try_send(fd, bytes, size);

        if (put >= 0) {
            bytes += put;
            size -= (size_t)put;
        } else if (put == -EAGAIN) {
            int ready = thrum_fd_wait(fd, THRUM_FD_WRITE);

            if (ready < 0)
                return ready;
        } else {
            return (int)put;
        }
    }
    return 0;
}

/* ---- the server -------------------------------------------------------------------------------- */

/* Whose a new connection is: the server's, until its task has taken it. */
struct arrival {
    int fd;
};

static ssize_t receive_in_time(int fd, void *bytes, size_t size)
{
    ssize_t got = 0;
    int status = 0;

    THRUM_TIMEOUT (timeout, IDLE, status) {
        got = receive(fd, bytes, size);
        status = got < 0 ? (int)got : 0;
    }
    return status ? status : got;
}

/* Until the client hangs up, or is too slow. That is its business, and no failure of ours. */
static int serve(void *arg)
{
    struct arrival *arrival = arg;
    int fd = arrival->fd;
    char bytes[4096];
    ssize_t got;
    int status = 0;

    arrival->fd = -1;
    thrum_started(NULL);
    while (!status && (got = receive_in_time(fd, bytes, sizeof bytes)) != 0)
        status = got < 0 ? (int)got : send_all(fd, bytes, (size_t)got);
    close(fd);
    return status == THRUM_ECANCELED ? status : 0;
}

/* A connection, or a status. */
static int accept_one(int listener)
{
    for (;;) {
        int fd = try_accept(listener);
        int status = 0;

        if (fd >= 0)
            return fd;
        if (fd == -EAGAIN)
            status = thrum_fd_wait(listener, THRUM_FD_READ);
        else if (fd == -EMFILE || fd == -ENFILE) /* until others have hung up */
            status = thrum_sleep(thrum_ms(50));
        else if (fd != -ECONNABORTED && fd != -EINTR)
            status = fd;
        if (status < 0)
            return status;
    }
}

/* Never returns but with a status. */
static int serve_all(void *arg)
{
    int listener = *(const int *)arg;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    int status = 0;

    options.limit = CONNECTIONS;
    options.name = "connections";
    THRUM_GROUP (group, &options, status) {
        while (status >= 0) {
            struct arrival arrival = {accept_one(listener)};

            status = arrival.fd;
            if (status >= 0)
                status = thrum_group_start(group, serve, &arrival, NULL, NULL);
            if (arrival.fd >= 0)
                close(arrival.fd); /* nobody has taken it */
        }
    }
    return status;
}

/* *address: where; if the port is 0, any one. The listening socket, or a status. */
static int listen_at(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = new_socket();
    int one = 1;

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)address, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)address, &size)) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

/* ---- its customers ----------------------------------------------------------------------------- */

/* A connection, or a status. */
static int connect_to(const struct sockaddr_in *address)
{
    int fd = new_socket();
    int status = fd < 0 ? fd : try_connect(fd, address);
    socklen_t size = sizeof status;

    if (status == -EINPROGRESS) {
        status = thrum_fd_wait(fd, THRUM_FD_WRITE);
        if (status > 0) {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &size);
            status = -status;
        }
    }
    if (status == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return status;
}

static int ask(int fd, char text)
{
    char sent[MESSAGE_BYTES], back[MESSAGE_BYTES];
    int status;

    memset(sent, text, sizeof sent);
    status = send_all(fd, sent, sizeof sent);
    for (size_t done = 0; !status && done < sizeof back;) {
        ssize_t got = receive(fd, back + done, sizeof back - done);

        status = got < 0 ? (int)got : got == 0 ? -ECONNRESET : 0;
        done += got > 0 ? (size_t)got : 0;
    }
    return status ? status : memcmp(sent, back, sizeof sent) ? -EBADMSG : 0;
}

struct client {
    thrum_child child;
    const struct sockaddr_in *address;
    int answers;
};

static int talk(void *arg)
{
    struct client *client = arg;
    int fd = connect_to(client->address);
    int status = fd < 0 ? fd : 0;

    while (!status && client->answers < MESSAGES) {
        status = ask(fd, (char)client->answers);
        client->answers += status == 0;
    }
    if (fd >= 0)
        close(fd);
    return status;
}

static int talk_all(const struct sockaddr_in *address)
{
    static struct client clients[CLIENTS];
    int status = 0, answers = 0;

    THRUM_GROUP (group, NULL, status) {
        for (int i = 0; i < CLIENTS && !status; i++) {
            clients[i].address = address;
            status = thrum_group_spawn_child(group, &clients[i].child, talk, &clients[i]);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        answers += clients[i].answers;
    if (!status)
        printf("%d clients, %d answers, all as sent\n", CLIENTS, answers);
    return status;
}

/* Who is still connected when the server is cancelled finds that it has hung up. */
static int see_it_go(thrum_task *server, const struct sockaddr_in *address)
{
    thrum_outcome outcome;
    int fd = connect_to(address);
    int status = fd < 0 ? fd : ask(fd, '.');
    char byte;

    thrum_task_cancel(server, 0, "no more customers");
    if (!status)
        status = thrum_task_join(server, &outcome);
    if (!status && outcome.kind == THRUM_CANCELLED && receive(fd, &byte, 1) == 0)
        printf("the server was cancelled, and has hung up\n");
    if (fd >= 0)
        close(fd);
    return status;
}

/* ------------------------------------------------------------------------------------------------ */

static int try_out(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = listen_at(&address);
    int status = listener < 0 ? listener : 0;
    thrum_task *server = NULL;

    (void)arg;
    if (status)
        return status;
    THRUM_GROUP (group, NULL, status) {
        status = thrum_group_spawn(group, serve_all, &listener, NULL, &server);
        if (!status)
            status = talk_all(&address);
        if (!status)
            status = see_it_go(server, &address);
    }
    thrum_task_unref(server);
    close(listener);
    return status;
}

static int serve_at(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(arg))};
    int listener = listen_at(&address);
    int status;

    if (listener < 0)
        return listener;
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    status = serve_all(&listener);
    close(listener);
    return status;
}

int main(int argc, char **argv)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    int status;

    options.flags = THRUM_HANDLE_SIGINT;
    status = argc > 1 ? thrum_run(serve_at, argv[1], &options, NULL)
                      : thrum_run(try_out, NULL, &options, NULL);
    if (status && status != THRUM_ECANCELED)
        fprintf(stderr, "echo: %s\n", thrum_strerror(status));
    return status && status != THRUM_ECANCELED;
}

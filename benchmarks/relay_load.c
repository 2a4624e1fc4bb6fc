/* Load generator, sink and round-trip prober for benchmarks/relay.py: so that no client is the
 * limit. Compiled by the benchmark where gcc is; prints one line of numbers.
 *
 *   load  PORT CONNECTIONS MESSAGES QOS FILE [N]  send FILE's messages (a PUBLISH packet each, with a
 *                                             length before it) round and round; wait for all PUBACKs,
 *                                             each of which stands for N messages
 *   sink  PORT MODE                           take connections; answer CONNECT, and PUBLISH by
 *                                             PUBACK: 1 each, 0 only every 500th packet id
 *   probe PORT RATE COUNT FILE                QOS 1, one at a time at RATE a second: microseconds
 *                                             from PUBLISH to PUBACK, one a line
 *   idle  PORT COUNT                          open so many connections, print ready, wait for input
 *   sub   PORT COUNT                          subscribe to all, QoS 1, take COUNT messages
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUF (1 << 18)

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void all(int fd, const unsigned char *p, size_t n) {
  while (n) {
    ssize_t k = write(fd, p, n);
    if (k <= 0) die("write");
    p += k, n -= k;
  }
}

static void need(int fd, unsigned char *p, size_t n) {
  while (n) {
    ssize_t k = read(fd, p, n);
    if (k <= 0) die("read");
    p += k, n -= k;
  }
}

/* one incremental framer for each connection: calls back with type, flags and packet id */
struct frames {
  unsigned char head[8];
  int have;
  long skip;
  int state; /* 0 header, 1 body */
  unsigned char body[4];
  int got, want;
};

static long feed(struct frames *f, const unsigned char *p, long n, int qos_ids, int fd_ack,
                 unsigned char *out, long *outn, long *acks) {
  long publishes = 0;
  while (n) {
    if (f->state == 0) {
      f->head[f->have++] = *p++, n--;
      if (f->have >= 2 && !(f->head[f->have - 1] & 128)) {
        long len = 0;
        for (int i = 1; i < f->have; i++) len |= (long)(f->head[i] & 127) << 7 * (i - 1);
        f->skip = len;
        f->got = 0;
        f->state = 1;
      }
    }
    if (f->state == 1) {
      int type = f->head[0] >> 4, qos = f->head[0] >> 1 & 3;
      while (n && f->skip) {
        if (type == 3 && qos) {
          /* topic length, topic, packet id: keep the two bytes of the id */
          if (f->got < 2) {
            f->body[f->got++] = *p++, n--, f->skip--;
            if (f->got == 2) f->want = 2 + (f->body[0] << 8 | f->body[1]);
            continue;
          }
          if (f->got < f->want) {
            long k = f->want - f->got;
            if (k > n) k = n;
            p += k, n -= k, f->skip -= k, f->got += k;
            continue;
          }
          if (f->got < f->want + 2) {
            f->body[2 + f->got - f->want] = *p++, n--, f->skip--, f->got++;
            continue;
          }
        }
        long k = f->skip < n ? f->skip : n;
        p += k, n -= k, f->skip -= k;
      }
      if (!f->skip) {
        if (type == 1) {
          memcpy(out + *outn, "\x20\x02\0\0", 4), *outn += 4;
        } else if (type == 3) {
          publishes++;
          int id = f->body[2] << 8 | f->body[3];
          if (qos && (qos_ids == 1 || (qos_ids == 0 && id % 500 == 0))) {
            unsigned char a[4] = {0x40, 2, f->body[2], f->body[3]};
            memcpy(out + *outn, a, 4), *outn += 4;
          }
        } else if (type == 4) {
          ++*acks;
        } else if (type == 12) {
          memcpy(out + *outn, "\xd0\0", 2), *outn += 2;
        }
        f->state = 0, f->have = 0;
      }
    }
  }
  return publishes;
}

static void hello(int fd, int number) {
  unsigned char packet[64], reply[4];
  int n = sprintf((char *)packet + 14, "HAB-%02d", number);
  memcpy(packet, "\x10\0\0\4MQTT\4\2\0\x3c\0\0", 14);
  packet[1] = 12 + n, packet[13] = n;
  all(fd, packet, 14 + n);
  need(fd, reply, 4);
  if (reply[0] != 0x20 || reply[3]) {
    fprintf(stderr, "CONNACK %d\n", reply[3]);
    exit(1);
  }
}

/* FILE: for each connection c, blocks of packets for HAB-cc: u32 bytes, u32 packets, bytes */
struct block {
  unsigned char *data;
  unsigned bytes, packets;
};

static struct block blocks[4096];
static int block_count;

static void load_file(const char *path) {
  FILE *f = fopen(path, "rb");
  unsigned head[2];
  if (!f) die(path);
  while (fread(head, 4, 2, f) == 2) {
    struct block *b = &blocks[block_count++];
    b->bytes = head[0], b->packets = head[1], b->data = malloc(head[0]);
    if (fread(b->data, 1, head[0], f) != head[0]) die("short");
  }
  fclose(f);
}

static int run_load(int port, int connections, long messages, int qos, const char *path,
                    int each) {
  load_file(path);
  int per = block_count / connections, ep = epoll_create1(0);
  long sent = 0, acked = 0;
  struct conn {
    int fd, block;
    unsigned offset;
    long sent, inflight, limit, acks;
    struct frames f;
    int armed;
  } *c = calloc(connections, sizeof *c);
  static unsigned char buf[BUF], out[BUF];
  for (int i = 0; i < connections; i++) {
    c[i].fd = dial(port);
    hello(c[i].fd, i + 1);
    fcntl(c[i].fd, F_SETFL, O_NONBLOCK);
    c[i].limit = messages / connections;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &e);
  }
  long total = messages / connections * connections;
  double start = now();
  struct epoll_event ev[64];
  while (qos ? acked < total : sent < total) {
    int n = epoll_wait(ep, ev, 64, 20000);
    if (n <= 0) {
      fprintf(stderr, "stuck: sent %ld acked %ld of %ld\n", sent, acked, total);
      return 1;
    }
    for (int k = 0; k < n; k++) {
      struct conn *x = &c[ev[k].data.u32];
      if (ev[k].events & EPOLLIN) {
        ssize_t got = read(x->fd, buf, BUF);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
          fprintf(stderr, "closed: sent %ld acked %ld\n", sent, acked);
          return 1;
        }
        if (got > 0) {
          long outn = 0, acks = 0;
          feed(&x->f, buf, got, -1, 0, out, &outn, &acks);
          acks *= each;
          x->acks += acks, acked += acks;
        }
      }
      if (ev[k].events & EPOLLOUT) {
        while (x->sent < x->limit) {
          /* packet ids go round; keep fewer in flight than there are */
          struct block *b = &blocks[ev[k].data.u32 * per + x->block];
          if (qos && !x->offset && x->sent - x->acks > 40000) break;
          ssize_t w = write(x->fd, b->data + x->offset, b->bytes - x->offset);
          if (w < 0) break;
          x->offset += w;
          if (x->offset == b->bytes) {
            x->offset = 0, x->sent += b->packets, sent += b->packets;
            x->block = (x->block + 1) % per;
          }
        }
        int want = x->sent < x->limit;
        if (!want && !x->armed) {
          struct epoll_event e = {.events = EPOLLIN, .data.u32 = ev[k].data.u32};
          epoll_ctl(ep, EPOLL_CTL_MOD, x->fd, &e);
          x->armed = 1;
        }
      }
    }
  }
  double took = now() - start;
  printf("%.6f %ld\n", took, sent);
  return 0;
}

static int run_sink(int port, int mode) {
  int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, ep = epoll_create1(0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 4096)) die("bind");
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ev[64];
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  static unsigned char buf[BUF], out[BUF * 4];
  printf("ready\n");
  fflush(stdout);
  struct peer {
    int fd;
    struct frames f;
  };
  for (;;) {
    int n = epoll_wait(ep, ev, 64, -1);
    for (int k = 0; k < n; k++) {
      struct peer *x = ev[k].data.ptr;
      if (!x) {
        x = calloc(1, sizeof *x);
        x->fd = accept(l, NULL, NULL);
        if (x->fd < 0) {
          free(x);
          continue;
        }
        setsockopt(x->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event c = {.events = EPOLLIN, .data.ptr = x};
        epoll_ctl(ep, EPOLL_CTL_ADD, x->fd, &c);
        continue;
      }
      ssize_t got = read(x->fd, buf, BUF);
      if (got <= 0) {
        close(x->fd);
        free(x);
        continue;
      }
      long outn = 0, acks = 0;
      feed(&x->f, buf, got, mode, x->fd, out, &outn, &acks);
      if (outn) all(x->fd, out, outn);
    }
  }
}

static int run_probe(int port, double rate, int count, const char *path) {
  load_file(path);
  int fd = dial(port), used = 0;
  unsigned char reply[4];
  hello(fd, 1);
  struct block *b = &blocks[0];
  unsigned at = 0;
  double next = now();
  for (int i = 0; i < count; i++) {
    if (at >= b->bytes) at = 0, b = &blocks[++used % block_count];
    unsigned len = 3 + (b->data[at + 1] & 127) + (b->data[at + 2] << 7);
    while (now() < next) {
      double left = next - now();
      if (left > 0.0003) usleep((left - 0.0002) * 1e6);
    }
    next += 1 / rate;
    double t = now();
    all(fd, b->data + at, len);
    need(fd, reply, 4);
    printf("%.1f\n", (now() - t) * 1e6);
    at += len;
  }
  return 0;
}

static int run_sub(int port, long count) {
  int fd = dial(port);
  static unsigned char buf[BUF], out[BUF * 4];
  struct frames f = {0};
  unsigned char reply[5];
  all(fd, (unsigned char *)"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3sub", 17);
  need(fd, reply, 4);
  all(fd, (unsigned char *)"\x82\x06\0\1\0\1#\1", 8);
  need(fd, reply, 5);
  printf("ready\n");
  fflush(stdout);
  long seen = 0;
  double start = 0;
  while (seen < count) {
    ssize_t got = read(fd, buf, BUF);
    if (got <= 0) return 1;
    if (!start) start = now();
    long outn = 0, acks = 0;
    seen += feed(&f, buf, got, 1, fd, out, &outn, &acks);
    if (outn) all(fd, out, outn);
  }
  printf("%.6f %ld\n", now() - start, seen);
  return 0;
}

static int run_idle(int port, int count) {
  for (int i = 0; i < count; i++) {
    int fd = dial(port);
    hello(fd, i + 1);
  }
  printf("ready\n");
  fflush(stdout);
  getchar();
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 7 && !strcmp(argv[1], "load"))
    return run_load(atoi(argv[2]), atoi(argv[3]), atol(argv[4]), atoi(argv[5]), argv[6],
                    argc > 7 ? atoi(argv[7]) : 1);
  if (argc >= 4 && !strcmp(argv[1], "sink")) return run_sink(atoi(argv[2]), atoi(argv[3]));
  if (argc >= 6 && !strcmp(argv[1], "probe"))
    return run_probe(atoi(argv[2]), atof(argv[3]), atoi(argv[4]), argv[5]);
  if (argc >= 4 && !strcmp(argv[1], "idle")) return run_idle(atoi(argv[2]), atoi(argv[3]));
  if (argc >= 4 && !strcmp(argv[1], "sub")) return run_sub(atoi(argv[2]), atol(argv[3]));
  fprintf(stderr, "see the head of relay_load.c\n");
  return 2;
}

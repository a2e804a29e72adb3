/* TEST ONLY. Preloaded into a Python process (LD_PRELOAD), this gives it a webcam that does not exist: a V4L2 capture
 * device with memory-mapped YUYV buffers, drawn here. The left half of the picture is red, the right half blue, and
 * its top 16 rows hold the frame number as 16 cells, black or white, highest bit first.
 *
 *   FAKE_V4L2_PATH   the path that is the camera, /dev/video0 when unset
 *   FAKE_V4L2_FAULT  busy      asking for a format fails with EBUSY, as when another program holds the camera
 *                    denied    opening fails with EACCES
 *                    unplug:N  after N frames everything fails with ENODEV
 *                    stall:N   after N frames no frame comes any more
 *
 * The descriptor is a timer, so that select and poll wake at the frame rate without being intercepted.
 * Build: cc -shared -fPIC -O1 -o fake_v4l2_cam.so fake_v4l2_cam.c -ldl
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, SLOT = 1 << 20, CELLS = 16, BAND = 16 };

static struct {
    int fd, streaming, head, tail, queue[64];
    unsigned width, height, count, rate, frame;
    uint8_t *memory;
} cam = {.fd = -1, .width = 640, .height = 480, .rate = 30};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_camera(const char *path) {
    const char *mine = getenv("FAKE_V4L2_PATH");
    return path && !strcmp(path, mine ? mine : "/dev/video0");
}

/* Return 0 when the fault is not set, 1 when set, or the number after the colon. */
static unsigned fault(const char *name) {
    const char *set = getenv("FAKE_V4L2_FAULT");
    size_t length = strlen(name);
    if (!set || strncmp(set, name, length)) return 0;
    return set[length] == ':' ? (unsigned)atoi(set + length + 1) : 1;
}

static int fail(int code) {
    errno = code;
    return -1;
}

static void tick(int on) {
    struct itimerspec spec = {0};
    if (on) spec.it_interval.tv_nsec = spec.it_value.tv_nsec = 1000000000L / cam.rate;
    timerfd_settime(cam.fd, 0, &spec, NULL);
}

static int open_camera(int flags) {
    if (fault("denied")) return fail(EACCES);
    if (fault("unplug") && cam.frame >= fault("unplug")) return fail(ENODEV);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
    /* A second opening only asks whether the camera is there; it must not take over from the first. */
    if (cam.fd < 0) {
        cam.fd = fd;
        cam.streaming = 0;
        cam.head = cam.tail = 0;
        cam.frame = 0;
        if (!cam.memory)
            cam.memory = mmap(NULL, BUFFERS * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    return fd;
}

#define MODE(flags)                              \
    mode_t mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {       \
        va_list list;                            \
        va_start(list, flags);                   \
        mode = va_arg(list, mode_t);             \
        va_end(list);                            \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return is_camera(path) ? open_camera(flags) : REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return is_camera(path) ? open_camera(flags) : REAL(open64)(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return is_camera(path) ? open_camera(flags) : REAL(openat)(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return is_camera(path) ? open_camera(flags) : REAL(openat64)(folder, path, flags, mode);
}
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }

int close(int fd) {
    if (fd >= 0 && fd == cam.fd) cam.fd = -1;
    return REAL(close)(fd);
}

static int is_slot(int fd) { return fd >= 0 && fd == cam.fd; }

/* Buffers are handed out of one block that stays; unmapping a slot must not take it away. */
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return is_slot(fd) ? cam.memory + offset : REAL(mmap)(at, length, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return is_slot(fd) ? cam.memory + offset : REAL(mmap64)(at, length, protection, flags, fd, offset);
}
int munmap(void *at, size_t length) {
    uint8_t *p = at;
    if (cam.memory && p >= cam.memory && p < cam.memory + BUFFERS * SLOT) return 0;
    return REAL(munmap)(at, length);
}

static void draw(uint8_t *out) {
    unsigned cell = cam.width / CELLS;
    for (unsigned y = 0; y < cam.height; y++)
        for (unsigned x = 0; x < cam.width; x += 2, out += 4) {
            int bit = cam.frame >> (CELLS - 1 - x / cell) & 1, left = x < cam.width / 2;
            int luma = y < BAND ? (bit ? 235 : 16) : (left ? 81 : 41);
            out[0] = out[2] = luma;
            out[1] = y < BAND ? 128 : (left ? 90 : 240);
            out[3] = y < BAND ? 128 : (left ? 240 : 110);
        }
}

static int dequeue(struct v4l2_buffer *b) {
    uint64_t ticks;
    if (!cam.streaming || cam.head == cam.tail) return fail(EINVAL);
    if (fault("unplug") && cam.frame >= fault("unplug")) return fail(ENODEV);
    if (fault("stall") && cam.frame >= fault("stall")) {
        tick(0);
        return fail(EAGAIN);
    }
    if (REAL(read)(cam.fd, &ticks, sizeof ticks) != sizeof ticks) return -1;
    int index = cam.queue[cam.head++ % 64];
    draw(cam.memory + (size_t)index * SLOT);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    b->index = index;
    b->bytesused = cam.width * cam.height * 2;
    b->length = SLOT;
    b->sequence = cam.frame++;
    b->field = V4L2_FIELD_NONE;
    b->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    b->timestamp.tv_sec = now.tv_sec;
    b->timestamp.tv_usec = now.tv_nsec / 1000;
    return 0;
}

static int set_format(struct v4l2_format *f, unsigned long request) {
    if (f->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    unsigned small = f->fmt.pix.width <= 320;
    unsigned width = small ? 320 : 640, height = small ? 240 : 480;
    if (request == VIDIOC_G_FMT) width = cam.width, height = cam.height;
    if (request == VIDIOC_S_FMT) {
        if (fault("busy")) return fail(EBUSY);
        cam.width = width;
        cam.height = height;
    }
    memset(&f->fmt.pix, 0, sizeof f->fmt.pix);
    f->fmt.pix.width = width;
    f->fmt.pix.height = height;
    f->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
    f->fmt.pix.field = V4L2_FIELD_NONE;
    f->fmt.pix.bytesperline = width * 2;
    f->fmt.pix.sizeimage = width * height * 2;
    f->fmt.pix.colorspace = V4L2_COLORSPACE_SRGB;
    return 0;
}

static int request_buffers(struct v4l2_requestbuffers *r) {
    if (r->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || r->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
    if (fault("busy")) return fail(EBUSY);
    if (r->count > BUFFERS) r->count = BUFFERS;
    cam.count = r->count;
    cam.head = cam.tail = 0;
    return 0;
}

static int buffer(struct v4l2_buffer *b, int queue) {
    if (b->index >= cam.count) return fail(EINVAL);
    b->length = SLOT;
    b->m.offset = b->index * SLOT;
    b->flags = V4L2_BUF_FLAG_MAPPED;
    if (queue) cam.queue[cam.tail++ % 64] = (int)b->index;
    return 0;
}

static int answer(unsigned long request, void *arg) {
    struct v4l2_capability *capability = arg;
    struct v4l2_streamparm *parm = arg;
    struct v4l2_input *input = arg;
    if (fault("unplug") && cam.frame >= fault("unplug")) return fail(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "fake");
        strcpy((char *)capability->card, "Fake Camera");
        capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    case VIDIOC_ENUMINPUT:
        if (input->index) return fail(EINVAL);
        memset(input, 0, sizeof *input);
        input->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    case VIDIOC_G_INPUT: *(int *)arg = 0; return 0;
    case VIDIOC_S_INPUT: return *(int *)arg ? fail(EINVAL) : 0;
    case VIDIOC_S_FMT:
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT: return set_format(arg, request);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        if (parm->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
        memset(&parm->parm, 0, sizeof parm->parm);
        parm->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        parm->parm.capture.timeperframe.numerator = 1;
        parm->parm.capture.timeperframe.denominator = cam.rate;
        return 0;
    case VIDIOC_REQBUFS: return request_buffers(arg);
    case VIDIOC_QUERYBUF: return buffer(arg, 0);
    case VIDIOC_QBUF: return buffer(arg, 1);
    case VIDIOC_DQBUF: return dequeue(arg);
    case VIDIOC_STREAMON:
        cam.streaming = 1;
        tick(1);
        return 0;
    case VIDIOC_STREAMOFF:
        cam.streaming = 0;
        cam.head = cam.tail = 0;
        tick(0);
        return 0;
    default: return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *arg = va_arg(list, void *);
    va_end(list);
    return is_slot(fd) ? answer(request & 0xffffffffUL, arg) : REAL(ioctl)(fd, request, arg);
}

/* TEST ONLY. Preloaded into a Python process (LD_PRELOAD), this gives it a v4l2loopback device that does not exist: what
 * is written to it is appended to a file.
 *
 *   FAKE_OUT_PATH    the path that is the device, /dev/video9 when unset
 *   FAKE_OUT_FILE    where the pictures go; FAKE_OUT_FILE.format gets "WIDTH HEIGHT FOURCC" at every choice of a format
 *   FAKE_OUT_FAULT   denied       opening fails with EACCES
 *                    other        it is the camera of another driver
 *                    taken        another program writes: with exclusive_caps it is no output any more
 *                    busy         asking for a format fails with EBUSY, as without exclusive_caps
 *                    watched:WxH  somebody reads at this size, so the format stays
 *                    grey         somebody reads grey pictures, so the format stays
 *                    gone         writing fails with ENODEV, as when the module was removed
 *                    short        only half of every picture is taken
 *
 * The environment is read at every call, so that a test can change it while the device is open.
 * Build: cc -shared -fPIC -O1 -o fake_v4l2_out.so fake_v4l2_out.c -ldl
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024 };
static char ours[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *set(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int fault(const char *name) { return !strncmp(set("FAKE_OUT_FAULT", ""), name, strlen(name)); }

static int fail(int code) {
    errno = code;
    return -1;
}

static int is_ours(int fd) { return fd >= 0 && fd < DESCRIPTORS && ours[fd]; }

static int open_device(void) {
    if (fault("denied")) return fail(EACCES);
    int fd = REAL(open)(set("FAKE_OUT_FILE", "/dev/null"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && fd < DESCRIPTORS) ours[fd] = 1;
    return fd;
}

#define OPEN(name)                                                                             \
    int name(const char *path, int flags, ...) {                                               \
        mode_t mode = 0;                                                                       \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                   \
            va_list list;                                                                      \
            va_start(list, flags);                                                             \
            mode = va_arg(list, mode_t);                                                       \
            va_end(list);                                                                      \
        }                                                                                      \
        if (!strcmp(path, set("FAKE_OUT_PATH", "/dev/video9"))) return open_device();         \
        return REAL(name)(path, flags, mode);                                                  \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (is_ours(fd)) ours[fd] = 0;
    return REAL(close)(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
    if (is_ours(fd) && fault("gone")) return fail(ENODEV);
    return REAL(write)(fd, data, is_ours(fd) && fault("short") ? size / 2 : size);
}

static int capability(struct v4l2_capability *c) {
    memset(c, 0, sizeof *c);
    strcpy((char *)c->driver, fault("other") ? "uvcvideo" : "v4l2 loopback");
    strcpy((char *)c->card, "Fake Loopback");
    c->device_caps = (fault("taken") ? V4L2_CAP_VIDEO_CAPTURE : V4L2_CAP_VIDEO_OUTPUT) | V4L2_CAP_READWRITE;
    c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int format(struct v4l2_format *f) {
    struct v4l2_pix_format *p = &f->fmt.pix;
    if (f->type != V4L2_BUF_TYPE_VIDEO_OUTPUT) return fail(EINVAL);
    if (fault("busy")) return fail(EBUSY);
    if (fault("watched")) sscanf(getenv("FAKE_OUT_FAULT"), "watched:%ux%u", &p->width, &p->height);
    if (fault("grey")) p->pixelformat = V4L2_PIX_FMT_GREY;
    int bits = p->pixelformat == V4L2_PIX_FMT_YUYV ? 16 : p->pixelformat == V4L2_PIX_FMT_GREY ? 8 : 12;
    p->bytesperline = p->width * (bits == 16 ? 2 : 1);
    /* The real module rounds up to whole pages, too. */
    p->sizeimage = (p->width * p->height * bits / 8 + 4095) & ~4095u;
    p->field = V4L2_FIELD_NONE;
    char name[4096];
    snprintf(name, sizeof name, "%s.format", set("FAKE_OUT_FILE", "/dev/null"));
    FILE *file = fopen(name, "w");
    if (file) {
        fprintf(file, "%u %u %.4s", p->width, p->height, (char *)&p->pixelformat);
        fclose(file);
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *arg = va_arg(list, void *);
    va_end(list);
    if (!is_ours(fd)) return REAL(ioctl)(fd, request, arg);
    switch (request & 0xffffffffUL) {
    case VIDIOC_QUERYCAP: return capability(arg);
    case VIDIOC_S_FMT:
    case VIDIOC_G_FMT: return format(arg);
    default: return fail(ENOTTY);
    }
}

"""A virtual camera without a kernel module: a PipeWire node, which browsers and OBS see through the camera portal.

libpipewire is called directly (it is there wherever PipeWire is); its thread only ever runs `_on_state` and
`_on_format` here.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path

from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import U8
from . import pod
from .live import NAME, LiveSink, yuyv

LIBRARY = "libpipewire-0.3.so.0"
INSTALL = "sudo apt-get install libpipewire-0.3-0 pipewire wireplumber"
START = "systemctl --user start pipewire wireplumber"
ANSWER_S = 5.0
_UNCONNECTED, _PAUSED, _STREAMING, _ERROR = 0, 2, 3, -1
_OUTPUT, _ANYBODY, _MAP_BUFFERS, _DRIVER = 1, 0xFFFFFFFF, 1 << 2, 1 << 3
_EVENTS_VERSION = 2
# libpipewire's threads call into these: they stay until they are released, at the latest before Python ends.
_open: set[PipeWireSink] = set()
_PROPERTIES = (f'{{ media.type=Video media.category=Capture media.role=Camera media.class=Video/Source '
               f'node.name="{NAME}" node.description="{NAME}" node.nick="{NAME}" }}')


class _Chunk(Structure):
    _fields_ = (("offset", c_uint32), ("size", c_uint32), ("stride", c_int32), ("flags", c_int32))


class _Data(Structure):
    _fields_ = (("type", c_uint32), ("flags", c_uint32), ("fd", c_int64), ("mapoffset", c_uint32),
                ("maxsize", c_uint32), ("data", c_void_p), ("chunk", POINTER(_Chunk)))


class _Header(Structure):
    _fields_ = (("flags", c_uint32), ("offset", c_uint32), ("pts", c_int64), ("dts_offset", c_int64), ("seq", c_uint64))


class _Meta(Structure):
    _fields_ = (("type", c_uint32), ("size", c_uint32), ("data", POINTER(_Header)))


class _SpaBuffer(Structure):
    _fields_ = (("n_metas", c_uint32), ("n_datas", c_uint32), ("metas", POINTER(_Meta)), ("datas", POINTER(_Data)))


class _Buffer(Structure):
    _fields_ = (("buffer", POINTER(_SpaBuffer)), ("user_data", c_void_p), ("size", c_uint64))


_StateChanged = CFUNCTYPE(None, c_void_p, c_int, c_int, c_char_p)
_ParamChanged = CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)


class _Events(Structure):
    _fields_ = (("version", c_uint32), ("destroy", c_void_p), ("state_changed", _StateChanged),
                ("control_info", c_void_p), ("io_changed", c_void_p), ("param_changed", _ParamChanged),
                ("add_buffer", c_void_p), ("remove_buffer", c_void_p), ("process", c_void_p), ("drained", c_void_p),
                ("command", c_void_p), ("trigger_done", c_void_p))


_FUNCTIONS = {
    "pw_init": (None, c_void_p, c_void_p),
    "pw_log_set_level": (None, c_int),
    "pw_thread_loop_new": (c_void_p, c_char_p, c_void_p),
    "pw_thread_loop_get_loop": (c_void_p, c_void_p),
    "pw_thread_loop_start": (c_int, c_void_p),
    "pw_thread_loop_stop": (None, c_void_p),
    "pw_thread_loop_destroy": (None, c_void_p),
    "pw_thread_loop_lock": (None, c_void_p),
    "pw_thread_loop_unlock": (None, c_void_p),
    "pw_properties_new_string": (c_void_p, c_char_p),
    "pw_stream_new_simple": (c_void_p, c_void_p, c_char_p, c_void_p, POINTER(_Events), c_void_p),
    "pw_stream_connect": (c_int, c_void_p, c_int, c_uint32, c_int, POINTER(c_void_p), c_uint32),
    "pw_stream_update_params": (c_int, c_void_p, POINTER(c_void_p), c_uint32),
    "pw_stream_get_node_id": (c_uint32, c_void_p),
    "pw_stream_dequeue_buffer": (POINTER(_Buffer), c_void_p),
    "pw_stream_queue_buffer": (c_int, c_void_p, POINTER(_Buffer)),
    "pw_stream_trigger_process": (c_int, c_void_p),
    "pw_stream_destroy": (None, c_void_p),
}


@cache
def _library() -> ctypes.CDLL:
    """Load libpipewire once. Raises OSError."""
    library = ctypes.CDLL(LIBRARY)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.pw_init(None, None)
    if "PIPEWIRE_DEBUG" not in os.environ:
        # What goes wrong is told by OutputFailed, not by lines on the terminal.
        library.pw_log_set_level(0)
    return library


def problem() -> tuple[str, str]:
    """Return why no PipeWire camera can be made here, and the command to run; both empty when one can be made."""
    try:
        _library()
    except OSError:
        return "PipeWire is not installed", INSTALL
    folders = [os.environ.get(name) for name in ("PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR")]
    folder = next((folder for folder in folders if folder), "/run/pipewire")
    address = Path(folder, os.environ.get("PIPEWIRE_REMOTE") or "pipewire-0")
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(ANSWER_S)
            door.connect(str(address))
    except OSError:
        return "PipeWire does not run for this user", START
    return "", ""


def _array(*pods: bytes) -> ctypes.Array[c_void_p]:
    """Return pointers to parameters; libpipewire copies what they point to."""
    return (c_void_p * len(pods))(*(ctypes.cast(c_char_p(data), c_void_p) for data in pods))


class PipeWireSink(LiveSink):
    """Publishes a camera node called DidLive, which sends YUY2 pictures to whoever watches; while nobody does, nothing
    is converted or copied.

    watched: whether somebody watches. node: its number in PipeWire. skipped: pictures that found every buffer still in
    the watchers' hands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.node = self.skipped = 0
        self._loop = self._pw_stream = None
        self._state = _UNCONNECTED
        self._trouble = ""
        self._settled = threading.Event()
        self._events = _Events(version=_EVENTS_VERSION, state_changed=_StateChanged(self._on_state),
                               param_changed=_ParamChanged(self._on_format))

    @property
    def watched(self) -> bool:
        """Whether somebody watches."""
        return self._state == _STREAMING

    def _begin(self, stream: StreamFormat) -> None:
        why, fix = problem()
        if why:
            raise OutputFailed(f"{why}; run: {fix}")
        self._library = library = _library()
        self._stride, self._height = 2 * (stream.width + stream.width % 2), stream.height
        self._trouble, self.skipped = "", 0
        self._settled.clear()
        _open.add(self)
        self._loop = library.pw_thread_loop_new(b"didlive-camera", None)
        properties = library.pw_properties_new_string(_PROPERTIES.encode())
        self._pw_stream = library.pw_stream_new_simple(library.pw_thread_loop_get_loop(self._loop), NAME.encode(),
                                                       properties, self._events, None)
        if not self._pw_stream:
            raise OutputFailed("PipeWire cannot make a stream; is its configuration file client.conf readable?")
        offer = _array(pod.video_format(self._stride // 2, stream.height, stream.rate_hz))
        answer = library.pw_stream_connect(self._pw_stream, _OUTPUT, _ANYBODY, _MAP_BUFFERS | _DRIVER, offer, 1)
        if answer < 0:
            raise OutputFailed(f"PipeWire does not let us in ({os.strerror(-answer)}); run: {START}")
        library.pw_thread_loop_start(self._loop)
        if not self._settled.wait(ANSWER_S):
            self._trouble = "it does not answer"
        if self._trouble:
            raise OutputFailed(f"PipeWire makes no camera ({self._trouble}); run: {START}")
        with self._locked():
            self.node = library.pw_stream_get_node_id(self._pw_stream)
        self.place = f"{NAME} (PipeWire)"

    def _show(self, image: U8) -> None:
        if self._trouble:
            raise OutputFailed(f"PipeWire went away ({self._trouble}); it is looked for again")
        if not self.watched:
            return
        picture = yuyv(image)
        library = self._library
        with self._locked():
            # Whoever watched may have left meanwhile, and the buffers with them.
            buffer = library.pw_stream_dequeue_buffer(self._pw_stream) if self.watched else None
            if not buffer:
                self.skipped += 1
                return
            self._fill(buffer.contents.buffer.contents, picture)
            library.pw_stream_queue_buffer(self._pw_stream, buffer)
            library.pw_stream_trigger_process(self._pw_stream)

    def _fill(self, buffer: _SpaBuffer, picture: U8) -> None:
        for meta in buffer.metas[:buffer.n_metas]:
            if meta.type == pod.HEADER and meta.size >= pod.HEADER_BYTES:
                meta.data[0] = _Header(pts=time.monotonic_ns(), seq=self.written)
        data = buffer.datas[0]
        fits = data.data and data.maxsize >= picture.nbytes
        if fits:
            ctypes.memmove(data.data, picture.ctypes.data, picture.nbytes)
        data.chunk[0] = _Chunk(size=picture.nbytes if fits else 0, stride=self._stride)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._library.pw_thread_loop_lock(self._loop)
        try:
            yield
        finally:
            self._library.pw_thread_loop_unlock(self._loop)

    def _release(self) -> None:
        loop, stream, self._loop, self._pw_stream = self._loop, self._pw_stream, None, None
        if loop:
            self._library.pw_thread_loop_stop(loop)
        if stream:
            self._library.pw_stream_destroy(stream)
        if loop:
            self._library.pw_thread_loop_destroy(loop)
        self._state, self.node = _UNCONNECTED, 0
        _open.discard(self)

    # In libpipewire's thread, or in ours while its loop does not run.

    def _on_state(self, _: int | None, before: int, now: int, error: bytes | None) -> None:
        self._state = now
        if now == _ERROR or (now == _UNCONNECTED and before != _UNCONNECTED):
            self._trouble = error.decode(errors="replace") if error else "the connection ended"
        if self._trouble or now >= _PAUSED:
            self._settled.set()

    def _on_format(self, _: int | None, use: int, value: int | None) -> None:
        if use == pod.FORMAT and value:
            wanted = _array(pod.buffers(self._stride, self._height), pod.header())
            self._library.pw_stream_update_params(self._pw_stream, wanted, 2)


@atexit.register
def _close_all() -> None:
    for sink in tuple(_open):
        sink.close()
